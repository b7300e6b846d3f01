"""ports.NoticeSender over HTTP: signed after Standard Webhooks, through the guard, and bounded in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import cached_property

import httpx

from pipelines.domain.errors import ForbiddenAddress, NotConfigured
from pipelines.net import Origin, guarded_client, retry_after, total_time
from pipelines.ports import Message, SendOutcome
from pipelines.security import sealing, webhook_signatures
from pipelines.security.secret_keys import SecretKeys

TOTAL_S = 15.0
"""For connecting, sending and waiting for the first line and the headers together; more is not read."""
AGENT = "Reelgrid-Webhooks/1"


class WebhookSender:
    """Reaches inside addresses only at the `trusted` origins, which the operator names. The address is resolved and
    checked at every attempt; no redirect is followed.
    """

    def __init__(self, keys: Callable[[], SecretKeys], trusted: Collection[Origin], total_s: float = TOTAL_S) -> None:
        self._keys, self._trusted, self._total_s = keys, trusted, total_s

    @cached_property
    def _client(self) -> httpx.Client:
        return guarded_client(self._trusted, self._total_s)

    def send(self, message: Message, now: float) -> SendOutcome:
        """One attempt; the body of the answer is not read."""
        started = time.monotonic()
        try:
            request = self._request(message, int(now))
        except NotConfigured as error:
            return SendOutcome(arrived=False, words=error.operator)
        except (httpx.InvalidURL, ValueError):
            return SendOutcome(arrived=False, words="the address cannot be used")
        answer, words = self._exchange(request)
        ms = round(1000 * (time.monotonic() - started))
        if answer is None:
            return SendOutcome(arrived=False, words=words, ms=ms)
        wait = retry_after(answer.headers, datetime.fromtimestamp(now, UTC))
        return SendOutcome(arrived=answer.is_success, words=words, code=answer.status_code, ms=ms, retry_after=wait)

    def _request(self, message: Message, now: int) -> httpx.Request:
        """Raises NotConfigured for what was sealed with another SECRET_KEY."""
        keys = self._keys()
        own = [sealing.unseal(keys, secret) for secret in message.sealed_secrets]
        live = own or webhook_signatures.account_webhook_secrets(keys, message.account_id)
        signature = webhook_signatures.sign_standard_webhook(
            live, message_id=message.id, timestamp=now, body=message.body
        )
        headers = {
            "content-type": "application/json",
            "user-agent": AGENT,
            "webhook-id": message.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature,
        }
        url = sealing.unseal(keys, message.address.sealed)
        return self._client.build_request("POST", url, content=message.body, headers=headers)

    def _exchange(self, request: httpx.Request) -> tuple[httpx.Response | None, str]:
        try:
            with total_time(self._total_s):
                answer = self._client.send(request, stream=True)
                answer.close()
        except ForbiddenAddress:
            return None, "the address leads inside, where nothing is sent"
        except httpx.ConnectTimeout:
            return None, f"no connection within {self._total_s:g} s"
        except httpx.TimeoutException:
            return None, f"no answer within {self._total_s:g} s"
        except httpx.ConnectError:
            return None, "no connection: the name, the port or the certificate is wrong, or nobody is there"
        except httpx.HTTPError:
            return None, "the connection broke, or the answer was no HTTP"
        if answer.has_redirect_location:
            return answer, f"answered {answer.status_code}, a redirect, which is not followed"
        return answer, f"answered {answer.status_code}"

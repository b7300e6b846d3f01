"""The pings that tell a webhook's owner to look, signed and repeated."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
from datetime import UTC, datetime, timedelta

import httpx

from pipelines.sandbox.airtable.state import ids
from pipelines.sandbox.airtable.state.model import Base, Json, Webhook
from pipelines.sandbox.airtable.state.store import World

LIFETIME = timedelta(days=7)
MAX_RETRIES = 13
PING_TIMEOUT_S = 25.0


def expiry() -> str:
    """Seven days from now."""
    return ids.to_iso(datetime.now(UTC) + LIFETIME)


def is_expired(hook: Webhook) -> bool:
    return datetime.fromisoformat(hook.expires) < datetime.now(UTC)


def ping_due(world: World, base: Base) -> None:
    """Ping the webhooks that have payloads nobody was told of."""
    for hook in base.webhooks.values():
        if hook.url and hook.enabled and hook.announced < len(hook.payloads):
            world.background.later(world.limits.settings.ping_delay_s, Pinger(world, hook).run)


def mac(secret_base64: str, body: bytes) -> str:
    """The value of `X-Airtable-Content-MAC`: hex, keyed with the decoded secret."""
    digest = hmac.new(base64.b64decode(secret_base64), body, hashlib.sha256).hexdigest()
    return f"hmac-sha256={digest}"


class Pinger:
    """One notification and its retries. Changes that come while it waits share it."""

    def __init__(self, world: World, hook: Webhook) -> None:
        self.world = world
        self.hook = hook
        self.attempt = 0

    def run(self) -> None:
        """Ping unless another ping has already announced everything there is."""
        with self.world.lock:
            stale = self.hook.announced >= len(self.hook.payloads) and self.attempt == 0
            if stale or not self.hook.enabled or not self.hook.url or is_expired(self.hook):
                return
            self.hook.announced = len(self.hook.payloads)
        started = datetime.now(UTC)
        problem = self._post(self.hook.url)
        self._note(started, problem)

    def _post(self, url: str) -> str | None:
        doc = {"base": {"id": self.hook.base_id}, "webhook": {"id": self.hook.id}, "timestamp": ids.now_iso()}
        body = json.dumps(doc).encode()
        headers = {"Content-Type": "application/json", "X-Airtable-Content-MAC": mac(self.hook.secret, body)}
        try:
            trust = ssl.create_default_context()
            answer = httpx.post(
                url, content=body, headers=headers, timeout=PING_TIMEOUT_S, trust_env=False, verify=trust
            )
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            return f"The notification could not be delivered: {type(exc).__name__}"
        if answer.status_code not in (httpx.codes.OK, httpx.codes.NO_CONTENT) or answer.content:
            return f"The notification URL answered {answer.status_code} with {len(answer.content)} bytes"
        return None

    def _note(self, started: datetime, problem: str | None) -> None:
        finished = datetime.now(UTC)
        again = problem is not None and self.attempt < MAX_RETRIES
        result: Json = {
            "success": problem is None,
            "completionTimestamp": ids.to_iso(finished),
            "durationMs": (finished - started).total_seconds() * 1000,
            "retryNumber": self.attempt,
        }
        if problem is not None:
            result |= {"error": {"message": problem}, "willBeRetried": again}
        with self.world.lock:
            self.hook.last_result = result
            if problem is None:
                self.hook.last_success = result["completionTimestamp"]
            elif not again:
                self.hook.enabled = False
            self.world.save_webhook(self.hook)
        if again:
            delay = self.world.limits.settings.ping_retry_s * 2**self.attempt
            self.attempt += 1
            self.world.background.later(delay, self.run)

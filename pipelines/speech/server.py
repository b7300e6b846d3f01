"""`speech/<voice>`: any server that answers `POST /audio/speech` with sound, as OpenAI's did first.

The answer is the sound itself, at once: what breaks off after the request was sent may have been billed, so it is
`Ambiguous` and never asked for again by this module. The key and address of the scene writer are not taken silently.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from pipelines.domain.errors import (
    Ambiguous,
    ForbiddenAddress,
    NotConfigured,
    OutOfCredit,
    ProviderFailed,
    RateLimited,
    ReelgridError,
    Refused,
    Unavailable,
)
from pipelines.domain.planning.narration import Line
from pipelines.net import guarded_client, redact, retry_after, total_time
from pipelines.settings import Settings

NAME = "speech"
ANSWER_S = 180.0
CONNECT_S = 5.0
LARGEST = 20 * 1024 * 1024
"""Bytes of one line: a minute of PCM in stereo is 12 MB."""
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
_REFUSED = ("content_policy", "content_filter", "moderation", "safety")
_NOT_TOLD = "The voice service did not accept this line. Change its Narration, or choose another Voice."
_DECLINED = "The voice service declined to say this. Change its Narration and start again."
_NOT_SET_UP = "The voice service is not set up rightly. Ask your operator."
_EMPTY = "The voice service's account is out of credit. Ask your operator."
_AWAY = "The voice service does not answer right now."


@dataclass(frozen=True, slots=True)
class Server:
    """ports.Speaker on the configured server."""

    settings: Settings
    http: httpx.Client

    def say(self, line: Line, dest: Path) -> None:
        """One POST; what comes back is written as it is."""
        body = {
            "model": self.settings.speech_model,
            "input": line.text,
            "voice": line.voice.partition("/")[2],
            "response_format": "wav",
        }
        key = self.settings.speech_api_key
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        with _paid(), total_time(ANSWER_S):
            url = f"{self.settings.speech_base_url}/audio/speech"
            with self.http.stream("POST", url, json=body, headers=headers) as answer:
                if not answer.is_success:
                    answer.read()
                    raise error_of(answer.status_code, _json_of(answer), answer.headers)
                self._write(answer, dest)

    def _write(self, answer: httpx.Response, dest: Path) -> None:
        if answer.headers.get("content-type", "").startswith(("application/json", "text/")):
            raise Ambiguous("the voice server answered 200 with words instead of sound")
        size = 0
        with dest.open("wb") as file:
            for piece in answer.iter_bytes():
                size += len(piece)
                if size > LARGEST:
                    raise Ambiguous(f"the voice server sent more than {LARGEST:,} bytes")
                file.write(piece)


@contextmanager
def speaking(settings: Settings) -> Iterator[Server]:
    """A client for the lines of one film."""
    timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
    with guarded_client(settings.trusted_origins[NAME], timeout=timeout) as http:
        yield Server(settings, http)


@contextmanager
def _paid() -> Iterator[None]:
    """Around the one POST: a failure before it left us is Unavailable, every other one Ambiguous."""
    try:
        yield
    except ForbiddenAddress as error:
        raise NotConfigured(f"SPEECH_BASE_URL: {error}", marketer=_NOT_SET_UP) from error
    except _NEVER_LEFT as error:
        raise Unavailable(f"the voice server could not be reached: {type(error).__name__}", marketer=_AWAY) from error
    except httpx.HTTPError as error:
        raise Ambiguous(f"the voice server was asked, and {type(error).__name__} came back") from error
    except OSError as error:
        # Our own disk, most likely: the answer came, and is paid for.
        raise Ambiguous(f"the voice server answered, and that could not be written: {error.strerror}") from error


def error_of(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> ReelgridError:
    """Our error for an answer that is no sound. What may have been said after the work is Ambiguous."""
    code = " ".join(str(body.get(name) or "") for name in ("code", "type")).lower()
    said = f"the voice server answered {status} {code.strip()}: {redact(str(body.get('message') or ''))}"[:300]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT):
        return Ambiguous(said)
    if status == HTTPStatus.PAYMENT_REQUIRED or "insufficient_quota" in code:
        return OutOfCredit(said, marketer=_EMPTY)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(said, marketer=_AWAY, retry_after=retry_after(headers, datetime.now(UTC)))
    if any(word in code for word in _REFUSED):
        return Refused(said, marketer=_DECLINED)
    if status < HTTPStatus.BAD_REQUEST or status in (
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
    ):
        return NotConfigured(said, marketer=_NOT_SET_UP)
    return ProviderFailed(said, marketer=_NOT_TOLD)


def _json_of(answer: httpx.Response) -> Mapping[str, Any]:
    """The error object of an answer; its text as the message where it is none."""
    try:
        found = json.loads(answer.content[:LARGEST])
    except ValueError:
        return {"message": answer.text[:300]}
    inner = found.get("error", found) if isinstance(found, dict) else {}
    return inner if isinstance(inner, dict) else {"message": str(inner)}

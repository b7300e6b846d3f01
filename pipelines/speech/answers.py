"""What voices behind HTTP share: one POST, never repeated, and its answer told apart by whether it may have cost.

The answer is the sound, at once: what breaks off after the request was sent may have been billed, so it is `Ambiguous`.
"""

from __future__ import annotations

import base64
import binascii
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
from pipelines.net import guarded_client, redact, retry_after, total_time
from pipelines.settings import Settings

ANSWER_S = 180.0
CONNECT_S = 5.0
LARGEST = 20 * 1024 * 1024
"""Bytes of one answer: a minute of PCM in stereo is 12 MB."""
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
_REFUSED = ("content_policy", "content_filter", "moderation", "safety", "prohibited", "against_policy", "blocked")
_EMPTY_CODES = ("insufficient_quota", "quota_exceeded", "payment_required")
_KEY_CODES = ("api_key", "unauthenticated", "permission")
_NOT_TOLD = "The voice service did not accept this line. Change its Narration, or choose another Voice."
_DECLINED = "The voice service declined to say this. Change its Narration and start again."
_NOT_SET_UP = "The voice service is not set up rightly. Ask your operator."
_EMPTY = "The voice service's account is out of credit. Ask your operator."
_AWAY = "The voice service does not answer right now."


@dataclass(frozen=True, slots=True)
class Problem:
    """What a vendor says in an error: its codes in small letters, and a sentence. `passing`: a quota that fills by
    itself.
    """

    code: str = ""
    message: str = ""
    passing: bool = True
    wait_s: float | None = None


@contextmanager
def client(settings: Settings, vendor: str) -> Iterator[httpx.Client]:
    """A client for the lines of one film."""
    timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
    with guarded_client(settings.trusted_origins[vendor], timeout=timeout) as http:
        yield http


@contextmanager
def asked(
    http: httpx.Client, url: str, body: Mapping[str, Any], headers: Mapping[str, str], setting: str
) -> Iterator[httpx.Response]:
    """Ask once. A failure before it left us is Unavailable, every other one Ambiguous."""
    try:
        with total_time(ANSWER_S), http.stream("POST", url, json=body, headers=headers) as answer:
            yield answer
    except ForbiddenAddress as error:
        raise NotConfigured(f"{setting}: {error}", marketer=_NOT_SET_UP) from error
    except _NEVER_LEFT as error:
        raise Unavailable(f"the voice server could not be reached: {type(error).__name__}", marketer=_AWAY) from error
    except httpx.HTTPError as error:
        raise Ambiguous(f"the voice server was asked, and {type(error).__name__} came back") from error
    except OSError as error:
        # Our own disk, most likely: the answer came, and is paid for.
        raise Ambiguous(f"the voice server answered, and that could not be written: {error.strerror}") from error


def pieces(answer: httpx.Response) -> Iterator[bytes]:
    """The bytes of an answer, of which nobody sends without end."""
    size = 0
    for piece in answer.iter_bytes():
        size += len(piece)
        if size > LARGEST:
            raise Ambiguous(f"the voice server sent more than {LARGEST:,} bytes")
        yield piece


def json_of(answer: httpx.Response) -> dict[str, Any]:
    """The object that an answer is; its text as the message where it is none."""
    content = b"".join(pieces(answer))
    try:
        found = json.loads(content)
    except ValueError:
        return {"message": content[:300].decode(errors="replace")}
    return found if isinstance(found, dict) else {"message": str(found)[:300]}


def write_base64(data: object, dest: Path) -> None:
    """Sound that came inside an answer. It may have been billed, whatever it is."""
    try:
        sound = base64.b64decode(data if isinstance(data, str) else "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Ambiguous(f"the voice server's sound is not base64: {error}") from error
    if not sound:
        raise Ambiguous("the voice server answered without sound")
    dest.write_bytes(sound)


def error_of(status: int, said: Problem, headers: Mapping[str, str]) -> ReelgridError:
    """Our error for an answer that is no sound. What may have been said after the work is Ambiguous."""
    told = f"the voice server answered {status} {said.code.strip()}: {redact(said.message)}"[:300]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT):
        return Ambiguous(told)
    empty = status == HTTPStatus.TOO_MANY_REQUESTS and not said.passing
    if status == HTTPStatus.PAYMENT_REQUIRED or empty or _one_of(_EMPTY_CODES, said.code):
        return OutOfCredit(told, marketer=_EMPTY)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = retry_after(headers, datetime.now(UTC)) or said.wait_s
        return RateLimited(told, marketer=_AWAY, retry_after=wait)
    if _one_of(_REFUSED, said.code):
        return Refused(told, marketer=_DECLINED)
    if "voice_not_found" in said.code:
        return ProviderFailed(told, marketer=_NOT_TOLD)
    unset = status < HTTPStatus.BAD_REQUEST or status in (
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
    )
    if unset or _one_of(_KEY_CODES, said.code):
        return NotConfigured(told, marketer=_NOT_SET_UP)
    return ProviderFailed(told, marketer=_NOT_TOLD)


def _one_of(words: tuple[str, ...], code: str) -> bool:
    return any(word in code for word in words)

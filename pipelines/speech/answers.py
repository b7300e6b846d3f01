"""What voices behind HTTP share: one POST, never repeated, and its answer told apart by whether it may have cost.

The answer is the sound, at once: what breaks off after the request was sent may have been billed, so it is `Ambiguous`.
"""

from __future__ import annotations

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
    NotConfigured,
    OutOfCredit,
    ProviderFailed,
    RateLimited,
    ReelgridError,
    Refused,
)
from pipelines.net import from_base64, guarded_client, object_in, paid, pieces, redact, retry_after, total_time
from pipelines.settings import Settings

ANSWER_S = 180.0
CONNECT_S = 5.0
LARGEST = 20 * 1024 * 1024
"""Bytes of one answer: a minute of PCM in stereo is 12 MB."""
_SERVICE = "the voice server"
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
    """Ask once. A failure before it left us is Unavailable, every other one Ambiguous. `setting` names the address."""
    try:
        with (
            paid(f"{_SERVICE} ({setting})", away=_AWAY, not_set_up=_NOT_SET_UP),
            total_time(ANSWER_S),
            http.stream("POST", url, json=body, headers=headers) as answer,
        ):
            yield answer
    except OSError as error:
        # Our own disk, most likely: the answer came, and is paid for.
        raise Ambiguous(f"{_SERVICE} answered, and that could not be written: {error.strerror}") from error


def sound_of(answer: httpx.Response) -> Iterator[bytes]:
    """The bytes of an answer, no more than a line may have."""
    return pieces(answer, LARGEST, _SERVICE)


def json_of(answer: httpx.Response) -> dict[str, Any]:
    """The object that an answer is; its text as the message where it is none."""
    return object_in(b"".join(sound_of(answer)))


def write_base64(data: object, dest: Path) -> None:
    """Sound that came inside an answer. It may have been billed, whatever it is."""
    try:
        sound = from_base64(data if isinstance(data, str) else "")
    except ValueError as error:
        raise Ambiguous(f"{_SERVICE}'s sound is not base64: {error}") from error
    if not sound:
        raise Ambiguous(f"{_SERVICE} answered without sound")
    dest.write_bytes(sound)


def error_of(status: int, said: Problem, headers: Mapping[str, str]) -> ReelgridError:
    """Our error for an answer that is no sound. What may have been said after the work is Ambiguous."""
    told = f"{_SERVICE} answered {status} {said.code.strip()}: {redact(said.message)}"[:300]
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

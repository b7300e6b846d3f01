"""What vendors call things, in our words: statuses, reasons of failure, and the many shapes of an error body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from pipelines.domain.errors import (
    Ambiguous,
    Expired,
    InvalidOrder,
    NotConfigured,
    OutOfCredit,
    Problem,
    RateLimited,
    ReelgridError,
    Refused,
    Unavailable,
)
from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.net import error_for_status, redact

MAX_WORDS = 300
"""Characters of a vendor's message that are kept."""

_ABOUT_US = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals that say nothing about whether a server has a list. Any other 4xx to a plain list says that it has none."""
_NO_LIST_WORDS = ("notimplemented", "notsupported", "unsupported", "llmprovidernotprovided", "doesnotsupport")
"""The same in words, where a server answers 500."""
_NOT_SET_UP = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})

_G = GenerationStatus
_STATUSES: Mapping[GenerationStatus, tuple[str, ...]] = {
    _G.SUBMITTED: (
        "queued", "queue", "in queue", "on queue", "queuing", "queueing", "enqueued", "pending", "submitted", "waiting",
        "preprocessing", "preparing", "prepared", "not started", "not start", "throttled", "starting", "created",
        "accepted", "scheduled", "received", "registered", "staged", "initialized", "initializing", "new", "init",
    ),
    _G.RUNNING: (
        "in progress", "processing", "process", "running", "generating", "dreaming", "rendering", "working", "started",
        "executing", "streaming", "postprocessing", "uploading", "encoding", "finalizing", "ongoing", "retrying",
        "moderating", "reviewing", "cancelling", "canceling",
    ),
    _G.SUCCEEDED: (
        "completed", "complete", "succeeded", "succeed", "success", "successful", "successfully", "successed", "done",
        "finished", "finish", "finish success", "ready", "generated", "rendered", "processed", "fulfilled", "finalized",
        "available", "all success", "all done", "render complete", "rendering complete", "rendering done",
        "render success", "partial success", "partially completed", "partially succeeded", "completed with errors",
        "completed with warnings", "success with fallback",
    ),
    _G.FAILED: (
        "failed", "fail", "failure", "error", "errored", "rejected", "refused", "denied", "blocked", "filtered",
        "content filtered", "flagged", "moderated", "moderation blocked", "moderation failed", "nsfw", "deleted",
        "removed", "expired", "timeout", "timed out", "time out", "invalid", "unsuccessful", "crashed", "exception",
        "declined", "prohibited", "violation", "sensitive", "insufficient credits", "out of credits",
        "create task failed", "generate failed",
    ),
    _G.CANCELLED: (
        "cancelled", "canceled", "cancel", "aborted", "abort", "stopped", "terminated", "killed", "revoked",
    ),
}  # fmt: skip
_PREFIXES = ("task", "job", "video", "media", "generation", "generate", "output", "status", "state", "is")
"""What some write before the word: `TASK_STATUS_SUCCEED`, `JOB_STATE_FAILED`, `video.generation.completed`."""
_SUFFIXES = ("successfully", "withwarnings", "withwarning")
_BAD_ENDS = frozenset({
    "failed", "failure", "error", "errored", "exception", "violation", "rejected", "refused", "declined", "denied",
    "blocked", "filtered", "flagged", "detected", "exceeded", "crashed",
})  # fmt: skip
_BAD_STARTS = frozenset({"failed", "failure", "error", "rejected"})
"""A word of several parts is a failure where it ends, or begins, like this: `INTERNAL_ERROR`, `FAILED_MODERATION`."""
_GOES_ON = frozenset({"retry", "retrying", "recovering", "recovery", "no", "not", "without", "checking", "pending"})
_MESSAGES = ("message", "msg", "failmsg", "errormessage", "errormsg", "errmsg", "failreason", "description")
_CODES = ("code", "failcode", "errorcode", "errcode")
"""Where an error has its words, by their squeezed names."""
_NO_ERROR = frozenset({"", "ok", "none", "null", "nil", "na", "noerror", "no", "false", "0", "200"})
"""What some write where an error would stand."""

# Words that vendors use in codes and messages, most telling first.
_REASONS: tuple[tuple[Reason, tuple[str, ...]], ...] = (
    (
        Reason.REFUSED,
        (
            "moderation", "content_policy", "content policy", "safety", "prohibited", "sensitive", "nsfw", "flagged",
            "violat", "inappropriate", "responsible ai", "rai_", "guideline", "blocked",
        ),
    ),
    (Reason.QUOTA, ("insufficient_quota", "quota", "credit", "billing", "balance", "budget_exceeded")),
    (Reason.EXPIRED, ("expired",)),
    (Reason.INVALID, ("invalid", "unsupported", "not supported", "must be", "validation")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """What a vendor said of a failure: its code, its type, its message; empty where it said nothing."""

    code: str = ""
    kind: str = ""
    message: str = ""

    @property
    def text(self) -> str:
        """All of it in one line, for the operator, without secrets."""
        parts = dict.fromkeys(part for part in (self.code, self.message) if part)
        return redact(": ".join(parts))[:MAX_WORDS]


def squeezed(word: object) -> str:
    """A word or the name of a field without what servers differ in: case, hyphens, underscores, dots, spaces."""
    text = str(word)
    return _known_squeezed(text) if len(text) < _LONGEST_NAME else _squeezed(text)


def _squeezed(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


_LONGEST_NAME = 64
"""No field or status that we look for has a longer one."""
_known_squeezed = lru_cache(maxsize=2_048)(_squeezed)
"""Every answer of a vendor has the same few."""


def parsed(text: str) -> Any:
    """What a text holds that is JSON itself; None for any other."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_STATUS_OF = {squeezed(word): status for status, words in _STATUSES.items() for word in words}


def fields_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """Its fields by their squeezed names; of two that differ in spelling only, the first counts."""
    found: dict[str, Any] = {}
    for name, value in part.items():
        found.setdefault(squeezed(name), value)
    return found


def known_status(word: object) -> GenerationStatus | None:
    """Our status for a vendor's word; None for a word nobody has told us about."""
    if not isinstance(word, str):
        return None
    rest = squeezed(word)
    for suffix in _SUFFIXES:
        rest = rest.removesuffix(suffix) or rest
    while rest not in _STATUS_OF:
        prefix = next((prefix for prefix in _PREFIXES if rest.startswith(prefix)), None)
        if prefix is None:
            return _G.FAILED if _ends_badly(word) else None
        rest = rest.removeprefix(prefix)
    return _STATUS_OF[rest]


def _ends_badly(word: str) -> bool:
    parts = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", word).lower())
    bad = len(parts) > 1 and (parts[0] in _BAD_STARTS or parts[-1] in _BAD_ENDS)
    return bad and not _GOES_ON & set(parts)


def is_no_error(words: Words) -> bool:
    """Whether what stands in the place of an error says that there is none."""
    code, message = squeezed(words.code), squeezed(words.message)
    return all(word in _NO_ERROR or known_status(word) is _G.SUCCEEDED for word in (code, message))


def reason_of(words: Words) -> Reason:
    """Why a job failed, from the vendor's code first and its message second."""
    for text in (f"{words.code} {words.kind}".lower(), words.message.lower()):
        for reason, marks in _REASONS:
            if any(mark in text for mark in marks):
                return reason
    return Reason.PROVIDER_ERROR


def words_of(body: Any) -> Words:
    """The code and message of an error body: OpenAI's `error` object or text, a flat object, FastAPI's `detail`,
    kie.ai's `msg`, or plain text.
    """
    named = fields_of(body) if isinstance(body, Mapping) else {"error": body}
    match named:
        case {"error": Mapping() as error} | {"error": [Mapping() as error, *_]}:
            return _flat(error)
        case {"error": str() as message}:
            return Words(code=_code(named), message=message)
        case {"detail": list() as details}:
            return Words(message="; ".join(_detail(entry) for entry in details))
        case {"detail": detail} if detail:
            return words_of(detail) if isinstance(detail, dict) else Words(message=str(detail))
        case _:
            return _flat(named)


def _flat(error: Mapping[str, Any]) -> Words:
    named = fields_of(error)
    message = next((named[name] for name in _MESSAGES if named.get(name)), "")
    kind = " ".join(str(part) for part in (named.get("type"), named.get("status"), *_details(named)) if part)
    return Words(code=_code(named), kind=kind, message=str(message))


def _details(error: Mapping[str, Any]) -> list[str]:
    """Google's `details[].reason`, and what stands for it in OpenRouter's `metadata`."""
    details, metadata = error.get("details"), error.get("metadata")
    found = (
        [str(entry.get("reason", "")) for entry in details if isinstance(entry, dict)]
        if isinstance(details, list)
        else []
    )
    if isinstance(metadata, dict) and (metadata.get("flagged_input") or metadata.get("reasons")):
        found.append("moderation")
    return found


def _code(error: Mapping[str, Any]) -> str:
    return str(next((error[name] for name in _CODES if error.get(name)), ""))


def _detail(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    loc = entry.get("loc") or ()
    place = ".".join(str(part) for part in (loc if isinstance(loc, list | tuple) else [loc]))
    return f"{place}: {entry.get('msg', '')}".removeprefix(": ")


def is_about_key(words: Words) -> bool:
    """Whether our key was refused, whatever the status: Google says 400."""
    return "api_key" in f"{words.code} {words.kind}".lower()


def has_no_list(status: int, body: Any) -> bool:
    """Whether a refusal to list says that there is no list, rather than something about our key or the moment."""
    if is_about_key(words_of(body)):
        return False
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return status not in _ABOUT_US
    said = squeezed(body)
    return status == HTTPStatus.NOT_IMPLEMENTED or any(words in said for words in _NO_LIST_WORDS)


def is_passing(body: Any) -> bool:
    """Whether a used-up quota fills again by itself within minutes: Google says quota for both kinds."""
    return retry_delay(body) is not None or "perminute" in str(body).lower().replace(" ", "").replace("_", "")


def retry_delay(body: Any) -> float | None:
    """Seconds of Google's `RetryInfo`, written `"12.5s"`, among the details of an error."""
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for entry in details if isinstance(details, list) else []:
        delay = str(entry.get("retryDelay", "")) if isinstance(entry, dict) else ""
        if delay.endswith("s") and delay[:-1].replace(".", "", 1).isdecimal():
            return float(delay[:-1])
    return None


def create_error(status: int, body: Any, *, vendor: str, headers: Mapping[str, str]) -> ReelgridError:
    """Our error for the answer to a paid create. What a server may have said after taking the request is Ambiguous."""
    words = words_of(body)
    said = f"{vendor} answered {status}: {words.text}".removesuffix(": ")
    reason = reason_of(words)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT}:
        return Ambiguous(said)
    passing = status == HTTPStatus.TOO_MANY_REQUESTS and is_passing(body)
    if status == HTTPStatus.PAYMENT_REQUIRED or (
        status == HTTPStatus.TOO_MANY_REQUESTS and reason is Reason.QUOTA and not passing
    ):
        return OutOfCredit(said)
    if status < HTTPStatus.BAD_REQUEST or status in _NOT_SET_UP or is_about_key(words):
        # A redirect is an address that moved: nothing was taken there.
        return NotConfigured(said)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        error = error_for_status(status, vendor=vendor, message=words.text, headers=headers)
        return RateLimited(said, retry_after=error.retry_after or retry_delay(body))
    if reason is Reason.REFUSED:
        return Refused(said)
    if status == HTTPStatus.FORBIDDEN:
        return NotConfigured(said)
    return InvalidOrder([Problem("request", f"{vendor} does not accept it: {words.text or f'HTTP {status}'}.")])


def read_error(status: int, body: Any, *, vendor: str, headers: Mapping[str, str]) -> ReelgridError:
    """Our error for the answer to a free request about something that may be paid for: only a refused key and a
    forgotten job are final, all else is asked again until the deadline.
    """
    words = words_of(body)
    if is_about_key(words):
        return NotConfigured(f"{vendor} answered {status}: {words.text}")
    error = error_for_status(status, vendor=vendor, message=words.text, headers=headers)
    if isinstance(error, NotConfigured | Expired | RateLimited):
        return error
    return Unavailable(error.operator, retry_after=error.retry_after)

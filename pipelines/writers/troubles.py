"""From the errors of a language model's server to the one tree.

`None` means that the server does not understand the request, so another way of asking may work. Statuses and codes:
openai 3.51.0 and the platform's error reference; `content_filter` is Azure's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from pipelines.domain.errors import NotConfigured, OutOfCredit, RateLimited, ReelgridError, Refused, Unavailable
from pipelines.net import NEVER_LEFT, redact, retry_after

REFUSED_WORDS = frozenset({"invalid_prompt", "content_policy_violation", "content_filter", "moderation_blocked"})
NO_SUCH_ROUTE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_NOT_UNDERSTOOD = NO_SUCH_ROUTE | {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_NO_MODEL = "model_not_found"
_NO_MONEY = "insufficient_quota"
_MAX_QUOTED = 300
_BUSY = "The service that writes scenes is busy; we are waiting for our turn."
_AWAY = "The service that writes scenes does not answer right now; we keep trying."
_DECLINED = "The language model declined to write these scenes. Change the Master Prompt, or write the scenes yourself."
_NO_ACCESS = "Scenes cannot be written: the scene writer is not set up rightly. Ask your operator, then retry."
_EMPTY = "The account that writes scenes is out of credit. Ask your operator, then retry: nothing is lost."


def error_for(status: int, error: Mapping[str, Any], headers: Mapping[str, str]) -> ReelgridError | None:
    """The error to raise for an HTTP status and the `error` object of its body; None when we were not understood."""
    code, kind = str(error.get("code") or ""), str(error.get("type") or "")
    words = f"the language model's server answered {status} {code}: {redact(str(error.get('message') or ''))}"
    operator = words[:_MAX_QUOTED].removesuffix(": ")
    if status == HTTPStatus.PAYMENT_REQUIRED or _NO_MONEY in {code, kind}:
        return OutOfCredit(operator, marketer=_EMPTY)
    if code == _NO_MODEL:
        return NotConfigured(f"{operator} (check OPENAI_MODEL)", marketer=_NO_ACCESS)
    if code in REFUSED_WORDS:
        return declined(operator)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return NotConfigured(f"{operator} (check OPENAI_API_KEY)", marketer=_NO_ACCESS)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return NotConfigured(f"{operator} (OPENAI_BASE_URL redirects)", marketer=_NO_ACCESS)
    if status in _NOT_UNDERSTOOD:
        return None
    wait = retry_after(headers, datetime.now(UTC))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(operator, marketer=_BUSY, retry_after=wait)
    return Unavailable(operator, marketer=_AWAY, retry_after=wait)


def away(problem: Exception) -> Unavailable:
    """Nobody answered."""
    cause = problem.__cause__ or problem
    return Unavailable(f"the language model's server: {type(cause).__name__}: {redact(str(cause))}", marketer=_AWAY)


def is_lost(problem: Unavailable) -> bool:
    """Whether a question left us and no answer came back: it may be paid for."""
    import httpx

    cause = problem.__cause__
    cause = (cause and cause.__cause__) or cause
    return isinstance(cause, httpx.HTTPError) and not isinstance(cause, NEVER_LEFT)


def declined(operator: str) -> Refused:
    """The model said no."""
    return Refused(redact(operator)[:_MAX_QUOTED], marketer=_DECLINED)

"""From HTTP to the one exception tree, for every adapter that has no finer knowledge of its vendor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from pipelines.domain.errors import (
    Expired,
    InvalidOrder,
    NotConfigured,
    OutOfCredit,
    Problem,
    ProviderFailed,
    RateLimited,
    ReelgridError,
    Unavailable,
)
from pipelines.logs import redact

MAX_QUOTED = 300
"""Characters of a vendor's message that are kept."""
_MAX_RETRY_AFTER_S = 3600.0
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.LOCKED, HTTPStatus.TOO_EARLY})


def translate_http(problem: httpx.Response | Exception, *, vendor: str) -> ReelgridError:
    """The error of our tree for a failed answer or a failed exchange; the caller raises it.

    Not enough for a paid request: there a timeout, a reset or a 5xx means `Ambiguous`, which only the adapter
    can know. A body is quoted only when it was read already.
    """
    if isinstance(problem, ReelgridError):
        return problem
    if isinstance(problem, httpx.Response):
        return error_for_status(problem.status_code, vendor=vendor, message=_quotable(problem), headers=problem.headers)
    return Unavailable(f"{vendor}: {type(problem).__name__}: {redact(str(problem))[:MAX_QUOTED]}")


def error_for_status(
    status: int, *, vendor: str, message: str = "", headers: Mapping[str, str] | None = None
) -> ReelgridError:
    """The error of our tree for an HTTP status; `message` is the vendor's own, and is redacted and shortened here."""
    words = redact(message)[:MAX_QUOTED]
    operator = f"{vendor} answered {status}: {words}".removesuffix(": ")
    wait = retry_after(headers or {}, datetime.now(UTC))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(operator, retry_after=wait)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER:
        return Unavailable(operator, retry_after=wait)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return NotConfigured(operator)
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return OutOfCredit(operator)
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return Expired(operator)
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}:
        return InvalidOrder([Problem("request", f"{vendor} does not accept it: {words or 'no reason given'}.")])
    return ProviderFailed(operator)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait as `retry-after-ms` or `Retry-After` (seconds or an HTTP date) say, at most an hour."""
    found = {name.lower(): value.strip() for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        number = _number(found.get(name, ""))
        if number is not None:
            return min(number * unit, _MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(found.get("retry-after", ""))
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), _MAX_RETRY_AFTER_S)


def _number(text: str) -> float | None:
    """A plain decimal; `float` alone would also take nan, inf and 1_0."""
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    return float(text) if whole and digits.isascii() and digits.isdigit() else None


def _quotable(response: httpx.Response) -> str:
    try:
        return response.text
    except httpx.ResponseNotRead:
        return ""

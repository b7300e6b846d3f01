"""What the adapters share: one paid POST, its errors in our words, and the picture out of its answer.

The picture is in the answer: what breaks off after the request was sent may have been billed, so it is `Ambiguous` and
never asked for again here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
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
from pipelines.net import from_base64, object_in, paid, pieces, redact, retry_after, total_time

ANSWER_S = 240.0
CONNECT_S = 5.0
LARGEST = 40 * 1024 * 1024
"""Bytes of an answer: a picture of 4K in base64 is below 30 MB."""
DECLINED = "The picture service declined to make this picture."
_AWAY = "The picture service does not answer right now."
_NOT_SET_UP = "The picture service is not set up rightly. Ask your operator."
_EMPTY = "The picture service's account is out of credit. Ask your operator."
_NOT_TAKEN = "The picture service did not accept this picture."
_SERVICE = "the picture service"
_REFUSED = ("content_policy", "moderation", "safety", "prohibited", "blocked")
_OUT_OF_CREDIT = ("insufficient_quota", "billing_hard_limit", "billing_not_active")


def asked(http: httpx.Client, request: httpx.Request) -> dict[str, Any]:
    """The JSON of one POST that may cost. Raises of the tree."""
    with paid(_SERVICE, away=_AWAY, not_set_up=_NOT_SET_UP), total_time(ANSWER_S):
        answer = http.send(request, stream=True)
        try:
            body = object_in(b"".join(pieces(answer, LARGEST, _SERVICE)))
        finally:
            answer.close()
    if not answer.is_success:
        raise error_of(answer.status_code, body, answer.headers)
    return body


def error_of(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> ReelgridError:
    """Our error for an answer that is no success. What may have been said after the work is Ambiguous."""
    error = body.get("error")
    inner = error if isinstance(error, Mapping) else {"message": error or body.get("message")}
    code = " ".join([*(str(inner.get(name) or "") for name in ("code", "type", "status")), *_reasons(inner)]).lower()
    said = f"{_SERVICE} answered {status} {code.strip()}: {redact(str(inner.get('message') or ''))}"[:300]
    if any(word in code for word in _OUT_OF_CREDIT) or status == HTTPStatus.PAYMENT_REQUIRED:
        return OutOfCredit(said, marketer=_EMPTY)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT):
        return Ambiguous(said)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(said, marketer=_AWAY, retry_after=retry_after(headers, datetime.now(UTC)))
    if any(word in code for word in _REFUSED):
        return Refused(said, marketer=DECLINED)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND) or status < 400:  # noqa: PLR2004
        return NotConfigured(said, marketer=_NOT_SET_UP)
    return ProviderFailed(said, marketer=_NOT_TAKEN)


def _reasons(error: Mapping[str, Any]) -> list[str]:
    """What Google gives beside its code, such as PROHIBITED_CONTENT."""
    details = error.get("details")
    listed = details if isinstance(details, list) else []
    return [str(one.get("reason") or "") for one in listed if isinstance(one, Mapping)]


def write_picture(encoded: object, dest: Path) -> None:
    """The picture of an answer as JPEG, untouched where it is one. What is no picture is paid for: Ambiguous."""
    from PIL import Image, UnidentifiedImageError

    from pipelines.net.pixels import open_plain, to_rgb

    try:
        raw = from_base64(str(encoded or ""))
        with open_plain(io.BytesIO(raw)) as image:
            image.load()
            if image.format != "JPEG":
                to_rgb(image).save(dest, "JPEG", quality=95)
                return
    except (ValueError, UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise Ambiguous(f"{_SERVICE} sent no picture: {type(error).__name__}") from error
    dest.write_bytes(raw)

"""What the adapters share: one paid POST, its errors in our words, and the picture out of its answer.

The picture is in the answer: what breaks off after the request was sent may have been billed, so it is `Ambiguous` and
never asked for again here.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from pipelines.net import redact, retry_after, total_time

ANSWER_S = 240.0
CONNECT_S = 5.0
LARGEST = 40 * 1024 * 1024
"""Bytes of an answer: a picture of 4K in base64 is below 30 MB."""
DECLINED = "The picture service declined to make this picture."
_AWAY = "The picture service does not answer right now."
_NOT_SET_UP = "The picture service is not set up rightly. Ask your operator."
_EMPTY = "The picture service's account is out of credit. Ask your operator."
_NOT_TAKEN = "The picture service did not accept this picture."
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
_REFUSED = ("content_policy", "moderation", "safety", "prohibited", "blocked")
_OUT_OF_CREDIT = ("insufficient_quota", "billing_hard_limit", "billing_not_active")


def asked(http: httpx.Client, request: httpx.Request) -> dict[str, Any]:
    """The JSON of one POST that may cost. Raises of the tree."""
    with _paid(), total_time(ANSWER_S):
        answer = http.send(request, stream=True)
        try:
            raw = _read(answer)
        finally:
            answer.close()
    body = _json_of(raw)
    if not answer.is_success:
        raise error_of(answer.status_code, body, answer.headers)
    return body


def _read(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    for piece in answer.iter_bytes():
        size += len(piece)
        if size > LARGEST:
            raise Ambiguous(f"the picture service sent more than {LARGEST:,} bytes")
        parts.append(piece)
    return b"".join(parts)


@contextmanager
def _paid() -> Iterator[None]:
    """Around the one POST: a failure before it left us is Unavailable, every other one Ambiguous."""
    try:
        yield
    except ForbiddenAddress as error:
        raise NotConfigured(f"the picture service: {error}", marketer=_NOT_SET_UP) from error
    except _NEVER_LEFT as error:
        raise Unavailable(
            f"the picture service could not be reached: {type(error).__name__}", marketer=_AWAY
        ) from error
    except httpx.HTTPError as error:
        raise Ambiguous(f"the picture service was asked, and {type(error).__name__} came back") from error


def error_of(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> ReelgridError:
    """Our error for an answer that is no success. What may have been said after the work is Ambiguous."""
    error = body.get("error")
    inner = error if isinstance(error, Mapping) else {"message": error or body.get("message")}
    code = " ".join([*(str(inner.get(name) or "") for name in ("code", "type", "status")), *_reasons(inner)]).lower()
    said = f"the picture service answered {status} {code.strip()}: {redact(str(inner.get('message') or ''))}"[:300]
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


def _json_of(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {"message": raw[:300].decode("utf-8", "replace")}
    return found if isinstance(found, dict) else {"message": str(found)[:300]}


def write_picture(encoded: object, dest: Path) -> None:
    """The picture of an answer as JPEG, untouched where it is one. What is no picture is paid for: Ambiguous."""
    from PIL import Image, UnidentifiedImageError

    from pipelines.net.pixels import open_plain, to_rgb

    try:
        raw = base64.b64decode(str(encoded or ""), validate=True)
        with open_plain(io.BytesIO(raw)) as image:
            image.load()
            if image.format != "JPEG":
                to_rgb(image).save(dest, "JPEG", quality=95)
                return
    except (binascii.Error, UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise Ambiguous(f"the picture service sent no picture: {type(error).__name__}") from error
    dest.write_bytes(raw)

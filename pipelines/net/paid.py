"""What all adapters share that pay by one POST: whether it may have cost, and what came inside its answer."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from pipelines.domain.errors import Ambiguous, ForbiddenAddress, NotConfigured, Unavailable

NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
"""Failures before the request was sent."""
DATA_URL = re.compile(r"\s*data:[^,]{0,200};base64,", re.IGNORECASE)
"""What stands before a file that is written as an address."""


@contextmanager
def paid(vendor: str, *, away: str | None = None, not_set_up: str | None = None) -> Iterator[None]:
    """Around the one POST that costs money: a failure before the request left us is Unavailable, every other failure
    of the exchange is Ambiguous. `away` and `not_set_up` are what a marketer reads. Answers are judged by the adapter.
    """
    try:
        yield
    except ForbiddenAddress as error:
        raise NotConfigured(f"{vendor}: {error}", marketer=not_set_up) from error
    except NEVER_LEFT as error:
        raise Unavailable(f"{vendor} could not be reached: {type(error).__name__}", marketer=away) from error
    except httpx.HTTPError as error:
        raise Ambiguous(f"{vendor}: the request was sent and {type(error).__name__} came back") from error


def pieces(answer: httpx.Response, most: int, vendor: str) -> Iterator[bytes]:
    """The bytes of a paid answer, of which nobody sends without end."""
    size = 0
    for piece in answer.iter_bytes():
        size += len(piece)
        if size > most:
            raise Ambiguous(f"{vendor} sent more than {most:,} bytes")
        yield piece


def object_in(content: bytes) -> dict[str, Any]:
    """The object that an answer is; its text as the message where it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {"message": content[:300].decode(errors="replace")}
    return found if isinstance(found, dict) else {"message": str(found)[:300]}


def from_base64(text: str) -> bytes:
    """With either alphabet, with or without padding, line ends and `data:` before it. Raises ValueError."""
    begun = DATA_URL.match(text[:256])
    plain = re.sub(r"\s+", "", text[begun.end() if begun else 0 :]).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)

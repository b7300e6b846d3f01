"""Fetching a file from an address that came with data: guarded, bounded, checked, whole on disk."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import IO

import httpx

from pipelines.domain.errors import (
    BadDelivery,
    Expired,
    ForbiddenAddress,
    ReelgridError,
    Unavailable,
    UnplayableMedia,
)
from pipelines.net.disk import whole_file
from pipelines.net.guard import READ_TIMEOUT_S, guarded_client, origin_of
from pipelines.net.http_errors import translate_http
from pipelines.settings import Origin

MAX_REDIRECTS = 5
MAX_BYTES = 2 * 1024**3
MAX_SECONDS = 1800.0
_CHUNK = 256 * 1024
_GONE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_TEXT_TYPES = ("text/html", "application/json", "application/problem+json", "application/xhtml")
_TEXT_STARTS = (b"<", b"{", b"[")
_HEAD = 512
EXCERPT_BYTES = 64 * 1024
"""Of a text that came instead of a file, so much is kept for whoever can make something of it."""
_BAD_ADDRESS = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that arrived whole."""

    path: Path
    sha256: str
    size: int
    """Bytes."""
    content_type: str
    """As the server said, without parameters; empty when it said nothing."""
    final_url: str
    """The address after all redirects. May carry a signature: not for logs."""


def download(
    url: str,
    dest: Path,
    *,
    trusted: Collection[Origin] = (),
    max_bytes: int = MAX_BYTES,
    headers: Mapping[str, str] | None = None,
    timeout: float = READ_TIMEOUT_S,
    max_seconds: float = MAX_SECONDS,
    max_text: int = EXCERPT_BYTES,
) -> Downloaded:
    """Stream `url` to `dest`, which appears only when every byte has arrived.

    `headers` are sent to the first origin only, not to where it redirects. `timeout` is per read and `max_seconds`
    for the whole body. Raises `BadDelivery` for an empty, cut or textual body, `UnplayableMedia` over `max_bytes`,
    `Expired` for 403, 404 and 410, `RateLimited`, `Unavailable`, `ForbiddenAddress`, `Busy` when the disk is full.
    Up to `max_text` bytes of a text that came instead are in the error's `body`.
    """
    with (
        _our_errors(),
        guarded_client(trusted, timeout) as client,
        _following(client, url, dict(headers or {})) as response,
    ):
        deadline = time.monotonic() + max_seconds
        chunks = response.iter_bytes(_CHUNK)
        _refuse_bad_answer(response, chunks, max_bytes, max_text)
        first = next(chunks, b"")
        if _is_text(first, _media_type(response)):
            said = _media_type(response) or "text"
            raise _with_body(BadDelivery(f"the download is {said}, not a file"), _text(chunks, max_text, first))
        with whole_file(dest) as file:
            sha256, size = _copy(response, chain([first], chunks), file, max_bytes, deadline)
        return Downloaded(dest, sha256, size, _media_type(response), str(response.url))


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except _BAD_ADDRESS as error:
        raise ForbiddenAddress(f"not a usable address: {type(error).__name__}") from error
    except httpx.RemoteProtocolError as error:
        raise BadDelivery("the answer broke off before its end") from error
    except httpx.DecodingError as error:
        raise BadDelivery("the body's compression is damaged") from error
    except httpx.TransportError as error:
        raise translate_http(error, vendor="download") from error


@contextmanager
def _following(client: httpx.Client, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """The answer behind up to `MAX_REDIRECTS` redirects; each hop passes the guard again."""
    target = httpx.URL(url)
    for _ in range(MAX_REDIRECTS + 1):
        request = client.build_request("GET", target, headers={**headers, "Accept-Encoding": "identity"})
        response = client.send(request, stream=True)
        try:
            if not response.has_redirect_location:
                yield response
                return
            following = target.join(response.headers["Location"])
        finally:
            response.close()
        if origin_of(following) != origin_of(target):
            headers = {}
        target = following
    raise BadDelivery(f"more than {MAX_REDIRECTS} redirects")


def _refuse_bad_answer(response: httpx.Response, chunks: Iterator[bytes], max_bytes: int, max_text: int) -> None:
    if response.status_code in _GONE:
        raise _with_body(Expired(f"the download answered {response.status_code}"), _text(chunks, max_text))
    if response.is_error:
        raise _with_body(translate_http(response, vendor="download"), _text(chunks, max_text))
    if not response.is_success or (response.status_code == HTTPStatus.PARTIAL_CONTENT and not _is_whole(response)):
        raise BadDelivery(f"the download answered {response.status_code}")
    if (_announced(response) or 0) > max_bytes:
        raise _too_large(max_bytes)


def _is_whole(response: httpx.Response) -> bool:
    """Whether a partial answer that nobody asked for holds all there is: some servers answer every request so."""
    found = re.fullmatch(r"bytes 0-(\d+)/(\d+)", response.headers.get("Content-Range", "").strip(), re.ASCII)
    return found is not None and int(found[1]) + 1 == int(found[2])


def _is_text(head: bytes, media_type: str) -> bool:
    """By what came rather than by what the server calls it: a file that is called text is a file."""
    begun = head[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    return begun.startswith(_TEXT_STARTS) or (media_type.startswith(_TEXT_TYPES) and b"\0" not in head[:_HEAD])


def _text(chunks: Iterator[bytes], limit: int, begun: bytes = b"") -> str:
    """What a server wrote instead of a file, as far as it comes soon."""
    deadline = time.monotonic() + READ_TIMEOUT_S
    with suppress(httpx.HTTPError):
        for chunk in chunks:
            begun += chunk
            if len(begun) > limit or time.monotonic() > deadline:
                break
    return begun[:limit].decode(errors="replace")


def _with_body(error: ReelgridError, body: str) -> ReelgridError:
    error.body = body
    return error


def _copy(
    response: httpx.Response, chunks: Iterable[bytes], file: IO[bytes], max_bytes: int, deadline: float
) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        if time.monotonic() > deadline:
            raise Unavailable("the download is too slow")
        digest.update(chunk)
        file.write(chunk)
    announced = _announced(response)
    if not size or announced not in {None, response.num_bytes_downloaded}:
        raise BadDelivery(f"the download has {size} bytes of {announced}")
    return digest.hexdigest(), size


def _announced(response: httpx.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _too_large(max_bytes: int) -> UnplayableMedia:
    limit = f"{max_bytes / 1024**2:.0f} MB"
    return UnplayableMedia(f"larger than {limit}", marketer=f"The file is larger than the {limit} allowed.")

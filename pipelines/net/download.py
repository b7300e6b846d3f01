"""Fetching a file from an address that came with data: guarded, bounded, checked, whole on disk."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO

import httpx

from pipelines.domain.errors import BadDelivery, Expired, ForbiddenAddress, Unavailable, UnplayableMedia
from pipelines.net.disk import whole_file
from pipelines.net.guard import READ_TIMEOUT_S, guarded_client, origin_of
from pipelines.net.translate import translate_http
from pipelines.settings import Origin

MAX_REDIRECTS = 5
MAX_BYTES = 2 * 1024**3
MAX_SECONDS = 1800.0
_CHUNK = 256 * 1024
_GONE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_TEXT_TYPES = ("text/html", "application/json", "application/problem+json", "application/xhtml")
_TEXT_STARTS = (b"<", b"{", b"[")
_BAD_ADDRESS = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError)


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
) -> Downloaded:
    """Stream `url` to `dest`, which appears only when every byte has arrived.

    `headers` are sent to the first origin only, not to where it redirects. `timeout` is per read and `max_seconds`
    for the whole body. Raises `BadDelivery` for an empty, cut or textual body, `UnplayableMedia` over `max_bytes`,
    `Expired` for 403, 404 and 410, `RateLimited`, `Unavailable`, `ForbiddenAddress`, `Busy` when the disk is full.
    """
    with (
        _our_errors(),
        guarded_client(trusted, timeout) as client,
        _following(client, url, dict(headers or {})) as response,
    ):
        _refuse_bad_answer(response, max_bytes)
        with whole_file(dest) as file:
            sha256, size = _copy(response, file, max_bytes, time.monotonic() + max_seconds)
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


def _refuse_bad_answer(response: httpx.Response, max_bytes: int) -> None:
    if response.status_code in _GONE:
        raise Expired(f"the download answered {response.status_code}")
    if response.is_error:
        raise translate_http(response, vendor="download")
    if response.status_code != HTTPStatus.OK:
        raise BadDelivery(f"the download answered {response.status_code}")
    if _media_type(response).startswith(_TEXT_TYPES):
        raise BadDelivery(f"the download is {_media_type(response)}, not a file")
    if (_announced(response) or 0) > max_bytes:
        raise _too_large(max_bytes)


def _copy(response: httpx.Response, file: IO[bytes], max_bytes: int, deadline: float) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for chunk in response.iter_bytes(_CHUNK):
        if not size and chunk.lstrip().startswith(_TEXT_STARTS):
            raise BadDelivery("the download is text, not a file")
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

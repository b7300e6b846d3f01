"""Files over HTTP: `/v/{token}` for ever, `/media/{token}` for a while. Range and HEAD; nothing is listed.

The bytes come from us also when storage is a bucket: Airtable's fetcher, browsers and phones get one plain answer
with a length, a type and a name, without a redirect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import cast
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, request
from werkzeug.datastructures import ContentRange
from werkzeug.http import is_resource_modified, quote_etag

from pipelines.domain.records import Cut
from pipelines.ports import MediaStore
from pipelines.security import links
from pipelines.settings import Settings
from pipelines.stages.base_rows import fetches
from pipelines.stages.kernel.services import Services
from webapp.access.rules import Door, Owner, declares
from webapp.concurrency import Held, slots
from webapp.context import secret, services, settings
from webapp.errors import HttpProblem, not_here

bp = Blueprint("media", __name__)

PIECE = 256 * 1024
SMALL = 64 * 1024
REDIRECT_S = 600.0
"""How long a link of the storage is good for: a film that is revoked is gone after this."""
_TYPES = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "vtt": "text/vtt",
    "srt": "application/x-subrip",
    "json": "application/json",
}
"""What a browser may show. Never HTML or SVG: files of strangers live on our origin."""
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\/:*?<>|]+')


@bp.route("/media/<token>", methods=["GET", "HEAD"])
@bp.route("/media/<token>/<filename>", methods=["GET", "HEAD"])
@declares(Door.SHARE, Owner.ADDRESS)
def signed(token: str, filename: str | None = None) -> Response:
    """A file by a signed link. 403 for a link we did not sign, 410 for one whose time has run out."""
    link = links.read_media(secret(), token, services().clock.now())
    name = filename or link.key.rsplit("/", 1)[-1]
    response = send(link.key, name, max_age=3600, immutable=True)
    if link.fetch_id is not None and _is_whole(response):
        response.response = _noting(services(), link.fetch_id, cast("Iterator[bytes]", response.response))
    return with_download_slot(token, response)


def _is_whole(response: Response) -> bool:
    """Whether the answer has every byte of the file: also as a range from its first to its last."""
    if request.method == "HEAD" or not response.direct_passthrough:
        return False
    part = response.content_range
    return response.status_code == HTTPStatus.OK or (part.start == 0 and part.stop == part.length)


def _noting(core: Services, fetch_id: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Whoever was given this link has the whole file: told to those who wait for that, and asked nobody."""
    yield from pieces
    fetches.note(core.store, fetch_id, core.clock.now())


@bp.route("/v/<token>", methods=["GET", "HEAD"])
@declares(Door.SHARE, Owner.ADDRESS)
def video(token: str) -> Response:
    """A cut by its permanent link. 404 for an unknown one, 410 when it was revoked or is no longer kept."""
    cut = _cut(token)
    if cut is None or cut.key is None:
        raise not_here("video")
    if cut.revoked_at is not None or cut.deleted_at is not None:
        raise HttpProblem(410, "This video is no longer available here.")
    if settings().serve_films == "storage" and request.method == "GET" and "download" not in request.args:
        link = _link_in_our_place(services(), settings(), cut.key)
        if link is not None:
            return Response("", HTTPStatus.FOUND, {"Location": link, "Cache-Control": "no-store"})
    # Not immutable: the link can be revoked.
    return with_download_slot(token, send(cut.key, cut.filename or "film.mp4", max_age=300, immutable=False))


def _link_in_our_place(core: Services, chosen: Settings, key: str) -> str | None:
    """Signed for the bucket; it leads to the CDN that stands before it, if one does."""
    link = core.media.presigned(key, REDIRECT_S)
    if link is None or chosen.films_cdn_url is None:
        return link
    parts = urlsplit(link)
    return f"{chosen.films_cdn_url}{parts.path}?{parts.query}"


def films_at(core: Services, chosen: Settings) -> str | None:
    """The origin that hands out films in our place; None where we do. A link is signed here: nobody is asked."""
    link = _link_in_our_place(core, chosen, "cuts/films") if chosen.serve_films == "storage" else None
    if link is None:
        return None
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}"


def _cut(token: str) -> Cut | None:
    if not links.is_view_token(token):
        return None
    with services().store.read() as tx:
        found = tx.cuts.find(token=token, limit=1)
    return found[0] if found else None


def send(key: str, name: str, *, max_age: int, immutable: bool) -> Response:
    """The file, or the part of it that was asked for."""
    media = services().media
    stored = media.stat(key)
    if stored is None:
        raise HttpProblem(410, "This file is no longer kept.")
    response = Response(status=200, mimetype=content_type(key))
    headers = response.headers
    headers["Accept-Ranges"] = "bytes"
    headers["ETag"] = quote_etag(stored.sha256[:32] or f"{stored.key.rsplit('/', 1)[-1]}-{stored.size}")
    headers["Content-Disposition"] = disposition(
        name, attachment="download" in request.args or response.mimetype == "application/octet-stream"
    )
    headers["Cache-Control"] = f"private, max-age={max_age}{', immutable' if immutable else ''}"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if not is_resource_modified(request.environ, etag=headers["ETag"].strip('"')):
        response.status_code = HTTPStatus.NOT_MODIFIED
        return response
    return filled(response, stored.size, lambda start, length: stored_bytes(media, stored.key, start, length))


def filled(response: Response, size: int, pieces: Callable[[int, int], Iterator[bytes]]) -> Response:
    """All `size` bytes, or the part that was asked for: `pieces` reads from a start so many. Raises 416."""
    start, length = 0, size
    wanted = request.range
    honoured = (
        wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1 and _range_still_holds(response)
    )
    if wanted is not None and honoured:
        bounds = wanted.range_for_length(size)
        if bounds is None:
            refused = HttpProblem(416, f"The file has {size} bytes.", (), {})
            refused.headers["Content-Range"] = f"bytes */{size}"
            raise refused
        start, length = bounds[0], bounds[1] - bounds[0]
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response.headers["Content-Range"] = ContentRange("bytes", bounds[0], bounds[1], size).to_header()
    response.headers["Content-Length"] = str(length)
    if request.method != "HEAD":
        response.response = pieces(start, length)
        response.direct_passthrough = True
    return response


def with_download_slot(token: str, response: Response) -> Response:
    """With a slot among the downloads, for what does not fit into the buffers between us and its reader. Raises 503
    when too many read already.
    """
    if response.direct_passthrough and (response.content_length or 0) > SMALL:
        slot = slots().download(token, request.remote_addr)
        response.response = Held(slot, cast("Iterator[bytes]", response.response))
    return response


def _range_still_holds(response: Response) -> bool:
    """`If-Range`: a part of another version would corrupt the whole."""
    condition = request.headers.get("If-Range")
    return condition is None or condition == response.headers["ETag"]


def stored_bytes(media: MediaStore, key: str, start: int, length: int) -> Iterator[bytes]:
    """A part of a stored file."""
    path = media.local_path(key)
    if path is None:
        yield from media.open_range(key, start, length)
        return
    with path.open("rb") as file:
        file.seek(start)
        left = length
        while left > 0 and (piece := file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece


def content_type(key: str) -> str:
    """By the ending of the storage key, not of the name in the address, which anybody may change."""
    return _TYPES.get(key.rsplit(".", 1)[-1].lower(), "application/octet-stream")


def disposition(name: str, *, attachment: bool) -> str:
    """Content-Disposition with a name that every browser reads (RFC 6266); no path, no control characters."""
    clean = _UNSAFE.sub(" ", name).strip(" .") or "film.mp4"
    plain = clean.encode("ascii", "ignore").decode().strip() or "film.mp4"
    kind = "attachment" if attachment else "inline"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(clean, safe='')}"

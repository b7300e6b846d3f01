"""The pack of a run's films: a page that says what to paste where, and the ZIP, which is made while it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import Response, render_template, request, url_for
from werkzeug.http import is_resource_modified, quote_etag

from pipelines.domain.records import Cut, Run
from pipelines.domain.stored_files import Pack
from pipelines.security import links
from pipelines.stages.delivery import pack as packs
from pipelines.stages.films.cuts import films_of
from webapp.access.rules import Door, Owner, declares
from webapp.context import services
from webapp.errors import HttpProblem, unknown_link
from webapp.media import disposition, filled, with_download_slot
from webapp.pages.blueprint import bp
from webapp.pages.pack import pack_file, stored_zip

_GONE = "These films are no longer available here. Ask whoever sent you this link for a new one."


@dataclass(frozen=True, slots=True)
class _Opened:
    pack: Pack
    run: Run
    films: Sequence[Cut]


@bp.get("/v/<token>/pack")
@declares(Door.SHARE, Owner.ADDRESS)
def pack_page(token: str) -> Response:
    """What to paste where. 404 for an unknown link; 410 when a film of it was revoked, or is no longer kept."""
    opened = _open(token)
    texts = {entry.name: entry.text for entry in opened.pack.entries if entry.key is None}
    text = render_template(
        "pack.html",
        title=packs.title_of(opened.run) or "Your film",
        guides=list(packs.guides(opened.run, opened.films, texts)),
        zip=url_for("pages.pack_zip", token=token),
        size=stored_zip.size_of(pack_file.archive_of(opened.pack)),
    )
    response = Response(text, mimetype="text/html")
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.route("/v/<token>/pack.zip", methods=["GET", "HEAD"])
@declares(Door.SHARE, Owner.ADDRESS)
def pack_zip(token: str) -> Response:
    """The ZIP, with Range and HEAD: nothing of it is on disk or in memory."""
    opened = _open(token)
    archive = pack_file.archive_of(opened.pack)
    response = Response(status=200, mimetype="application/zip")
    name = (opened.films[0].filename or "film.mp4").removesuffix(".mp4") + "-pack.zip"
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = quote_etag(hashlib.sha256(repr(opened.pack).encode()).hexdigest()[:32])
    response.headers["Content-Disposition"] = disposition(name, attachment=True)
    response.headers["Cache-Control"] = "private, max-age=300"
    if not is_resource_modified(request.environ, etag=response.headers["ETag"].strip('"')):
        response.status_code = 304
        return response
    media = services().media

    def pieces(start: int, length: int) -> Iterator[bytes]:
        return pack_file.read(media, opened.pack, archive, start, length)

    return with_download_slot(token, filled(response, stored_zip.size_of(archive), pieces))


def _open(token: str) -> _Opened:
    if not links.is_view_token(token):
        raise unknown_link()
    with services().store.read() as tx:
        found = tx.packs.find(token=token, limit=1)
        run = tx.runs.get(found[0].run_id) if found else None
        films = films_of(tx, run, found[0].take) if run else []
        keys = {entry.key for entry in found[0].entries if entry.key} if found else set()
        kept = {row.id for row in tx.files.find(id=sorted(keys))}
    if run is None:
        raise unknown_link()
    if not films or not keys or keys - kept or any(film.revoked_at is not None for film in films):
        raise HttpProblem(410, _GONE)
    return _Opened(found[0], run, films)

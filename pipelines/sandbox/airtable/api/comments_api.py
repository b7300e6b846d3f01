"""Comments of a record."""

from __future__ import annotations

from flask import Blueprint, request

from pipelines.sandbox.airtable.api.gate import body, find_table, needs
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.changes import Change, transaction
from pipelines.sandbox.airtable.state.model import USER, Json, Record
from pipelines.sandbox.airtable.state.store import World

READ, WRITE = "data.recordComments:read", "data.recordComments:write"
PAGE = 100


def blueprint(world: World) -> Blueprint:
    """`/v0/{base}/{table}/{record}/comments`; the newest comment comes first."""
    pages = Blueprint("comments", __name__)
    _listing(pages, world)
    _editing(pages, world)
    return pages


def _listing(pages: Blueprint, world: World) -> None:
    @pages.get("/v0/<base>/<table>/<record>/comments")
    @needs("comments", READ)
    def list_comments(base: str, table: str, record: str) -> Json:
        with transaction(world, world.base(base)) as change:
            newest = _row(change, table, record).comments[::-1]
        start = int(request.args.get("offset") or 0)
        size = int(request.args.get("pageSize") or PAGE)
        more = start + size < len(newest)
        return {"comments": newest[start : start + size], "offset": str(start + size) if more else None}

    @pages.post("/v0/<base>/<table>/<record>/comments")
    @needs("comments", WRITE)
    def add_comment(base: str, table: str, record: str) -> Json:
        comment = {
            "id": ids.new_id("com"),
            "author": USER,
            "text": _text(),
            "createdTime": ids.now_iso(),
            "lastUpdatedTime": None,
        }
        with transaction(world, world.base(base)) as change:
            row = _row(change, table, record)
            row.comments = [*row.comments, comment]
            change.save_record(find_table(change.base, table), row)
        return comment


def _editing(pages: Blueprint, world: World) -> None:
    @pages.patch("/v0/<base>/<table>/<record>/comments/<comment>")
    @needs("comments", WRITE)
    def edit_comment(base: str, table: str, record: str, comment: str) -> Json:
        text = _text()
        with transaction(world, world.base(base)) as change:
            row = _row(change, table, record)
            found = _comment(row, comment) | {"text": text, "lastUpdatedTime": ids.now_iso()}
            row.comments = [found if c["id"] == comment else c for c in row.comments]
            change.save_record(find_table(change.base, table), row)
        return found

    @pages.delete("/v0/<base>/<table>/<record>/comments/<comment>")
    @needs("comments", WRITE)
    def delete_comment(base: str, table: str, record: str, comment: str) -> Json:
        with transaction(world, world.base(base)) as change:
            row = _row(change, table, record)
            _comment(row, comment)
            row.comments = [c for c in row.comments if c["id"] != comment]
            change.save_record(find_table(change.base, table), row)
        return {"id": comment, "deleted": True}


def _text() -> str:
    text = body().get("text")
    if not isinstance(text, str) or not text:
        raise errors.missing_field("text")
    return text


def _row(change: Change, table_key: str, record_id: str) -> Record:
    row = find_table(change.base, table_key).records.get(record_id)
    if row is None:
        raise errors.not_found()
    return row


def _comment(row: Record, comment_id: str) -> Json:
    found = next((c for c in row.comments if c["id"] == comment_id), None)
    if found is None:
        raise errors.not_found()
    return found

"""Attachment bytes: served behind signed URLs that die, and uploaded straight into a cell."""

from __future__ import annotations

import base64
import binascii
import hmac
import time

from flask import Blueprint, Response, send_file

from pipelines.sandbox.airtable.api.gate import body, needs
from pipelines.sandbox.airtable.cells import attachments
from pipelines.sandbox.airtable.cells.render import stored_json
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.changes import transaction
from pipelines.sandbox.airtable.state.model import Attachment, Base, Field, Json, Record, Table
from pipelines.sandbox.airtable.state.store import World

MAX_UPLOAD_BYTES = 5 * 1024 * 1024


def blueprint(world: World) -> Blueprint:
    """`/attachments/…` for everybody with the URL, `uploadAttachment` for token holders."""
    pages = Blueprint("files", __name__)

    @pages.get("/attachments/v3/u/<int:expires>/<signature>/<attachment>/<part>/<path:filename>")
    def serve(expires: int, signature: str, attachment: str, part: str, filename: str) -> Response:
        if not hmac.compare_digest(signature, attachments.sign(world, attachment, part, expires)):
            return Response("Forbidden", 403)
        if time.time() * 1000 > expires:
            return Response("Gone", 410)
        return _serve(world, attachment, part, filename)

    @pages.post("/v0/<base>/<record>/<field>/uploadAttachment")
    @needs("upload", "data.records:write")
    def upload(base: str, record: str, field: str) -> Json:
        doc = body()
        content = _content(doc)
        found = world.base(base)
        with world.lock:
            table, row, column = _target(found, record, field)
            added = Attachment(ids.new_id("att"), doc["filename"], "", found.id, table.id, row.id, column.id)
            world.attachments[added.id] = added
        (world.files / added.id).write_bytes(content)
        attachments.finish(world, added, doc["contentType"])
        with transaction(world, found) as change:
            change.touch(table, row)
            row.cells[column.id] = [*row.cells.get(column.id, []), added.id]
            shown = stored_json(world, column, row.cells[column.id])
        return {"id": row.id, "createdTime": row.created, "fields": {column.id: shown}}

    return pages


def _serve(world: World, attachment_id: str, part: str, filename: str) -> Response:
    attachment = world.attachments.get(attachment_id)
    if attachment is None or attachment.state != "ready":
        return Response("Not Found", 404)
    path = world.files / attachment_id
    if part != "file":
        path = path.with_suffix(f".{part}.jpg")
    kind = attachment.type if part == "file" else "image/jpeg"
    return send_file(path, mimetype=kind, download_name=filename, conditional=True, max_age=0)


def _content(doc: Json) -> bytes:
    for name in ("contentType", "file", "filename"):
        if not isinstance(doc.get(name), str) or not doc[name]:
            raise errors.missing_field(name)
    try:
        # Line breaks are allowed: pyairtable encodes like e-mail.
        content = base64.b64decode("".join(doc["file"].split()), validate=True)
    except (binascii.Error, ValueError):
        raise errors.invalid_request("file must be base64") from None
    if len(content) > MAX_UPLOAD_BYTES:
        raise errors.typed(413, "REQUEST_TOO_LARGE", "The file is larger than 5 MB")
    return content


def _target(base: Base, record_id: str, field_key: str) -> tuple[Table, Record, Field]:
    found = base.find_record(record_id)
    if found is None:
        raise errors.not_found()
    table, record = found
    column = table.field(field_key)
    if column is None:
        raise errors.unknown_field(field_key)
    if column.type != "multipleAttachments":
        raise errors.bad_value(column.name)
    return table, record, column

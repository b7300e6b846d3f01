"""Attachment cells: taking URLs in, fetching them later, giving signed URLs out.

Airtable answers the write at once with `{id, url, filename}` and fetches afterwards; a fetch that fails shows in no
answer: the object vanishes from its cell, or stays with a URL that answers errors (Airtable's page on the field model).
"""

from __future__ import annotations

import hashlib
import hmac
import mimetypes
import time
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pipelines.sandbox.airtable.cells.fetching import FetchFailed, fetch
from pipelines.sandbox.airtable.cells.thumbnails import Preview, preview
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.changes import Change, transaction
from pipelines.sandbox.airtable.state.model import Attachment, Field, Json
from pipelines.sandbox.airtable.state.store import World

REPEATED_FAILURES = 2
FAILURE_MEMORY_S = 600.0


def parse_attachments(change: Change, column: Field, place: tuple[str, str], value: Any) -> list[str] | None:
    """A whole new list of attachments: `{id}` keeps one, `{url, filename?}` adds one."""
    if not isinstance(value, list):
        raise errors.bad_attachment(column.name, "must be an array of attachment objects")
    found = [_attachment(change, column, place, item) for item in value]
    return [item for item in found if item] or None


def _attachment(change: Change, column: Field, place: tuple[str, str], item: Any) -> str | None:
    if not isinstance(item, dict):
        raise errors.bad_attachment(column.name, "must be an object with a url or an id")
    if isinstance(item.get("id"), str) and "url" not in item:
        return _kept(change, column, item["id"])
    if (known := change.world.attachments.get(str(item.get("id")))) and known.base_id == change.base.id:
        return known.id
    return _added(change, column, place, item)


def _kept(change: Change, column: Field, attachment_id: str) -> str:
    known = change.world.attachments.get(attachment_id)
    if known is None or known.base_id != change.base.id:
        raise errors.bad_attachment(column.name, f"unknown attachment id {attachment_id}")
    return attachment_id


def _added(change: Change, column: Field, place: tuple[str, str], item: Json) -> str | None:
    url = item.get("url")
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise errors.bad_attachment(column.name, "the url must be a public http or https address")
    world = change.world
    if _failed_repeatedly(world, url):
        if world.limits.settings.attachment_refusal == "422":
            raise errors.typed(422, "ATTACHMENTS_FAILED_UPLOADING", f"Attachments failed uploading: {url}")
        change.partial_failures.add("attachmentsFailedUploading")
        return None
    name = item.get("filename") or _name_from(url)
    attachment = Attachment(ids.new_id("att"), str(name), url, change.base.id, *place, column.id)
    world.attachments[attachment.id] = attachment
    world.save_attachment(attachment)
    change.after.append(lambda: schedule(world, attachment))
    return attachment.id


def _name_from(url: str) -> str:
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return name or "a"


def _failed_repeatedly(world: World, url: str) -> bool:
    since = time.monotonic() - FAILURE_MEMORY_S
    return len([t for t in world.failed_urls.get(url, []) if t > since]) >= REPEATED_FAILURES


def schedule(world: World, attachment: Attachment) -> None:
    """Fetch an attachment in the background."""
    world.background.later(world.limits.settings.attachment_delay_s, lambda: _ingest(world, attachment))


def _ingest(world: World, attachment: Attachment) -> None:
    unreachable = urlsplit(attachment.source).hostname in world.limits.settings.unreachable_hosts
    if unreachable or world.limits.attachment_fails(**_place(world, attachment)):
        _fail(world, attachment)
        return
    try:
        content_type = fetch(attachment.source, world.files / attachment.id)
    except FetchFailed:
        _fail(world, attachment)
        return
    finish(world, attachment, content_type)


def _place(world: World, attachment: Attachment) -> dict[str, str]:
    """Where a file is to be, by names, for faults that concern only some."""
    base = world.bases.get(attachment.base_id)
    table = base.table(attachment.table_id) if base else None
    column = table.field(attachment.field_id) if table else None
    return {
        "base": attachment.base_id,
        "table": table.name if table else "",
        "field": column.name if column else "",
        "filename": attachment.filename,
    }


def finish(world: World, attachment: Attachment, content_type: str) -> None:
    """The bytes are here: say their size and type, and make previews."""
    path = world.files / attachment.id
    guessed = mimetypes.guess_type(attachment.filename)[0] or "application/octet-stream"
    kind = content_type if content_type not in ("", "application/octet-stream", "binary/octet-stream") else guessed
    shown = preview(path, kind) or Preview()
    with world.lock:
        attachment.type, attachment.size = kind, path.stat().st_size
        attachment.width, attachment.height, attachment.thumbnails = shown.width, shown.height, shown.thumbnails
        attachment.state = "ready"
        world.save_attachment(attachment)


def _fail(world: World, attachment: Attachment) -> None:
    with world.lock:
        world.failed_urls.setdefault(attachment.source, []).append(time.monotonic())
        attachment.state = "dead"
        world.save_attachment(attachment)
        if world.limits.settings.attachment_failure == "dead_url":
            return
        _remove_from_cell(world, attachment)


def _remove_from_cell(world: World, attachment: Attachment) -> None:
    base = world.bases.get(attachment.base_id)
    table = base.table(attachment.table_id) if base else None
    record = table.records.get(attachment.record_id) if table else None
    if base is None or table is None or record is None:
        return
    with transaction(world, base, "system") as change:
        change.touch(table, record)
        left = [a for a in record.cells.get(attachment.field_id, []) if a != attachment.id]
        record.cells.pop(attachment.field_id, None)
        if left:
            record.cells[attachment.field_id] = left


def to_json(world: World, attachment: Attachment) -> Json:
    """The attachment object as Airtable shows it at this moment."""
    if attachment.state == "pending":
        return {"id": attachment.id, "url": attachment.source, "filename": attachment.filename}
    shown: Json = {"id": attachment.id}
    if attachment.width:
        shown |= {"width": attachment.width, "height": attachment.height}
    shown |= {"url": signed_url(world, attachment.id, attachment.filename), "filename": attachment.filename}
    if attachment.state == "ready":
        shown |= {"size": attachment.size, "type": attachment.type}
    if attachment.thumbnails:
        shown["thumbnails"] = {
            name: {"url": signed_url(world, attachment.id, f"{name}.jpg", part=name), "width": w, "height": h}
            for name, (w, h) in attachment.thumbnails.items()
        }
    return shown


def signed_url(world: World, attachment_id: str, filename: str, part: str = "file") -> str:
    """A URL on the sandbox's own origin that dies `attachment_ttl_s` seconds from now."""
    expires = int((time.time() + world.limits.settings.attachment_ttl_s) * 1000)
    signature = sign(world, attachment_id, part, expires)
    path = f"/airtable/attachments/v3/u/{expires}/{signature}/{attachment_id}/{part}/{quote(filename)}"
    return world.public_url + path


def sign(world: World, attachment_id: str, part: str, expires: int) -> str:
    text = f"{attachment_id}/{part}/{expires}".encode()
    return hmac.new(world.secret.encode(), text, hashlib.sha256).hexdigest()[:32]

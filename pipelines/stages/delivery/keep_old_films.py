"""`KEEP_OLD_FILMS`: what stands in `Final Video` stays behind the new films, and no film stands there twice.

Writing an attachment cell replaces it, so what is to stay has to be named by its id: it is read in the moment before
the write, for all rows of a batch in one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipelines.domain.airtable.fields import AirtableTable, VideoField
from pipelines.domain.airtable.values import OTHERS
from pipelines.domain.records import OutboxEntry
from pipelines.stages.kernel.services import Services

_FILMS = VideoField.FINAL_VIDEO.value
_PREVIEW = "-animatic.mp4"


def with_kept_films(services: Services, base_id: str, entries: Sequence[OutboxEntry]) -> list[OutboxEntry]:
    """The wants as they are sent: with the ids of what stays, and without what only we need to know of a file."""
    keeping = {entry.record_id: entry for entry in entries if entry.record_id and _keeps(entry)}
    cells: Mapping[str, Mapping[str, list[Any]]] = {}
    if keeping:
        runs = [entry.run_id for entry in keeping.values() if entry.run_id]
        cells = services.airtable.attachments_of(base_id, AirtableTable.VIDEOS, list(keeping), [_FILMS], runs)
    return [_sent(entry, cells.get(entry.record_id or "", {}).get(_FILMS, [])) for entry in entries]


def _keeps(entry: OutboxEntry) -> bool:
    cell = entry.fields.get(_FILMS)
    return isinstance(cell, list) and OTHERS in cell


def _sent(entry: OutboxEntry, there: Sequence[Mapping[str, Any]]) -> OutboxEntry:
    fields = dict(entry.fields)
    for name, value in entry.fields.items():
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            fields[name] = joined(value, there if name == _FILMS else ())
    return replace(entry, fields=fields)


def joined(wanted: Sequence[Mapping[str, Any]], there: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The value of a cell for Airtable: new files first, then what stays. A film that is there already, by name and
    size, is named by its id instead of being fetched again; previews and earlier tries of a wanted film go.
    """
    new = [item for item in wanted if item != OTHERS]
    if len(new) == len(wanted):
        return [_plain(item) for item in new]
    named = [_plain(_found(item, there) or item) for item in new]
    ids, names = {item.get("id") for item in named}, {item.get("filename") for item in new} - {None}
    stays = [
        {"id": item["id"]}
        for item in there
        if item.get("id") not in ids and item.get("filename") not in names and not _is_preview(item)
    ]
    return [*named, *stays]


def _found(item: Mapping[str, Any], there: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    if "id" in item or not item.get("size"):
        return None
    same = (known for known in there if known.get("filename") == item["filename"] and known.get("size") == item["size"])
    return next(same, None)


def _is_preview(item: Mapping[str, Any]) -> bool:
    return str(item.get("filename", "")).endswith(_PREVIEW)


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": item["id"]} if "id" in item else {"url": item["url"], "filename": item["filename"]}

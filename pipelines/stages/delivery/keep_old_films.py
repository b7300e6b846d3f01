"""`KEEP_OLD_FILMS`: what stands in `Final Video` stays behind the new films, and no film stands there twice.

Writing an attachment cell replaces it, so what is to stay has to be named by its id: it is read in the moment before
the write, for all rows of a batch in one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipelines.domain.airtable.fields import AirtableTable, VideoField
from pipelines.domain.airtable.values import OTHERS, CellFile, FileInCell, files_in
from pipelines.domain.records import OutboxEntry
from pipelines.stages.kernel.services import Services

_FILMS = VideoField.FINAL_VIDEO.value
_PREVIEW = "-animatic.mp4"


def with_kept_films(services: Services, base_id: str, entries: Sequence[OutboxEntry]) -> list[OutboxEntry]:
    """The wants as they are sent: with the ids of what stays, and without what only we need to know of a file."""
    keeping = {entry.record_id: entry for entry in entries if entry.record_id and _keeps(entry)}
    cells: Mapping[str, Mapping[str, list[CellFile]]] = {}
    if keeping:
        runs = [entry.run_id for entry in keeping.values() if entry.run_id]
        cells = services.airtable.attachments_of(base_id, AirtableTable.VIDEOS, list(keeping), [_FILMS], runs)
    return [_sent(entry, cells.get(entry.record_id or "", {}).get(_FILMS, [])) for entry in entries]


def _keeps(entry: OutboxEntry) -> bool:
    cell = entry.fields.get(_FILMS)
    return isinstance(cell, list) and OTHERS in cell


def _sent(entry: OutboxEntry, there: Sequence[CellFile]) -> OutboxEntry:
    fields = dict(entry.fields)
    for name, value in entry.fields.items():
        if files_in(value) or value == [OTHERS]:
            fields[name] = joined(value, there if name == _FILMS else ())
    return replace(entry, fields=fields)


def joined(wanted: Sequence[object], there: Sequence[CellFile]) -> list[FileInCell]:
    """The value of a cell for Airtable: new files first, then what stays. A film that is there already, by name and
    size, is named by its id instead of being fetched again; previews and earlier tries of a wanted film go.
    """
    new = files_in(wanted)
    if OTHERS not in wanted:
        return [_plain(file) for file in new]
    named = [_found(file, there) or file for file in new]
    ids, names = {file.id for file in named}, {file.filename for file in new} - {""}
    stays = [
        file
        for file in there
        if file.id not in ids and file.filename not in names and not file.filename.endswith(_PREVIEW)
    ]
    return [_plain(file) for file in (*named, *stays)]


def _found(file: CellFile, there: Sequence[CellFile]) -> CellFile | None:
    if file.id or not file.size:
        return None
    return next((known for known in there if (known.filename, known.size) == (file.filename, file.size)), None)


def _plain(file: CellFile) -> FileInCell:
    return {"id": file.id} if file.id else {"url": file.url, "filename": file.filename}

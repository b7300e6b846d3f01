"""An Airtable base in memory: rows that people fill in, attachments that arrive later, and every way to say no."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.airtable.rows import fields as cells
from pipelines.airtable.schema import table as spec_of
from pipelines.domain.airtable.fields import TICKED_TABLES, AirtableTable, SceneField, VersionField, VideoField
from pipelines.domain.airtable.values import CellFile, difference, files_in
from pipelines.domain.errors import AirtableDenied, AirtableQuota, RateLimited, RecordGone, ReelgridError, Unavailable
from pipelines.domain.lifecycle import SceneStatus
from pipelines.domain.records import OutboxEntry
from pipelines.ports import AirtableBrand, AirtableRow, AirtableScene, AirtableSettings, AirtableVersion, Clock, Written

BASE = "appMemory00000001"
BATCH = 10
_LOSING: Mapping[tuple[str, str], str] = {
    (AirtableTable.VIDEOS, VideoField.FINAL_VIDEO): "lose_films",
    (AirtableTable.VERSIONS, VideoField.FINAL_VIDEO): "lose_versions",
    (AirtableTable.SCENES, SceneField.CLIP): "lose_clips",
}
Sizes = Callable[[str], "int | None"]
OnCall = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Call:
    """One request to Airtable."""

    verb: str
    table: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What we wrote into one row, and when."""

    at: float
    table: str
    record_id: str
    cells: Mapping[str, Any]


class MemoryAirtable:
    """ports.Board for one base. `size_of` tells how large the file behind a link is (None: it cannot be fetched).

    Switches: `quota`, `denied`, `away`, `locked_until`, `refused` (tables of which no row is taken), `missing`
    (columns); the next `lose_films` films of `Videos`, `lose_versions` of `Versions` and `lose_clips` clips of `Scenes`
    are never fetched, and `vanish` says whether such a file disappears from its cell or stays without size; files
    arrive `arrive_after_s` after the write. `seen_fetching` False: our own server does not see Airtable fetch them, as
    where a cache stands in front of it.
    """

    def __init__(
        self,
        clock: Clock,
        size_of: Sizes,
        *,
        arrive_after_s: float = 1.0,
        on_call: OnCall | None = None,
        on_fetch: Callable[[str], None] | None = None,
    ) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {name.value: {} for name in AirtableTable}
        self.calls: list[Call] = []
        self.quota = self.denied = self.away = False
        self.refused: set[str] = set()
        self.missing: set[str] = set()
        self.locked_until = 0.0
        self.lose_films = self.lose_versions = self.lose_clips = 0
        self.vanish = False
        self.arrive_after_s = arrive_after_s
        self.said: list[Said] = []
        """Every change that we wrote, in its order."""
        self.links: list[str] = []
        """Every link that was handed over for fetching."""
        self.seen_fetching = True
        self._clock, self._size_of = clock, size_of
        self._on_call, self._on_fetch = on_call, on_fetch
        self._ids = itertools.count(1)
        self._arrivals: dict[str, float] = {}
        self._runs_of: dict[str, str] = {}
        self._lock = threading.RLock()

    # ------------------------------------------------------------ people

    def add(self, table: str, **fields: Any) -> str:
        """A person makes a row; field names with `_` for the spaces."""
        with self._lock:
            record_id = f"rec{next(self._ids):014d}"
            self.tables[table][record_id] = {}
            self.edit(table, record_id, **fields)
            return record_id

    def edit(self, table: str, record_id: str, **fields: Any) -> None:
        """A person types into a row."""
        with self._lock:
            named = {name.replace("_", " ").replace(" no", " #"): value for name, value in fields.items()}
            self._put(table, record_id, named)

    def delete(self, table: str, record_id: str) -> None:
        """A person deletes a row."""
        with self._lock:
            del self.tables[table][record_id]
            for row in self.tables[AirtableTable.VIDEOS].values():
                if record_id in row.get(VideoField.SCENES, ()):
                    row[VideoField.SCENES] = [one for one in row[VideoField.SCENES] if one != record_id]

    def cells(self, record_id: str, table: str = AirtableTable.VIDEOS) -> dict[str, Any]:
        """A row as it is now."""
        return dict(self.tables[table][record_id])

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, as they are now, in the order they were made."""
        return [dict(row) for row in self.tables[table].values()]

    # ------------------------------------------------------------ reading

    def row(self, base_id: str, table: str, record_id: str) -> AirtableRow:  # noqa: ARG002 - one base
        """Read one order."""
        with self._call("row", table, record_id):
            return cells.airtable_row(record_id, self._found(table, record_id))

    def scenes(self, base_id: str, row: AirtableRow) -> list[AirtableScene]:  # noqa: ARG002 - one base
        """The row's linked scenes, by number."""
        linked = [one for one in row.fields.get(VideoField.SCENES, ()) if one in self.tables[AirtableTable.SCENES]]
        if not linked:
            return []
        with self._call("scenes", AirtableTable.SCENES, row.record_id):
            found = [(one, self._seen(AirtableTable.SCENES, one)) for one in linked]
        found.sort(key=lambda item: float(item[1].get(SceneField.NUMBER) or 1e9))
        return [cells.airtable_scene(record_id, fields) for record_id, fields in found]

    def film_scenes(
        self,
        base_id: str,  # noqa: ARG002 - one base
        record_id: str,
        prefix: str,
        known: Sequence[str],
    ) -> list[AirtableScene]:
        """The scenes of one film as a person left them, by number."""
        with self._call("scenes", AirtableTable.SCENES, record_id):
            table = self.tables[AirtableTable.SCENES]
            rows = [cells.airtable_scene(one, self._seen(AirtableTable.SCENES, one)) for one in table]
        ours = [row for row in rows if row.record_id in known or (row.key or "").startswith(prefix)]
        new = [row for row in rows if not row.key and row.status == SceneStatus.DRAFT and row not in ours]
        found = [row for row in (*ours, *new) if row.video_id == record_id]
        places = {one: float(row.get(SceneField.NUMBER) or 1e9) for one, row in table.items()}
        return sorted(found, key=lambda row: places[row.record_id])

    def brand(self, base_id: str, record_id: str) -> AirtableBrand | None:  # noqa: ARG002 - one base
        """Read one brand."""
        with self._call("brand", AirtableTable.BRANDS, record_id):
            return cells.airtable_brand(record_id, self._found(AirtableTable.BRANDS, record_id))

    def brands(self, base_id: str) -> list[AirtableBrand]:  # noqa: ARG002 - one base
        """Every brand."""
        with self._call("brands", AirtableTable.BRANDS):
            return [cells.airtable_brand(*one) for one in self.tables[AirtableTable.BRANDS].items()]

    def ready(self, base_id: str, now: float) -> list[AirtableRow]:  # noqa: ARG002 - one base
        """Rows whose Status is Ready and whose time has come."""
        with self._call("ready", AirtableTable.VIDEOS):
            rows = [
                cells.airtable_row(one, self._seen(AirtableTable.VIDEOS, one))
                for one in self.tables[AirtableTable.VIDEOS]
            ]
        return [row for row in rows if row.status == "Ready" and (row.scheduled_for or 0.0) <= now]

    def waiting(self, base_id: str, now: float) -> list[AirtableRow]:  # noqa: ARG002 - one base
        """Rows with a box ticked, or Ready and due."""
        with self._call("ticked", AirtableTable.VIDEOS):
            rows = [
                cells.airtable_row(one, self._seen(AirtableTable.VIDEOS, one))
                for one in self.tables[AirtableTable.VIDEOS]
            ]
        return [row for row in rows if row.ticks or (row.status == "Ready" and (row.scheduled_for or 0.0) <= now)]

    def ticked(
        self,
        base_id: str,  # noqa: ARG002 - one base
        tables: Collection[str] = TICKED_TABLES,
    ) -> tuple[list[AirtableRow], list[AirtableScene]]:
        """Rows and scenes with a box ticked: a call for each of `tables`."""
        seen: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        for table in (AirtableTable.VIDEOS, AirtableTable.SCENES):
            if table in tables:
                with self._call("ticked", table):
                    seen[table] = [(one, self._seen(table, one)) for one in self.tables[table]]
        rows = [cells.airtable_row(*one) for one in seen.get(AirtableTable.VIDEOS, ())]
        columns = {item.name for item in spec_of(AirtableTable.SCENES).fields} - self.missing
        shots = [
            cells.airtable_scene(record_id, row, columns=columns)
            for record_id, row in seen.get(AirtableTable.SCENES, ())
        ]
        return [row for row in rows if row.ticks], [shot for shot in shots if shot.regenerate]

    def restores(self, base_id: str) -> list[AirtableVersion]:  # noqa: ARG002 - one base
        """Versions with `Restore` ticked."""
        with self._call("ticked", AirtableTable.VERSIONS):
            table = self.tables[AirtableTable.VERSIONS]
            return [cells.airtable_version(one, row) for one, row in table.items() if row.get(VersionField.RESTORE)]

    def settings(self, base_id: str) -> AirtableSettings:  # noqa: ARG002 - one base
        """The `Settings` row."""
        with self._call("settings", AirtableTable.SETTINGS):
            rows = list(self.tables[AirtableTable.SETTINGS].items())
            return cells.airtable_settings(*rows[0]) if rows else AirtableSettings()

    def attachments(self, base_id: str, table: str, record_id: str, fields: Sequence[str]) -> dict[str, list[CellFile]]:  # noqa: ARG002 - one base
        """Re-read attachment cells."""
        with self._call("attachments", table, record_id):
            row = self._found(table, record_id)
            return {name: files_in(row.get(name)) for name in fields if name not in self.missing}

    def attachments_of(
        self,
        base_id: str,  # noqa: ARG002 - one base
        table: str,
        record_ids: Sequence[str],
        fields: Sequence[str],
        runs: Sequence[str] = (),  # noqa: ARG002 - nobody counts
    ) -> dict[str, dict[str, list[CellFile]]]:
        """Re-read attachment cells of many rows."""
        with self._call("attachments", table, *record_ids):
            rows = {one: self._seen(table, one) for one in record_ids if one in self.tables[table]}
            there = [name for name in fields if name not in self.missing]
            return {one: {name: files_in(row.get(name)) for name in there} for one, row in rows.items()}

    # ------------------------------------------------------------ writing

    def flush(self, base_id: str, entries: Sequence[OutboxEntry]) -> list[Written]:  # noqa: ARG002 - one base
        """Write what differs, ten rows of one table and one way of finding them a call."""
        done: list[Written] = []
        groups: dict[tuple[str, bool], list[OutboxEntry]] = {}
        for entry in entries:
            if entry.record_id is not None and not difference(entry.fields, entry.sent):
                done.append(Written(entry_id=entry.id, ok=True, record_id=entry.record_id))
            else:
                groups.setdefault((entry.table, entry.record_id is not None), []).append(entry)
        batches = [some[i : i + BATCH] for some in groups.values() for i in range(0, len(some), BATCH)]
        for batch in batches:
            try:
                self._runs_of = {entry.id: entry.run_id for entry in batch if entry.run_id}
                with self._call("write", batch[0].table, *(entry.id for entry in batch)):
                    done += [self._written(entry) for entry in batch]
            except ReelgridError:
                if not done:
                    raise
                break
        return done

    def _written(self, entry: OutboxEntry) -> Written:
        if entry.table in self.refused:
            return Written(entry_id=entry.id, ok=False, error=f"Airtable would not take a row of {entry.table}.")
        record_id = entry.record_id or self._by_key(entry)
        if record_id not in self.tables[entry.table]:
            return Written(entry_id=entry.id, ok=False, error="ROW_DOES_NOT_EXIST", gone=True)
        changed = difference(entry.fields, entry.sent)
        self._put(entry.table, record_id, {name: value for name, value in changed.items() if name not in self.missing})
        self.said.append(Said(self._clock.now(), str(entry.table), record_id, dict(changed)))
        return Written(
            entry_id=entry.id,
            ok=True,
            record_id=record_id,
            sent=changed,
            fields=self._seen(entry.table, record_id),
            no_column=frozenset(self.missing.intersection(changed)),
        )

    def _by_key(self, entry: OutboxEntry) -> str:
        ((name, value),) = entry.merge.items()
        for record_id, row in self.tables[entry.table].items():
            if row.get(name) == value:
                return record_id
        record_id = f"rec{next(self._ids):014d}"
        self.tables[entry.table][record_id] = {name: value}
        return record_id

    def _put(self, table: str, record_id: str, fields: Mapping[str, Any]) -> None:
        row = self.tables[table][record_id]
        for name, value in fields.items():
            losing = _LOSING.get((table, name))
            new = self._files(value, row.get(name) or [], losing) if _is_files(value) else value
            if new is False or new in (None, "", []):
                row.pop(name, None)
            else:
                row[name] = new
        if table == AirtableTable.SCENES:
            self._link(record_id, row)

    def _link(self, record_id: str, row: Mapping[str, Any]) -> None:
        for video in row.get(SceneField.VIDEO) or []:
            video_row = self.tables[AirtableTable.VIDEOS].get(video)
            if video_row is not None and record_id not in video_row.get(VideoField.SCENES, []):
                video_row[VideoField.SCENES] = [*video_row.get(VideoField.SCENES, []), record_id]

    def _files(
        self, cell: Sequence[Mapping[str, Any]], old: Sequence[Mapping[str, Any]], losing: str | None
    ) -> list[dict[str, Any]]:
        """A new list of attachments: what is named by id stays, links are fetched later, or never."""
        kept = {item["id"]: dict(item) for item in old}
        files = []
        for item in cell:
            if "url" not in item:
                files.append(kept[item["id"]])
                continue
            self.links.append(item["url"])
            file = {"id": f"att{next(self._ids):014d}", **item}
            self._arrivals[file["id"]] = self._clock.now() + self.arrive_after_s
            if losing is not None and getattr(self, losing) > 0:
                setattr(self, losing, getattr(self, losing) - 1)
                self._arrivals[file["id"]] = float("inf")
                if self.vanish:
                    continue
            elif self.seen_fetching and self._on_fetch is not None and self._size_of(item["url"]) is not None:
                self._on_fetch(item["url"])
            files.append(file)
        return files

    def upload(self, base_id: str, record_id: str, field: str, path: Path, filename: str) -> CellFile:
        """Append a file, unless one of that name and size is there."""
        size, kind = path.stat().st_size, _type_of(filename)
        for known in self.attachments(base_id, AirtableTable.VIDEOS, record_id, [field])[field]:
            if known.filename == filename and known.size in (None, size):
                return known
        with self._call("upload", AirtableTable.VIDEOS, record_id):
            row = self._found(AirtableTable.VIDEOS, record_id)
            file = {"id": f"att{next(self._ids):014d}", "filename": filename, "size": size, "type": kind}
            self.tables[AirtableTable.VIDEOS][record_id][field] = [*(row.get(field) or []), file]
            return files_in([file])[0]

    # ------------------------------------------------------------ saying no

    def _call(self, verb: str, table: str, *rows: str) -> threading.RLock:
        """Count a call; raise what is switched on. Held while the call works."""
        with self._lock:
            self.calls.append(Call(verb, str(table), rows))
            self._count(verb, table, rows)
            if self.away:
                raise Unavailable("airtable: connection refused")
            if self.denied:
                raise AirtableDenied(
                    "airtable answered 401", marketer="Airtable refuses our access token: it was revoked."
                )
            if self.quota:
                raise AirtableQuota("airtable answered 429 PUBLIC_API_BILLING_LIMIT_EXCEEDED", retry_after=900.0)
            wait = self.locked_until - self._clock.now()
            if wait > 0:
                raise RateLimited("airtable answered 429 RATE_LIMIT_REACHED", retry_after=wait)
        return self._lock

    def _count(self, verb: str, table: str, rows: Sequence[str]) -> None:
        """As the client of the real one counts it: for the runs or the record that it is about."""
        if self._on_call is None or verb == "settings":
            return
        runs = dict.fromkeys(self._runs_of[row] for row in rows if row in self._runs_of)
        records = [row for row in rows if row.startswith("rec")]
        subject = ",".join(runs) or next(iter(records), "")
        self._on_call(BASE, "read" if verb != "write" else verb, f"{verb} {table}:{subject}")

    def _found(self, table: str, record_id: str) -> dict[str, Any]:
        if record_id not in self.tables[table]:
            raise RecordGone(f"{record_id} is not there", marketer=f"The row is not in “{table}” any more.")
        return self._seen(table, record_id)

    def _seen(self, table: str, record_id: str) -> dict[str, Any]:
        """A row as it is read now: files that have arrived know their size, files that were lost are gone."""
        row = self.tables[table][record_id]
        return {name: [self._file(item) for item in cell] if _is_files(cell) else cell for name, cell in row.items()}

    def _file(self, item: Mapping[str, Any]) -> dict[str, Any]:
        if "url" not in item or self._arrivals.get(item["id"], 0.0) > self._clock.now():
            return dict(item)
        size = self._size_of(item["url"])
        return dict(item) if size is None else {**item, "size": size, "type": _type_of(item["filename"])}


def _is_files(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _type_of(filename: str) -> str:
    return "video/mp4" if filename.endswith(".mp4") else "image/jpeg"

"""The `Board` port over Airtable's REST API."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.airtable import outbox
from pipelines.airtable.field_map import RECORD_ID
from pipelines.airtable.rows import fields
from pipelines.airtable.rows.answers import MODEL_NOT_FOUND, Gone, Rejected
from pipelines.airtable.rows.client import APPEND, READ, Client
from pipelines.airtable.rows.name_book import NameBook
from pipelines.airtable.rows.names import BaseNames, TableNames
from pipelines.domain.airtable.fields import (
    TICKED_TABLES,
    VIDEO_TICKS,
    AirtableTable,
    SceneField,
    VersionField,
    VideoField,
)
from pipelines.domain.airtable.values import CellFile, files_in
from pipelines.domain.errors import AirtableDenied, RecordGone
from pipelines.domain.lifecycle import SceneStatus
from pipelines.domain.records import OutboxEntry
from pipelines.ports import AirtableBrand, AirtableRow, AirtableScene, AirtableSettings, AirtableVersion, Written

if TYPE_CHECKING:
    from pyairtable import Api
    from pyairtable import formulas as f

MAX_UPLOAD = 5 * 1024 * 1024
"""Airtable's page on upload attachment."""
_READY = "Ready"
_SETTINGS_ROWS = 10
_LINKED_AT_ONCE = 400
"""Row ids in one formula: about 10,000 characters, which go by POST."""

Record = Mapping[str, Any]
T = TypeVar("T")


class AirtableAdapter:
    """ports.Board. `what` of each counted call is `<action>:<row or runs>`, so that calls can be charged to runs."""

    def __init__(self, client: Client, book: NameBook) -> None:
        self._client, self._book = client, book

    def row(self, base_id: str, table: str, record_id: str) -> AirtableRow:
        """Read one order. Raises RecordGone also for a row of another table, which Airtable would answer."""

        def read(names: BaseNames) -> AirtableRow:
            videos = names.table(table)
            record = self._get(base_id, videos, record_id, "row")
            cells = videos.ours(record["fields"])
            if record["fields"] and not cells:
                sentence = f"The row is not in “{videos.label}”: start Reelgrid from a row of that table."
                raise RecordGone(f"{record_id} is a row of another table", marketer=sentence)
            return fields.airtable_row(record_id, cells, videos.label_of)

        return self._book.use(base_id, read)

    def scenes(self, base_id: str, row: AirtableRow) -> list[AirtableScene]:
        """The row's linked scenes, by number; those without one come last."""
        cell = row.fields.get(VideoField.SCENES)
        linked = [str(entry) for entry in cell if RECORD_ID.fullmatch(str(entry))] if isinstance(cell, list) else []
        if not linked:
            return []

        def read(names: BaseNames) -> list[tuple[Record, TableNames]]:
            from pyairtable import formulas as f

            scenes = names.table(AirtableTable.SCENES)
            found: list[tuple[Record, TableNames]] = []
            for start in range(0, len(linked), _LINKED_AT_ONCE):
                some = f.OR(*[f.EQ(f.RECORD_ID(), one) for one in linked[start : start + _LINKED_AT_ONCE]])
                found += [(r, scenes) for r in self._list(base_id, scenes, some, f"scenes:{row.record_id}")]
            return found

        ranked = [(self._rank(record, scenes), record, scenes) for record, scenes in self._book.use(base_id, read)]
        ranked.sort(key=lambda item: (item[0], linked.index(item[1]["id"])))
        return [_scene(record, scenes) for _rank, record, scenes in ranked]

    def film_scenes(
        self, base_id: str, record_id: str, prefix: str, known: Sequence[str]
    ) -> list[AirtableScene] | None:
        """The scenes of one film as a person left them, in one call; None when a column is missing that this needs."""

        def read(names: BaseNames) -> list[tuple[Record, TableNames]] | None:
            from pyairtable import formulas as f

            scenes = names.table(AirtableTable.SCENES)
            if not {SceneField.SCENE_KEY, SceneField.STATUS, SceneField.VIDEO} <= set(scenes.columns):
                return None
            key, status = _field(scenes, SceneField.SCENE_KEY), _field(scenes, SceneField.STATUS)
            wanted = f.OR(
                f.EQ(f.FIND(prefix, key), 1),
                f.AND(f.NOT(key), f.EQ(status, SceneStatus.DRAFT.value)),
                *[f.EQ(f.RECORD_ID(), one) for one in known],
            )
            return [(r, scenes) for r in self._list(base_id, scenes, wanted, f"scenes:{record_id}")]

        found = self._book.use(base_id, read)
        if found is None:
            return None
        ranked = sorted(found, key=lambda item: self._rank(*item))
        rows = [_scene(record, scenes) for record, scenes in ranked]
        return [row for row in rows if row.video_id == record_id]

    @staticmethod
    def _rank(record: Record, scenes: TableNames) -> float:
        """By the number as written: a scene 2.5 goes between 2 and 3."""
        number = fields.scene_number(scenes.ours(record["fields"]))
        return float("inf") if number is None else number

    def brand(self, base_id: str, record_id: str) -> AirtableBrand | None:
        """Read one brand; None when the base has no table for them. Raises RecordGone for a row of another table."""

        def read(names: BaseNames) -> AirtableBrand | None:
            if not names.has(AirtableTable.BRANDS):
                return None
            brands = names.table(AirtableTable.BRANDS)
            record = self._get(base_id, brands, record_id, "brand")
            cells = brands.ours(record["fields"])
            if record["fields"] and not cells:
                raise RecordGone(f"{record_id} is a row of another table")
            return fields.airtable_brand(record_id, cells, brands.label_of)

        return self._book.use(base_id, read, (AirtableTable.BRANDS,))

    def brands(self, base_id: str) -> list[AirtableBrand]:
        """Every brand of the base; none when the table is not there."""

        def read(names: BaseNames) -> list[AirtableBrand]:
            if not names.has(AirtableTable.BRANDS):
                return []
            brands = names.table(AirtableTable.BRANDS)
            rows = self._list(base_id, brands, None, "brands")
            return [fields.airtable_brand(row["id"], brands.ours(row["fields"]), brands.label_of) for row in rows]

        return self._optional(base_id, read, [])

    def ready(self, base_id: str, now: float) -> list[AirtableRow]:
        """Rows whose Status is Ready and whose time has come."""

        def read(names: BaseNames) -> list[AirtableRow]:
            from pyairtable import formulas as f

            videos = names.table(AirtableTable.VIDEOS)
            records = self._list(base_id, videos, f.OR(*wanted), "ready") if (wanted := _is_ready(videos, now)) else []
            return [_row(record, videos) for record in records]

        return self._book.use(base_id, read)

    def waiting(self, base_id: str, now: float) -> list[AirtableRow]:
        """Rows of `Videos` that ask for something: with a box ticked, or Ready and due by `now`; one call."""

        def read(names: BaseNames) -> list[AirtableRow]:
            from pyairtable import formulas as f

            videos = names.table(AirtableTable.VIDEOS)
            wanted = [*_boxes(videos, VIDEO_TICKS), *_is_ready(videos, now)]
            records = self._list(base_id, videos, f.OR(*wanted), "ticked or ready") if wanted else []
            return [_row(record, videos) for record in records]

        return self._book.use(base_id, read)

    def ticked(
        self, base_id: str, tables: Collection[str] = TICKED_TABLES
    ) -> tuple[list[AirtableRow], list[AirtableScene]]:
        """Rows and scenes with a box ticked that we act on: a call for each of `tables`."""

        def read(names: BaseNames) -> tuple[list[AirtableRow], list[AirtableScene]]:
            videos, scenes = names.table(AirtableTable.VIDEOS), names.table(AirtableTable.SCENES)
            rows = self._ticked(base_id, videos, VIDEO_TICKS) if AirtableTable.VIDEOS in tables else []
            shots = self._ticked(base_id, scenes, (SceneField.REGENERATE,)) if AirtableTable.SCENES in tables else []
            return [_row(record, videos) for record in rows], [_scene(record, scenes) for record in shots]

        return self._book.use(base_id, read)

    def restores(self, base_id: str) -> list[AirtableVersion]:
        """Versions with `Restore` ticked; none when the table is not there."""

        def read(names: BaseNames) -> list[AirtableVersion]:
            if not names.has(AirtableTable.VERSIONS):
                return []
            versions = names.table(AirtableTable.VERSIONS)
            records = self._ticked(base_id, versions, (VersionField.RESTORE,))
            return [fields.airtable_version(record["id"], versions.ours(record["fields"])) for record in records]

        return self._optional(base_id, read, [])

    def settings(self, base_id: str) -> AirtableSettings:
        """The `Settings` row; all defaults when the table is not there or empty. Where somebody has added a second
        one, a box ticked in any of them counts, and the lowest budget.
        """

        def read(names: BaseNames) -> AirtableSettings:
            if not names.has(AirtableTable.SETTINGS):
                return AirtableSettings()
            table = names.table(AirtableTable.SETTINGS)
            records = self._list(base_id, table, None, "settings", max_records=_SETTINGS_ROWS)
            found = [fields.airtable_settings(record["id"], table.ours(record["fields"])) for record in records]
            budgets = [row.day_budget_micro for row in found if row.day_budget_micro is not None]
            stop = any(row.stop for row in found)
            first = found[0].record_id if found else None
            return AirtableSettings(stop=stop, day_budget_micro=min(budgets, default=None), record_id=first)

        return self._optional(base_id, read, AirtableSettings())

    def flush(self, base_id: str, entries: Sequence[OutboxEntry]) -> list[Written]:
        """Write what differs from `sent`, ten rows of one table a call: by id, or by upsert on `merge`."""
        tables = {entry.table for entry in entries}
        return self._book.use(base_id, lambda names: outbox.flush(self._client, base_id, names, entries), tables)

    def upload(self, base_id: str, record_id: str, field: str, path: Path, filename: str) -> CellFile:
        """Append a file of at most 5 MB to an attachment field of `Videos`; a file of that name and size that is
        already there is not sent again, so a lost answer does no harm. Returns the attachment.

        Raises AirtableDenied for a larger file, else as `Client.call`.
        """
        size = path.stat().st_size
        if size > MAX_UPLOAD:
            raise AirtableDenied(f"{filename} has {size} bytes; Airtable takes uploads of at most {MAX_UPLOAD}")
        for known in self.attachments(base_id, AirtableTable.VIDEOS, record_id, [field])[field]:
            if known.filename == filename and known.size in (None, size):
                return known
        column = self._book.of(base_id).table(AirtableTable.VIDEOS).columns[field].key
        body = {
            "contentType": mimetypes.guess_type(filename)[0] or "application/octet-stream",
            "filename": filename,
            "file": base64.b64encode(path.read_bytes()).decode("ascii"),
        }
        url = f"{self._client.content_url}/v0/{base_id}/{record_id}/{column}/uploadAttachment"
        answer = self._client.call(base_id, APPEND, f"upload:{record_id}", lambda api: api.post(url, json=body))
        # The answer is keyed by field id whatever was asked, and lists old and new in order.
        cell = next(iter(answer["fields"].values()))
        return files_in(cell)[-1]

    def attachments(self, base_id: str, table: str, record_id: str, fields: Sequence[str]) -> dict[str, list[CellFile]]:
        """Re-read attachment cells, by our own names; an empty one is an empty list, a column that is not there is
        left out.
        """

        def read(names: BaseNames) -> dict[str, list[CellFile]]:
            columns = names.table(table)
            cells = columns.ours(self._get(base_id, columns, record_id, "verify")["fields"])
            return {str(name): files_in(cells.get(name)) for name in fields if name in columns.columns}

        return self._book.use(base_id, read)

    def attachments_of(
        self, base_id: str, table: str, record_ids: Sequence[str], fields: Sequence[str], runs: Sequence[str] = ()
    ) -> dict[str, dict[str, list[CellFile]]]:
        """The same for many rows in one call (a hundred a page), made for these runs; rows that are gone are left
        out.
        """

        def read(names: BaseNames) -> dict[str, dict[str, list[CellFile]]]:
            from pyairtable import formulas as f

            columns = names.table(table)
            there = [str(name) for name in fields if name in columns.columns]
            wanted = f.OR(*[f.EQ(f.RECORD_ID(), one) for one in record_ids])
            keys = [columns.columns[name].key for name in there]
            rows = self._list(base_id, columns, wanted, f"verify:{','.join(runs or record_ids)}", fields=keys)
            cells = {row["id"]: columns.ours(row["fields"]) for row in rows}
            return {one: {name: files_in(row.get(name)) for name in there} for one, row in cells.items()}

        return self._book.use(base_id, read)

    def _get(self, base_id: str, table: TableNames, record_id: str, why: str) -> Record:
        if not RECORD_ID.fullmatch(record_id):
            raise RecordGone(f"{record_id!r} is no record id")

        def ask(api: Api) -> Record:
            return api.table(base_id, table.key).get(record_id, use_field_ids=table.by_id)

        try:
            return self._client.call(base_id, READ, f"{why}:{record_id}", ask)
        except Gone as error:
            raise Gone(error.answer, marketer=f"The row is not in “{table.label}” any more.") from error
        except Rejected as error:
            if error.answer.kind == MODEL_NOT_FOUND:
                raise Gone(error.answer, marketer=_UNSEEN) from error
            raise

    def _list(
        self, base_id: str, table: TableNames, wanted: f.Formula | None, what: str, **options: Any
    ) -> list[Record]:
        if wanted is not None:
            options["formula"] = str(wanted)
        return list(self._client.records(base_id, table.key, what, by_id=table.by_id, options=options))

    def _ticked(self, base_id: str, table: TableNames, boxes: Sequence[str]) -> list[Record]:
        from pyairtable import formulas as f

        there = _boxes(table, boxes)
        return self._list(base_id, table, f.OR(*there), f"ticked {table.spec.name}") if there else []

    def _optional(self, base_id: str, read: Callable[[BaseNames], T], otherwise: T) -> T:
        """A table that a base may lack: without a schema, Airtable's refusal is how we learn of it."""
        try:
            return self._book.use(base_id, read)
        except (Rejected, Gone) as error:
            if error.answer.kind == MODEL_NOT_FOUND or isinstance(error, Gone):
                return otherwise
            raise


def _boxes(table: TableNames, names: Sequence[str]) -> list[f.Formula]:
    return [_field(table, name) for name in names if name in table.columns]


def _is_ready(videos: TableNames, now: float) -> list[f.Formula]:
    """Nothing in a base without a column for it."""
    from pyairtable import formulas as f

    if VideoField.STATUS not in videos.columns:
        return []
    ready: f.Formula = f.EQ(_field(videos, VideoField.STATUS), _READY)
    if VideoField.SCHEDULED_FOR not in videos.columns:
        return [ready]
    when = _field(videos, VideoField.SCHEDULED_FOR)
    return [f.AND(ready, f.OR(f.NOT(when), f.LTE(when, datetime.fromtimestamp(now, UTC))))]


_UNSEEN = (
    "The row, its table or the base is not there, or our access token does not see it. "
    "If the row is there, ask your operator to run: flask airtable doctor"
)


def _field(table: TableNames, name: str) -> f.Field:
    """Formulas know names only; a stale one is noticed by its refusal."""
    from pyairtable import formulas as f

    return f.Field(table.columns[name].label)


def _row(record: Record, table: TableNames) -> AirtableRow:
    return fields.airtable_row(record["id"], table.ours(record["fields"]), table.label_of)


def _scene(record: Record, table: TableNames) -> AirtableScene:
    return fields.airtable_scene(record["id"], table.ours(record["fields"]), table.label_of, table.columns)

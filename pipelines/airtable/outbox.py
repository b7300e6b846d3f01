"""Writing outbox rows: ten of one table in a call, by id or by key, and one bad row or cell never keeps the others.

Nothing is ever created without a key: a create whose answer is lost would be made twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipelines.airtable.field_map import RECORD_ID
from pipelines.airtable.rows.answers import FAILED_FILES, MISSING_ROW, MODEL_NOT_FOUND, STALE_NAMES, Gone, Rejected
from pipelines.airtable.rows.client import WRITE, Client
from pipelines.airtable.rows.names import BaseNames, TableNames
from pipelines.domain.airtable.values import difference
from pipelines.domain.errors import AirtableDenied, AirtableQuota, NotConfigured, Retryable
from pipelines.domain.records import OutboxEntry
from pipelines.ports import Written

if TYPE_CHECKING:
    from pyairtable import Api

logger = logging.getLogger(__name__)

BATCH = 10
_BAD_REQUEST, _UNPROCESSABLE = 400, 422


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a batch: what is still to be said, and which cells Airtable would not take."""

    entry: OutboxEntry
    fields: Mapping[str, Any]
    refused: tuple[str, ...] = ()

    @property
    def by_id(self) -> bool:
        return self.entry.record_id is not None


def flush(client: Client, base_id: str, names: BaseNames, entries: Sequence[OutboxEntry]) -> list[Written]:
    """Write all of them. Raises only when nothing was written; what has no answer was not tried."""
    done: list[Written] = []
    for table, items in _batches(entries, done):
        try:
            done += _write_table(client, base_id, names, table, items)
        except (Retryable, AirtableQuota, AirtableDenied, NotConfigured) as error:
            if not done:
                raise
            logger.warning("the outbox of %s stops for now: %s", base_id, error.operator)
            break
    return done


def _batches(entries: Sequence[OutboxEntry], done: list[Written]) -> Iterator[tuple[str, list[Item]]]:
    """Rows of one table and one key, ten at a time. Rows that need no call are answered here."""
    groups: dict[tuple[str, tuple[str, ...]], list[Item]] = {}
    for entry in entries:
        changed = difference(entry.fields, entry.sent)
        if entry.record_id is None and not entry.merge:
            done.append(Written(entry_id=entry.id, ok=False, error="neither a row id nor a key: never written"))
        elif not changed and entry.record_id is not None:
            done.append(Written(entry_id=entry.id, ok=True, record_id=entry.record_id))
        else:
            key = () if entry.record_id is not None else tuple(sorted(entry.merge))
            groups.setdefault((entry.table, key), []).append(Item(entry, changed))
    for (table, _key), items in groups.items():
        for start in range(0, len(items), BATCH):
            yield table, items[start : start + BATCH]


def _write_table(client: Client, base_id: str, names: BaseNames, table: str, items: Sequence[Item]) -> list[Written]:
    try:
        columns = names.table(table)
    except AirtableDenied as error:
        return [Written(entry_id=item.entry.id, ok=False, error=error.marketer) for item in items]
    return Writer(client, base_id, columns).write(items)


@dataclass(frozen=True, slots=True)
class Writer:
    """Batches of one table."""

    client: Client
    base_id: str
    table: TableNames

    def write(self, items: Sequence[Item]) -> list[Written]:
        """One call when all is well; else the row or the cell at fault is set aside and the rest is written."""
        try:
            records = self._send(items)
        except Gone as error:
            return self._without_missing(items, error)
        except Rejected as error:
            return self._refused(items, error)
        return [self._written(item, record) for item, record in zip(items, records, strict=True)]

    def _send(self, items: Sequence[Item]) -> list[Mapping[str, Any]]:
        rows = [self._row(item) for item in items]
        runs = ",".join(dict.fromkeys(item.entry.run_id or item.entry.id for item in items))
        what = f"write {self.table.spec.name}:{runs}"
        if items[0].by_id:
            return self.client.call(self.base_id, WRITE, what, lambda api: self._update(api, rows))
        merge = [self.table.columns[name].key for name in items[0].entry.merge]
        return self.client.call(self.base_id, WRITE, what, lambda api: self._upsert(api, rows, merge))

    def _update(self, api: Api, rows: list[Any]) -> list[Mapping[str, Any]]:
        table = api.table(self.base_id, self.table.key)
        return list(table.batch_update(rows, typecast=True, use_field_ids=self.table.by_id))

    def _upsert(self, api: Api, rows: list[Any], merge: list[str]) -> list[Mapping[str, Any]]:
        table = api.table(self.base_id, self.table.key)
        return list(table.batch_upsert(rows, merge, typecast=True, use_field_ids=self.table.by_id)["records"])

    def _row(self, item: Item) -> dict[str, Any]:
        fields = self.table.theirs({**item.entry.merge, **item.fields})
        return {"id": item.entry.record_id, "fields": fields} if item.by_id else {"fields": fields}

    def _written(self, item: Item, record: Mapping[str, Any]) -> Written:
        sent = {name: value for name, value in item.fields.items() if name not in item.refused}
        error = None
        if item.refused:
            error = f"Airtable would not take {', '.join(self.table.label_of(name) for name in item.refused)}."
        return Written(
            entry_id=item.entry.id,
            ok=True,
            record_id=record["id"],
            sent=sent,
            fields=self.table.ours(record["fields"]),
            no_column=frozenset(sent).difference(self.table.columns),
            error=error,
        )

    def _without_missing(self, items: Sequence[Item], error: Gone) -> list[Written]:
        """Airtable names the first row that is not there (422 ROW_DOES_NOT_EXIST); the others were not written."""
        if error.answer.kind != MISSING_ROW:
            raise error
        named = set(RECORD_ID.findall(error.answer.message))
        lost = [item for item in items if item.entry.record_id in named]
        if not lost and len(items) > 1:
            return self._one_by_one(items)
        lost = lost or list(items)
        rest = [item for item in items if item not in lost]
        gone = [Written(entry_id=item.entry.id, ok=False, error=error.marketer, gone=True) for item in lost]
        return gone + (self.write(rest) if rest else [])

    def _refused(self, items: Sequence[Item], error: Rejected) -> list[Written]:
        """One bad cell refuses a whole batch: find its row, then do without the cell."""
        if error.answer.kind == MODEL_NOT_FOUND and self.table.spec.optional:
            return [Written(entry_id=item.entry.id, ok=False, error=error.marketer) for item in items]
        if error.answer.status not in {_BAD_REQUEST, _UNPROCESSABLE}:
            raise error
        if len(items) > 1:
            return self._one_by_one(items)
        return [self._without_cell(items[0], error)]

    def _one_by_one(self, items: Sequence[Item]) -> list[Written]:
        return [written for item in items for written in self.write([item])]

    def _without_cell(self, item: Item, error: Rejected) -> Written:
        bad = self._culprits(item, error)
        if not bad:
            if error.answer.kind in STALE_NAMES:
                raise error
            return Written(entry_id=item.entry.id, ok=False, error=error.marketer)
        rest = {name: value for name, value in item.fields.items() if name not in bad}
        if not rest:
            return Written(entry_id=item.entry.id, ok=False, error=error.marketer)
        done = self.write([replace(item, fields=rest, refused=(*item.refused, *bad))])
        return done[0]

    def _culprits(self, item: Item, error: Rejected) -> list[str]:
        if error.answer.kind == FAILED_FILES:
            return [name for name, value in item.fields.items() if _has_new_file(value)]
        name = self.table.name_of(error.answer.field or "")
        return [name] if name is not None and name in item.fields and name not in item.entry.merge else []


def _has_new_file(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(entry, Mapping) and "url" in entry for entry in value)

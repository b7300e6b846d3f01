"""One base transaction: what was touched, how to undo it, and what webhooks and the journal learn of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from pipelines.sandbox.airtable.state import ids
from pipelines.sandbox.airtable.state.model import Base, Field, Json, Record, Table, TableDiff
from pipelines.sandbox.airtable.state.store import Transaction, World


class Change(Transaction):
    """Collects a transaction. Register a record before its cells are edited."""

    def __init__(self, world: World, base: Base, source: str) -> None:
        super().__init__(world, base, source)
        self.after: list[Callable[[], None]] = []
        """Run once the transaction is committed: fetches and pings."""
        self.partial_failures: set[str] = set()
        """Reasons for Airtable's `details: {message: partialSuccess}`."""
        self._choices: list[tuple[Field, list[Json]]] = []

    @property
    def by_person(self) -> bool:
        """Whether a person at the grid does this, who may do what the API may not."""
        return self.source == "client"

    def diff(self, table: Table) -> TableDiff:
        return self.diffs.setdefault(table.id, TableDiff(table))

    def touch(self, table: Table, record: Record) -> None:
        """Remember a record as it was before its first edit."""
        diff = self.diff(table)
        if record.id not in diff.created and record.id not in diff.changed:
            diff.changed[record.id] = (copy.deepcopy(record.cells), record)

    def create(self, table: Table, cells: Json | None = None, record_id: str | None = None) -> Record:
        """A new row at the end of the table."""
        now = ids.now_iso()
        record = Record(record_id or ids.new_id("rec"), now, table.next_number, dict(cells or {}), now)
        table.next_number += 1
        table.records[record.id] = record
        self.diff(table).created[record.id] = record
        return record

    def destroy(self, table: Table, record: Record) -> None:
        self.touch(table, record)
        del table.records[record.id]
        self.diff(table).destroyed[record.id] = record

    def save_record(self, table: Table, record: Record) -> None:
        """Journal a record whose comments changed; comments are no base transaction."""
        self.world.journal.write({f"record/{self.base.id}/{table.id}/{record.id}": asdict(record)})

    def will_change_choices(self, column: Field) -> None:
        """Remember a select's options before one is added by typecast."""
        self._choices.append((column, list(column.options.get("choices", []))))

    def roll_back(self) -> None:
        for diff in self.diffs.values():
            diff.table.next_number -= len(diff.created)
            for record_id in diff.created:
                diff.table.records.pop(record_id, None)
            for record_id, (cells, record) in diff.changed.items():
                record.cells = cells
                diff.table.records[record_id] = record
        for column, choices in reversed(self._choices):
            column.options["choices"] = choices

    def commit(self) -> None:
        """Number the transaction, journal it, tell the observers, start what comes after."""
        self._drop_unchanged()
        if self.diffs:
            self.base.transactions += 1
            self._journal()
            for observe in self.world.observers:
                observe(self)
        for task in self.after:
            task()

    def _drop_unchanged(self) -> None:
        for diff in self.diffs.values():
            for record_id in diff.destroyed:
                diff.changed.pop(record_id, None)
            for record_id, (before, record) in list(diff.changed.items()):
                if before == record.cells:
                    del diff.changed[record_id]
        self.diffs = {k: d for k, d in self.diffs.items() if _happened(d)} if not self._choices else self.diffs

    def _journal(self) -> None:
        now = ids.now_iso()
        puts: dict[str, Json] = {f"base/{self.base.id}": self.base.schema()}
        deletes: set[str] = set()
        for diff in self.diffs.values():
            prefix = f"record/{self.base.id}/{diff.table.id}/"
            for _, record in diff.changed.values():
                record.modified = now
            live = [*diff.created.values(), *(record for _, record in diff.changed.values())]
            puts |= {prefix + record.id: asdict(record) for record in live}
            deletes |= {prefix + record_id for record_id in diff.destroyed}
        self.world.journal.write(puts, deletes)


@contextmanager
def transaction(world: World, base: Base, source: str = "publicApi") -> Iterator[Change]:
    """One base transaction: everything in it happens or, when it raises, nothing does."""
    with world.lock:
        change = Change(world, base, source)
        try:
            yield change
        except BaseException:
            change.roll_back()
            raise
        change.commit()


def _happened(diff: TableDiff) -> bool:
    return bool(
        diff.created
        or diff.changed
        or diff.destroyed
        or diff.created_fields
        or diff.changed_fields
        or diff.destroyed_fields
        or diff.renamed
        or diff.is_new
    )

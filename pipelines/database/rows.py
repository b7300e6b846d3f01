"""One implementation of `ports.Rows` for every table."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Hashable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Table, insert
from sqlalchemy.engine import Row
from sqlalchemy.sql.dml import ReturningUpdate

from pipelines.database.statements import (
    LIMIT,
    NOTHING,
    OWN,
    Shape,
    adding,
    changing,
    counting,
    finding,
    getting,
    removing,
    renewing,
    shape_of,
)
from pipelines.database.tables import OWNERS, plain_type

T = TypeVar("T")

REMEMBERED = 64
"""Longer answers than this, and more of them, are not kept: a transaction may go through all that there is."""
_id = attrgetter("id")


@cache
def _readers(record: Any, *kinds: type) -> dict[str, Any]:
    """For each field of these kinds, the type that makes its SQL value its Python value."""
    hints = {name: plain_type(hint)[0] for name, hint in typing.get_type_hints(record).items()}
    return {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, kinds)}


def _asked(values: Mapping[str, Any]) -> Hashable:
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in values.items())


def _to(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {f"to_{name}": value for name, value in changes.items()}


@dataclasses.dataclass(slots=True)
class DueMark:
    """Whether a transaction gives any row a due time, so that whoever waits for one is told."""

    given: bool = False

    def note(self, values: Mapping[str, Any]) -> None:
        """See what a row is written with."""
        if values.get("next_at") is not None:
            self.given = True


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """The transaction that rows are read and written in."""

    connection: Connection
    account_id: str | None = None
    alone: bool = False
    """Nobody else changes what it sees until it ends: a snapshot, or a write on SQLite, whose writers are alone."""
    due: DueMark = dataclasses.field(default_factory=DueMark)


class SqlRows(Generic[T]):
    """Frozen records of one table, in one transaction. A row that nobody else can change before it ends, because it
    was locked or written here, is read once; and so is everything where the transaction is alone.
    """

    def __init__(self, scope: Scope, table: Table, record: type[T]) -> None:
        account_id, self._alone = scope.account_id, scope.alone
        self._connection, self._table, self._record, self._due = scope.connection, table, record, scope.due
        self._ours: dict[str, T | None] = {}
        """By id, the rows that are as this transaction knows them; None: not read since it has written them."""
        self._answers: dict[Hashable, tuple[T, ...]] = {}
        """What was found where the transaction is alone, until it writes into the table."""
        self._readers = _readers(typing.cast("Any", record), StrEnum)
        self._kept = _readers(typing.cast("Any", record), StrEnum, int, float)
        self._account_id = account_id if table.name in OWNERS else None

    def _shape_of(
        self, equals: Mapping[str, Any], before: Mapping[str, Any] = NOTHING, after: Mapping[str, Any] = NOTHING
    ) -> tuple[Shape, dict[str, Any]]:
        """The condition; in the view of an account, also that the row is its own."""
        shape, values = shape_of(equals, before, after)
        if self._account_id is None:
            return shape, values
        return (*shape, (OWNERS[self._table.name], "own")), {**values, OWN: self._account_id}

    def is_ours(self, id: str) -> bool:
        """Whether nobody else can change the row until the transaction ends."""
        return id in self._ours

    def get(self, id: str, *, lock: bool = False) -> T | None:
        known = self._ours.get(id)
        if known is not None or id in self._answers:
            return known
        shape, values = self._shape_of({"id": id})
        row = self._connection.execute(getting(self._table, shape, lock=lock), values).first()
        if row is not None:
            return self._noted(id, self._load(row), ours=lock or self._alone)
        if self._alone:
            # It is not there.
            self._answers[id] = ()
        return None

    def _noted(self, id: str, row: T, *, ours: bool) -> T:
        if ours or id in self._ours:
            self._ours[id] = row
        return row

    def add(self, row: T) -> bool:
        statement = adding(self._table, self._connection.dialect.name)
        return self._connection.execute(statement, self._added(row)).first() is not None

    def add_all(self, rows: Sequence[T]) -> None:
        if rows:
            self._connection.execute(insert(self._table), [self._added(row) for row in rows])

    def _added(self, row: T) -> dict[str, Any]:
        self._answers.clear()
        values = {f.name: getattr(row, f.name) for f in dataclasses.fields(row)}  # type: ignore[arg-type]
        if values.get("id", "") is None:
            del values["id"]
        if self._account_id is not None and OWNERS[self._table.name] == "account_id":
            values["account_id"] = self._account_id
        self._due.note(values)
        return values

    def change(
        self, id: str, when: Mapping[str, Any] | None = None, add: Mapping[str, int] = NOTHING, /, **changes: Any
    ) -> bool:
        self._answers.clear()
        self._due.note(changes)
        shape, values = self._shape_of({"id": id, **(when or {})})
        statement = changing(self._table, shape, tuple(changes), tuple(add))
        if self._connection.execute(statement, values | _to(changes) | _to(add)).rowcount != 1:
            return False
        self._ours[id] = None
        return True

    def renew(
        self, id: str, when: Mapping[str, Any] | None = None, add: Mapping[str, int] = NOTHING, /, **changes: Any
    ) -> T | None:
        self._due.note(changes)
        shape, values = self._shape_of({"id": id, **(when or {})})
        statement = renewing(self._table, shape, tuple(changes), tuple(add))
        return self.written(statement, values | _to(changes) | _to(add))

    def written(self, statement: ReturningUpdate[Any], values: Mapping[str, Any]) -> T | None:
        """Change one row by a statement that returns it; None where none matched."""
        self._answers.clear()
        row = self._connection.execute(statement, values).first()
        return None if row is None else self._noted(row.id, self._load(row, returned=True), ours=True)

    def change_all(
        self,
        ids: Collection[str],
        when: Mapping[str, Any] | None = None,
        /,
        *,
        before: Mapping[str, Any],
        **changes: Any,
    ) -> set[str]:
        self._answers.clear()
        self._due.note(changes)
        shape, values = self._shape_of({"id": list(ids), **(when or {})}, before)
        statement = changing(self._table, shape, tuple(changes)).returning(self._table.c.id)
        changed = set(self._connection.execute(statement, values | _to(changes)).scalars())
        self._ours |= dict.fromkeys(changed)
        return changed

    def change_each(self, rows: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> None:
        if not rows:
            return
        self._answers.clear()
        for row, _, changes in rows:
            self._due.note(changes)
            # Which of them match is not told.
            self._ours.pop(row, None)
        shaped = [(*self._shape_of({"id": row, **when}), changes) for row, when, changes in rows]
        statement = changing(self._table, shaped[0][0], tuple(shaped[0][2]))
        self._connection.execute(statement, [values | _to(changes) for _, values, changes in shaped])

    def find(
        self,
        *,
        order: str = "id",
        limit: int | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        lock: bool = False,
        **equals: Any,
    ) -> list[T]:
        shape, values = self._shape_of(equals, before or NOTHING, after or NOTHING)
        # All that match, by id, are put in order here: SQLite would rather walk through the whole table in that order.
        ours = limit is None and order == "id" and not lock
        question = (shape, _asked(values), order, limit) if self._alone else None
        if question in self._answers:
            return list(self._answers[question])
        statement = finding(self._table, shape, None if ours else order, limited=limit is not None, lock=lock)
        rows = [self._load(row) for row in self._connection.execute(statement, values | {LIMIT: limit})]
        rows = sorted(rows, key=_id) if ours else rows
        if lock:
            self._ours |= {_id(row): row for row in rows}
        if self._alone and max(len(rows), len(self._answers)) <= REMEMBERED:
            self._answers[question] = tuple(rows)
            self._ours |= {_id(row): row for row in rows}
        return rows

    def count(
        self,
        *,
        limit: int | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        **equals: Any,
    ) -> int:
        shape, values = self._shape_of(equals, before or NOTHING, after or NOTHING)
        statement = counting(self._table, shape, limited=limit is not None)
        return int(self._connection.execute(statement, values | {LIMIT: limit}).scalar_one())

    def remove(self, id: str) -> bool:
        self._answers.clear()
        self._ours.pop(id, None)
        shape, values = self._shape_of({"id": id})
        return self._connection.execute(removing(self._table, shape, limited=False), values).rowcount == 1

    def remove_some(self, limit: int, *, before: Mapping[str, Any], **equals: Any) -> int:
        shape, values = self._shape_of(equals, before)
        self.forget()
        statement = removing(self._table, shape, limited=True)
        return self._connection.execute(statement, values | {LIMIT: limit}).rowcount

    def forget(self) -> None:
        """Something was written or removed past this table."""
        self._ours.clear()
        self._answers.clear()

    def _load(self, row: Row[Any], *, returned: bool = False) -> T:
        """The record; SQLite returns what it has written as it was given, 1.0 in a column of whole numbers."""
        values = row._asdict()
        for name, reader in (self._kept if returned else self._readers).items():
            if values[name] is not None:
                values[name] = reader(values[name])
        return self._record(**values)

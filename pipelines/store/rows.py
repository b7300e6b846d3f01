"""One implementation of `ports.Rows` for every table."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row

from pipelines.store.tables import plain_type

T = TypeVar("T")
_MANY = (tuple, set, frozenset, list)


@cache
def _readers(record: Any) -> dict[str, Any]:
    """For each field whose SQL value is not yet its Python value, the type that makes it so."""
    hints = {name: plain_type(hint)[0] for name, hint in typing.get_type_hints(record).items()}
    enums = {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, StrEnum)}
    tuples = {name: tuple for name, hint in hints.items() if typing.get_origin(hint) is tuple}
    return {**enums, **tuples}


def condition(table: Table, name: str, value: Any) -> ColumnElement[bool]:
    """`column = value`, with None for NULL and a collection for "one of"."""
    column = table.c[name]
    if value is None:
        return column.is_(None)
    if isinstance(value, _MANY):
        return column.in_(list(value))
    matches: ColumnElement[bool] = column == value
    return matches


class SqlRows(Generic[T]):
    """Frozen records of one table, through one connection."""

    def __init__(self, connection: Connection, table: Table, record: type[T]) -> None:
        self._connection, self._table, self._record = connection, table, record
        self._readers = _readers(typing.cast("Any", record))

    def get(self, id: str, *, lock: bool = False) -> T | None:
        query = select(self._table).where(self._table.c.id == id)
        row = self._connection.execute(query.with_for_update() if lock else query).first()
        return self._load(row) if row is not None else None

    def add(self, row: T) -> bool:
        values = {f.name: getattr(row, f.name) for f in dataclasses.fields(row)}  # type: ignore[arg-type]
        if values.get("id", "") is None:
            del values["id"]
        insert = sqlite.insert if self._connection.dialect.name == "sqlite" else postgresql.insert
        statement = insert(self._table).values(**values).on_conflict_do_nothing().returning(self._table.c.id)
        return self._connection.execute(statement).first() is not None

    def change(self, id: str, when: Mapping[str, Any] | None = None, /, **changes: Any) -> bool:
        conditions = [condition(self._table, name, value) for name, value in (when or {}).items()]
        statement = update(self._table).where(self._table.c.id == id, *conditions).values(**changes)
        return self._connection.execute(statement).rowcount == 1

    def change_all(
        self,
        ids: Collection[str],
        when: Mapping[str, Any] | None = None,
        /,
        *,
        before: Mapping[str, Any],
        **changes: Any,
    ) -> set[str]:
        conditions = [condition(self._table, name, value) for name, value in (when or {}).items()]
        conditions += [self._table.c[name] < value for name, value in before.items()]
        statement = update(self._table).where(self._table.c.id.in_(list(ids)), *conditions).values(**changes)
        return set(self._connection.execute(statement.returning(self._table.c.id)).scalars())

    def change_each(self, rows: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> None:
        if not rows:
            return
        _, when, changes = rows[0]
        conditions = [self._table.c[name] == bindparam(f"when_{name}") for name in ("id", *when)]
        statement = update(self._table).where(*conditions).values({name: bindparam(f"to_{name}") for name in changes})
        values = [
            {"when_id": row}
            | {f"when_{name}": value for name, value in when.items()}
            | {f"to_{name}": value for name, value in changes.items()}
            for row, when, changes in rows
        ]
        self._connection.execute(statement, values)

    def find(
        self,
        *,
        order: str = "id",
        limit: int | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        **equals: Any,
    ) -> list[T]:
        conditions = [condition(self._table, name, value) for name, value in equals.items()]
        conditions += [self._table.c[name] < value for name, value in (before or {}).items()]
        conditions += [self._table.c[name] > value for name, value in (after or {}).items()]
        column = self._table.c[order.lstrip("-")]
        # By id within equal values: a page of a list must not depend on the database's mood.
        ways = [c.desc() if order.startswith("-") else c.asc() for c in (column, self._table.c.id)]
        query = select(self._table).where(*conditions).order_by(*ways).limit(limit)
        return [self._load(row) for row in self._connection.execute(query)]

    def count(self, **equals: Any) -> int:
        conditions = [condition(self._table, name, value) for name, value in equals.items()]
        query = select(func.count()).select_from(self._table).where(and_(True, *conditions))
        return int(self._connection.execute(query).scalar_one())

    def remove(self, id: str) -> bool:
        return self._connection.execute(delete(self._table).where(self._table.c.id == id)).rowcount == 1

    def remove_some(self, limit: int, *, before: Mapping[str, Any], **equals: Any) -> int:
        conditions = [condition(self._table, name, value) for name, value in equals.items()]
        conditions += [self._table.c[name] < value for name, value in before.items()]
        some = select(self._table.c.id).where(*conditions).limit(limit)
        return self._connection.execute(delete(self._table).where(self._table.c.id.in_(some))).rowcount

    def _load(self, row: Row[Any]) -> T:
        values = row._asdict()
        for name, reader in self._readers.items():
            if values[name] is not None:
                values[name] = reader(values[name])
        return self._record(**values)

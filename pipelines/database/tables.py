"""The tables, derived from the frozen records of the domain: a field there is a column here.

The types say what a column may hold, too: one of an enum's words, or a whole number that is not negative. Foreign keys
stand where a row means nothing without the other; of a clip and its request, one names the other. None leads to a
scene, which an edited script replaces while clips and requests that were bought for it stay; none to a base or a key,
which can go while their runs stay (a key of the environment has no row at all); none from the history, which is only
told. They are checked at once: SQLite would search a whole table for children of a row that came after them.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.types import TypeEngine

from pipelines.database.codec import Json
from pipelines.domain.records import Leased
from pipelines.ports import Tx

metadata = MetaData(
    naming_convention={"ck": "ck_%(table_name)s_%(column_0_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s"}
)

RECORDS: dict[str, type[Any]] = {name: typing.get_args(rows)[0] for name, rows in typing.get_type_hints(Tx).items()}
"""The record of each table."""

UNIQUE: dict[str, list[tuple[str, ...]]] = {
    "accounts": [("issuer", "subject")],
    "lots": [("source",)],
    "payments": [("reference",)],
    "runs": [("base_id", "record_id", "number")],
    "scenes": [("run_id", "number")],
    "generations": [("provider", "provider_id"), ("idem_key",), ("callback_token",)],
    "shares": [("token",)],
    "cuts": [("token",), ("run_id", "take", "format", "animatic", "hook", "language")],
    "packs": [("token",), ("run_id", "take")],
    "purchases": [("fingerprint",)],
    "notices": [("target", "event")],
}

INDEXES: dict[str, list[tuple[str, ...]]] = {
    "runs": [
        ("status", "created_at", "id"),
        ("record_id",),
        ("created_at", "id"),
        ("created_at", "id", "words"),
        ("base_id", "created_at", "id"),
        ("key_id", "created_at", "id"),
        ("model", "created_at", "id"),
        ("shape", "created_at", "id"),
        ("finished_at", "id"),
        ("account_id", "created_at", "id"),
        ("batch_id", "status"),
    ],
    "keys": [("account_id",)],
    "projects": [("account_id",)],
    "generations": [
        ("run_id",),
        ("scene_id",),
        ("status", "next_at"),
        ("status", "updated_at"),
        ("model", "status", "updated_at", "id"),
        ("fingerprint", "status"),
    ],
    "clips": [("fingerprint",), ("run_id",), ("sha256",), ("key",)],
    "cuts": [("key",)],
    "events": [("run_id", "id"), ("entity_id", "run_id", "at")],
    "event_archive": [("run_id", "id")],
    "ledger": [("run_id", "account"), ("account", "generation_id"), ("account", "day")],
    "ledger_archive": [("run_id", "account"), ("account", "generation_id"), ("account", "day")],
    "day_totals": [("day",), ("key_id", "day"), ("base_id", "day"), ("account_id", "day"), ("project_id", "day")],
    "shares": [("run_id",)],
    "comments": [("run_id",), ("share_id",)],
    "lots": [("account_id", "available_micro"), ("expiry_due_at",), ("payment",)],
    "credits": [
        ("account_id", "account", "day"),
        ("account_id", "id"),
        ("base_id", "day"),
        ("run_id",),
        ("generation_id",),
        ("lot_id",),
    ],
    "reservations": [("run_id",), ("lot_id",), ("account_id", "reserved_micro")],
    "payments": [("request_key",), ("status", "created_at")],
    "files": [("kind", "last_used_at"), ("run_id",)],
    "scenes": [("key",), ("run_id", "words"), ("clip_id",), ("sound",), ("airtable_record_id",)],
    "outbox": [("base_id", "table", "record_id", "id"), ("base_id", "next_at"), ("run_id",), ("record_id",)],
    "endpoints": [("account_id",)],
    "notices": [
        ("endpoint_id", "created_at", "id"),
        ("target", "lease_until"),
        ("run_id", "created_at"),
        ("created_at",),
    ],
    "attempts": [("notice_id", "at"), ("at",)],
    "purchases": [("run_id",), ("file",)],
    "search_vectors": [("run_id",), ("account_id", "model", "indexed_at"), ("model", "indexed_at")],
    "batches": [("account_id", "created_at", "id"), ("created_at", "id"), ("finished_at",)],
    "saved_orders": [("account_id", "saved_at", "id"), ("saved_at",)],
}

PARENTS: dict[str, dict[str, str]] = {
    "scenes": {"run_id": "runs", "clip_id": "clips"},
    "generations": {"run_id": "runs"},
    "clips": {"run_id": "runs", "generation_id": "generations"},
    "cuts": {"run_id": "runs"},
    "packs": {"run_id": "runs"},
    "ledger": {"run_id": "runs", "generation_id": "generations"},
    "texts": {"run_id": "runs"},
    "purchases": {"run_id": "runs"},
    "search_vectors": {"run_id": "runs"},
    "shares": {"run_id": "runs"},
    "comments": {"run_id": "runs", "share_id": "shares"},
    "spent_links": {"run_id": "runs"},
    "lots": {"account_id": "accounts"},
    "reservations": {"run_id": "runs", "lot_id": "lots"},
}
"""The table whose row a column names."""

SIGNED = {("ledger", "amount"), ("ledger_archive", "amount"), ("credits", "amount")}
"""The one whole number that goes below zero: each posting has two sides."""


OWNERS: dict[str, str] = {
    "accounts": "id",
    "projects": "account_id",
    "keys": "account_id",
    "bases": "account_id",
    "runs": "account_id",
    "ledger": "account_id",
    "ledger_archive": "account_id",
    "balances": "account_id",
    "day_totals": "account_id",
    "files": "account_id",
    **dict.fromkeys(("lots", "credits", "reservations"), "account_id"),
    **dict.fromkeys(("shares", "comments", "spent_links"), "run_id"),
    "endpoints": "account_id",
    "notices": "account_id",
    "attempts": "account_id",
    "purchases": "account_id",
    "search_vectors": "account_id",
    "batches": "account_id",
    "saved_orders": "account_id",
    **dict.fromkeys(("scenes", "generations", "clips", "cuts", "packs", "events", "event_archive"), "run_id"),
}
"""The column that says whose a row is: its account, or the run that it is a part of."""

OF_NOBODY = frozenset(
    (
        *("file_totals", "outbox", "inbox", "replays", "processes", "sweeps", "texts", "issuer_keys", "checkpoints"),
        "payments",
        *("stop_switches", "circuits", "base_outages", "rate_limits", "airtable_paces", "clock_steps"),
    )
)
"""What we work with ourselves: no row of these is ever shown to an account."""


def is_leased(record: type[Any]) -> bool:
    """Whether rows of this table are worked on under a lease."""
    return issubclass(record, Leased)


def plain_type(hint: Any) -> tuple[Any, bool]:
    """A field's type without `None`, and whether None was allowed."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (inner,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
        return inner, True
    return hint, False


def column_type(hint: Any) -> TypeEngine[Any]:
    """The SQL type of a field's plain Python type."""
    if hint is str or _words(hint):
        return Text()
    simple: dict[Any, TypeEngine[Any]] = {bool: Boolean(), int: BigInteger(), float: Double(), bytes: LargeBinary()}
    return simple.get(hint) or Json(hint)


def _words(hint: Any) -> tuple[str, ...]:
    """The words that a column of this type may hold; none where any may stand."""
    if typing.get_origin(hint) is Literal:
        return typing.get_args(hint)
    return tuple(hint) if isinstance(hint, type) and issubclass(hint, StrEnum) else ()


def _column(table: str, name: str, hint: Any) -> Column[Any]:
    inner, optional = plain_type(hint)
    if name == "id" and inner is int:
        return Column(name, BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True)
    parent = PARENTS.get(table, {}).get(name)
    keys = [ForeignKey(f"{parent}.id")] if parent else []
    return Column(name, column_type(inner), *keys, primary_key=name == "id", nullable=optional)


def _checks(table: str, columns: Iterable[Column[Any]], hints: Mapping[str, Any]) -> Iterator[CheckConstraint]:
    for column in columns:
        inner, _ = plain_type(hints[column.name])
        if words := _words(inner):
            yield CheckConstraint(column.in_([str(word) for word in words]))
        elif inner is int and not column.primary_key and (table, column.name) not in SIGNED:
            yield CheckConstraint(column >= 0)


_PARTIAL: list[tuple[Index, ColumnElement[bool]]] = []


def _table(name: str, record: type[Any]) -> Table:
    hints = typing.get_type_hints(record)
    columns = [_column(name, field.name, hints[field.name]) for field in dataclasses.fields(record)]
    unique = [Index(f"uq_{name}_{'_'.join(cols)}", *cols, unique=True) for cols in UNIQUE.get(name, [])]
    plain = [Index(f"ix_{name}_{'_'.join(cols)}", *cols) for cols in INDEXES.get(name, [])]
    table = Table(name, metadata, *columns, *_checks(name, columns, hints), *unique, *plain)
    if is_leased(record):
        Index(f"ix_{name}_due", table.c.next_at)
        _index_some(f"ix_{name}_owner", table.c.lease_owner.is_not(None), table.c.lease_owner)
    return table


def _index_some(name: str, rows: ColumnElement[bool], *columns: Column[Any]) -> None:
    """No bigger than the rows that it is about."""
    _PARTIAL.append((Index(name, *columns), rows))


def complete_for(dialect: str) -> None:
    """Say of the partial indexes in the words of one database which rows they are about: only its dialect is loaded."""
    for index, rows in _PARTIAL:
        index.dialect_options[dialect]["where"] = rows


TABLES: dict[str, Table] = {name: _table(name, record) for name, record in RECORDS.items()}

_NOTHING = text("0")
"""In the statement itself: a parameter would keep SQLite from its index."""
EXPOSED = or_(TABLES["balances"].c.held != _NOTHING, TABLES["balances"].c.committed != _NOTHING)
"""Balances of subjects that have money set aside: few, however many there are."""
NOT_OF_A_RUN = TABLES["balances"].c.kind != text("'run'")
"""Balances of subjects that several runs share."""
_index_some("ix_balances_exposed", EXPOSED, TABLES["balances"].c.id)
_index_some("ix_balances_shared", NOT_OF_A_RUN, TABLES["balances"].c.id)
SET_ASIDE = TABLES["reservations"].c.reserved_micro > _NOTHING
"""What moving runs have set aside: few of all reservations."""
_index_some("ix_reservations_set_aside", SET_ASIDE, TABLES["reservations"].c.run_id)
for _kind in ("clips", "cuts"):
    _FILM = TABLES[_kind].c
    # PostgreSQL takes no order from an index whose first column IS NULL.
    _index_some(f"ix_{_kind}_kept", _FILM.deleted_at.is_(None), _FILM.created_at, _FILM.id)
_RUNS = TABLES["runs"].c
_OF_ACCOUNT = (_RUNS.account_id, _RUNS.status)
_index_some("ix_runs_customer", _RUNS.account_id.is_not(None), *_OF_ACCOUNT, _RUNS.created_at, _RUNS.id)
_index_some("ix_runs_quoted", _RUNS.quote_micro.is_not(None), _RUNS.quote_micro, _RUNS.id)
_index_some("ix_runs_charged", _RUNS.account_id.is_not(None), _RUNS.account_id, _RUNS.price_micro, _RUNS.id)
_index_some("ix_runs_turn", _RUNS.account_id.is_not(None), *_OF_ACCOUNT, _RUNS.turn, _RUNS.created_at)

ENTRIES = union_all(select(TABLES["ledger"]), select(TABLES["ledger_archive"])).subquery("entries")
"""Every entry of the ledger, archived or not."""

"""The tables, derived from the frozen records of the domain: a field there is a column here."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeEngine

from pipelines.database.codec import Json
from pipelines.domain.records import Leased
from pipelines.ports import Tx

metadata = MetaData()

RECORDS: dict[str, type[Any]] = {name: typing.get_args(rows)[0] for name, rows in typing.get_type_hints(Tx).items()}
"""The record of each table."""

UNIQUE: dict[str, list[tuple[str, ...]]] = {
    "runs": [("base_id", "record_id", "number")],
    "scenes": [("run_id", "number")],
    "generations": [("provider", "provider_id"), ("idem_key",), ("callback_token",)],
    "cuts": [("token",), ("run_id", "take", "format", "animatic")],
}

INDEXES: dict[str, list[tuple[str, ...]]] = {
    "runs": [("status",), ("record_id",), ("created_at",)],
    "generations": [("run_id",), ("scene_id",), ("status", "next_at"), ("model", "status"), ("fingerprint", "status")],
    "clips": [("fingerprint",), ("run_id",), ("sha256",)],
    "events": [("run_id", "id"), ("entity_id",)],
    "ledger": [("account", "run_id"), ("account", "generation_id"), ("day",)],
    "scenes": [("key",), ("clip_id",), ("airtable_record_id",)],
    "outbox": [("base_id", "table"), ("base_id", "next_at"), ("run_id",), ("record_id",)],
}


def is_leased(record: type[Any]) -> bool:
    """Whether rows of this table are worked on under a lease."""
    return issubclass(record, Leased)


def plain_type(hint: Any) -> tuple[Any, bool]:
    """A field's type without `None`, and whether None was allowed."""
    if isinstance(hint, types.UnionType):
        (inner,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
        return inner, True
    return hint, False


def column_type(hint: Any) -> TypeEngine[Any]:
    """The SQL type of a field's plain Python type."""
    if isinstance(hint, type) and issubclass(hint, (str, StrEnum)):
        return Text()
    simple: dict[Any, TypeEngine[Any]] = {bool: Boolean(), int: BigInteger(), float: Double()}
    return simple.get(hint) or Json(hint)


def _column(name: str, hint: Any) -> Column[Any]:
    inner, optional = plain_type(hint)
    if name == "id" and inner is int:
        return Column(name, BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True)
    return Column(name, column_type(inner), primary_key=name == "id", nullable=optional)


def _table(name: str, record: type[Any]) -> Table:
    hints = typing.get_type_hints(record)
    columns = [_column(field.name, hints[field.name]) for field in dataclasses.fields(record)]
    unique = [Index(f"uq_{name}_{'_'.join(cols)}", *cols, unique=True) for cols in UNIQUE.get(name, [])]
    plain = [Index(f"ix_{name}_{'_'.join(cols)}", *cols) for cols in INDEXES.get(name, [])]
    due = [Index(f"ix_{name}_due", "next_at")] if is_leased(record) else []
    return Table(name, metadata, *columns, *unique, *plain, *due)


TABLES: dict[str, Table] = {name: _table(name, record) for name, record in RECORDS.items()}

"""Every column of text is declared: personal, of the books, or technical. Erasing walks what is personal."""

from __future__ import annotations

import dataclasses
import typing
from enum import StrEnum
from typing import Any, Literal

import pytest

from pipelines.database.tables import RECORDS, plain_type
from pipelines.domain.data_kinds import MONEY, PASSING, PERSONAL, TECHNICAL


def of_text(record: type[Any]) -> set[str]:
    """Columns that may hold words: not numbers, times, switches or words of a fixed list."""
    hints = typing.get_type_hints(record)
    return {field.name for field in dataclasses.fields(record) if not _is_fixed(plain_type(hints[field.name])[0])}


def _is_fixed(kind: Any) -> bool:
    if typing.get_origin(kind) is Literal:
        return True
    return isinstance(kind, type) and issubclass(kind, (bool, int, float, StrEnum))


@pytest.mark.parametrize("table", sorted(RECORDS))
def test_every_column_of_text_says_what_it_holds(table: str) -> None:
    """A new column is declared in pipelines/domain/data_kinds.py, so that erasing does not forget it."""
    declared = [name for kinds in (PERSONAL, PASSING, MONEY, TECHNICAL) for name in kinds.get(table, ())]
    assert sorted(declared) == sorted(of_text(RECORDS[table]))


@pytest.mark.parametrize("table", sorted(PERSONAL))
def test_what_is_personal_is_found_by_its_run(table: str) -> None:
    assert table == "runs" or "run_id" in {field.name for field in dataclasses.fields(RECORDS[table])}

"""Linked records: the values of a link cell, and its inverse kept in step."""

from __future__ import annotations

from typing import Any

from pipelines.sandbox.airtable.state import errors
from pipelines.sandbox.airtable.state.changes import Change
from pipelines.sandbox.airtable.state.model import Field, Record, Table


def parse_links(change: Change, column: Field, value: Any, *, typecast: bool) -> list[str] | None:
    """Record ids of the linked table; with typecast also primary values, which are created when new."""
    target = change.base.table(column.options["linkedTableId"])
    if typecast and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if target is None or not isinstance(value, list):
        raise errors.bad_value(column.name)
    found = [_linked(change, target, column, item, typecast=typecast) for item in value]
    return list(dict.fromkeys(found)) or None


def _linked(change: Change, target: Table, column: Field, item: Any, *, typecast: bool) -> str:
    key = item.get("id") if isinstance(item, dict) else item
    if not isinstance(key, str):
        raise errors.bad_value(column.name)
    if key in target.records:
        return key
    if not typecast or key.startswith("rec"):
        raise errors.missing_row(key)
    for record in target.records.values():
        if record.cells.get(target.primary.id) == key:
            return record.id
    return change.create(target, {target.primary.id: key}).id


def set_links(change: Change, column: Field, record: Record, new: list[str] | None) -> None:
    """Store a link cell and add or remove the record in the inverse cells."""
    old = record.cells.get(column.id, [])
    target = change.base.table(column.options["linkedTableId"])
    inverse = column.options.get("inverseLinkFieldId")
    if target is not None and inverse:
        for record_id in set(old) - set(new or []):
            _edit_inverse(change, target, inverse, record_id, record.id, add=False)
        for record_id in [r for r in new or [] if r not in old]:
            _edit_inverse(change, target, inverse, record_id, record.id, add=True)
    if new:
        record.cells[column.id] = new
    else:
        record.cells.pop(column.id, None)


def unlink_everywhere(change: Change, record_id: str) -> None:
    """Take a record that is being deleted out of every cell that links to it."""
    for table, column in change.base.link_fields():
        for record in table.records.values():
            if record_id in record.cells.get(column.id, ()):
                change.touch(table, record)
                _remove(record, column.id, record_id)


def _edit_inverse(change: Change, table: Table, field_id: str, record_id: str, other: str, *, add: bool) -> None:
    record = table.records.get(record_id)
    if record is None:
        return
    change.touch(table, record)
    if not add:
        _remove(record, field_id, other)
    elif other not in record.cells.get(field_id, ()):
        record.cells[field_id] = [*record.cells.get(field_id, []), other]


def _remove(record: Record, field_id: str, other: str) -> None:
    left = [r for r in record.cells.get(field_id, []) if r != other]
    if left:
        record.cells[field_id] = left
    else:
        record.cells.pop(field_id, None)

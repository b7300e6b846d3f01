"""Creating, updating, upserting and deleting records: what a request means, before HTTP."""

from __future__ import annotations

from typing import Any

from pipelines.sandbox.airtable.cells.cells import Input, parse
from pipelines.sandbox.airtable.cells.links import set_links, unlink_everywhere
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.changes import Change
from pipelines.sandbox.airtable.state.model import Field, Json, Record, Table

BATCH = 10
MERGE_FIELDS = 3
_MERGEABLE = frozenset(
    {
        "singleLineText",
        "multilineText",
        "number",
        "percent",
        "currency",
        "email",
        "url",
        "phoneNumber",
        "singleSelect",
        "multipleSelects",
        "date",
        "dateTime",
        "duration",
        "rating",
        "barcode",
        "checkbox",
        "richText",
        "externalSyncSource",
    }
)


def fill(change: Change, table: Table, record: Record, fields: Json, *, typecast: bool) -> None:
    """Write the given cells of a record; the others stay."""
    change.touch(table, record)
    for key, value in fields.items():
        column = table.field(key)
        if column is None:
            raise errors.unknown_field(key)
        stored = parse(Input(change, table, column, record.id, value, typecast))
        _store(change, column, record, stored)


def _store(change: Change, column: Field, record: Record, stored: Any) -> None:
    if column.type == "multipleRecordLinks":
        set_links(change, column, record, stored)
    elif stored is None:
        record.cells.pop(column.id, None)
    else:
        record.cells[column.id] = stored


def create(change: Change, table: Table, fields: Json, *, typecast: bool) -> Record:
    record = change.create(table)
    fill(change, table, record, fields, typecast=typecast)
    return record


def update(change: Change, table: Table, record: Record, fields: Json, *, replace: bool, typecast: bool) -> Record:
    """PATCH keeps what is not named; PUT (`replace`) clears it first, computed cells aside."""
    change.touch(table, record)
    if replace:
        for column in table.fields:
            if not column.is_computed and column.id in record.cells:
                _store(change, column, record, None)
    fill(change, table, record, fields, typecast=typecast)
    return record


def delete(change: Change, table: Table, record: Record) -> None:
    unlink_everywhere(change, record.id)
    change.destroy(table, record)


def merge_columns(table: Table, names: Any) -> list[Field]:
    """The fields of `performUpsert.fieldsToMergeOn`, checked."""
    if not isinstance(names, list) or not 1 <= len(names) <= MERGE_FIELDS:
        raise errors.invalid_request("fieldsToMergeOn must name one to three fields")
    columns: list[Field] = []
    for name in names:
        column = table.field(name) if isinstance(name, str) else None
        if column is None:
            raise errors.unknown_field(str(name))
        if column.type not in _MERGEABLE:
            raise errors.invalid_request(f'field "{column.name}" of type {column.type} cannot be merged on')
        columns.append(column)
    return columns


def upsert(change: Change, table: Table, item: Json, columns: list[Field], *, replace: bool, typecast: bool) -> Record:
    """Find the one record with the same merge values, or create it; a given `id` wins over the merge fields."""
    fields = item["fields"]
    found = _by_id(table, item["id"]) if item.get("id") else _by_keys(change, table, fields, columns, typecast=typecast)
    if found is None:
        return create(change, table, fields, typecast=typecast)
    return update(change, table, found, fields, replace=replace, typecast=typecast)


def _by_id(table: Table, record_id: str) -> Record:
    record = table.records.get(record_id)
    if record is None:
        raise errors.missing_row(record_id)
    return record


def _by_keys(change: Change, table: Table, fields: Json, columns: list[Field], *, typecast: bool) -> Record | None:
    keys = {column.id: _merge_value(change, table, column, fields, typecast=typecast) for column in columns}
    matches = [r for r in table.records.values() if all(r.cells.get(k) == v for k, v in keys.items())]
    if len(matches) > 1:
        names = ", ".join(column.name for column in columns)
        raise errors.invalid_request(f"more than one record matches on {names}: {[m.id for m in matches]}")
    return matches[0] if matches else None


def _merge_value(change: Change, table: Table, column: Field, fields: Json, *, typecast: bool) -> Any:
    if column.name not in fields and column.id not in fields:
        raise errors.invalid_request(f'every record must have a value for the merge field "{column.name}"')
    value = fields.get(column.name, fields.get(column.id))
    return parse(Input(change, table, column, "", value, typecast))


def check_batch(items: Any, *, with_ids: bool) -> list[Json]:
    """The `records` of a request: one to ten objects with `fields`, and `id` where it is needed."""
    if not isinstance(items, list) or not 1 <= len(items) <= BATCH:
        raise errors.typed(422, "INVALID_RECORDS", f"You must provide an array of up to {BATCH} record objects")
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("fields"), dict):
            raise errors.missing_field("fields")
        if with_ids and not ids.is_id(item.get("id"), "rec"):
            raise errors.typed(422, "INVALID_RECORDS", "Every record must have an id")
    return items

"""Building bases: tables and fields, as the metadata API and people do it."""

from __future__ import annotations

from typing import Any

from pipelines.sandbox.airtable.cells import fieldtypes
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.changes import Change
from pipelines.sandbox.airtable.state.model import Field, Json, Table


def create_table(change: Change, spec: Json) -> Table:
    """A table with its fields (the first is the primary one) and a grid view; rolls itself back when refused."""
    name, specs = spec.get("name"), spec.get("fields")
    if not isinstance(name, str) or not name.strip() or change.base.table(name):
        raise errors.typed(422, "DUPLICATE_TABLE_NAME", f"Table names must be unique and not empty: {name!r}")
    if not isinstance(specs, list) or not specs:
        raise errors.missing_field("fields")
    view = {"id": ids.new_id("viw"), "name": "Grid view", "type": "grid"}
    table = Table(ids.new_id("tbl"), name, [], [view], str(spec.get("description") or ""))
    if specs[0].get("type") not in fieldtypes.PRIMARY_TYPES:
        raise errors.typed(422, "INVALID_PRIMARY_FIELD", f"{specs[0].get('type')} cannot be the primary field")
    for one in specs:
        table.fields.append(fieldtypes.build(change, table, one))
    change.base.tables.append(table)
    change.diff(table).is_new = True
    for column in [f for f in table.fields if f.type == "multipleRecordLinks"]:
        fieldtypes.add_inverse(change, table, column)
    return table


def create_field(change: Change, table: Table, spec: Json) -> Field:
    """One more field at the end of a table, and its inverse when it is a link."""
    column = fieldtypes.build(change, table, spec)
    table.fields.append(column)
    change.diff(table).created_fields.append(column)
    if column.type == "multipleRecordLinks":
        fieldtypes.add_inverse(change, table, column)
    return column


def update_table(change: Change, table: Table, doc: Json) -> Table:
    """A new name or description."""
    before = {"name": table.name, "description": table.description}
    name = doc.get("name", table.name)
    other = change.base.table(name)
    if not isinstance(name, str) or not name.strip() or (other is not None and other is not table):
        raise errors.typed(422, "DUPLICATE_TABLE_NAME", f"Table names must be unique and not empty: {name!r}")
    table.name, table.description = name, str(doc.get("description", table.description) or "")
    after = {"name": table.name, "description": table.description}
    if after != before:
        change.diff(table).renamed = (before, after)
    return table


def update_field(change: Change, table: Table, column: Field, doc: Json) -> Field:
    """A new name, description, or more choices of a select; the type and links cannot be changed."""
    before = {"name": column.name, "type": column.type}
    name = doc.get("name", column.name)
    other = table.field(name) if isinstance(name, str) else None
    if not isinstance(name, str) or not name.strip() or (other is not None and other is not column):
        raise errors.typed(422, "DUPLICATE_OR_EMPTY_FIELD_NAME", f"Field names must be unique and not empty: {name!r}")
    if doc.get("options"):
        _update_options(column, doc["options"])
    column.name, column.description = name, str(doc.get("description", column.description) or "")
    change.diff(table).changed_fields.append((before, column))
    return column


def _update_options(column: Field, options: Any) -> None:
    if not isinstance(options, dict) or column.type == "multipleRecordLinks" or column.is_computed:
        raise errors.typed(422, "INVALID_FIELD_TYPE_OPTIONS", f"The options of {column.name} cannot be updated")
    if "choices" in options:
        known = column.options.get("choices", [])
        made = fieldtypes.checked_choices(column.name, options["choices"], known)
        if lost := {c["id"] for c in known} - {c["id"] for c in made}:
            raise errors.typed(422, "INVALID_FIELD_TYPE_OPTIONS", f"choices cannot be removed: {sorted(lost)}")
        options = options | {"choices": made}
    column.options |= options


def delete_field(change: Change, table: Table, column: Field) -> None:
    """What only a person can do: remove a column, its cells, and its inverse."""
    table.fields.remove(column)
    for record in table.records.values():
        if column.id in record.cells:
            change.touch(table, record)
            del record.cells[column.id]
    inverse_id = column.options.get("inverseLinkFieldId")
    for other in change.base.tables:
        if inverse_id and (inverse := other.field(inverse_id)):
            inverse.options.pop("inverseLinkFieldId", None)
            delete_field(change, other, inverse)
    change.diff(table).destroyed_fields.append(column.id)


def table_json(table: Table, *, visible: bool = False) -> Json:
    """A table's metadata; `visible` adds each grid's visible fields."""
    extra = {"visibleFieldIds": [f.id for f in table.fields]} if visible else {}
    shown: Json = {
        "id": table.id,
        "name": table.name,
        "primaryFieldId": table.primary.id,
        "fields": [field_json(f) for f in table.fields],
        "views": [view | extra for view in table.views],
    }
    return shown | ({"description": table.description} if table.description else {})


def field_json(column: Field) -> Json:
    shown: Json = {"id": column.id, "name": column.name, "type": column.type}
    if column.options and column.type != "button":
        shown["options"] = column.options
    return shown | ({"description": column.description} if column.description else {})

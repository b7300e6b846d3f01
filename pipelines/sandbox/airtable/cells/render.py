"""From the cell to the wire: JSON, text, formula values and the V2 format of webhook payloads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.sandbox.airtable.cells import attachments
from pipelines.sandbox.airtable.formulas import formula, formula_syntax
from pipelines.sandbox.airtable.formulas.formula_syntax import FormulaError
from pipelines.sandbox.airtable.state.ids import to_iso
from pipelines.sandbox.airtable.state.model import USER, Base, Field, Json, Record, Table
from pipelines.sandbox.airtable.state.store import World

MAX_DEPTH = 6
"""Formulas over lookups over formulas: a cycle ends here."""


@dataclass(frozen=True)
class Row:
    """A record in its table, readable cell by cell. Also the scope of its formulas."""

    world: World
    base: Base
    table: Table
    record: Record
    depth: int = 0

    @property
    def record_id(self) -> str:
        return self.record.id

    @property
    def created(self) -> datetime:
        return datetime.fromisoformat(self.record.created)

    @property
    def modified(self) -> datetime:
        return datetime.fromisoformat(self.record.modified or self.record.created)

    def field(self, name: str) -> Any:
        """A field's value inside a formula."""
        column = self.table.field(name)
        if column is None:
            raise FormulaError(f"Unknown field names: {name.lower()}")
        return self.formula_value(column)

    def linked(self, field_id: str) -> list[Row]:
        """The rows that a link field points to."""
        column = self.table.field(field_id)
        target = self.base.table(column.options.get("linkedTableId", "")) if column else None
        if column is None or target is None or self.depth >= MAX_DEPTH:
            return []
        records = [target.records.get(r) for r in self.record.cells.get(column.id, [])]
        return [Row(self.world, self.base, target, r, self.depth + 1) for r in records if r]

    def json(self, column: Field) -> Any:
        """A cell as `cellFormat=json` shows it; None when it is empty and therefore absent."""
        if column.is_computed:
            return _computed(self, column)
        return stored_json(self.world, column, self.record.cells.get(column.id))

    def text(self, column: Field) -> str:
        """A cell as `cellFormat=string` shows it."""
        if column.type == "checkbox":
            return "checked" if self.json(column) else ""
        value = self.json(column)
        if column.type in _NUMBER_TEXTS and value is not None:
            return _NUMBER_TEXTS[column.type](column, value)
        return formula.to_text(self.formula_value(column))

    def formula_value(self, column: Field) -> Any:
        value = self.json(column)
        if column.type == "multipleRecordLinks":
            return [row.name() for row in self.linked(column.id)]
        if column.type in ("date", "dateTime", "createdTime", "lastModifiedTime") and value:
            return formula.to_moment(value)
        if column.type == "multipleAttachments" and value:
            return [f"{a['filename']} ({a['url']})" for a in value]
        if column.type == "checkbox":
            return bool(value)
        if isinstance(value, dict):
            return next((value[k] for k in ("value", "name", "text", "label") if value.get(k)), None)
        return value

    def name(self) -> str:
        """The primary field's text."""
        return self.text(self.table.primary)


def stored_json(world: World, column: Field, value: Any) -> Any:
    """A stored value as JSON."""
    if value is None:
        return None
    if column.type == "singleSelect":
        choice = column.choice(value)
        return choice["name"] if choice else None
    if column.type == "multipleSelects":
        return [c["name"] for c in (column.choice(v) for v in value) if c]
    if column.type == "multipleAttachments":
        return [attachments.to_json(world, world.attachments[v]) for v in value if v in world.attachments]
    return value


def v2(world: World, base: Base, column: Field, value: Any) -> Any:
    """A stored value in the format of webhook payloads: choices and links are objects."""
    if value is None:
        return None
    if column.type == "singleSelect":
        return column.choice(value)
    if column.type == "multipleSelects":
        return [c for c in (column.choice(v) for v in value) if c]
    if column.type == "multipleRecordLinks":
        target = base.table(column.options["linkedTableId"])
        records = {v: target.records.get(v) for v in value} if target else {}
        return [{"id": v, "name": Row(world, base, target, r).name()} for v, r in records.items() if target and r]
    return stored_json(world, column, value)


def record_json(row: Row, columns: list[Field], *, by_id: bool, as_text: bool) -> Json:
    """A record as the API answers it; empty cells are absent."""
    cells: Json = {}
    for column in columns:
        value = row.text(column) if as_text else row.json(column)
        # A zero is a value; only an unticked box is as good as empty.
        if value is not False and value not in (None, "", []):
            cells[column.id if by_id else column.name] = value
    return {"id": row.record.id, "createdTime": row.record.created, "fields": cells}


def _computed(row: Row, column: Field) -> Any:
    match column.type:
        case "createdTime":
            return row.record.created
        case "lastModifiedTime":
            return row.record.modified or row.record.created
        case "createdBy" | "lastModifiedBy":
            return dict(USER)
        case "autoNumber":
            return row.record.number
        case "count":
            return len(row.linked(column.options.get("recordLinkFieldId", "")))
        case "multipleLookupValues":
            return _lookup(row, column)
        case "rollup":
            return _rollup(row, column)
        case "formula":
            return _formula(row, column.options.get("formula", ""))
        case "button":
            return {
                "label": column.options.get("label", column.name),
                "url": _formula(row, column.options.get("url", "")),
            }
        case _:
            return row.record.cells.get(column.id)


def _lookup(row: Row, column: Field) -> list[Any]:
    values: list[Any] = []
    for linked in row.linked(column.options.get("recordLinkFieldId", "")):
        source = linked.table.field(column.options.get("fieldIdInLinkedTable", ""))
        value = linked.json(source) if source else None
        values.extend(value if isinstance(value, list) else [] if value is None else [value])
    return values


def _rollup(row: Row, column: Field) -> Any:
    name = str(column.options.get("formula", "SUM(values)")).partition("(")[0].upper()
    call = formula_syntax.Call(name, (formula_syntax.FieldRef("values"),))
    return formula.evaluate(call, _Values(row, _lookup(row, column)))


def _formula(row: Row, text: str) -> Any:
    if not text or row.depth >= MAX_DEPTH:
        return None
    deeper = Row(row.world, row.base, row.table, row.record, row.depth + 1)
    try:
        value = formula.evaluate(formula_syntax.parse(text), deeper)
    except FormulaError:
        return {"error": "#ERROR!"}
    if isinstance(value, bool):
        return int(value)
    return to_iso(value) if isinstance(value, datetime) else value


def _number_text(column: Field, value: float) -> str:
    return f"{value:.{column.options.get('precision', 0)}f}"


def _duration_text(_: Field, value: float) -> str:
    """`h:mm:ss`, as the field's own format is for the screen only."""
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


_NUMBER_TEXTS: dict[str, Callable[[Field, float], str]] = {
    "number": _number_text,
    "percent": lambda column, value: f"{_number_text(column, value * 100)}%",
    "currency": lambda column, value: column.options.get("symbol", "") + _number_text(column, value),
    "duration": _duration_text,
}


@dataclass(frozen=True)
class _Values:
    """The scope of a rollup: only `values`."""

    row: Row
    values: list[Any]
    record_id: str = ""
    created: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    modified: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def field(self, name: str) -> Any:
        if name != "values":
            raise FormulaError(f"Unknown field names: {name}")
        return self.values

"""Listing records: the parameters in both spellings, filter, sort, and pages behind an opaque offset."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from werkzeug.datastructures import MultiDict

from pipelines.sandbox.airtable.cells.render import Row, record_json
from pipelines.sandbox.airtable.formulas import formula, formula_syntax
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.model import Base, Field, Json, Table
from pipelines.sandbox.airtable.state.store import World

PAGE = 100
_SORT = re.compile(r"sort\[(\d+)\]\[(field|direction)\]")
_KEPT_ITERATORS = 500


@dataclass
class Query:
    """What a list request asks for."""

    fields: list[str] | None = None
    formula: str = ""
    max_records: int | None = None
    page_size: int = PAGE
    sort: list[tuple[str, bool]] = field(default_factory=list)
    """(field, descending)"""
    view: str = ""
    offset: str = ""
    by_id: bool = False
    as_text: bool = False
    count_comments: bool = False


class Iterators:
    """Snapshots of record ids behind the offsets; the oldest are forgotten."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, list[str]] = OrderedDict()

    def keep(self, record_ids: list[str]) -> str:
        offset = f"{ids.new_id('itr')}/{record_ids[0]}"
        self._left[offset] = record_ids
        while len(self._left) > _KEPT_ITERATORS:
            self._left.popitem(last=False)
        return offset

    def resume(self, offset: str) -> list[str]:
        """The ids still to be shown; a page may be asked for again, as after a lost answer."""
        if offset not in self._left:
            raise errors.typed(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "The iterator is no longer available")
        return self._left[offset]


def is_true(value: Any) -> bool:
    """Query strings say `true` or `1`."""
    return value is True or str(value).lower() in ("true", "1")


def from_args(args: MultiDict[str, str]) -> Query:
    """The GET form."""
    sort: dict[int, dict[str, str]] = {}
    for key in args:
        if match := _SORT.fullmatch(key):
            sort.setdefault(int(match.group(1)), {})[match.group(2)] = args[key]
    doc: Json = {key: args[key] for key in args}
    for name in ("fields", "recordMetadata"):
        listed = [*args.getlist(f"{name}[]"), *args.getlist(name)]
        listed += [args[k] for k in args if re.fullmatch(rf"{name}\[\d+\]", k)]
        doc[name] = listed or None
    doc["sort"] = [sort[i] for i in sorted(sort)]
    return from_body(doc)


def from_body(doc: Json) -> Query:
    """The POST form, and the GET form once it is gathered."""
    if doc.get("cellFormat") == "string" and not (doc.get("timeZone") and doc.get("userLocale")):
        raise errors.invalid_request("timeZone and userLocale are required when cellFormat is string")
    sort = [(s["field"], s.get("direction") == "desc") for s in doc.get("sort") or [] if "field" in s]
    return Query(
        fields=doc.get("fields"),
        formula=doc.get("filterByFormula") or "",
        max_records=_whole(doc, "maxRecords", None),
        page_size=_whole(doc, "pageSize", PAGE) or PAGE,
        sort=sort,
        view=doc.get("view") or "",
        offset=doc.get("offset") or "",
        by_id=is_true(doc.get("returnFieldsByFieldId")),
        as_text=doc.get("cellFormat") == "string",
        count_comments="commentCount" in (doc.get("recordMetadata") or []),
    )


def _whole(doc: Json, name: str, default: int | None) -> int | None:
    value = doc.get(name)
    if value in (None, ""):
        return default
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1 or (name == "pageSize" and number > PAGE):
        raise errors.invalid_request(f"{name} is out of range")
    return number


def run(world: World, base: Base, table: Table, query: Query, iterators: Iterators) -> Json:
    """One page: `{records, offset?}`."""
    columns = _columns(table, query.fields)
    wanted = iterators.resume(query.offset) if query.offset else _matching(world, base, table, query)
    page, rest = wanted[: query.page_size], wanted[query.page_size :]
    rows = [Row(world, base, table, table.records[r]) for r in page if r in table.records]
    answer: Json = {"records": [_record(row, columns, query) for row in rows]}
    if rest:
        answer["offset"] = iterators.keep(rest)
    return answer


def _record(row: Row, columns: list[Field], query: Query) -> Json:
    shown = record_json(row, columns, by_id=query.by_id, as_text=query.as_text)
    return shown | ({"commentCount": len(row.record.comments)} if query.count_comments else {})


def _columns(table: Table, names: list[str] | None) -> list[Field]:
    if names is None:
        return table.fields
    return [_column(table, name) for name in names]


def _column(table: Table, name: str) -> Field:
    column = table.field(name)
    if column is None:
        raise errors.unknown_field(name)
    return column


def _matching(world: World, base: Base, table: Table, query: Query) -> list[str]:
    if query.view and table.view(query.view) is None:
        raise errors.typed(422, "VIEW_NAME_NOT_FOUND", f"View {query.view} not found")
    rows = [Row(world, base, table, record) for record in table.records.values()]
    if query.formula:
        rows = _filter(rows, table, query.formula)
    for name, descending in reversed(query.sort):
        column = _column(table, name)
        rows.sort(key=lambda row, c=column: _sort_key(row.formula_value(c), c), reverse=descending)  # type: ignore[misc]
    return [row.record.id for row in rows][: query.max_records]


def _filter(rows: list[Row], table: Table, text: str) -> list[Row]:
    try:
        tree = formula_syntax.parse(text)
        _check_names(tree, table)
        return [row for row in rows if formula.truthy(formula.evaluate(tree, row))]
    except formula_syntax.FormulaError as exc:
        message = f"The formula for filtering records is invalid: {exc}"
        raise errors.typed(422, "INVALID_FILTER_BY_FORMULA", message) from exc


def _check_names(tree: formula_syntax.Node, table: Table) -> None:
    """Unknown names are refused even when no record would reach them."""
    if unknown := [n for n in sorted(formula.names_in(tree)) if table.field(n) is None]:
        raise formula_syntax.FormulaError(f"Unknown field names: {', '.join(n.lower() for n in unknown)}")
    if missing := formula.functions_in(tree) - formula.known_functions():
        raise formula_syntax.FormulaError(f"Unknown function names: {', '.join(sorted(missing))}")


def _sort_key(value: Any, column: Field) -> tuple[int, Any]:
    """Blanks first; selects in the order of their options."""
    if value in (None, "", []):
        return (0, 0)
    if column.type == "singleSelect":
        return (1, [c["name"] for c in column.options["choices"]].index(value))
    if isinstance(value, (bool, int, float)):
        return (1, value)
    return (1, value.timestamp()) if isinstance(value, datetime) else (2, formula.to_text(value).lower())

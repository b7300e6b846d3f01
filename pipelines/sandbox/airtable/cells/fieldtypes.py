"""Creating fields: which types the API takes, with which options, and what Airtable adds to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from zoneinfo import available_timezones

from pipelines.sandbox.airtable.cells.cells import new_choice
from pipelines.sandbox.airtable.formulas import formula, formula_syntax
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.changes import Change
from pipelines.sandbox.airtable.state.model import COMPUTED_TYPES, Field, Json, Table

PLAIN_TYPES = frozenset(
    {
        "singleLineText",
        "multilineText",
        "richText",
        "email",
        "url",
        "phoneNumber",
        "barcode",
        "singleCollaborator",
        "multipleCollaborators",
        "multipleAttachments",
    }
)
PRIMARY_TYPES = frozenset(
    {
        "singleLineText",
        "multilineText",
        "richText",
        "email",
        "url",
        "phoneNumber",
        "barcode",
        "number",
        "percent",
        "currency",
        "duration",
        "date",
        "dateTime",
        "formula",
        "autoNumber",
    }
)
DURATIONS = ("h:mm", "h:mm:ss", "h:mm:ss.S", "h:mm:ss.SS", "h:mm:ss.SSS")
DATES = {"local": "l", "friendly": "LL", "us": "M/D/YYYY", "european": "D/M/YYYY", "iso": "YYYY-MM-DD"}
TIMES = {"12hour": "h:mma", "24hour": "HH:mm"}
HUES = ("blue", "cyan", "teal", "green", "yellow", "orange", "red", "pink", "purple", "gray")
BRIGHT = tuple(f"{hue}Bright" for hue in HUES)
COLOURS = tuple(f"{hue}{shade}" for hue in HUES for shade in ("Light2", "Light1", "Bright", "Dark1"))
CHECKBOX_ICONS = ("check", "xCheckbox", "star", "heart", "thumbsUp", "flag", "dot")
RATING_ICONS = ("star", "heart", "thumbsUp", "flag", "dot")
MAX_PRECISION = 8
MAX_CURRENCY_PRECISION = 7
MAX_RATING = 10


def bad_options(name: str, why: str) -> errors.AirtableError:
    return errors.typed(422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE", f"Invalid options for {name}: {why}")


def build(change: Change, table: Table, spec: Json) -> Field:
    """A new field from `{name, type, options?, description?}`, not yet in its table.

    Raises:
        AirtableError: 422 for a missing, empty or doubled name, an unknown or computed type, or bad options.

    """
    name, kind = spec.get("name"), spec.get("type")
    if not isinstance(name, str) or not name.strip() or table.field(name):
        raise errors.typed(422, "DUPLICATE_OR_EMPTY_FIELD_NAME", f"Field names must be unique and not empty: {name!r}")
    if not isinstance(kind, str):
        raise errors.missing_field("type")
    options = spec.get("options")
    if options is not None and not isinstance(options, dict):
        raise bad_options(name, "options must be an object")
    column = Field(ids.new_id("fld"), name, kind, dict(options or {}), str(spec.get("description") or ""))
    _complete(change, table, column)
    return column


def _complete(change: Change, table: Table, column: Field) -> None:
    """Check the options and add what Airtable adds."""
    if column.type in COMPUTED_TYPES:
        _computed(change, table, column)
    elif column.type in _RULES:
        _RULES[column.type](column)
    elif column.type == "multipleRecordLinks":
        _link(change, column)
    elif column.type not in PLAIN_TYPES:
        raise errors.typed(422, "INVALID_FIELD_TYPE", f"Unknown field type {column.type}")
    elif column.options:
        raise bad_options(column.name, f"{column.type} takes no options")
    elif column.type == "multipleAttachments":
        column.options = {"isReversed": False}


def _computed(change: Change, table: Table, column: Field) -> None:
    """People make these in the interface; through the API they are refused unless the control plane says otherwise."""
    allowed = change.world.limits.settings.computed_fields_creatable and column.type == "formula"
    if not change.by_person and not allowed:
        message = f"Invalid options for {table.name}.{column.name}: Creating {column.type} fields is not supported"
        raise errors.typed(422, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE", f"{message} at this time")
    if column.type == "formula":
        _check_formula(table, column)
    if column.type in ("count", "multipleLookupValues", "rollup"):
        _check_lookup(change, table, column)


def _check_formula(table: Table, column: Field) -> None:
    """The API shows formulas with field ids in place of names."""
    text = str(column.options.get("formula", ""))
    try:
        tree = formula_syntax.parse(text)
    except formula_syntax.FormulaError as exc:
        raise bad_options(column.name, str(exc)) from exc
    ids_by_name = {f.name: f.id for f in table.fields}
    text = re.sub(r"\{([^}]*)\}", lambda m: "{" + ids_by_name.get(m.group(1), m.group(1)) + "}", text)
    found = [f.id for f in table.fields if {f.id, f.name} & formula.names_in(tree)]
    column.options |= {
        "formula": text,
        "isValid": True,
        "referencedFieldIds": found,
        "result": {"type": "singleLineText"},
    }


def _check_lookup(change: Change, table: Table, column: Field) -> None:
    """Names are allowed for the link and the looked-up field: a person picks them from a list."""
    link = table.field(str(column.options.get("recordLinkFieldId", "")))
    target = change.base.table(link.options.get("linkedTableId", "")) if link else None
    if link is None or target is None:
        raise bad_options(column.name, "recordLinkFieldId must be a link field of this table")
    column.options |= {"recordLinkFieldId": link.id, "isValid": True}
    if column.type == "count":
        return
    source = target.field(str(column.options.get("fieldIdInLinkedTable", "")))
    if source is None:
        raise bad_options(column.name, "fieldIdInLinkedTable must be a field of the linked table")
    result = {"type": source.type} | ({"options": source.options} if source.options else {})
    column.options |= {"fieldIdInLinkedTable": source.id, "referencedFieldIds": [link.id], "result": result}


def _precision(limit: int) -> Callable[[Field], None]:
    def check(column: Field) -> None:
        precision = column.options.get("precision")
        if isinstance(precision, bool) or not isinstance(precision, int) or not 0 <= precision <= limit:
            raise bad_options(column.name, f"precision must be a number from 0 to {limit}")

    return check


def _currency(column: Field) -> None:
    _precision(MAX_CURRENCY_PRECISION)(column)
    if not isinstance(column.options.get("symbol"), str):
        raise bad_options(column.name, "symbol is required")


def _checkbox(column: Field) -> None:
    if column.options.get("icon") not in CHECKBOX_ICONS or column.options.get("color") not in BRIGHT:
        raise bad_options(column.name, f"icon must be one of {CHECKBOX_ICONS} and color one of {BRIGHT}")


def _rating(column: Field) -> None:
    if column.options.get("icon") not in RATING_ICONS or column.options.get("color") not in BRIGHT:
        raise bad_options(column.name, f"icon must be one of {RATING_ICONS} and color one of {BRIGHT}")
    limit = column.options.get("max")
    if not isinstance(limit, int) or not 1 <= limit <= MAX_RATING:
        raise bad_options(column.name, f"max must be a number from 1 to {MAX_RATING}")


def _duration(column: Field) -> None:
    if column.options.get("durationFormat") not in DURATIONS:
        raise bad_options(column.name, f"durationFormat must be one of {', '.join(DURATIONS)}")


def _date(column: Field) -> None:
    column.options["dateFormat"] = _format(column, "dateFormat", DATES)


def _date_time(column: Field) -> None:
    _date(column)
    column.options["timeFormat"] = _format(column, "timeFormat", TIMES)
    zone = column.options.get("timeZone")
    if zone not in ("utc", "client") and zone not in available_timezones():
        raise bad_options(column.name, "timeZone must be utc, client or a time zone's name")


def _format(column: Field, key: str, known: dict[str, str]) -> Json:
    chosen = column.options.get(key)
    name = chosen.get("name") if isinstance(chosen, dict) else None
    if name not in known:
        raise bad_options(column.name, f"{key}.name must be one of {', '.join(known)}")
    return {"name": name, "format": known[name]}


def _select(column: Field) -> None:
    choices = column.options.get("choices")
    if not isinstance(choices, list):
        raise bad_options(column.name, "choices must be an array")
    column.options["choices"] = checked_choices(column.name, choices, [])


def checked_choices(name: str, choices: list[Any], known: list[Json]) -> list[Json]:
    """New options get ids and colours; known ones keep theirs."""
    by_id = {c["id"]: c for c in known}
    made: list[Json] = []
    for index, choice in enumerate(choices):
        if not isinstance(choice, dict) or not isinstance(choice.get("name"), str) or not choice["name"]:
            raise bad_options(name, "every choice needs a name")
        if choice.get("color") not in (None, *COLOURS):
            raise bad_options(name, f"unknown color {choice['color']}")
        fresh = new_choice(choice["name"], index, choice.get("color"))
        kept = by_id.get(choice.get("id", ""), {})
        made.append(fresh | ({"id": kept["id"]} if kept else {}))
    if len({c["name"] for c in made}) < len(made):
        raise bad_options(name, "choice names must be unique")
    return made


def _link(change: Change, column: Field) -> None:
    target = change.base.table(str(column.options.get("linkedTableId", "")))
    if target is None or target.id != column.options["linkedTableId"]:
        raise bad_options(column.name, "linkedTableId must be the id of a table in this base")
    if unknown := set(column.options) - {"linkedTableId", "viewIdForRecordSelection"}:
        raise bad_options(column.name, f"cannot be set on creation: {', '.join(sorted(unknown))}")
    column.options = {"isReversed": False, "prefersSingleRecordLink": False} | column.options


def add_inverse(change: Change, table: Table, column: Field) -> None:
    """The field that appears by itself in the linked table, named after the table that links to it."""
    target = change.base.table(column.options["linkedTableId"])
    if target is None:
        return
    name, number = table.name, 2
    while target.field(name):
        name, number = f"{table.name} {number}", number + 1
    options = {
        "linkedTableId": table.id,
        "isReversed": False,
        "prefersSingleRecordLink": False,
        "inverseLinkFieldId": column.id,
    }
    inverse = Field(ids.new_id("fld"), name, "multipleRecordLinks", options)
    target.fields.append(inverse)
    column.options["inverseLinkFieldId"] = inverse.id
    change.diff(target).created_fields.append(inverse)


_RULES: dict[str, Callable[[Field], None]] = {
    "number": _precision(MAX_PRECISION),
    "percent": _precision(MAX_PRECISION),
    "currency": _currency,
    "checkbox": _checkbox,
    "rating": _rating,
    "duration": _duration,
    "date": _date,
    "dateTime": _date_time,
    "singleSelect": _select,
    "multipleSelects": _select,
}

"""From the wire to the cell: what each field type accepts, with and without `typecast`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pipelines.sandbox.airtable.cells.attachments import parse_attachments
from pipelines.sandbox.airtable.cells.links import parse_links
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.changes import Change
from pipelines.sandbox.airtable.state.model import USER, Field, Json, Table

_COLOURS = ("blueLight2", "cyanLight2", "tealLight2", "greenLight2", "yellowLight2", "orangeLight2", "redLight2")
_DURATION = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{2}(?:\.\d+)?)")


@dataclass(frozen=True)
class Input:
    """One value on its way into one cell."""

    change: Change
    table: Table
    column: Field
    record_id: str
    value: Any
    typecast: bool

    def refuse(self) -> errors.AirtableError:
        return errors.bad_value(self.column.name)


def parse(cell: Input) -> Any:
    """The canonical value to store, or None for an empty cell.

    Raises:
        AirtableError: 422 `INVALID_VALUE_FOR_COLUMN`, `INVALID_MULTIPLE_CHOICE_OPTIONS`, `ROW_DOES_NOT_EXIST`,
            `INVALID_ATTACHMENT_OBJECT`.

    """
    if cell.column.is_computed:
        return _computed(cell)
    if cell.value is None:
        return None
    return _PARSERS.get(cell.column.type, _text)(cell)


def _computed(cell: Input) -> Any:
    """Only Airtable itself writes these; a person makes the AI text appear by running the field's agent."""
    if cell.column.type != "aiText" or not cell.change.by_person:
        raise errors.computed(cell.column.name)
    if isinstance(cell.value, str):
        return {"state": "generated", "value": cell.value, "isStale": False}
    return cell.value


def _text(cell: Input) -> str | None:
    if isinstance(cell.value, str):
        return cell.value or None
    if cell.typecast and isinstance(cell.value, (int, float, bool)):
        return str(cell.value)
    if cell.typecast and isinstance(cell.value, list):
        return ", ".join(str(item) for item in cell.value) or None
    raise cell.refuse()


def _number(cell: Input) -> float | int | None:
    value = cell.value
    if isinstance(value, str) and cell.typecast:
        return _number_from_text(cell, value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise cell.refuse()
    return _whole(value)


def _number_from_text(cell: Input, text: str) -> float | int | None:
    cleaned = re.sub(r"[\s,$€£]", "", text)
    if not cleaned:
        return None
    scale = 100 if cleaned.endswith("%") and cell.column.type == "percent" else 1
    try:
        value = float(cleaned.rstrip("%")) / scale
    except ValueError:
        raise cell.refuse() from None
    return _whole(value)


def _whole(value: float) -> float | int:
    """JSON knows one kind of number: a whole one has no decimal point. Precision is only for the screen."""
    return int(value) if float(value).is_integer() else value


def _rating(cell: Input) -> int | None:
    value = _number(cell)
    if value is None or value == 0:
        return None
    if not float(value).is_integer() or not 0 < value <= cell.column.options.get("max", 5):
        raise cell.refuse()
    return int(value)


def _duration(cell: Input) -> float | int | None:
    if cell.typecast and isinstance(cell.value, str) and (match := _DURATION.fullmatch(cell.value.strip())):
        hours, minutes, seconds = match.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    return _number(cell)


def _checkbox(cell: Input) -> bool | None:
    value = cell.value
    if cell.typecast and isinstance(value, str):
        value = value.strip().lower() in ("true", "1", "yes", "checked")
    elif cell.typecast and isinstance(value, (int, float)):
        value = bool(value)
    if not isinstance(value, bool):
        raise cell.refuse()
    return value or None


def _select(cell: Input) -> str | None:
    value = cell.value
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        value = value["name"]
    if cell.typecast and isinstance(value, (int, float)):
        value = str(value)
    if not isinstance(value, str):
        raise cell.refuse()
    return _choice(cell, value)


def _selects(cell: Input) -> list[str] | None:
    value = cell.value
    if cell.typecast and isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise cell.refuse()
    chosen = [_choice(cell, item) for item in value]
    return list(dict.fromkeys(c for c in chosen if c)) or None


def _choice(cell: Input, name: str) -> str | None:
    """A choice's id. An empty name clears with typecast and is refused without, like any unknown name."""
    wanted = name.strip() if cell.typecast else name
    found = cell.column.choice(wanted) if wanted else None
    if found is None and cell.typecast and wanted:
        found = next((c for c in cell.column.options["choices"] if c["name"].lower() == wanted.lower()), None)
        found = found or _add_choice(cell, wanted)
    if found is None and not cell.typecast:
        raise errors.unknown_choice(name)
    return str(found["id"]) if found else None


def _add_choice(cell: Input, name: str) -> Json:
    cell.change.will_change_choices(cell.column)
    choices: list[Json] = cell.column.options["choices"]
    choice = new_choice(name, len(choices))
    cell.column.options["choices"] = [*choices, choice]
    return choice


def new_choice(name: str, index: int, colour: str | None = None) -> Json:
    """A select option with an id and, unless given, the next colour."""
    return {"id": ids.new_id("sel"), "name": name, "color": colour or _COLOURS[index % len(_COLOURS)]}


def _date(cell: Input) -> str | None:
    if cell.typecast and cell.value == "":
        return None
    return _moment(cell).date().isoformat()


def _date_time(cell: Input) -> str | None:
    if cell.typecast and cell.value == "":
        return None
    return ids.to_iso(_moment(cell))


def _moment(cell: Input) -> datetime:
    if not isinstance(cell.value, str):
        raise cell.refuse()
    for parser in (_iso, _american):
        if (moment := parser(cell.value.strip())) is not None:
            return moment
    raise cell.refuse()


def _iso(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _american(text: str) -> datetime | None:
    try:
        month, day, year = (int(part) for part in text.split("/"))
        return datetime.combine(date(year, month, day), datetime.min.time(), UTC)
    except ValueError:
        return None


def _collaborator(cell: Input) -> Json | None:
    value = cell.value
    if cell.typecast and isinstance(value, str):
        value = {"email": value}
    if not isinstance(value, dict) or not ({"id", "email"} & set(value)):
        raise cell.refuse()
    if value.get("id", USER["id"]) != USER["id"] and "email" not in value:
        raise cell.refuse()
    return dict(USER) | value


def _collaborators(cell: Input) -> list[Json] | None:
    if not isinstance(cell.value, list):
        raise cell.refuse()
    found = [_collaborator(Input(**{**vars(cell), "value": item})) for item in cell.value]
    return [item for item in found if item] or None


def _barcode(cell: Input) -> Json | None:
    if cell.typecast and isinstance(cell.value, str):
        return {"text": cell.value} if cell.value else None
    if not isinstance(cell.value, dict) or not isinstance(cell.value.get("text"), str):
        raise cell.refuse()
    return {key: cell.value[key] for key in ("text", "type") if key in cell.value}


def _links(cell: Input) -> list[str] | None:
    return parse_links(cell.change, cell.column, cell.value, typecast=cell.typecast)


def _attachments(cell: Input) -> list[str] | None:
    place = (cell.table.id, cell.record_id)
    return parse_attachments(cell.change, cell.column, place, cell.value)


_PARSERS: dict[str, Callable[[Input], Any]] = {
    "number": _number,
    "percent": _number,
    "currency": _number,
    "duration": _duration,
    "rating": _rating,
    "checkbox": _checkbox,
    "singleSelect": _select,
    "multipleSelects": _selects,
    "date": _date,
    "dateTime": _date_time,
    "multipleRecordLinks": _links,
    "multipleAttachments": _attachments,
    "singleCollaborator": _collaborator,
    "multipleCollaborators": _collaborators,
    "barcode": _barcode,
}

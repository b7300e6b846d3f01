"""One row's cells as values, however a person, a formula or Airtable's AI filled them in.

`Cells` collects a sentence for every cell that cannot be read; it never raises for what stands in a row.
Wire forms: Airtable's page on cell values (V1 in records, V2 in webhook payloads).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipelines.airtable.field_map import RECORD_ID
from pipelines.domain.errors import Problem
from pipelines.domain.money import to_micro

_MENTION = re.compile(r"<airtable:mention\b[^>]*?(?:/>|>(.*?)</airtable:mention>)", re.DOTALL)
_NUMBER = re.compile(r"[$€£]?\s*([+-−]?[$€£]?\d[\d.,  ']*)\s*(%|[a-z$€£. ]*)", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{2}(?:\.\d+)?)", re.ASCII)
_SHOWN = 60


class Unreadable(Exception):
    """A cell that cannot be read, with the end of a sentence that starts with the field's name."""


def flat(value: Any) -> Iterator[Any]:
    """The plain values inside a cell: lookups and lists opened, AI text and options unwrapped, empty ones left out.

    Raises Unreadable for AI text that is not ready, failed formulas and links to rows.
    """
    if value is None or value in ("", []):
        return
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from flat(item)
    elif isinstance(value, Mapping):
        yield from _unwrapped(value)
    elif isinstance(value, str) and RECORD_ID.fullmatch(value):
        raise Unreadable("holds links to other rows, not a value. Add a lookup field that shows the value and use that")
    else:
        yield value


def _unwrapped(value: Mapping[str, Any]) -> Iterator[Any]:
    if "state" in value and ("value" in value or "isStale" in value):
        yield from flat(_ai_text(value))
    elif "valuesByLinkedRecordId" in value:
        yield from flat(list(value["valuesByLinkedRecordId"].values()))
    elif "error" in value or "specialValue" in value:
        raise Unreadable("is a formula that fails in this row. Mend the formula or type a value")
    elif "filename" in value:
        raise Unreadable("holds files, not a value")
    else:
        yield from flat(next((value[key] for key in ("name", "text", "label", "email", "url") if value.get(key)), None))


def _ai_text(value: Mapping[str, Any]) -> Any:
    state = value["state"]
    if state == "loading":
        raise Unreadable("is still being written by Airtable's AI. Wait until the text is there, then start again")
    if state == "error":
        raise Unreadable("could not be written by Airtable's AI. Run the field again or type the text")
    return value.get("value")


def as_text(value: Any) -> str | None:
    """A cell as text: several values on lines of their own, mentions as the name that people see."""
    return "\n".join(_word(item) for item in flat(value)).strip() or None


def _word(item: Any) -> str:
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, float) and item.is_integer():
        return str(int(item))
    return _MENTION.sub(lambda found: found.group(1) or "", str(item)).replace("\x00", "")


def as_number(value: Any) -> float | None:
    """A cell as a number; text may carry a currency, a unit, a percent sign or be a time such as `1:05`."""
    items = list(flat(value))
    if not items:
        return None
    if len(items) > 1:
        raise Unreadable(f"must be one number; it holds {len(items)} values")
    item = items[0]
    if isinstance(item, bool):
        raise Unreadable("must be a number")
    number = float(item) if isinstance(item, (int, float)) else _number_in(str(item).strip())
    if number is None or not math.isfinite(number):
        raise Unreadable(f"must be a number; it is {_shown(item)}")
    return number


def _number_in(text: str) -> float | None:
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    digits = re.sub(r"[$€£\s  ']", "", found.group(1)).replace("−", "-")
    if re.fullmatch(r"[+-]?\d+,\d{1,2}", digits):
        digits = digits.replace(",", ".")  # a decimal comma
    try:
        return float(digits.replace(",", "")) / (100 if found.group(2) == "%" else 1)
    except ValueError:
        return None


def as_flag(value: Any) -> bool:
    """A checkbox, or what stands for one: an unticked box is absent."""
    return any(item is True or str(item).strip().casefold() in {"true", "yes", "1", "1.0"} for item in flat(value))


def as_moment(value: Any) -> float | None:
    """A dateTime or date in seconds since the epoch; without a zone it is UTC."""
    text = as_text(value)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"must be a date and time; it is {_shown(text)}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def as_files(value: Any, kind: str) -> tuple[str, ...]:
    """The URLs of attachments whose media type begins with `kind`, or of a cell that holds http(s) links."""
    items = value if isinstance(value, (list, tuple)) else [value]
    attached = [item for item in items if isinstance(item, Mapping) and "url" in item and "filename" in item]
    if attached and len(attached) == len(items):
        return tuple(_attachment_url(item, kind) for item in attached)
    if nested := [item for item in items if isinstance(item, (list, tuple))]:
        return tuple(url for item in nested for url in as_files(item, kind))
    links = (as_text(value) or "").split()
    if wrong := [link for link in links if not re.match(r"https?://", link, re.IGNORECASE)]:
        raise Unreadable(f"must hold files or links that start with https://; it holds {_shown(wrong[0])}")
    return tuple(links)


def _attachment_url(item: Mapping[str, Any], kind: str) -> str:
    media_type = str(item.get("type") or kind)
    if not media_type.startswith(kind):
        wanted = {"image/": "pictures", "audio/": "sound files"}.get(kind, "files")
        raise Unreadable(f"takes {wanted}; {item['filename']} is {media_type}")
    return str(item["url"])


def _shown(value: Any) -> str:
    text = " ".join(str(value).split())
    return f"“{text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}”"


def listed(allowed: Sequence[str]) -> str:
    """`a, b or c`."""
    return f"{', '.join(allowed[:-1])} or {allowed[-1]}" if len(allowed) > 1 else "".join(allowed)


class Cells:
    """A row by our own field names. `label` gives the name that the base itself uses, for sentences."""

    def __init__(self, fields: Mapping[str, Any], label: Callable[[str], str] = str) -> None:
        self._fields, self._label = fields, label
        self.problems: list[Problem] = []

    def complain(self, name: str, sentence: str) -> None:
        """Note what is wrong with a field; the sentence continues its name."""
        self.problems.append(Problem(self._label(name), sentence.rstrip(".") + "."))

    def _read(self, name: str, reader: Callable[[Any], Any]) -> Any:
        try:
            return reader(self._fields.get(name))
        except Unreadable as error:
            self.complain(name, str(error))
            return None

    def text(self, name: str, limit: int | None = None) -> str | None:
        """Text without space around it; None when empty or longer than `limit` characters."""
        text: str | None = self._read(name, as_text)
        if text is not None and limit is not None and len(text) > limit:
            self.complain(name, f"has {len(text):,} characters; at most {limit:,} are possible")
            return None
        return text

    def number(self, name: str, low: float, high: float, *, whole: bool = False) -> float | None:
        """A number between `low` and `high`."""
        number: float | None = self._read(name, as_number)
        if number is None or (low <= number <= high and (not whole or number.is_integer())):
            return number
        kind = "a whole number" if whole else "a number"
        self.complain(name, f"must be {kind} from {low:,.10g} to {high:,.10g}; it is {number:,.10g}")
        return None

    def money(self, name: str) -> int | None:
        """Dollars, 0 or more, in micro-dollars."""
        number = self.number(name, 0, 1_000_000)
        return None if number is None else to_micro(number)

    def choice(self, name: str, allowed: Sequence[str], tidy: Callable[[str], str] = str.casefold) -> str | None:
        """One of `allowed`, compared after `tidy`."""
        found = self.choices(name, allowed, tidy)
        if len(found) > 1:
            self.complain(name, f"must be one of {listed(allowed)}, not several")
            return None
        return found[0] if found else None

    def choices(self, name: str, allowed: Sequence[str], tidy: Callable[[str], str] = str.casefold) -> tuple[str, ...]:
        """Several of `allowed`, without repeats; text may separate them with commas or lines."""
        known = {tidy(option): option for option in allowed}
        words = [word.strip() for word in re.split(r"[,;\n]", self._read(name, as_text) or "") if word.strip()]
        if wrong := [word for word in words if tidy(word) not in known]:
            self.complain(name, f"must be {listed(allowed)}; it is {_shown(wrong[0])}")
        return tuple(dict.fromkeys(known[tidy(word)] for word in words if tidy(word) in known))

    def flag(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self._read(name, as_flag))

    def moment(self, name: str) -> float | None:
        """A time in seconds since the epoch."""
        moment: float | None = self._read(name, as_moment)
        return moment

    def files(self, name: str, kind: str) -> tuple[str, ...]:
        """URLs of files of a kind such as `image/`. Airtable's own die after about two hours."""
        return tuple(self._read(name, lambda value: as_files(value, kind) if value else ()) or ())

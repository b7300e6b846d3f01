"""One row's cells as values, however a person, a formula or Airtable's AI filled them in.

`Cells` collects a sentence for every cell that cannot be read; it never raises for what stands in a row.
Wire forms: Airtable's page on cell values (V1 in records, V2 in webhook payloads).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from pipelines.airtable.field_map import RECORD_ID
from pipelines.domain.errors import Problem
from pipelines.domain.money import to_micro
from pipelines.domain.orders.numbers import Number, read_number
from pipelines.domain.orders.pasted_links import links_in
from pipelines.domain.orders.public_addresses import why_not

_MENTION = re.compile(r"<airtable:mention\b[^>]*?(?:/>|>(.*?)</airtable:mention>)", re.DOTALL)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{2}(?:[.,]\d+)?)", re.ASCII)
_DOLLAR_WORDS = "$ us$ $us u$s usd$ us usd dollar dollars dólar dólares dollari доллар доллара долларов"
_DEARER_WORDS = "€ eur euro euros £ gbp pound pounds chf fr sfr"
_DOLLARS = frozenset(f"{_DOLLAR_WORDS} {_DEARER_WORDS}".split())
"""What an amount may carry: dollars, and money of which one is worth a dollar or more, so that a limit never grows."""
_MILLISECONDS = "ms msec millisecond milliseconds millisekunden"
_MINUTES = "min mins minute minutes minuten minuto minutos minuti мин минута минуты минут"
_HOURS = "h hr hrs hour hours std stunde stunden hora horas heure heures ora ore час часа"
_SECONDS = {
    **dict.fromkeys(_MILLISECONDS.split(), Decimal("0.001")),
    **dict.fromkeys(_MINUTES.split(), Decimal(60)),
    **dict.fromkeys(_HOURS.split(), Decimal(3600)),
}
_MULTIPLES = (
    "k tsd thousand tausend mil mille mila m mn mio million millions millionen bn hundred hundert dozen dutzend lakh "
    "crore тыс млн 千 万 百"
)
_PARTS = "cent cents ct c frame frames fps day days tag tage"
_OTHER_UNITS = frozenset(f"{_MULTIPLES} {_PARTS}".split())
"""A number with one of these means another number."""
_LEADING = frozenset("#$€£%")
_UNIT = re.compile(r"#|[$€£%°\"]|′′|[^\W\d_]+(?:[ .][^\W\d_]+)*\.?")
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


class NumberKind(Enum):
    """What a number is for decides what may stand beside it, and which of two readings can be meant."""

    PLAIN = "plain"
    WHOLE = "whole"
    SECONDS = "seconds"
    MONEY = "money"


def as_number(value: Any, low: float, high: float, kind: NumberKind = NumberKind.PLAIN) -> float | None:
    """A cell as a number; text may carry a currency, a unit or a percent sign, and seconds be a time such as `1:05`.

    What can be read in two ways is what lies between `low` and `high`; money that can is refused.
    """
    items = list(flat(value))
    if not items:
        return None
    if len(items) > 1:
        raise Unreadable(f"must be one number; it holds {len(items)} values")
    item = items[0]
    if isinstance(item, bool):
        raise Unreadable("must be a number")
    number = float(item) if isinstance(item, (int, float)) else _number_in(str(item).strip(), low, high, kind)
    if number is None or not math.isfinite(number):
        wanted = "an amount in US dollars, such as 12.50" if kind is NumberKind.MONEY else "a number"
        raise Unreadable(f"must be {wanted}; it is {_shown(item)}")
    return number


def _number_in(text: str, low: float, high: float, kind: NumberKind) -> float | None:
    clock = _CLOCK.fullmatch(text) if kind is NumberKind.SECONDS else None
    if clock:
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
    found = read_number(text)
    scale = _scale(found, kind) if found else None
    if found is None or scale is None:
        return None
    readings = [float(reading * scale) for reading in found.readings]
    if len(readings) == 1:
        return readings[0]
    possible = [
        reading
        for reading in readings
        if kind is not NumberKind.MONEY
        and low <= reading <= high
        and (kind is not NumberKind.WHOLE or reading.is_integer())
    ]
    if len(possible) == 1:
        return possible[0]
    smaller, larger = (f"{reading:f}" for reading in found.readings)
    raise Unreadable(
        f"is {_shown(text)}, which can mean {smaller} or {larger}. Write {larger}, or {float(smaller):.2f}"
    )


def _scale(found: Number, kind: NumberKind) -> Decimal | None:
    """What the words beside a number make of it; None where they say that it is something else."""
    if kind is NumberKind.MONEY:
        words = {part for word in found.words for part in word.rstrip(".").split()}
        return None if words - _DOLLARS else Decimal(1)
    if any(not _UNIT.fullmatch(word) for word in found.words) or (found.leads and found.words[0] not in _LEADING):
        return None
    word = found.words[-1].rstrip(".") if found.words else ""
    if word in _SECONDS and kind is NumberKind.SECONDS:
        return _SECONDS[word]
    if word in _OTHER_UNITS or word in _SECONDS:
        return None
    return Decimal("0.01" if word == "%" else 1)


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


def as_files(value: Any, kind: str, made: Container[str] = ()) -> tuple[str, ...]:
    """The URLs of attachments whose media type begins with `kind`, or of a cell that holds http(s) links; or one of the
    words that stand for a file that is made here.
    """
    items = value if isinstance(value, (list, tuple)) else [value]
    attached = [item for item in items if isinstance(item, Mapping) and "url" in item and "filename" in item]
    if attached and len(attached) == len(items):
        return tuple(_attachment_url(item, kind) for item in attached)
    if nested := [item for item in items if isinstance(item, (list, tuple))]:
        return tuple(url for item in nested for url in as_files(item, kind))
    text = as_text(value) or ""
    if text.casefold() in made:
        return (text.casefold(),)
    links, rest = links_in(text)
    if rest:
        raise Unreadable(f"must hold files or links that start with https://; it holds {_shown(rest[0])}")
    for link in links:
        if why := why_not(link):
            raise Unreadable(f"holds a link that cannot be used: it {why}. It is {_shown(_without_user(link))}")
    return links


def _without_user(link: str) -> str:
    """A password does not go into a message."""
    return re.sub(r"//[^/@]*@", "//…@", link)


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
        return self._between(name, low, high, NumberKind.WHOLE if whole else NumberKind.PLAIN)

    def seconds(self, name: str, low: float, high: float) -> float | None:
        """A length between `low` and `high` seconds; minutes and times such as `0:08` are turned into seconds."""
        return self._between(name, low, high, NumberKind.SECONDS)

    def money(self, name: str) -> int | None:
        """Dollars, 0 or more, in micro-dollars."""
        number = self._between(name, 0, 1_000_000, NumberKind.MONEY)
        return None if number is None else to_micro(number)

    def _between(self, name: str, low: float, high: float, of: NumberKind) -> float | None:
        number: float | None = self._read(name, lambda value: as_number(value, low, high, of))
        if number is None or (low <= number <= high and (of is not NumberKind.WHOLE or number.is_integer())):
            return number
        kind = "a whole number" if of is NumberKind.WHOLE else "a number"
        self.complain(name, f"must be {kind} from {low:,.10g} to {high:,.10g}; it is {number:,.10g}")
        return None

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

    def files(self, name: str, kind: str, made: Container[str] = ()) -> tuple[str, ...]:
        """URLs of files of a kind such as `image/`. Airtable's own die after about two hours."""
        return tuple(self._read(name, lambda value: as_files(value, kind, made) if value else ()) or ())

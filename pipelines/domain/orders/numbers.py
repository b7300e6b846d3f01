"""Numbers as people write them, in any country: 1.234,56 € and 1,234.5 and 1 234,5 and 1'234.50 and 12,50.

Of two different marks the last is the decimal one. A single mark with three digits behind it can be either; then there
are two readings, and whoever knows what the number is for decides, or asks.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

_SPACES = "\u0020\u00a0\u2009\u202f\u2007"
_TICKS = "'’`´ʼ"
_PLAIN = {
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "٫": "⎖",  # the Arabic decimal mark is never anything else
    "٬": "'",
    "،": ",",
    "٪": "%",
    "\u00a0": " ",
}
_SHAPE = re.compile(
    rf"(?P<before>[^\W\d_]+\.(?=\s)|[^\d.,\-+]*?)\s*(?P<sign>[+-]?)\s*(?P<coin>[^\d.,\-+]*?)\s*"
    rf"(?P<digits>(?:\d[\d.,⎖{_SPACES}{_TICKS}]*\d|\d)[.,]?|[.,]\d+)(?P<none>(?<=[.,])-{{1,2}})?\s*(?P<after>[^\d.,\-+]*\.?)"
)
_UNSEEN = re.compile("[\ufeff\u200b\u2060\u200e\u200f]")
_US = re.compile(r"\bus[-‐‑](?=\$|dollar)", re.IGNORECASE)
_THREE = 3


@dataclass(frozen=True, slots=True)
class Number:
    """What was written: one reading, or two where a mark can be a decimal one or divide thousands. `words` are the
    currency, unit or percent sign round it, in lower case.
    """

    readings: tuple[Decimal, ...]
    words: tuple[str, ...] = ()
    leads: bool = False
    """Whether the first of them stands before the number."""


def read_number(text: str) -> Number | None:
    """The number that is the whole of the text, with at most a currency or a unit beside it; None when it is none."""
    found = _SHAPE.fullmatch(_plain(text))
    if found is None:
        return None
    readings = _readings(found["digits"].removesuffix(".").removesuffix(","))
    if not readings:
        return None
    sign = -1 if found["sign"] == "-" else 1
    words = (found["before"], found["coin"], found["after"])
    return Number(
        tuple(sign * Decimal(reading) for reading in readings),
        tuple(word for part in words if (word := part.strip().casefold())),
        leads=bool((found["before"] + found["coin"]).strip()),
    )


def _plain(text: str) -> str:
    """Digits of all scripts and full-width signs as ASCII ones."""
    text = _US.sub("us ", _UNSEEN.sub("", text).strip().removeprefix("'"))
    shown = "".join(_PLAIN.get(character, character) for character in text)
    shown = "".join(_PLAIN.get(character, character) for character in unicodedata.normalize("NFKC", shown))
    return "".join(str(unicodedata.decimal(character, character)) for character in shown)


def _readings(digits: str) -> tuple[str, ...]:
    """Every value that the digits can mean; none where their groups make no number."""
    spaced = [gap for gap in (_SPACES, _TICKS) if any(mark in digits for mark in gap)]
    if "⎖" in digits:
        whole, _, part = digits.partition("⎖")
        return _joined(whole, part) if part.isdecimal() else ()
    if len(spaced) > 1:
        return ()
    if spaced:
        return _after_gaps(digits, spaced[0])
    marks = [character for character in digits if character in ".,"]
    if not marks:
        return (digits,)
    if len(set(marks)) > 1 or len(marks) == 1:
        whole, _, part = digits.rpartition(marks[-1])
        return _joined(whole, part) if len(set(marks)) > 1 else _single(whole, part)
    return _grouped(digits)


def _after_gaps(digits: str, gaps: str) -> tuple[str, ...]:
    """Spaces or apostrophes divide thousands, so a mark is a decimal one."""
    whole, mark, part = digits, "", ""
    for character in ".,":
        if character in digits:
            whole, mark, part = digits.partition(character)
    if mark and (not part.isdecimal() or not whole):
        return ()
    groups = re.split(f"[{gaps}]", whole)
    if not _are_groups(groups):
        return ()
    return (f"{''.join(groups)}.{part or 0}",)


def _joined(whole: str, part: str) -> tuple[str, ...]:
    if not whole:
        return (f"0.{part}",)
    known = (whole,) if whole.isdecimal() else _grouped(whole)
    return tuple(f"{value}.{part}" for value in known)


def _single(whole: str, part: str) -> tuple[str, ...]:
    decimal = f"{whole or 0}.{part}"
    could_divide = len(part) == _THREE and 1 <= len(whole) <= _THREE and not whole.startswith("0")
    return (decimal, whole + part) if could_divide else (decimal,)


def _grouped(digits: str) -> tuple[str, ...]:
    groups = re.split(r"[.,'’]", digits)
    if not all(group.isdecimal() for group in groups):
        return ()
    return ("".join(groups),) if _are_groups(groups) and len(set(re.findall(r"\D", digits))) == 1 else ()


def _are_groups(groups: list[str]) -> bool:
    """Three digits each behind the first one, or two each before the last as in India."""
    first, *middle = groups
    if not middle:
        return True
    *inner, last = middle
    sized = all(len(group) == _THREE for group in inner) or all(len(group) == _THREE - 1 for group in inner)
    return 1 <= len(first) <= _THREE and not first.startswith("0") and len(last) == _THREE and sized

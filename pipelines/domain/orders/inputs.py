"""What a person may give: declared once, where the order holds it.

From a declaration follow the column of the base and how its cell is read, the field of the API with its limits, the
name that a sentence calls it by, and its line in the documents.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """Words; `lines` for as many as one likes."""

    most: int | None = None
    lines: bool = False


@dataclass(frozen=True, slots=True)
class SceneLines:
    """One scene a line."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model of the catalogue."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number between two."""

    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Seconds:
    """A length between two."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Money:
    """Dollars, kept in micro-dollars."""


@dataclass(frozen=True, slots=True)
class Percent:
    """A share, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Hue:
    """A colour as `#RRGGBB`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words, or `several`. `tidy` makes one of the ways in which people write a word."""

    words: tuple[str, ...]
    of: Callable[[str], str] = str
    several: bool = False
    tidy: Callable[[str], str] = str.casefold


@dataclass(frozen=True, slots=True)
class Files:
    """Links to files of a media type that begins like this: one, or `several`."""

    media_type: str
    several: bool = False
    made: Mapping[str, object] = field(default_factory=dict, hash=False)
    """Words that stand for one that is made here, and what each is in the attribute `made_as`."""
    made_as: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """Yes or no."""

    colour: str


Kind: TypeAlias = Text | SceneLines | ModelName | Number | Seconds | Money | Percent | Hue | Choice | Files | Box


@dataclass(frozen=True, slots=True)
class Api:
    """The field of a request without a row. `clip`: also of a request for one clip."""

    description: str | None = None
    name: str | None = None
    """Where it is not that of the order."""
    most: float | None = None
    """Where it allows something else than a row: characters, or seconds."""
    required: bool = False
    optional: bool = False
    """Left out it is null, and the order decides, instead of the order's default."""
    clip: bool = False


@dataclass(frozen=True, slots=True)
class Input:
    """One declaration; `seen` is whether it changes what a person sees or hears of the film, by itself."""

    label: str
    kind: Kind
    description: str
    api: Api | None = None
    seen: bool = False
    name: str = ""
    default: Any = None

    @property
    def api_name(self) -> str:
        """What a request calls it."""
        return (self.api and self.api.name) or self.name


def given(
    label: str, kind: Kind, description: str, *, default: Any = None, api: Api | None = None, seen: bool = False
) -> Any:
    """An attribute of an order that a person gives: `label` is its field in the base, explained there."""
    declared = Input(label, kind, description, api, seen, default=default)
    return dataclasses.field(default=default, metadata={"input": declared})


def among(words: type[StrEnum]) -> Choice:
    """A choice among the words of an enumeration."""
    return Choice(tuple(word.value for word in words), of=words)


def inputs_of(record: type[Any]) -> tuple[Input, ...]:
    """What a person may give in an order, or in a scene of one."""
    declared = ((item.name, item.metadata.get("input")) for item in dataclasses.fields(record))
    return tuple(dataclasses.replace(found, name=name) for name, found in declared if found is not None)


def values_of(record: type[Any], found: Mapping[str, object]) -> dict[str, Any]:
    """What was given, as the order holds it; nothing where nothing was said."""
    inputs = [item for item in inputs_of(record) if found.get(item.name) is not None]
    values = {item.name: _typed(item.kind, found[item.name]) for item in inputs}
    for item in inputs:
        if isinstance(item.kind, Files) and item.kind.made and values[item.name] in item.kind.made:
            values.setdefault(item.kind.made_as, item.kind.made[values.pop(item.name)])
    return values


def _typed(kind: Kind, value: Any) -> Any:
    match kind:
        case Choice(of=of, several=True):
            return tuple(of(word) for word in value)
        case Files(several=True):
            return tuple(value)
        case Choice(of=of):
            return of(value)
        case Number(whole=True):
            return int(value)
    return value


_SHAPES = {
    "landscape": "16:9",
    "widescreen": "16:9",
    "horizontal": "16:9",
    "portrait": "9:16",
    "vertical": "9:16",
    "square": "1:1",
}


def shape_in(text: str) -> str:
    """`Portrait`, `9x16` and `9 / 16 (Reels)` are all 9:16."""
    word = text.casefold().strip()
    for name, ratio in _SHAPES.items():
        if word.startswith(name):
            return ratio
    found = re.search(r"(\d+)\s*[:x×/]\s*(\d+)", word)
    return f"{found.group(1)}:{found.group(2)}" if found else word


def resolution_in(text: str) -> str:
    """`1080`, `1080 p` and `Full HD 1080p` are all 1080p."""
    found = re.search(r"(?<!\d)(\d{3,4})\s*p?(?!\d)", text.casefold())
    return f"{found.group(1)}p" if found else text.casefold()


_HUE = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE | re.ASCII)


def hue_in(text: str) -> str | None:
    """`fe5102` and `#F52` as `#FE5102` and `#FF5522`; None for what is no colour."""
    found = _HUE.fullmatch(text.strip())
    if found is None:
        return None
    digits = found.group(1).upper()
    return "#" + (digits if len(digits) > 3 else "".join(digit * 2 for digit in digits))  # noqa: PLR2004 - short form

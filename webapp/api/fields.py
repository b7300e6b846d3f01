"""The fields of requests, as types: the source of validation, of the error messages and of /openapi.json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pipelines.domain.footage import Transition
from pipelines.domain.orders.checks import is_blank
from pipelines.domain.orders.inputs import (
    Box,
    Choice,
    Files,
    Hue,
    Input,
    Kind,
    ModelName,
    Money,
    Number,
    Percent,
    SceneLines,
    Text,
    hue_in,
)
from pipelines.domain.orders.inputs import (
    Seconds as Length,
)
from pipelines.domain.orders.order import ASPECT_RATIOS, MAX_PROMPT, MAX_SEED, RESOLUTIONS
from pipelines.domain.orders.public_addresses import why_not

_TRANSITIONS = tuple(each.value for each in Transition)
RECORD_ID = re.compile(r"rec[A-Za-z0-9]{14}", re.ASCII)
BASE_ID = re.compile(r"app[A-Za-z0-9]{14}", re.ASCII)
_MODEL = re.compile(r"[a-z0-9][a-z0-9_-]*/\S+", re.ASCII)
_OFFSET = re.compile(r"[0-9]{1,9}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MAX_URL = 2048
MAX_CLIP_SECONDS = 120
ALIASES = {"recordId": "record_id", "record": "record_id", "baseId": "base_id"}
MAX_REFERENCES = 8
MAX_METADATA = 4096


def _matching(pattern: re.Pattern[str], words: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"must be {words}.")
        return text

    return AfterValidator(check)


def _prompt(text: str) -> str:
    """The measure is the author's characters, after trimming."""
    trimmed = text.strip()
    if is_blank(trimmed):
        raise ValueError("must not be empty.")
    if len(trimmed) > MAX_PROMPT:
        raise ValueError(f"may have at most {MAX_PROMPT:,} characters; this has {len(trimmed):,}.")
    return trimmed


def _spelled(words: Iterable[str]) -> BeforeValidator:
    """Accept a word of a select field in any case, with spaces, dashes or underscores."""
    known = {_folded(word): word for word in words}
    return BeforeValidator(lambda value: known.get(_folded(value), value) if isinstance(value, str) else value)


def _folded(word: str) -> str:
    return word.strip().lower().replace("_", " ").replace("-", " ")


def _address(text: str) -> str:
    if why := why_not(text):
        raise ValueError(f"{why}.")
    return text


def _address_or(made: Collection[str]) -> Callable[[str], str]:
    """An address, or one of the words that stand for a file that is made here."""

    def check(text: str) -> str:
        word = text.strip().casefold()
        if word.startswith("local/") and word not in made:
            raise ValueError(f"is not made here. Choose {', '.join(made)}, or give an address.")
        return word if word in made else _address(text)

    return check


def _table(name: str) -> str:
    if not name.strip() or not name.isprintable() or "/" in name:
        raise ValueError("must be a table's name or id.")
    return name


def _day(text: str) -> str:
    if not _DAY.fullmatch(text) or not _is_day(text):
        raise ValueError("must be a day such as 2026-11-20.")
    return text


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


RecordId = Annotated[
    str,
    Field(
        description="The row's Airtable id.",
        examples=["recA1b2C3d4E5f6G7"],
        json_schema_extra={"pattern": "^rec[A-Za-z0-9]{14}$"},
    ),
    _matching(RECORD_ID, "a record id: rec and 14 letters or digits"),
]
BaseId = Annotated[
    str,
    Field(
        description="The base; AIRTABLE_BASE_ID when left out.", json_schema_extra={"pattern": "^app[A-Za-z0-9]{14}$"}
    ),
    _matching(BASE_ID, "a base id: app and 14 letters or digits"),
]
Table = Annotated[
    str,
    Field(max_length=255, description="The table's name or id; `Videos` when left out."),
    AfterValidator(_table),
]
Prompt = Annotated[str, AfterValidator(_prompt), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_PROMPT})]
Model = Annotated[
    str,
    Field(
        max_length=200,
        description="A model of /api/models; the default model when left out.",
        examples=["local/animatic"],
    ),
    _matching(_MODEL, "a model as provider/slug, such as local/animatic; see /api/models"),
]
Url = Annotated[str, Field(max_length=MAX_URL), AfterValidator(_address)]
Offset = Annotated[str, _matching(_OFFSET, "the next_cursor of an earlier page")]
Day = Annotated[str, AfterValidator(_day), Field(json_schema_extra={"format": "date"})]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Resolution = Annotated[Literal[RESOLUTIONS], _spelled(RESOLUTIONS)]  # type: ignore[valid-type]
AspectRatio = Annotated[Literal[ASPECT_RATIOS], _spelled(ASPECT_RATIOS)]  # type: ignore[valid-type]
TransitionWord = Annotated[Literal[_TRANSITIONS], _spelled(_TRANSITIONS)]  # type: ignore[valid-type]
NegativePrompt = Annotated[str, Field(max_length=4000), AfterValidator(lambda text: text.strip() or None)]
Seconds = Annotated[float, Field(gt=0, le=MAX_CLIP_SECONDS, allow_inf_nan=False)]
Dollars = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Ceiling = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
"""0 agrees to what is free."""
DryRun = Annotated[bool, Field(description="Answer with plan, quote and problems; spend and start nothing.")]
Fresh = Annotated[bool, Field(description="Buy every clip anew, also those that an earlier run paid for.")]
AskFirst = Annotated[
    bool, Field(description="Wait for approval once the scenes are written: no clip is bought before.")
]
Adapt = Annotated[
    bool, Field(description="Fit what the model cannot do exactly to the nearest it can; otherwise it is refused.")
]


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be printable text.")
    return text


def _bounded(metadata: dict[str, str]) -> dict[str, str]:
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > MAX_METADATA:
        raise ValueError(f"may have at most {MAX_METADATA:,} bytes as JSON.")
    return metadata


CustomId = Annotated[
    str,
    Field(min_length=1, max_length=200, description="Your own name for it: said again in answers and messages."),
    AfterValidator(_name),
]
Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_name)], Annotated[str, Field(max_length=500)]
    ],
    Field(max_length=20, description="What you want to be told again, as up to 20 texts by name."),
    AfterValidator(_bounded),
]
WebhookUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_URL,
        description="Told when the film is done, failed, cancelled or needs attention: a public https:// address. "
        "Messages are signed with the secret of GET /api/webhooks/secret.",
    ),
]


class Body(BaseModel):
    """Strict types; a field that we do not know is an error, because ignoring `secnds: 4` would cost money."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def field_of(item: Input) -> tuple[Any, Any]:
    """The type and the default of the field for something that an order holds."""
    api = item.api
    if api is None:
        raise TypeError(f"{item.name} is no field of the API")
    kind = _type_of(item.kind, api.most)
    if api.required:
        return kind, ...
    default = list(item.default) if isinstance(item.default, tuple) else item.default
    missing = default is None or api.optional
    field = Field(None if missing else default, description=api.description)
    return (kind | None if missing else kind), field


def _type_of(kind: Kind, most: float | None) -> Any:
    match kind:
        case Text():
            words = Field(max_length=None if most is None else int(most))
            return Prompt if most is None else Annotated[str, words, AfterValidator(lambda text: text.strip() or None)]
        case ModelName():
            return Model
        case Number(low, high, whole):
            return Annotated[int, Field(ge=low, le=high)] if whole else _between(low, high)
        case Length(low, high):
            return _between(low, high) if most is None else Annotated[float, Field(gt=0, le=most, allow_inf_nan=False)]
        case Money():
            return Dollars
        case Hue():
            return Annotated[str, AfterValidator(_hue)]
        case Percent():
            return _between(0, 1)
        case Choice(words, several=several):
            word = Annotated[Literal[words], _spelled(words)]  # type: ignore[valid-type]
            return Annotated[list[word], Field(max_length=len(words))] if several else word
        case Files():
            return _address_of(kind)
        case Box():
            return bool
        case SceneLines():
            raise TypeError("the API has no field for lines of scenes")


def _address_of(files: Files) -> Any:
    if files.made:
        return Annotated[str, Field(max_length=MAX_URL), AfterValidator(_address_or(files.made))]
    return Annotated[list[Url], Field(max_length=MAX_REFERENCES)] if files.several else Url


def _between(low: float, high: float) -> Any:
    return Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)]


def _hue(text: str) -> str:
    hue = hue_in(text)
    if hue is None:
        raise ValueError("must be a colour such as #0055FF.")
    return hue

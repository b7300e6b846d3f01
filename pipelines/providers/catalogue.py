"""The catalogue of models: a data file that ships, and one that an operator adds. Loads no vendor's SDK.

A file holds one table per model, `[models."provider/slug"]`. Its keys are the fields of `CatalogueModel`, except that
prices are written in dollars: `usd_per_second` and `usd_per_clip`, each by resolution. A row of a model that is there
already changes only what it names. docs/how-to/add-a-model.md walks through one.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import NotConfigured
from pipelines.domain.money import to_micro
from pipelines.domain.orders.fit import lines, ratio

SHIPPED = Path(__file__).with_name("catalogue.toml")
_PRICES = {"usd_per_second": "prices", "usd_per_clip": "clip_prices"}
_FIELDS = {field.name for field in dataclasses.fields(CatalogueModel)} - {"id", *_PRICES.values()}
_CARD = TypeAdapter(CatalogueModel)
_MAX_EDGE = 8192

Row = dict[str, Any]


class CatalogueError(NotConfigured):
    """A catalogue file that cannot be used. `problems` holds every one as (model, sentence)."""

    def __init__(self, path: Path, problems: list[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  {model}: {sentence}" if model else f"  {sentence}" for model, sentence in problems)
        super().__init__(f"The catalogue {path} needs attention:\n{listed}")


def load_catalogue(extra: Path | None = None) -> dict[str, CatalogueModel]:
    """All models by id, in the files' order. Raises CatalogueError naming the file and every problem in it."""
    rows, cards = _shipped()
    if extra is None:
        return dict(cards)
    added = _rows(extra)
    merged = {model: {**rows.get(model, {}), **row} for model, row in added.items()}
    return {**cards, **_cards(extra, merged)}


@cache
def _shipped() -> tuple[dict[str, Row], dict[str, CatalogueModel]]:
    """Read once: this file comes with the code."""
    rows = _rows(SHIPPED)
    return rows, _cards(SHIPPED, rows)


def catalogue_text(rows: Mapping[str, Row]) -> str:
    """Rows as the text of a catalogue file."""
    tables = (
        "\n".join([f"[models.{_toml(model)}]", *(f"{key} = {_toml(value)}" for key, value in row.items())])
        for model, row in rows.items()
    )
    return "\n\n".join(tables) + "\n" if rows else ""


def _toml(value: Any) -> str:
    """A value in TOML; a JSON string without control characters is a TOML string."""
    match value:
        case bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case dict():
            return "{ " + ", ".join(f"{_toml(str(key))} = {_toml(entry)}" for key, entry in value.items()) + " }"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case float():
            return f"{value:g}"
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)


def _rows(path: Path) -> dict[str, Row]:
    try:
        text = path.read_text(encoding="utf-8")
        data = (
            json.loads(text, parse_float=Decimal)
            if path.suffix == ".json"
            else tomllib.loads(text, parse_float=Decimal)
        )
    except OSError as error:
        raise CatalogueError(path, [("", f"cannot be read: {error.strerror}.")]) from error
    except ValueError as error:
        raise CatalogueError(path, [("", f"is not valid {path.suffix.lstrip('.') or 'TOML'}: {error}.")]) from error
    models = data.get("models") if isinstance(data, dict) else None
    if not isinstance(models, dict) or not all(isinstance(row, dict) for row in models.values()):
        raise CatalogueError(path, [("", 'must hold one table per model, such as [models."sora/my-model"].')])
    return models


def _cards(path: Path, rows: Mapping[str, Row]) -> dict[str, CatalogueModel]:
    problems: list[tuple[str, str]] = []
    cards = {model: card for model, row in rows.items() if (card := _card(model, row, problems))}
    problems += [(model, sentence) for model, card in cards.items() for sentence in _faults(card)]
    if problems:
        raise CatalogueError(path, problems)
    return cards


def _card(model: str, row: Row, problems: list[tuple[str, str]]) -> CatalogueModel | None:
    provider, _, slug = model.partition("/")
    found = [] if provider and slug and not set(model) & set(" \t\n") else ["must be named provider/slug."]
    found += [
        f"{key} is not known; known are {', '.join(sorted(_FIELDS | set(_PRICES)))}."
        for key in row
        if key not in _FIELDS | set(_PRICES)
    ]
    values = {key: value for key, value in row.items() if key in _FIELDS}
    if isinstance(row.get("sizes"), dict):
        values.setdefault("aspect_ratios", list(dict.fromkeys(str(key).partition(" ")[0] for key in row["sizes"])))
    for written, name in _PRICES.items():
        values[name] = _prices(row.get(written, {}), written, found)
    try:
        card = _CARD.validate_python({**_plain(values), "id": model})
    except ValidationError as error:
        found += [
            f"{'.'.join(str(part) for part in line['loc'])}: {line['msg']}." for line in error.errors(include_url=False)
        ]
        card = None
    problems += [(model, sentence) for sentence in found]
    return None if found else card


def _prices(value: Any, name: str, found: list[str]) -> dict[str, int]:
    if not isinstance(value, dict):
        found.append(f'{name} must give dollars by resolution, such as {{ "720p" = 0.10 }}.')
        return {}
    prices = {}
    for resolution, amount in value.items():
        try:
            prices[resolution] = to_micro(amount)
        except ValueError as error:
            found.append(f"{name} of {resolution}: {error}.")
    return prices


def _plain(value: Any) -> Any:
    """Decimals were kept for the prices; everything else is counted in floats."""
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {key: _plain(entry) for key, entry in value.items()}
        case list():
            return [_plain(entry) for entry in value]
        case _:
            return value


def _faults(card: CatalogueModel) -> Iterator[str]:
    """What the types cannot say."""
    yield from _frame_faults(card)
    yield from _length_faults(card)
    if any(amount <= 0 for amount in card.prices.values()) or any(amount < 0 for amount in card.clip_prices.values()):
        yield "a price must be above $0; a model that costs nothing says free = true."
    if set(card.clip_prices) - set(card.prices):
        yield "usd_per_clip names a resolution that has no usd_per_second."
    if bool(card.draft_resolution) != bool(card.draft_finals) or bool(card.draft_finals) != (card.draft_kept_s > 0):
        yield "draft_resolution, draft_finals and draft_kept_s belong together."
    if {*card.draft_finals, *filter(None, [card.draft_resolution])} - set(card.prices):
        yield "draft_resolution or draft_finals names a resolution that has no usd_per_second."
    if card.prices and card.price_date is None:
        yield "price_date is missing: the day on which the prices were looked up."
    if card.max_prompt < 1 or card.max_in_flight < 1 or card.creates_per_minute <= 0:
        yield "max_prompt, max_in_flight and creates_per_minute must be above 0."


def _frame_faults(card: CatalogueModel) -> Iterator[str]:
    for key, size in card.sizes.items():
        if not (_is(key, _frame_key) and _is(size, _pixels)):
            yield f'sizes: {key!r} = {size!r} must read like "16:9 720p" = "1280x720", in even pixels to {_MAX_EDGE}.'
    if not card.sizes:
        yield 'sizes is missing: what it makes, such as { "16:9 720p" = "1280x720" }.'


def _is(text: str, parse: Callable[[str], None]) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _frame_key(text: str) -> None:
    shape, resolution = text.split()
    ratio(shape)
    lines(resolution)


def _pixels(text: str) -> None:
    edges = [int(edge) for edge in text.split("x")]
    if len(edges) != 2 or any(edge % 2 or not 0 < edge <= _MAX_EDGE for edge in edges):  # noqa: PLR2004 — width, height
        raise ValueError(text)


def _length_faults(card: CatalogueModel) -> Iterator[str]:
    if any(length <= 0 for length in card.durations):
        yield "durations must be above 0 seconds."
    if not card.durations and not (0 < card.min_seconds <= card.max_seconds and card.step_seconds > 0):
        yield "min_seconds, max_seconds and step_seconds must be above 0 and in order."
    can = card.durations or (card.min_seconds, card.max_seconds)
    if not min(can) <= card.default_seconds <= max(can) or (card.durations and card.default_seconds not in can):
        yield f"default_seconds = {card.default_seconds:g} is not a length it makes."

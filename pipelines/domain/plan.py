"""From an order and a catalogue to a plan: what exactly is bought, and what it costs at most.

One function plans; the quote, the hold, the row's sentence and every submission read its result.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedScene:
    """One scene as it will be bought. `seconds` is what the film shows, `buy_seconds` what the model is asked for."""

    number: int
    prompt: str | None
    """None until the writer has written it."""
    seconds: float
    buy_seconds: float
    model: str
    settings: dict[str, Any]
    """width, height, aspect_ratio, resolution, fps, audio, seed (None if not set): the request beside the prompt."""
    price_micro: int
    caption: str | None = None
    references: tuple[str, ...] = ()
    continues: bool = False
    transition: str | None = None
    board_record_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run buys and makes. Sizes in pixels, money in micro-dollars."""

    model: str
    scenes: tuple[PlannedScene, ...]
    width: int
    """Of the film's first format; clips of another size are fitted."""
    height: int
    fps: float
    formats: tuple[str, ...]
    quote_micro: int
    text_micro: int = 0
    adapted: tuple[str, ...] = ()
    """What was changed to fit the model, in sentences for the row."""
    warnings: tuple[str, ...] = ()
    lines: tuple[tuple[str, int], ...] = field(default=())
    """The quote, line by line."""


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan as plain JSON types."""
    return dataclasses.asdict(plan)


def plan_from_json(data: dict[str, Any]) -> Plan:
    """The inverse of `plan_to_json`."""
    scenes = tuple(PlannedScene(**{**s, "references": tuple(s["references"])}) for s in data["scenes"])
    tuples = {name: tuple(data[name]) for name in ("formats", "adapted", "warnings")}
    lines = tuple((label, amount) for label, amount in data["lines"])
    return Plan(**{**data, **tuples, "scenes": scenes, "lines": lines})

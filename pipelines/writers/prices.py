"""What words cost, in micro-dollars. An unknown model costs as much as the dearest known one, never nothing."""

from __future__ import annotations

import functools
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

PRICES = Path(__file__).with_name("prices.toml")
OPENAI_URL = "https://api.openai.com/v1"
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Micro-dollars per token."""

    input: float
    output: float
    cached: float
    known: bool = True

    def cost_micro(self, usage: Usage) -> int:
        """What an answer cost, rounded up; at least 1, because no answer of a paid model is free."""
        fresh = max(0, usage.input - usage.cached)
        return max(1, math.ceil(fresh * self.input + usage.cached * self.cached + usage.output * self.output))


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one answer; `cached` is part of `input`, reasoning is part of `output`."""

    input: int
    output: int
    cached: int = 0


def most_tokens(text: str) -> int:
    """No tokeniser that works on bytes makes more tokens of a text than it has bytes."""
    return len(text.encode("utf-8", "replace"))


def price_of(model: str) -> Price:
    """The price of a model or one of its dated snapshots."""
    name = _SNAPSHOT.sub("", model.removeprefix("openai/"))
    known = prices()
    if name in known:
        return known[name]
    dearest = max(known.values(), key=lambda price: (price.output, price.input))
    return Price(input=dearest.input, output=dearest.output, cached=dearest.cached, known=False)


def retirement(model: str, base_url: str) -> date | None:
    """The day on which OpenAI switches a model off; None where none is announced, and at other servers."""
    if base_url.rstrip("/") != OPENAI_URL:
        return None
    found: date | None = _table()["retirements"].get(_SNAPSHOT.sub("", model))
    return found


@functools.cache
def _table() -> dict[str, Any]:
    return tomllib.loads(PRICES.read_text("utf-8"))


@functools.cache
def prices() -> Mapping[str, Price]:
    """The price table."""
    table = _table()["models"]
    return {
        name: Price(input=row["input"], output=row["output"], cached=row.get("cached", row["input"]))
        for name, row in table.items()
    }

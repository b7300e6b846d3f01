"""What pictures cost, by the day: the rows of `catalogue.toml`."""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

ROWS = Path(__file__).with_name("catalogue.toml")
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What an answer says that it took."""

    words: int
    sources: int
    made: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """From a day on: micro-dollars for a picture, or for each token, which is dollars for a million of them."""

    begins: date
    picture_micro: int = 0
    words: float = 0.0
    source: float = 0.0
    made: float = 0.0
    most_source_tokens: int = 0
    most_made_tokens: int = 0

    def quote(self, prompt: str, sources: int) -> int:
        """The most that a picture may cost. No tokeniser makes more tokens of a text than it has bytes."""
        words = len(prompt.encode("utf-8", "replace"))
        return self.of(Tokens(words=words, sources=sources * self.most_source_tokens, made=self.most_made_tokens))

    def of(self, used: Tokens) -> int:
        """What an answer has cost."""
        tokens = used.words * self.words + used.sources * self.source + used.made * self.made
        return self.picture_micro + math.ceil(tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageModel:
    """One row."""

    id: str
    most_sources: int
    prices: tuple[Price, ...]

    def price_on(self, today: date) -> Price | None:
        """What holds on a day; None before its first."""
        known = [price for price in self.prices if price.begins <= today]
        return max(known, key=lambda price: price.begins, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A model that its vendor switches off: the first day without it, and what to take instead."""

    ends: date
    instead: str


@functools.cache
def _rows() -> dict[str, Any]:
    return tomllib.loads(ROWS.read_text("utf-8"))


@functools.cache
def models() -> Mapping[str, ImageModel]:
    """The models that may be named in PICTURE_MODEL."""
    return {
        row["id"]: ImageModel(
            id=row["id"], most_sources=row["most_sources"], prices=tuple(_price(one) for one in row["prices"])
        )
        for row in _rows()["models"]
    }


@functools.cache
def ended() -> Mapping[str, Ended]:
    """Those that were or will be switched off."""
    return {name: Ended(**row) for name, row in _rows()["ended"].items()}


def _price(row: Mapping[str, Any]) -> Price:
    return Price(
        begins=row["from"],
        picture_micro=round(row.get("picture", 0) * _MICRO),
        words=row.get("words_per_million", 0.0),
        source=row.get("source_per_million", 0.0),
        made=row.get("made_per_million", 0.0),
        most_source_tokens=row.get("most_source_tokens", 0),
        most_made_tokens=row.get("most_made_tokens", 0),
    )

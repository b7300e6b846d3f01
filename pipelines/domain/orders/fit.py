"""How an asked length, resolution or shape is brought to what a model makes. Pure arithmetic on model cards.

The rule of adapting: a length goes up and is trimmed, a resolution goes up, another shape is fitted into the frame.
Nothing goes down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from pipelines.domain.catalogue import CatalogueModel, Offer

_NAMED_LINES = {"1k": 1024, "2k": 1440, "4k": 2160}
_TOLERANCE = 1e-6


def ratio(aspect_ratio: str) -> Fraction:
    """`"16:9"` as width over height. Raises ValueError for what is no such text."""
    width, separator, height = aspect_ratio.partition(":")
    if not (separator and width.isascii() and height.isascii() and width.isdigit() and height.isdigit()):
        raise ValueError(f"not an aspect ratio: {aspect_ratio!r}")
    if int(width) == 0 or int(height) == 0:
        raise ValueError(f"not an aspect ratio: {aspect_ratio!r}")
    return Fraction(int(width), int(height))


def lines(resolution: str) -> int:
    """`"720p"` as the pixels of the shorter side. Raises ValueError for what is no such text."""
    text = resolution.lower()
    if text in _NAMED_LINES:
        return _NAMED_LINES[text]
    digits = text.removesuffix("p")
    if digits == text or not (digits.isascii() and digits.isdigit()) or int(digits) == 0:
        raise ValueError(f"not a resolution: {resolution!r}")
    return int(digits)


def film_size(aspect_ratio: str, resolution: str) -> tuple[int, int]:
    """Nominal width and height in pixels, both even: the shorter side is what the resolution names."""
    shape, short = ratio(aspect_ratio), lines(resolution)
    long_side = 2 * round(short * max(shape, 1 / shape) / 2)
    return (long_side, short) if shape >= 1 else (short, long_side)


def nearest_shape(aspect_ratio: str, offered: Sequence[str]) -> str:
    """The offered aspect ratio of which a crop to `aspect_ratio` keeps most; the first of equals."""
    asked = ratio(aspect_ratio)
    return max(offered, key=lambda candidate: min(ratio(candidate) / asked, asked / ratio(candidate)))


def nearest_offer(card: CatalogueModel, aspect_ratio: str, resolution: str) -> Offer | None:
    """The offer that serves the asked frame with nothing lost: the same or nearest shape, the same resolution or the
    next one up. None when every resolution of that shape is too low.
    """
    shapes = list(dict.fromkeys(offer.aspect_ratio for offer in card.offers))
    if not shapes:
        return None
    shape = aspect_ratio if aspect_ratio in shapes else nearest_shape(aspect_ratio, shapes)
    enough = [o for o in card.offers if o.aspect_ratio == shape and lines(o.resolution) >= lines(resolution)]
    return min(enough, key=lambda offer: lines(offer.resolution), default=None)


def buy_seconds(card: CatalogueModel, seconds: float) -> float | None:
    """The shortest length the model makes that is at least `seconds`; None when that is longer than it can."""
    if card.durations:
        return min((length for length in card.durations if length >= seconds - _TOLERANCE), default=None)
    steps = math.ceil((seconds - card.min_seconds) / card.step_seconds - _TOLERANCE)
    length = round(card.min_seconds + max(0, steps) * card.step_seconds, 6)
    return length if length <= card.max_seconds + _TOLERANCE else None


def same_length(one: float, other: float) -> bool:
    """Whether two lengths in seconds are the same clip."""
    return abs(one - other) <= _TOLERANCE


def lengths_in_words(card: CatalogueModel) -> str:
    """What lengths a model makes, for a sentence: `4, 8 or 12 seconds`."""
    if card.durations:
        return f"{either([f'{length:g}' for length in card.durations])} seconds"
    return f"{card.min_seconds:g} to {card.max_seconds:g} seconds in steps of {card.step_seconds:g}"


def either(words: Sequence[str]) -> str:
    """`a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"

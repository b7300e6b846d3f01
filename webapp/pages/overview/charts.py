"""Charts as plain shapes: numbers in, rectangles out. A template draws them, and their numbers stand beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from webapp.pages.filters import usd

WIDE, TALL = 1000.0, 200.0
"""The units of a drawing, whatever its size on the page."""
SERIES = 4
"""So many are told apart; the rest is one."""
OTHER = "Other"
_FILLED = 0.78


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle. `series` is the place of its name in the legend; `title` is what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True, slots=True)
class Stacked:
    """A bar for each place, made of a part for each name; with the same numbers for a table."""

    shapes: tuple[Shape, ...]
    names: tuple[str, ...]
    places: tuple[str, ...]
    most: float
    rows: tuple[tuple[str, tuple[float, ...], float], ...]
    """Of each place that has anything: its name, the number of each series, and their sum."""


def stacked(places: Sequence[str], amounts: Mapping[tuple[str, str], float]) -> Stacked:
    """From the number of each place and name. The largest names come first, also within a bar."""
    sums: dict[str, float] = {}
    for (_, name), amount in amounts.items():
        sums[name] = sums.get(name, 0.0) + amount
    largest = sorted((name for name in sums if sums[name]), key=lambda name: (-sums[name], name))
    shown = largest if len(largest) <= SERIES else largest[: SERIES - 1]
    names = (*shown, *([OTHER] if len(largest) > len(shown) else []))
    table = {place: [0.0] * len(names) for place in places}
    for (place, name), amount in amounts.items():
        if amount and place in table:
            table[place][shown.index(name) if name in shown else -1] += amount
    most = max((sum(row) for row in table.values()), default=0.0)
    return Stacked(
        tuple(_bars(table, names, most)),
        names,
        tuple(places),
        most,
        tuple((place, tuple(row), sum(row)) for place, row in table.items() if any(row)),
    )


def _bars(table: Mapping[str, Sequence[float]], names: Sequence[str], most: float) -> list[Shape]:
    step, shapes = WIDE / max(1, len(table)), []
    for number, (place, row) in enumerate(table.items()):
        y = TALL
        for series, amount in enumerate(row):
            if amount:
                height = amount / most * TALL
                y -= height
                x, width = round(number * step + step * (1 - _FILLED) / 2, 2), round(step * _FILLED, 2)
                title = f"{place}: {names[series]} {usd(amount)}"
                shapes.append(Shape(x, round(y, 2), width, round(height, 2), series, title))
    return shapes


@dataclass(frozen=True, slots=True)
class Pair:
    """Two numbers of one thing as bars of one scale, from 0 to `WIDE`."""

    name: str
    first: float
    second: float
    first_width: float
    second_width: float


def pairs(amounts: Sequence[tuple[str, float, float]]) -> tuple[Pair, ...]:
    """All on one scale, in the order that they come in."""
    most = max((value for _, *both in amounts for value in both), default=0.0) or 1.0
    return tuple(
        Pair(name, first, second, round(first / most * WIDE, 2), round(second / most * WIDE, 2))
        for name, first, second in amounts
    )

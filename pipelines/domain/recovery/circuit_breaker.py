"""When a model counts as broken, from how its last jobs went. Pure: outcomes in, verdict out."""

from __future__ import annotations

from collections.abc import Sequence

WINDOW_S = 300.0
LAST = 20
"""So many of the latest outcomes inside the window are looked at."""
FAULTS, RATE = 5, 0.5
"""Broken: at least so many faults, and at least this part of all outcomes."""

Outcomes = Sequence[tuple[float, bool]]
"""When, and whether the provider did its part."""


def remembered(outcomes: Outcomes, now: float, *, ok: bool) -> list[tuple[float, bool]]:
    """The outcomes worth keeping once this one is in; none when there is no fault among them."""
    recent = [(at, well) for at, well in outcomes if at > now - WINDOW_S] + [(now, ok)]
    recent = recent[-LAST:]
    return recent if any(not well for _, well in recent) else []


def is_broken(outcomes: Outcomes) -> bool:
    """Whether the faults are too many, by number and by rate."""
    faults = sum(not ok for _, ok in outcomes)
    return faults >= FAULTS and faults >= RATE * len(outcomes)

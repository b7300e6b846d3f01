"""The rows of which the sections of the bench are made."""

from __future__ import annotations

from typing import TypedDict


class Claim(TypedDict):
    """What is claimed and what was measured; `bar` is the highest `ratio` that keeps it."""

    section: str
    name: str
    ours: float
    against: float
    ratio: float
    bar: float | None
    unit: str
    absolute: bool
    ok: bool


def row(
    section: str,
    name: str,
    ours: float,
    against: float,
    bar: float | None,
    *,
    unit: str = "",
    absolute: bool = False,
) -> Claim:
    """One claim: `ours / against` must not be above `bar`; without one, it is only said. Where `against` is a number of
    ours and was not measured, the claim is `absolute`, and its bar follows the speed of the machine.
    """
    ratio = ours / against if against else float("inf")
    return Claim(
        section=section,
        name=name,
        ours=round(ours, 4),
        against=round(against, 4),
        ratio=round(ratio, 4),
        bar=bar,
        unit=unit,
        absolute=absolute,
        ok=bar is None or ratio <= bar,
    )

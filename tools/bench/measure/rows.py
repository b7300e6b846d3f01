"""The rows of which the sections of the bench are made."""

from __future__ import annotations

from typing import Any


def row(
    section: str,
    name: str,
    ours: float,
    against: float,
    bar: float | None,
    *,
    unit: str = "",
    absolute: bool = False,
) -> dict[str, Any]:
    """One claim: `ours / against` must not be above `bar`; without one, it is only said. Where `against` is a number of
    ours and was not measured, the claim is `absolute`, and its bar follows the speed of the machine.
    """
    ratio = ours / against if against else float("inf")
    figures = {"ours": round(ours, 4), "against": round(against, 4), "ratio": round(ratio, 4), "bar": bar}
    told = {"section": section, "name": name, **figures, "unit": unit, "absolute": absolute}
    return {**told, "ok": bar is None or ratio <= bar}

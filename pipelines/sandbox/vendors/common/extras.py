"""Reading the fields that not every model has: seed and negative prompt."""

from __future__ import annotations

from typing import Any

from pipelines.sandbox.vendors.kernel.engine import VendorSays

SEEDS = 2**32


def seed_of(value: Any, *, param: str) -> int | None:
    """A whole number of 32 bits, or VendorSays `invalid`."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < SEEDS:
        raise VendorSays("invalid", f"seed must be a whole number from 0 to {SEEDS - 1}.", param=param)
    return value


def form_seed_of(value: Any, *, param: str) -> int | None:
    """The same where a form can only hold text."""
    return seed_of(int(value) if isinstance(value, str) and value.isdigit() else value, param=param)


def text_of(value: Any, *, param: str) -> str | None:
    """Text with something in it, or VendorSays `invalid`."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise VendorSays("invalid", f"{param} must be text.", param=param)
    return value

"""Moments as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


def utc_day(at: float) -> str:
    """The day that money counts for, e.g. `2026-11-20`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


@overload
def iso(at: float) -> str: ...
@overload
def iso(at: float | None) -> str | None: ...
def iso(at: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601, UTC, milliseconds: as Airtable writes a dateTime, and as the API does."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

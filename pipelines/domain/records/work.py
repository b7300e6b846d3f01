"""Rows that are worked on: what a lease is, and which kinds there are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The tables whose rows are worked on under a lease."""

    RUN = "runs"
    GENERATION = "generations"
    CLIP = "clips"
    CUT = "cuts"
    OUTBOX = "outbox"
    BASE = "bases"
    SWEEP = "sweeps"
    TEXT = "texts"
    NOTICE = "notices"
    PAYMENT = "payments"
    PURCHASE = "purchases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A row that a step works on. `attempts` counts failed tries of the present step."""

    id: str
    next_at: float | None = None
    lease_owner: str | None = None
    lease_token: str | None = None
    lease_until: float = 0.0
    attempts: int = 0

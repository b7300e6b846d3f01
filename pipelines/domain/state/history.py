"""What the history tells of one event beside its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDetail:
    """Each event has a few of these; sentences for people are made from them."""

    sentence: str | None = None
    """Said as it is, instead of a sentence made from the rest."""
    detail: str | None = None
    error: str | None = None
    reason: str | None = None
    status: str | None = None
    at: float | None = None
    on: bool | None = None
    source: str | None = None
    choice: str | None = None
    changes: tuple[str, ...] | None = None
    notes: tuple[str, ...] | None = None
    scene: str | None = None
    number: int | None = None
    """Of the scene, where it is told by its number."""
    count: int | None = None
    clip: str | None = None
    format: str | None = None
    generation: str | None = None
    model: str | None = None
    provider_id: str | None = None
    job: str | None = None
    by: str | None = None
    """By what means something was found, or who wrote."""
    checked: str | None = None
    rung: str | None = None
    """What is tried after a refusal (`after` it)."""
    after: str | None = None
    culprit: str | None = None
    softer: str | None = None
    price_micro: int | None = None
    """What it may cost at most."""
    cost_micro: int | None = None
    saved_micro: int | None = None
    table: str | None = None
    tries: int | None = None
    verb: str | None = None
    """Of a call to Airtable."""
    what: str | None = None
    """And of a purchase: `speech`, `shortening`, `translation` or `picture`."""

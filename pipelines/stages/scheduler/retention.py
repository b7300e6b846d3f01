"""Rows that nobody needs after a while. What bounds every other table stands in docs/reference/files.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.ports import Rows, Tx
from pipelines.stages.kernel.services import Services

DAY_S = 86_400.0
AT_ONCE = 500
"""Rows in one transaction: a trigger may have to wait for it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How long `rows` of a table are kept, counted from `since`; `only` narrows it to some of them."""

    rows: Callable[[Tx], Rows[Any]]
    since: str
    days: int
    only: Mapping[str, Any] = field(default_factory=dict)


KEPT = (
    # Far beyond the ten minutes in which a signed delivery could be played back, and the days a sender tries again.
    # Later repeats are believed no more than the first: they make a row due, and the provider is asked.
    Kept(lambda tx: tx.inbox, "at", 7),
    # Answers to Idempotency-Keys count for a day; buttons of pages are guarded in the same table.
    Kept(lambda tx: tx.replays, "at", 2),
    Kept(lambda tx: tx.sweeps, "finished_at", 30),
    # An answer of the scene writer is deleted when it is used; this is for runs that ended in between.
    Kept(lambda tx: tx.texts, "asked_at", 30),
    # Calls to Airtable that no run asked for, such as a look at a quiet base: they come without any film being made.
    Kept(lambda tx: tx.events, "at", 30, {"entity": "airtable", "run_id": None}),
    # That a link was used, which nobody asks about once its day is over.
    Kept(lambda tx: tx.events, "at", 7, {"entity": "file", "run_id": None}),
)


def forget(services: Services) -> int:
    """Delete rows that are older than they are worth; how many."""
    now = services.clock.now()
    return sum(_forget(services, kept, now - kept.days * DAY_S) for kept in KEPT)


def _forget(services: Services, kept: Kept, before: float) -> int:
    """In small transactions, so that nobody who writes waits for long."""
    total = 0
    while True:
        with services.store.write() as tx:
            removed = kept.rows(tx).remove_some(AT_ONCE, before={kept.since: before}, **kept.only)
        total += removed
        if removed < AT_ONCE:
            return total

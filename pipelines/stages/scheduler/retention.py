"""Rows that nobody needs after a while. What bounds every other table stands in docs/reference/files.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from pipelines.domain.lifecycle import TERMINAL
from pipelines.domain.records import Checkpoint, PaymentStatus, Run
from pipelines.ports import Rows, Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders.saved import DAYS_SAVED
from pipelines.stages.spending import credit_book, ledger

DAY_S = 86_400.0
AT_ONCE = 500
"""Rows in one transaction: a trigger may have to wait for it."""
ARCHIVED_AFTER_DAYS = 90
RUNS_AT_ONCE, ROUNDS = 20, 500
"""Runs that are archived in one transaction, and so many transactions an hour."""
ARCHIVE = "archive"
"""The checkpoint of the archive: the end of the last run that is in it."""


class Some(TypedDict, total=False):
    """Which rows of a table."""

    status: str
    entity: str
    run_id: None


@dataclass(frozen=True, slots=True)
class Kept:
    """How long `rows` of a table are kept, counted from `since`; `only` narrows it to some of them."""

    rows: Callable[[Tx], Rows[Any]]
    since: str
    days: int
    only: Some = field(default_factory=Some)


KEPT = (
    # Far beyond the ten minutes in which a signed delivery could be played back, and the days a sender tries again.
    # Later repeats are believed no more than the first: they make a row due, and the provider is asked.
    Kept(lambda tx: tx.inbox, "at", 7),
    # Answers to Idempotency-Keys count for a day; buttons of pages are guarded in the same table.
    Kept(lambda tx: tx.replays, "at", 2),
    # Nothing was taken, and an authorization is over after minutes: anybody can send ones that are refused.
    Kept(lambda tx: tx.payments, "created_at", 30, {"status": PaymentStatus.FAILED}),
    # A link that was used is past its week by then, and says that instead.
    Kept(lambda tx: tx.spent_links, "at", 8),
    Kept(lambda tx: tx.sweeps, "finished_at", 30),
    # The last attempt is made a day after the first; what did not arrive can be had again for a month.
    Kept(lambda tx: tx.notices, "created_at", 30),
    Kept(lambda tx: tx.attempts, "at", 30),
    Kept(lambda tx: tx.batches, "finished_at", 90),
    Kept(lambda tx: tx.saved_orders, "saved_at", DAYS_SAVED),
    # An answer of the scene writer is deleted when it is used; this is for runs that ended in between.
    Kept(lambda tx: tx.texts, "asked_at", 30),
    # Calls to Airtable that no run asked for, such as a look at a quiet base: they come without any film being made.
    Kept(lambda tx: tx.events, "at", 30, {"entity": "airtable", "run_id": None}),
    # Faults of ours, counted by the metrics and told in full in the log.
    Kept(lambda tx: tx.events, "at", 30, {"entity": "defect", "run_id": None}),
    # Credits that did not reach, counted by the metrics and told by their run.
    Kept(lambda tx: tx.events, "at", 30, {"entity": credit_book.REFUSED, "run_id": None}),
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


def archive(services: Services) -> int:
    """Put away the history of runs that ended long ago, the oldest first; how many runs."""
    before = services.clock.now() - ARCHIVED_AFTER_DAYS * DAY_S
    total = 0
    for _ in range(ROUNDS):
        with services.store.write() as tx:
            ended = _ended(tx, before)
            over = [run.id for run in ended if run.status in TERMINAL and not ledger.of_run(tx, run.id).exposure]
            tx.archive(over)
        total += len(over)
        if not ended:
            break
    return total


def _ended(tx: Tx, before: float) -> list[Run]:
    """The next runs to look at, all that ended at the same moment together; the checkpoint moves behind them.

    A run that goes on later ends later, and is looked at again then.
    """
    mark = tx.checkpoints.get(ARCHIVE) or Checkpoint(id=ARCHIVE)
    after, until = {"finished_at": mark.at}, {"finished_at": before}
    runs = tx.runs.find(order="finished_at", limit=RUNS_AT_ONCE, after=after, before=until)
    if not runs:
        return []
    last = runs[-1].finished_at or mark.at
    if not tx.checkpoints.change(ARCHIVE, at=last):
        tx.checkpoints.add(replace(mark, at=last))
    return [*(run for run in runs if run.finished_at != last), *tx.runs.find(finished_at=last)]

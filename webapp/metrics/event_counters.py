"""What has happened, counted from events, postings and attempts as they come in: what a scrape costs follows what
happened since the last one, and not how much there is. The counts begin when the web process does, as Prometheus
expects of counters.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric as Family

from pipelines.domain.lifecycle import STOPPED, TERMINAL, GenerationStatus, RunStatus
from pipelines.domain.money import MICRO
from pipelines.domain.records import Event
from pipelines.ports import Rows, Tx
from pipelines.stages.base_rows import airtable_calls
from pipelines.stages.commerce import payments, top_ups
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import DEFECT
from pipelines.stages.spending import credit_book
from webapp.metrics import catalogue
from webapp.metrics.catalogue import Metric

SETTLED_S = 5.0
"""A transaction that began earlier may commit its rows a moment after later ones: they are waited for."""
AT_ONCE, ROUNDS = 1_000, 20
"""Rows that are read in one go, and goes in one scrape. What is left is for the next."""
_G = GenerationStatus
_ENDS = {_G.FETCHED, _G.FAILED, _G.CANCELLED, _G.ABANDONED}


class Dated(Protocol):
    """A row that says when it was written."""

    @property
    def at(self) -> float: ...


T = TypeVar("T", bound=Dated)


@dataclass
class NewRows(Generic[T]):
    """The rows of a table that is only added to, in the order of `column`: those after the last one that was read."""

    rows: Callable[[Tx], Rows[T]]
    column: str
    after: float = 0

    def pass_over(self, tx: Tx, since: float | None = None) -> None:
        """All that there is, or (given a moment) all of before it."""
        before = None if since is None else {"at": since}
        newest = self.rows(tx).find(before=before, order=f"-{self.column}", limit=1)
        self.after = getattr(newest[0], self.column) if newest else 0

    def ripe(self, tx: Tx, until: float) -> list[T]:
        """The next ones, up to a moment."""
        found = self.rows(tx).find(after={self.column: self.after}, order=self.column, limit=AT_ONCE)
        return found[: next((place for place, row in enumerate(found) if row.at > until), len(found))]

    def read(self, rows: Sequence[T]) -> bool:
        """They are counted; whether there may be more."""
        if rows:
            self.after = getattr(rows[-1], self.column)
        return len(rows) == AT_ONCE


class EventCounters:
    """A collector of prometheus_client that has read what happened up to a moment."""

    def __init__(self, core: Services) -> None:
        self._core, self._lock = core, threading.Lock()
        self.runs_ended, self.generations_ended = counter(catalogue.RUNS_ENDED), counter(catalogue.GENERATIONS_ENDED)
        self.stages, self.generation_times = histogram(catalogue.STAGES), histogram(catalogue.GENERATION_TIMES)
        self.calls, self.defects = counter(catalogue.CALLS), counter(catalogue.DEFECTS)
        self.credits, self.attempts = counter(catalogue.CREDITS), counter(catalogue.ATTEMPTS)
        self.payments, self.credit_refusals = counter(catalogue.PAYMENTS), counter(catalogue.CREDIT_REFUSALS)
        self._events = NewRows(lambda tx: tx.events, "id")
        self._postings = NewRows(lambda tx: tx.credits, "id")
        self._attempts = NewRows(lambda tx: tx.attempts, "at")
        self._all = (self._events, self._postings, self._attempts)
        with core.store.read() as tx:
            for rows in self._all:
                rows.pass_over(tx)
        self._since: float | None = None

    def begin_anew(self) -> None:
        """In a process that was forked from the one that made this, maybe long ago and after others. Asks nothing yet:
        a process that serves must start while the database is away.
        """
        self._since = self._core.clock.now()

    def collect(self) -> Iterator[Family]:
        """After reading what came in since."""
        with self._lock:
            # What happened before this process began.
            if self._since is not None:
                with self._core.store.read() as tx:
                    for rows in self._all:
                        rows.pass_over(tx, self._since)
                self._since = None
            for _ in range(ROUNDS):
                if not self._read_some():
                    break
        for metric in (self.runs_ended, self.stages, self.generations_ended, self.generation_times, self.calls):
            yield from metric.collect()
        for metric in (self.defects, self.credits, self.attempts, self.payments, self.credit_refusals):
            yield from metric.collect()

    def _read_some(self) -> bool:
        """Whether there may be more."""
        settled = self._core.clock.now() - SETTLED_S
        with self._core.store.read() as tx:
            events, attempts = self._events.ripe(tx, settled), self._attempts.ripe(tx, settled)
            postings = self._postings.ripe(tx, settled)
            self._count(tx, events)
        for attempt in attempts:
            self.attempts.labels("none" if attempt.code is None else str(attempt.code)).inc()
        for entry in postings:
            # Of the two sides of a posting one goes up.
            if entry.amount > 0:
                self.credits.labels(entry.posting.value).inc(entry.amount / MICRO)
        read = [self._events.read(events), self._attempts.read(attempts), self._postings.read(postings)]
        return any(read)

    def _count(self, tx: Tx, events: Sequence[Event]) -> None:
        moves = [event for event in events if event.name == "status" and event.new]
        self._count_runs(tx, [event for event in moves if event.entity == "run"])
        self._count_generations(tx, [event for event in moves if event.entity == "generation"])
        for event in events:
            if event.entity == airtable_calls.ENTITY and event.name == airtable_calls.MADE:
                self.calls.labels(event.detail.verb or "", event.detail.what or "").inc()
            elif event.entity == DEFECT:
                self.defects.labels(event.entity_id).inc()
            elif event.entity == credit_book.REFUSED:
                self.credit_refusals.labels(event.entity_id).inc()
            elif event.entity == payments.ENTITY:
                rail = payments.X402 if event.name == "status" else top_ups.STRIPE
                self.payments.labels(rail, event.new or event.name).inc()

    def _count_runs(self, tx: Tx, moves: Sequence[Event]) -> None:
        ids = sorted({move.entity_id for move in moves})
        history = tx.events.find(run_id=ids, entity="run", name="status", order="id") if ids else []
        last: dict[str, Event] = {}
        before: dict[int | None, Event] = {}
        for move in history:
            if move.entity_id in last:
                before[move.id] = last[move.entity_id]
            last[move.entity_id] = move
        for move in moves:
            if RunStatus(str(move.new)) in STOPPED:
                self.runs_ended.labels(str(move.new)).inc()
            earlier = before.get(move.id)
            if earlier is not None and move.old and RunStatus(move.old) not in TERMINAL:
                self.stages.labels(move.old).observe(max(0.0, move.at - earlier.at))

    def _count_generations(self, tx: Tx, moves: Sequence[Event]) -> None:
        wanted = [move for move in moves if move.new == _G.SUCCEEDED or _G(str(move.new)) in _ENDS]
        rows = {gen.id: gen for gen in tx.generations.find(id=sorted({move.entity_id for move in wanted}))}
        for move in wanted:
            gen = rows.get(move.entity_id)
            if gen is None:
                continue
            if move.new == _G.SUCCEEDED:
                self.generation_times.labels(gen.model).observe(max(0.0, move.at - (gen.intent_at or gen.created_at)))
            else:
                outcome = (gen.reason or move.new) if move.new == _G.FAILED else move.new
                self.generations_ended.labels(gen.model, str(outcome)).inc()


def counter(metric: Metric, registry: CollectorRegistry | None = None) -> Counter:
    """Counted in this process."""
    return Counter(metric.name, metric.text, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry | None = None) -> Histogram:
    """Measured in this process."""
    return Histogram(metric.name, metric.text, metric.labels, buckets=metric.buckets, registry=registry)

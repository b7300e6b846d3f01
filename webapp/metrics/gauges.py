"""What is so at the moment of asking, from SQL: the same whichever process is asked."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family

import pipelines
from pipelines.domain.customers.notices import NoticeStatus
from pipelines.domain.lifecycle import IN_FLIGHT, MOVING, OPEN, TERMINAL, GenerationStatus, RunStatus
from pipelines.domain.money import DEPLOYMENT, dollars
from pipelines.domain.records import Kind
from pipelines.ports import Rows, Tx
from pipelines.stages.files import usage
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import circuit_breaker, stop_switch
from webapp.metrics import catalogue
from webapp.metrics.catalogue import Metric

NEAR_S, DAY_S = 60.0, 86_400.0
PUMP = "pump"
MANY = 1_000
"""So many due rows are counted: beyond that it does not matter how many more there are."""
Values = Iterable[tuple[tuple[str, ...], float]]


class Gauges:
    """A collector of prometheus_client."""

    def __init__(self, core: Services) -> None:
        self._core = core

    def collect(self) -> Iterator[Family]:
        """Every gauge; nothing of it grows with what was made before."""
        core, now = self._core, self._core.clock.now()
        with core.store.read() as tx:
            yield from _films(tx, now)
            yield from _money(tx)
            yield from _customers(tx, now)
            yield _gauge(catalogue.OUTBOX, [((), tx.outbox.count(after={"next_at": 0.0}))])
            yield _gauge(catalogue.STOP, [((), float(stop_switch.reason_if_on(tx) is not None))])
            models = sorted(circuit.id for circuit in tx.circuits.find())
            circuits = [((model,), float(circuit_breaker.is_open(tx, model, now))) for model in models]
            yield _gauge(catalogue.CIRCUIT, circuits)
            yield from _processes(tx, now)
            stored = [(use.group, float(use.size)) for use in usage.usage(tx, ["kind"])]
            yield _gauge(catalogue.STORED, stored)
            yield _gauge(catalogue.DUE_LAG, [((kind.value,), _lag(tx, kind, now)) for kind in _WORKED_ON])
        limit = core.policy.storage_limit_bytes
        if limit is not None:
            yield _gauge(catalogue.STORAGE_LIMIT, [((), limit)])
        month = usage.month_micro(core, sum(size for _, size in stored))
        if month is not None:
            yield _gauge(catalogue.STORAGE_MONTH, [((), dollars(month))])
        due = [((kind.value,), float(len(core.store.due(kind, now, MANY)))) for kind in _WORKED_ON]
        yield _gauge(catalogue.DUE_ROWS, due)
        yield _gauge(catalogue.BUILD, [((pipelines.__version__,), 1.0)])


_WORKED_ON = tuple(kind for kind in Kind if kind is not Kind.TEXT)
"""A question to the writer waits for its asker, and is never worked on by itself."""
_OPEN = IN_FLIGHT | {GenerationStatus.SUBMITTING, GenerationStatus.SUCCEEDED, GenerationStatus.UNKNOWN}


def _films(tx: Tx, now: float) -> Iterator[Family]:
    closed = frozenset(GenerationStatus) - OPEN
    yield _gauge(catalogue.RUNS, _counts(tx.runs, RunStatus, TERMINAL, {"finished_at": now - DAY_S}))
    yield _gauge(catalogue.GENERATIONS, _counts(tx.generations, GenerationStatus, closed, {"updated_at": now - DAY_S}))
    yield _gauge(catalogue.OLDEST_RUN, _ages(tx.runs, MOVING, now))
    yield _gauge(catalogue.OLDEST_GENERATION, _ages(tx.generations, _OPEN, now))


def _counts(rows: Rows[Any], statuses: Iterable[StrEnum], over: Collection[StrEnum], lately: dict[str, Any]) -> Values:
    """All that go on; of those that are over the latest, or each scrape would count the whole history."""
    for status in statuses:
        yield (status.value,), rows.count(status=status.value, after=lately if status in over else None)


def _ages(rows: Any, statuses: Any, now: float) -> Values:
    """0 when there is none in that status."""
    for status in sorted(statuses):
        # A run that waits for its Scheduled For is not stuck.
        due = {"before": {"next_at": now + NEAR_S}} if status is RunStatus.QUEUED else {}
        oldest = rows.find(order="updated_at", limit=1, status=status.value, **due)
        yield (status.value,), max(0.0, now - oldest[0].updated_at) if oldest else 0.0


def _money(tx: Tx) -> Iterator[Family]:
    total = tx.balance_of(DEPLOYMENT)
    spent = CounterMetricFamily(catalogue.SPENT.name, catalogue.SPENT.text)
    spent.add_metric([], dollars(total.spent))
    yield spent
    yield _gauge(catalogue.HELD, [((), dollars(total.held))])
    yield _gauge(catalogue.COMMITTED, [((), dollars(total.committed))])


def _customers(tx: Tx, now: float) -> Iterator[Family]:
    aside = sum(part.reserved_micro for part in tx.reservations.find(after={"reserved_micro": 0}))
    yield _gauge(catalogue.CREDITS_RESERVED, [((), dollars(aside))])
    waiting = tx.notices.count(after={"next_at": 0.0})
    over = [status for status in NoticeStatus if status is not NoticeStatus.WAITING]
    ended = [((one.value,), tx.notices.count(status=one, after={"created_at": now - DAY_S})) for one in over]
    yield _gauge(catalogue.NOTICES, [((NoticeStatus.WAITING.value,), waiting), *ended])


def _lag(tx: Tx, kind: Kind, now: float) -> float:
    """Of what is due, how long it has been: it grows where workers are too few, or hang."""
    oldest = tx.leased(kind).find(order="next_at", limit=1, before={"next_at": now})
    return max(0.0, now - (oldest[0].next_at or now)) if oldest else 0.0


def _processes(tx: Tx, now: float) -> Iterator[Family]:
    """Of the pump it is always told, so that an alarm has something to look at when the last one is gone."""
    processes = tx.processes.find()
    kinds = [process.kind for process in processes if process.is_alive(now)]
    counted = [((kind,), float(kinds.count(kind))) for kind in sorted({*kinds, PUMP})]
    yield _gauge(catalogue.PROCESSES, counted)
    beats = [process.beat_at for process in processes if process.kind == PUMP]
    yield _gauge(catalogue.PUMP_BEAT, [((), max(0.0, now - max(beats)) if beats else math.inf)])


def _gauge(metric: Metric, values: Values) -> Family:
    family = GaugeMetricFamily(metric.name, metric.text, labels=metric.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family

"""/health: this process answers. /ready: what it depends on does. /metrics: how the product is, for Prometheus."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from enum import StrEnum
from typing import Any

from flask import Blueprint, Response, json
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from pipelines.domain.errors import ReelgridError, Unavailable
from pipelines.domain.lifecycle import IN_FLIGHT, MOVING, OPEN, TERMINAL, GenerationStatus, RunStatus
from pipelines.domain.money import DEPLOYMENT, dollars
from pipelines.domain.records import Kind
from pipelines.ports import Rows, Tx
from pipelines.stages.files import usage
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import stop_switch
from webapp.access.rules import Door, Owner, declares
from webapp.context import services

logger = logging.getLogger(__name__)

bp = Blueprint("health", __name__)
READY_S = 3.0

_pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="ready")


@bp.get("/health")
@declares(Door.PUBLIC, Owner.NOBODY)
def health() -> Response:
    """Liveness; touches nothing else, so that an outage elsewhere does not restart us."""
    return Response('{"status":"ok"}', mimetype="application/json")


@bp.get("/ready")
@declares(Door.PUBLIC, Owner.NOBODY)
def ready() -> Response:
    """200 when everything a request needs answers within a few seconds, else 503. The broker may be away: hints only.
    So may the worker service: what it will work on is taken, and a restart of ours would not bring it back.

    Names and yes or no; why not stands in the log and in `flask doctor`.
    """
    found = checks(services())
    needed = found["database"] and found["storage"]
    body = json.dumps({"status": "ok" if needed else "unavailable", "checks": found})
    return Response(body, 200 if needed else 503, mimetype="application/json")


def checks(core: Services) -> dict[str, bool]:
    """Each dependency by name, asked side by side."""
    asked: dict[str, Callable[[], object]] = {
        "database": core.store.check,
        "storage": core.media.check,
        "broker": core.hints.check,
        "worker": lambda: _check_worker(core),
    }
    futures = {name: _pool.submit(check) for name, check in asked.items()}
    wait(futures.values(), timeout=READY_S)
    return {name: _passed(name, future) for name, future in futures.items()}


def _check_worker(core: Services) -> None:
    """Without a pump nothing moves, however well we answer here. Raises Unavailable."""
    now = core.clock.now()
    with core.store.read() as tx:
        if not any(process.is_alive(now) for process in tx.processes.find(kind=PUMP)):
            raise Unavailable("no worker service beats: is python -m worker running?")


def _passed(name: str, future: Future[object]) -> bool:
    if not future.done():
        logger.warning("%s did not answer within %.0f s", name, READY_S)
        return False
    error = future.exception()
    if isinstance(error, ReelgridError):
        logger.warning("%s: %s", name, error.operator)
    elif error is not None:
        logger.warning("%s failed", name, exc_info=error)
    return error is None


@bp.get("/metrics")
@declares(Door.KEY, Owner.OPERATOR)
def metrics() -> Response:
    """Prometheus; needs a key like the API, because it tells what is spent."""
    registry = CollectorRegistry()
    registry.register(_Collector(services()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


NEAR_S, DAY_S = 60.0, 86_400.0
PUMP = "pump"


class _Collector:
    """Everything from SQL at the moment of asking: the same whichever process is asked."""

    def __init__(self, core: Services) -> None:
        self._core = core

    def collect(self) -> Iterator[Metric]:
        now = self._core.clock.now()
        with self._core.store.read() as tx:
            yield _counts("reelgrid_runs", "Runs", tx.runs, RunStatus, TERMINAL, {"finished_at": now - DAY_S})
            yield _counts(
                "reelgrid_generations",
                "Generations",
                tx.generations,
                GenerationStatus,
                frozenset(GenerationStatus) - OPEN,
                {"updated_at": now - DAY_S},
            )
            yield _ages(
                "reelgrid_oldest_moving_run_seconds", "Age of the oldest run in a moving status.", tx.runs, MOVING, now
            )
            yield _ages(
                "reelgrid_oldest_open_generation_seconds",
                "Age of the oldest generation at a provider.",
                tx.generations,
                IN_FLIGHT | {GenerationStatus.SUBMITTING, GenerationStatus.SUCCEEDED, GenerationStatus.UNKNOWN},
                now,
            )
            yield from _money(tx)
            yield _gauge(
                "reelgrid_outbox_rows",
                "Airtable rows waiting to be written.",
                tx.outbox.count(after={"next_at": 0.0}),
            )
            yield _gauge(
                "reelgrid_stop", "1 while the Stop switch is on.", float(stop_switch.reason_if_on(tx) is not None)
            )
            yield from _processes(tx, now)
            yield from _storage(tx, self._core.policy.storage_limit_bytes)
            yield _lag(tx, now)


def _counts(
    name: str,
    what: str,
    rows: Rows[Any],
    statuses: Iterable[StrEnum],
    over: Collection[StrEnum],
    lately: dict[str, Any],
) -> Metric:
    """All that go on; of those that are over the latest, or each scrape would count the whole history."""
    text = f"{what} by status; of those that are over, the ones of the last 24 hours."
    family = GaugeMetricFamily(name, text, labels=["status"])
    for status in statuses:
        family.add_metric([status.value], rows.count(status=status.value, after=lately if status in over else None))
    return family


def _ages(name: str, text: str, rows: Any, statuses: Any, now: float) -> Metric:
    """0 when there is none in that status."""
    family = GaugeMetricFamily(name, text, labels=["status"])
    for status in sorted(statuses):
        # A run that waits for its Scheduled For is not stuck.
        due = {"before": {"next_at": now + NEAR_S}} if status is RunStatus.QUEUED else {}
        oldest = rows.find(order="updated_at", limit=1, status=status.value, **due)
        family.add_metric([status.value], max(0.0, now - oldest[0].updated_at) if oldest else 0.0)
    return family


def _money(tx: Tx) -> Iterator[Metric]:
    spent = CounterMetricFamily("reelgrid_spent_usd", "Dollars spent since the beginning.")
    total = tx.balance_of(DEPLOYMENT)
    spent.add_metric([], dollars(total.spent))
    yield spent
    yield _gauge("reelgrid_held_usd", "Dollars set aside for runs.", dollars(total.held))
    yield _gauge("reelgrid_committed_usd", "Dollars of open generations.", dollars(total.committed))


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _lag(tx: Tx, now: float) -> Metric:
    """Of what is due, how long it has been: it grows where workers are too few, or hang."""
    text = "Since the oldest due row became due, by kind."
    family = GaugeMetricFamily("reelgrid_due_lag_seconds", text, labels=["kind"])
    for kind in Kind:
        if kind is Kind.TEXT:
            # A question to the writer waits for its asker, and is never worked on by itself.
            continue
        oldest = tx.leased(kind).find(order="next_at", limit=1, before={"next_at": now})
        family.add_metric([kind.value], max(0.0, now - (oldest[0].next_at or now)) if oldest else 0.0)
    return family


def _storage(tx: Tx, limit: float | None) -> Iterator[Metric]:
    family = GaugeMetricFamily("reelgrid_storage_bytes", "Stored bytes by kind of file.", labels=["kind"])
    for use in usage.usage(tx, ["kind"]):
        family.add_metric(use.group, use.size)
    yield family
    if limit is not None:
        yield _gauge("reelgrid_storage_limit_bytes", "STORAGE_LIMIT_GB; at it nothing new is started.", limit)


def _processes(tx: Tx, now: float) -> Iterator[Metric]:
    """Of the pump it is always told, so that an alarm has something to look at when the last one is gone."""
    family = GaugeMetricFamily("reelgrid_processes", "Processes that beat just now, by kind.", labels=["kind"])
    processes = tx.processes.find()
    kinds = [process.kind for process in processes if process.is_alive(now)]
    for kind in sorted({*kinds, PUMP}):
        family.add_metric([kind], kinds.count(kind))
    yield family
    beats = [process.beat_at for process in processes if process.kind == PUMP]
    since = max(0.0, now - max(beats)) if beats else math.inf
    yield _gauge("reelgrid_pump_last_beat_seconds", "Since the newest beat of a pump; infinite without any.", since)

"""/health: this process answers. /ready: what it depends on does. /metrics: how the product is, for Prometheus."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from flask import Blueprint, Response, json
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pipelines.domain.errors import ReelgridError, Unavailable
from pipelines.stages.kernel.services import Services
from webapp import metrics
from webapp.access.rules import Door, Owner, declares
from webapp.context import services
from webapp.metrics.gauges import PUMP

logger = logging.getLogger(__name__)

bp = Blueprint("health", __name__)
READY_S, BROKER_S = 3.0, 0.3

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


def broker_answers(core: Services) -> bool:
    """Whether it does, waited for as long as a person hardly notices."""
    future = _pool.submit(core.hints.check)
    wait([future], timeout=BROKER_S)
    return future.done() and future.exception() is None


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


@bp.get("/metrics", endpoint="metrics")
@declares(Door.KEY, Owner.OPERATOR)
def prometheus() -> Response:
    """Prometheus; needs a key like the API, because it tells what is spent."""
    return Response(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)

"""How long requests take, and what became of the webhooks that came in."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Gauge

from pipelines.stages.kernel.services import Services
from webapp.concurrency import slots
from webapp.errors import INSUFFICIENT
from webapp.metrics import catalogue
from webapp.metrics.event_counters import EventCounters, counter, histogram

_OTHERS = frozenset({"openai", "gemini"})
"""Senders that are no provider's name. Any other address is unknown, and not a label: anybody can make one up."""
_INBOUND = frozenset({"webhooks", "stripe"})
_SENDERS = {
    "webhooks.airtable": "airtable",
    "webhooks.start": "start",
    "webhooks.video": "video",
    "stripe.receive": "stripe",
}
"""What has an address of its own."""
_UNKNOWN, _FAILED = 404, 500


def register(app: Flask, core: Services, registry: CollectorRegistry, counters: EventCounters) -> None:
    """Measure from before anybody is asked who they are until the answer is ready."""
    requests, webhooks = histogram(catalogue.REQUESTS, registry), histogram(catalogue.WEBHOOKS, registry)
    refusals, told = counter(catalogue.REFUSALS, registry), catalogue.OCCUPIED
    occupied = Gauge(told.name, told.text, told.labels, registry=registry)
    occupied.labels("waiting").set_function(lambda: slots().waiting)
    occupied.labels("downloads").set_function(lambda: slots().downloads)
    senders = _OTHERS | set(_SENDERS.values()) | {card.provider for card in core.catalogue.values()}

    def begin() -> None:
        g.began = time.perf_counter()

    def end(response: Response) -> Response:
        took = time.perf_counter() - g.get("began", time.perf_counter())
        route = request.url_rule.rule if request.url_rule else "none"
        requests.labels(route, request.method, f"{response.status_code // 100}xx").observe(took)
        if request.blueprint in _INBOUND:
            address = _SENDERS.get(request.endpoint or "") or str((request.view_args or {}).get("address"))
            sender = address if address in senders else "unknown"
            webhooks.labels(sender, _verdict(response.status_code)).observe(took)
        if code := g.get("refused"):
            refusals.labels(code).inc()
        if code == INSUFFICIENT:
            counters.credit_refusals.labels((request.endpoint or "").rpartition(".")[2]).inc()
        if g.get("is_defect"):
            counters.defects.labels("web").inc()
        return response

    app.before_request(begin)
    app.after_request(end)


def _verdict(status: int) -> str:
    if status >= _FAILED:
        return "failed"
    if status == _UNKNOWN:
        return "unknown"
    return "believed" if status < 400 else "refused"  # noqa: PLR2004

"""How long requests take, and what became of the webhooks that came in."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry

from pipelines.stages.kernel.services import Services
from webapp.metrics import catalogue
from webapp.metrics.event_counters import EventCounters, histogram

_OTHERS = frozenset({"openai", "gemini", "airtable", "stripe"})
"""Senders that are no provider's name. Any other address is unknown, and not a label: anybody can make one up."""
_UNKNOWN, _FAILED = 404, 500


def register(app: Flask, core: Services, registry: CollectorRegistry, counters: EventCounters) -> None:
    """Measure from before anybody is asked who they are until the answer is ready."""
    requests, webhooks = histogram(catalogue.REQUESTS, registry), histogram(catalogue.WEBHOOKS, registry)
    senders = _OTHERS | {card.provider for card in core.catalogue.values()}

    def begin() -> None:
        g.began = time.perf_counter()

    def end(response: Response) -> Response:
        took = time.perf_counter() - g.get("began", time.perf_counter())
        route = request.url_rule.rule if request.url_rule else "none"
        requests.labels(route, request.method, f"{response.status_code // 100}xx").observe(took)
        if request.blueprint == "webhooks":
            address = str((request.view_args or {}).get("address", "airtable"))
            sender = address if address in senders else "unknown"
            webhooks.labels(sender, _verdict(response.status_code)).observe(took)
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

"""Metrics for Prometheus: their list, what is so now, what has happened, and how long requests take."""

from __future__ import annotations

from typing import cast

from flask import Flask, current_app
from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import generate_latest

from pipelines.stages.kernel.services import Services
from webapp.metrics import requests
from webapp.metrics.event_counters import EventCounters
from webapp.metrics.gauges import Gauges

_REGISTRY, _COUNTERS = "reelgrid.metrics", "reelgrid.metrics.event_counters"

disable_created_metrics()  # type: ignore[no-untyped-call]


def register(app: Flask, core: Services) -> None:
    """Count from now on."""
    registry, counters = CollectorRegistry(), EventCounters(core)
    registry.register(Gauges(core))
    registry.register(counters)
    requests.register(app, core, registry, counters)
    app.extensions.update({_REGISTRY: registry, _COUNTERS: counters})


def begin_anew(app: Flask) -> None:
    """In the process that serves: it may be forked long after the application was made, in the place of one that died.
    Without this it would count what that one has counted.
    """
    cast("EventCounters", app.extensions[_COUNTERS]).begin_anew()


def exposition() -> bytes:
    """What `/metrics` says."""
    return generate_latest(cast("CollectorRegistry", current_app.extensions[_REGISTRY]))

"""docs/reference/metrics.md and the dashboard for Grafana, from the list of metrics."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from tools.stack import ROOT
from webapp.metrics.catalogue import ALL, Kind, Metric

PAGE = ROOT / "docs" / "reference" / "metrics.md"
DASHBOARD = ROOT / "deploy" / "grafana" / "reelgrid.json"
HEAD = """# Metrics

<!-- Written by tools/docs/metrics.py from webapp/metrics/catalogue.py. -->

What `GET /metrics` tells Prometheus; it needs a key with the scope `read`. `deploy/prometheus/` has a way to scrape it,
and alarms; `deploy/grafana/reelgrid.json` is a dashboard of all of them: in Grafana, **Dashboards → New → Import**.

Gauges come from the database at the moment of asking, so it does not matter which web process is asked. Counters and
histograms begin when the web process does, and are fed from the history as it grows: what a scrape costs follows what
happened since the last one. No label holds an id, a prompt or a key.
"""
WIDTH, HEIGHT, ACROSS = 8, 7, 3


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for group, metrics in groupby(ALL, key=lambda metric: metric.group):
        rows = [_row(metric) for metric in metrics]
        parts.append("\n".join([f"## {group}\n", "| metric | kind | labels | tells |", "|---|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
    name = metric.series if metric.kind is Kind.COUNTER else metric.name
    return f"| `{name}` | {metric.kind} | {labels} | {metric.text} |"


def expression(metric: Metric) -> str:
    """What a panel asks: how it is, how fast it grows, or how long 19 of 20 took."""
    by = f" by ({', '.join(metric.labels)})" if metric.labels else ""
    if metric.kind is Kind.GAUGE:
        return f"max{by} ({metric.name})" if metric.labels else f"max({metric.name})"
    if metric.kind is Kind.COUNTER:
        return f"sum{by} (increase({metric.series}[$__rate_interval]))"
    within = ", ".join(("le", *metric.labels))
    return f"histogram_quantile(0.95, sum by ({within}) (rate({metric.name}_bucket[$__rate_interval])))"


def dashboard() -> str:
    """Rows by group, a panel for each metric."""
    panels: list[dict[str, Any]] = []
    top = 0
    for group, metrics in groupby(ALL, key=lambda metric: metric.group):
        panels.append({"type": "row", "title": str(group), "collapsed": False, "gridPos": _place(top, 0, 24, 1)})
        listed = list(metrics)
        for number, metric in enumerate(listed):
            at = _place(top + 1 + number // ACROSS * HEIGHT, number % ACROSS * WIDTH, WIDTH, HEIGHT)
            panels.append(_panel(metric, at))
        top += 1 + -(-len(listed) // ACROSS) * HEIGHT
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    made = {
        "__inputs": [{"name": "DS_PROMETHEUS", "label": "Prometheus", "type": "datasource", "pluginId": "prometheus"}],
        "title": "Reelgrid",
        "uid": "reelgrid",
        "schemaVersion": 39,
        "tags": ["reelgrid"],
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "panels": panels,
    }
    return json.dumps(made, indent=2) + "\n"


def _place(y: int, x: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(metric: Metric, place: dict[str, int]) -> dict[str, Any]:
    legend = " ".join(f"{{{{{label}}}}}" for label in metric.labels) or metric.name
    return {
        "type": "timeseries",
        "title": metric.name.removeprefix("reelgrid_").replace("_", " "),
        "description": metric.text,
        "datasource": {"type": "prometheus", "uid": "${DS_PROMETHEUS}"},
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": metric.unit}, "overrides": []},
        "targets": [{"refId": "A", "expr": expression(metric), "legendFormat": legend}],
    }


PAGES = {PAGE: page, DASHBOARD: dashboard}

"""One film, and a hundred rows set to Ready at once with two worker services: what Airtable sees of it.

ROWS=… for fewer; 0 measures the one film only.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.bench.airtable import films
from tools.bench.measure.rows import Claim, row
from tools.stack import BASE, Service, Stack, free_port, procfile, until
from worker.broker import binary

ROWS = 100
LIMIT_PER_SECOND, CALLS_PER_VIDEO = 5, 12
PATIENCE_S = 1800.0


def rows() -> list[Claim]:
    """One film's calls and freshness; of many: Done, calls per video, the busiest second, refusals and lock-outs."""
    wanted = int(os.environ.get("ROWS") or ROWS)
    told = films.rows()
    if not wanted:
        return told
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as folder, _two_workers(Path(folder)) as stack:
        missing, stats = _measure(stack, wanted)
    what = f"{wanted} rows set to Ready at once, 2 worker services"
    return [
        *told,
        row("airtable", f"{what}: rows that are not Done", missing, wanted, 0.0),
        row("airtable", f"{what}: calls per video, against 12", stats["total"] / wanted, CALLS_PER_VIDEO, 1.0),
        row("airtable", f"{what}: busiest second, against 5", stats["max_per_second"], LIMIT_PER_SECOND, 1.0),
        row("airtable", f"{what}: refused requests and lock-outs", stats["refused_429"] + stats["lockouts"], 1.0, 0.0),
    ]


@contextmanager
def _two_workers(folder: Path) -> Iterator[Stack]:
    """The product with a second worker service on the same database, storage and broker."""
    port = free_port()
    options = ["--port", str(port), "--save", "", "--appendonly", "no", "--loglevel", "warning", "--dir", str(folder)]
    broker = subprocess.Popen([binary(), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with Stack(folder / "var", extra={"REDIS_URL": f"redis://127.0.0.1:{port}/0", "WORKERS": "1"}) as stack:
            second = Service("worker2", procfile()["worker"], stack.environ(), stack.var / "worker2.log")
            second.start()
            try:
                yield stack
            finally:
                second.stop(patience_s=10.0)
    finally:
        broker.kill()
        broker.wait()


def _measure(stack: Stack, wanted: int) -> tuple[int, dict[str, Any]]:
    order = {"Clip Seconds": 1, "Resolution": "480p", "Model": "local/animatic"}
    records = [stack.add_row({**order, "Prompt": f"Postcard number {number}"}) for number in range(wanted)]
    stack.sandbox("DELETE", "/airtable/_control/stats")
    for record in records:
        stack.sandbox("PATCH", f"/airtable/_control/person/{BASE}/Videos/{record}", {"fields": {"Status": "Ready"}})
    until(lambda: _left(stack) == 0, "all rows to be over", PATIENCE_S, 1.0)
    stats: dict[str, Any] = stack.sandbox("GET", "/airtable/_control/stats")["bases"][BASE]
    return wanted - _statuses(stack).count("Done"), stats


def _statuses(stack: Stack) -> list[str]:
    found = stack.sandbox("GET", f"/airtable/_control/person/{BASE}/Videos")["records"]
    return [one["fields"].get("Status", "") for one in found]


def _left(stack: Stack) -> int:
    over = {"Done", "Failed", "Needs Attention", "Cancelled"}
    return sum(status not in over for status in _statuses(stack))

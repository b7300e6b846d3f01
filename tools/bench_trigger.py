"""How long a trigger waits for its answer: with the broker there, and with the broker gone."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tools.bench import row
from tools.stack import BASE, Stack

TRIGGERS = 200
LIMIT_S = 0.1


def rows() -> list[dict[str, Any]]:
    """Median seconds from request to 202, each trigger for another record."""
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as folder:
        stack = Stack(Path(folder) / "var", sandbox_environ={"SANDBOX_GENERATION_S": "600"})
        with stack:
            there = _median(stack, "a")
            stack.services["worker"].stop()
            gone = _median(stack, "b")
    return [
        row("trigger", "answer to a trigger, broker and worker gone, against 100 ms", gone, LIMIT_S, 1.0, unit="s"),
        row("trigger", "the same against broker and worker running", gone, there, 1.5, unit="s"),
    ]


def _median(stack: Stack, mark: str) -> float:
    times = []
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        for number in range(TRIGGERS):
            body = {"base_id": BASE, "record_id": f"rec{mark}{number:013d}"}
            began = time.perf_counter()
            answer = client.post("/api/process-record", json=body)
            times.append(time.perf_counter() - began)
            answer.raise_for_status()
    return statistics.median(times)

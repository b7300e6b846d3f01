"""How long a trigger waits for its answer: with the broker there, with it gone, and while films are made."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tools.bench.measure.rows import Claim, row
from tools.stack import BASE, Stack, until

TRIGGERS = 200
LIMIT_S = 0.1
CALLERS, EACH = 16, 25
BUSY_LIMIT_S = 2.0
FILMS = 10


def rows() -> list[Claim]:
    """Seconds from request to 202, each trigger for another record."""
    with _stack() as stack:
        there = statistics.median(_triggers(stack, "a0", TRIGGERS))
        stack.services["worker"].stop()
        gone = statistics.median(_triggers(stack, "b0", TRIGGERS))
    with _stack() as stack:
        _order_films(stack)
        with ThreadPoolExecutor(CALLERS) as callers:
            found = callers.map(lambda number: _triggers(stack, f"c{number:02d}", EACH), range(CALLERS))
            busy = sorted(seconds for times in found for seconds in times)
    late = busy[int(len(busy) * 0.95)]
    return [
        row(
            "trigger",
            "answer to a trigger, broker and worker gone, against 100 ms",
            gone,
            LIMIT_S,
            1.0,
            unit="s",
            absolute=True,
        ),
        row("trigger", "the same against broker and worker running", gone, there, 1.5, unit="s"),
        row(
            "trigger",
            f"19 of 20 answers to {CALLERS} callers at once, while {FILMS} films are made here, against 2 s",
            late,
            BUSY_LIMIT_S,
            0.75,
            unit="s",
        ),
    ]


@contextmanager
def _stack() -> Iterator[Stack]:
    with (
        tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as folder,
        Stack(Path(folder) / "var", sandbox_environ={"SANDBOX_GENERATION_S": "600"}) as stack,
    ):
        yield stack


def _order_films(stack: Stack) -> None:
    """Rendered and joined on this very machine, by as many workers as there are."""
    for number in range(FILMS):
        body = {"master_prompt": f"Film {number}", "scene_count": 8, "clip_seconds": 6, "model": "local/animatic"}
        stack.post("/api/process-master-prompt", body).raise_for_status()

    def being_made() -> bool:
        runs: list[dict[str, Any]] = stack.get("/api/runs", params={"status": "generating"}).json()["runs"]
        return bool(runs)

    until(being_made, "films being made")


def _triggers(stack: Stack, mark: str, count: int) -> list[float]:
    times = []
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        for number in range(count):
            body = {"base_id": BASE, "record_id": f"rec{mark}{number:0{14 - len(mark)}d}"}
            began = time.perf_counter()
            answer = client.post("/api/process-record", json=body)
            times.append(time.perf_counter() - began)
            answer.raise_for_status()
    return times

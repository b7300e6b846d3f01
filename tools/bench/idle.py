"""What a deployment costs while nothing is to be done, and how soon it notices that there is something.

Web and worker as the Procfile starts them, with everything that the kernel knows about their processes. Nothing is
asked of the product but what its users ask.
"""

from __future__ import annotations

import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tools.bench.measure.rows import Claim, row
from tools.stack import ROOT, Service, free_port, procfile, until

SETTLED_S, STILL_S = 60.0, 30.0
"""Until also the workers have ended that were started for the film; and how long nothing happens then."""
TURNS, TRIGGERS = 2, 8
CORE, PSS_MB, ANSWERS_S, STEP_S = 0.01, 210.0, 1.5, 3.0
TICKS = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1024.0
ORDER = {"master_prompt": "A kite over a field", "scene_count": 1, "clip_seconds": 1, "resolution": "480p"}
_UNITS = {"cpu": "of a core", "pss": "MB", "answers": "s", "first": "s", "notices": "s"}
_BARS = {
    "cpu": ("idle: share of a core, of all processes, against 1 %", CORE),
    "pss": ("idle: PSS of all processes, against 210 MB", PSS_MB),
    "answers": ("web's first answer after its start, against 1.5 s", ANSWERS_S),
    "first": ("the worker's first step after its start, against 3 s", STEP_S),
}


@dataclass
class _Figures:
    """What was measured, turn by turn."""

    found: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.found.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.found[name])


def rows() -> list[Claim]:
    """Against the bars."""
    figures = _Figures()
    for _ in range(TURNS):
        _measure(ROOT, figures)
    found = [
        row("idle", what, figures.median(name), bar, 1.0, unit=_UNITS[name], absolute=name != "pss")
        for name, (what, bar) in _BARS.items()
    ]
    return [
        *found,
        row("idle", "a trigger's commit → a worker's first", figures.median("notices"), 1.0, None, unit="s"),
    ]


def _measure(tree: Path, figures: _Figures) -> None:
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as folder, ExitStack() as stack:
        port = free_port()
        web, worker = (_service(name, tree, Path(folder), port) for name in ("web", "worker"))
        # The database is made by the first start, which is not a usual one.
        _seconds_until(web, lambda: _answers(port))
        web.stop()
        figures.add("answers", _seconds_until(web, lambda: _answers(port)))
        stack.callback(web.stop, signal.SIGKILL)
        waiting = _order(port)
        figures.add("first", _seconds_until(worker, lambda: _first_step(port, waiting)))
        stack.callback(worker.stop)
        _until_done(port, waiting)
        for name, value in _of_processes({service.process.pid for service in (web, worker) if service.process}).items():
            figures.add(name, value)
        for _ in range(TRIGGERS):
            figures.add("notices", _noticed_after(port))


def _service(name: str, tree: Path, folder: Path, port: int) -> Service:
    kept = {key: os.environ[key] for key in ("HOME", "LANG", "TMPDIR") if key in os.environ}
    environ = {
        **kept,
        "PATH": f"{tree}/.venv/bin:{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(tree),
        "VAR_DIR": str(folder / "var"),
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "LOG_LEVEL": "WARNING",
        # As where clips are bought, so that the libraries for it are there. Nobody is called.
        "AIRTABLE_API_KEY": "pat",
        "SORA_API_KEY": "sk",
    }
    return Service(name, f"cd {tree} && {procfile(tree)[name]}", environ, folder / f"{name}.log")


def _seconds_until(service: Service, ready: Callable[[], bool]) -> float:
    began = time.perf_counter()
    service.start()
    until(ready, service.name, pause_s=0.01)
    return time.perf_counter() - began


def _answers(port: int) -> bool:
    return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == httpx.codes.OK


def _order(port: int) -> str:
    """A film for nothing, which the worker makes by itself."""
    answer = httpx.post(f"http://127.0.0.1:{port}/api/process-master-prompt", json=ORDER, timeout=30)
    answer.raise_for_status()
    return str(answer.json()["run_id"])


def _view(port: int, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"http://127.0.0.1:{port}/api/runs/{run_id}", timeout=30).json()
    return found


def _first_step(port: int, run_id: str) -> bool:
    return bool(_view(port, run_id)["status"] != "queued")


def _until_done(port: int, run_id: str) -> dict[str, Any]:
    return until(lambda: view if (view := _view(port, run_id))["status"] == "done" else None, "the film")


def _noticed_after(port: int) -> float:
    """From the commit that a trigger is answered with to the first thing that a worker has committed."""
    view = _until_done(port, _order(port))
    moments = [datetime.fromisoformat(event["at"]).timestamp() for event in view["events"]]
    started = datetime.fromisoformat(view["created_at"]).timestamp()
    return min(moment for moment in moments if moment > started) - started


def _of_processes(sessions: set[int]) -> Mapping[str, float]:
    """What they use of a core and of memory while nothing happens."""
    time.sleep(SETTLED_S)
    before, began = used_by(sessions), time.monotonic()
    time.sleep(STILL_S)
    after, took = used_by(sessions), time.monotonic() - began
    spent = sum(ticks - before.get(pid, (ticks, 0))[0] for pid, (ticks, _) in after.items())
    return {"cpu": spent / TICKS / took, "pss": sum(kilobytes for _, kilobytes in after.values()) / MEGABYTE}


def used_by(sessions: set[int]) -> dict[int, tuple[int, int]]:
    """Of each process of these sessions: the ticks that it and the children it has buried took, and its PSS."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(words[3]) in sessions:
                memory = dict(line.split(":") for line in (folder / "smaps_rollup").read_text().splitlines()[1:])
                found[int(folder.name)] = (sum(map(int, words[11:15])), int(memory["Pss"].split()[0]))
    return found

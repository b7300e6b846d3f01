"""How long a trigger waits for its answer: with the broker there, with it gone, and while films are made; and what it
costs the web in CPU, with and without traces.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

from tools.bench.idle import TICKS, used_by
from tools.bench.measure.rows import Claim, row
from tools.stack import BASE, Service, Stack, free_port, until

TRIGGERS = 200
LIMIT_S = 0.1
CALLERS, EACH = 16, 25
BUSY_LIMIT_S = 2.0
FILMS = 10
TURNS, WARM = 16, 20
SENT_S = 7.0
"""The SDK sends what it has every five seconds."""
SPAN = "POST /api/process-record"
TRACED = WARM + TURNS * EACH


def rows() -> list[Claim]:
    """Seconds from request to 202, each trigger for another record."""
    with _stack() as stack:
        there = statistics.median(_triggers(stack.url, "a0", TRIGGERS))
        stack.services["worker"].stop()
        gone = statistics.median(_triggers(stack.url, "b0", TRIGGERS))
        cpu = _cpu_a_trigger(stack)
    with _stack() as stack:
        _order_films(stack)
        with ThreadPoolExecutor(CALLERS) as callers:
            found = callers.map(lambda number: _triggers(stack.url, f"c{number:02d}", EACH), range(CALLERS))
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
        row(
            "trigger",
            "CPU of the web a trigger, every one traced, against no traces",
            cpu.traced_s,
            cpu.untraced_s,
            1.5,
            unit="s",
        ),
        row("trigger", f"triggers whose span did not arrive, of {TRACED}", cpu.untold, 1, 0.0),
    ]


@contextmanager
def _stack() -> Iterator[Stack]:
    with (
        tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as folder,
        Stack(Path(folder) / "var", sandbox_environ={"SANDBOX_GENERATION_S": "600"}) as stack,
    ):
        yield stack


@dataclass(frozen=True, slots=True)
class _Cpu:
    """Seconds of CPU a trigger; `untold` triggers were to be traced, and no span of theirs arrived."""

    traced_s: float
    untraced_s: float
    untold: int


def _cpu_a_trigger(stack: Stack) -> _Cpu:
    """In turns at a web that sends its spans and at one that does not, on one database."""
    with _collector() as (url, names):
        webs = [
            _web(stack, f"web-{number}", environ)
            for number, environ in enumerate(({"OTEL_EXPORTER_OTLP_ENDPOINT": url}, {}))
        ]
        try:
            for number, web in enumerate(webs):
                _triggers(web.url, f"d{number}", WARM)
            before = [web.cpu_s() for web in webs]
            for turn in range(TURNS):
                for number, web in enumerate(webs):
                    _triggers(web.url, f"e{number}{turn:02d}", EACH)
            # The last spans leave a few seconds later.
            time.sleep(SENT_S)
            after, arrived = [web.cpu_s() for web in webs], names.count(SPAN)
        finally:
            for web in webs:
                web.service.stop()
    traced, untraced = ((now - then) / (TURNS * EACH) for now, then in zip(after, before, strict=True))
    return _Cpu(traced, untraced, untold=TRACED - arrived)


@dataclass(frozen=True, slots=True)
class _Web:
    service: Service
    url: str

    def cpu_s(self) -> float:
        """Of all its processes, since they began."""
        pids = {self.service.process.pid} if self.service.process else set()
        return sum(ticks for ticks, _ in used_by(pids).values()) / TICKS


def _web(stack: Stack, name: str, environ: Mapping[str, str]) -> _Web:
    port = free_port()
    command = stack.services["web"].command
    service = Service(name, command, {**stack.environ(), "PORT": str(port), **environ}, stack.var / f"{name}.log")
    service.start()
    url = f"http://127.0.0.1:{port}"
    until(lambda: httpx.get(f"{url}/health", timeout=2).status_code == httpx.codes.OK, name)
    return _Web(service, url)


@contextmanager
def _collector() -> Iterator[tuple[str, list[str]]]:
    """Takes whatever spans come: its address, and the names of those that came so far."""
    # Not needed for any other row, and a development package.
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    names = list[str]()

    class Spans(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            scopes = (scope for resource in told.resource_spans for scope in resource.scope_spans)
            names.extend(span.name for scope in scopes for span in scope.spans)
            self.send_response(httpx.codes.OK)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Spans)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", names
    finally:
        server.shutdown()
        server.server_close()


def _order_films(stack: Stack) -> None:
    """Rendered and joined on this very machine, by as many workers as there are."""
    for number in range(FILMS):
        body = {"master_prompt": f"Film {number}", "scene_count": 8, "clip_seconds": 6, "model": "local/animatic"}
        stack.post("/api/process-master-prompt", body).raise_for_status()

    def being_made() -> bool:
        runs: list[dict[str, Any]] = stack.get("/api/runs", params={"status": "generating"}).json()["runs"]
        return bool(runs)

    until(being_made, "films being made")


def _triggers(url: str, mark: str, count: int) -> list[float]:
    times = []
    with httpx.Client(base_url=url, timeout=30) as client:
        for number in range(count):
            body = {"base_id": BASE, "record_id": f"rec{mark}{number:0{14 - len(mark)}d}"}
            began = time.perf_counter()
            answer = client.post("/api/process-record", json=body)
            times.append(time.perf_counter() - began)
            answer.raise_for_status()
    return times

"""Nothing grows with what was made before: the same acts on deployments with 100, 10,000 and 100,000 finished runs.

All of them are open side by side and take turns, so that a busy moment of the machine meets each alike. What a million
would cost is not measured but drawn on as a line through the two large ones, and says so.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text

from pipelines.bootstrap import build_services
from pipelines.database import SqlStore
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.policy import Policy
from pipelines.domain.records import Checkpoint, Kind, Run
from pipelines.settings import load_settings
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import accept
from pipelines.stages.spending import audit, ledger
from pipelines.testing.airtable import BASE
from tools.bench.history import past
from tools.bench.measure.rows import Claim, row
from tools.postgres import BINARIES
from tools.stack import Service, free_port, procfile, until
from webapp import create_app

SIZES = (100, 10_000, 100_000)
BAR, TIMES, STARTS = 1.5, 40, 3
MILLION = 1_000_000
KEY = "bench"
HEADERS = {"Authorization": f"Bearer {KEY}"}
CROWD, CROWD_S, AMOUNT = 8, 8.0, 1_000
GAIN, WAITING, LONGEST_S = 1.3, 0.10, 0.05
POLICY = Policy(run_cap_micro=10**12, day_cap_micro=10**15, default_model="acme/film")
Timed = Callable[[], object]
P = TypeVar("P", bound="Place")


def rows() -> list[Claim]:
    """Each act on each database, against the smallest deployment; and many processes that move money at once."""
    found = []
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as name:
        folder = Path(name)
        with ExitStack() as stack:
            urls = {size: stack.enter_context(past.sqlite_copy(size, folder)) for size in sizes()}
            found += _of_database("SQLite", urls, folder)
        if BINARIES:
            with past.postgres_cluster() as cluster, ExitStack() as stack:
                urls = {size: stack.enter_context(past.postgres_copy(cluster, size)) for size in sizes()}
                found += _of_database("PostgreSQL", urls, folder)
                found += _of_crowd(urls[sizes()[1]])
    return found


def sizes() -> tuple[int, ...]:
    """How many finished runs; `RUNS=100,10000` for a shorter look."""
    asked = os.environ.get("RUNS")
    return tuple(int(size) for size in asked.split(",")) if asked else SIZES


def _of_database(name: str, urls: Mapping[int, str], folder: Path) -> list[Claim]:
    places = {size: Place(url, folder / f"{name}-{size}") for size, url in urls.items()}
    times = {what: in_turns(places, start, STARTS) for what, start in _STARTS.items()}
    times |= {what: in_turns(places, act, TIMES) for what, act in _ACTS.items()}
    for place in places.values():
        place.close()
    return [one for what, seconds in times.items() for one in _compared(f"{name}: {what}", seconds)]


def in_turns(places: Mapping[int, P], prepare: Callable[[P], Timed], repeat: int) -> dict[int, float]:
    """The median of each place, which is asked once unmeasured."""
    found: dict[int, list[float]] = {size: [] for size in places}
    for turn in range(repeat + 1):
        for size, place in places.items():
            act = prepare(place)
            began = time.perf_counter()
            act()
            if turn:
                found[size].append(time.perf_counter() - began)
    return {size: statistics.median(times) for size, times in found.items()}


def _compared(what: str, seconds: Mapping[int, float]) -> list[Claim]:
    small, *others = seconds
    found = [
        row(
            "history", f"{what}, {size:,} finished runs against {small:,}", seconds[size], seconds[small], BAR, unit="s"
        )
        for size in others
    ]
    if len(others) > 1:
        low, high = others[-2:]
        slope = (seconds[high] - seconds[low]) / (high - low)
        drawn = max(seconds[high], seconds[high] + slope * (MILLION - high))
        name = f"{what}, {MILLION:,}: not measured, a line through {low:,} and {high:,}"
        found.append(row("history", name, drawn, seconds[small], None, unit="s"))
    return found


@dataclass
class Place:
    """One deployment on its database."""

    url: str
    folder: Path
    services: Services = field(init=False)
    app: Flask = field(init=False)
    client: FlaskClient = field(init=False)
    run_id: str = field(init=False)
    numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        settings = load_settings(self.environ(), root=self.folder)
        self.services = build_services(settings)
        self.app = create_app(self.services, settings)
        self.client = signed_in(self.app.test_client())
        with self.services.store.write() as tx:
            last = tx.ledger.find(order="-id", limit=1)[0]
            tx.checkpoints.add(Checkpoint(id=audit.AUDIT, at=time.time(), entry=last.id or 0))
            self.run_id = tx.runs.find(order="-created_at", limit=1)[0].id

    def environ(self, port: int = 8000) -> dict[str, str]:
        """The settings of the deployment."""
        return {
            "VAR_DIR": str(self.folder),
            "DATABASE_URL": self.url,
            "STORAGE_URL": f"file:{self.folder}/media",
            "API_KEYS": f"bench:{hashlib.sha256(KEY.encode()).hexdigest()}",
            "SECRET_KEY": "only for a measurement",
            "PORT": str(port),
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "LOG_LEVEL": "ERROR",
        }

    @property
    def store(self) -> SqlStore:
        """The database."""
        assert isinstance(self.services.store, SqlStore)
        return self.services.store

    def new_run(self) -> Run:
        """A run that may set money aside."""
        number = next(self.numbers)
        run = Run(id=new_id("run"), status=RunStatus.GENERATING, source="rest", key_id=f"key_{number % past.KEYS}")
        with self.store.write() as tx:
            tx.runs.add(run)
        return run

    def get(self, path: str) -> None:
        """A page or an answer of the API, which must be there."""
        answer = self.client.get(path, headers=HEADERS)
        assert answer.status_code == httpx.codes.OK, f"{path}: {answer.status_code} {answer.text[:300]}"

    def close(self) -> None:
        """Nothing may keep the database from being copied or removed."""
        self.store.engine.dispose()


def signed_in(client: FlaskClient, key: str = KEY) -> FlaskClient:
    """A browser in which somebody signed in."""
    asked = client.get("/sign-in").text
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', asked)
    assert found is not None
    client.post("/sign-in", data={"key": key, "csrf_token": found.group(1)})
    return client


def _hold(place: Place) -> Timed:
    run = place.new_run()

    def act() -> None:
        with place.store.write() as tx:
            ledger.hold(tx, time.time(), run, AMOUNT, POLICY)

    return act


def _trigger(place: Place) -> Timed:
    request = accept.StartRequest(source="record", base_id=BASE, record_id=f"rec{new_id('x')[2:16]}")
    return lambda: accept.start(place.services, request)


def _audit(place: Place) -> Timed:
    def act() -> None:
        with place.store.read() as tx:
            assert not audit.audit(tx).problems

    return act


def _due(place: Place) -> Timed:
    return lambda: [place.store.due(kind, 0.0, 500) for kind in Kind]


_ACTS: Mapping[str, Callable[[Place], Timed]] = {
    "due": _due,
    "list page": lambda place: lambda: place.get("/"),
    "list of what failed": lambda place: lambda: place.get("/api/runs?status=failed&limit=50"),
    "run page": lambda place: lambda: place.get(f"/runs/{place.run_id}"),
    "usage": lambda place: lambda: place.get("/api/usage?by=day,model"),
    "audit since checkpoint": _audit,
    "trigger": _trigger,
    "hold": _hold,
}


def _start_web(place: Place) -> Timed:
    port = free_port()

    def answers() -> bool:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=1).status_code == httpx.codes.OK

    return lambda: _start("web", place, port, answers)


def _start_worker(place: Place) -> Timed:
    began = time.time()

    def beats() -> bool:
        with place.store.read() as tx:
            return any(process.started_at >= began for process in tx.processes.find())

    return lambda: _start("worker", place, free_port(), beats)


def _start(name: str, place: Place, port: int, ready: Callable[[], bool]) -> None:
    environ = {**{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}, **place.environ(port)}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ.get('PATH', '')}"
    environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    service = Service(name, procfile()[name], environ, place.folder / f"{name}.log")
    service.start()
    try:
        until(ready, name, pause_s=0.01)
    finally:
        service.stop(signal.SIGKILL)


_STARTS: Mapping[str, Callable[[Place], Timed]] = {"start of web": _start_web, "start of worker": _start_worker}


def _of_crowd(url: str) -> list[Claim]:
    """Processes that hold and release for a key each, one alone and eight at once."""
    alone, together = _per_second(url, 1), 0.0
    with _watched(url) as seen:
        together = _per_second(url, CROWD)
    samples = seen or [(0, 1, 0.0)]
    waiting = sum(one[0] for one in samples) / max(1, sum(one[1] for one in samples))
    longest = max(one[2] for one in samples)
    who = f"PostgreSQL: {CROWD} processes for {CROWD} keys"
    return [
        row("history", f"holds a second, one process against {CROWD} for {CROWD} keys", alone, together, 1 / GAIN),
        row("history", f"{who}: share of samples that wait for a lock, against 10 %", waiting, WAITING, 1.0),
        row(
            "history",
            f"{who}: longest wait for a lock, against 50 ms",
            longest,
            LONGEST_S,
            1.0,
            unit="s",
            absolute=True,
        ),
    ]


def _per_second(url: str, processes: int) -> float:
    code = "import sys; from tools.bench.history import move_money; move_money(*sys.argv[1:])"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [
        subprocess.Popen([sys.executable, "-c", code, url, f"key_{number}"], **pipes) for number in range(processes)
    ]
    for one in started:
        assert one.stdout is not None
        one.stdout.readline()  # it has connected
    begin = time.time() + 0.5
    for one in started:
        assert one.stdin is not None
        one.stdin.write(f"{begin}\n")
        one.stdin.flush()
    return sum(int(one.communicate()[0]) for one in started) / CROWD_S


def move_money(url: str, key: str) -> None:
    """Connect, say so, be told when to begin; set money aside and give it back until the time is over; how often."""
    store, moved = SqlStore(url), 0
    store.check()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    begin = float(sys.stdin.readline())
    time.sleep(max(0.0, begin - time.time()))
    while time.time() < begin + CROWD_S:
        run = Run(id=new_id("run"), status=RunStatus.GENERATING, source="rest", key_id=key, base_id=BASE + key)
        with store.write() as tx:
            tx.runs.add(run)
            ledger.hold(tx, time.time(), run, AMOUNT, POLICY)
        with store.write() as tx:
            ledger.release(tx, time.time(), run)
        moved += 1
    sys.stdout.write(f"{moved}\n")


_WAITS = text(
    "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*), COALESCE(max(extract(epoch FROM "
    "clock_timestamp() - query_start)) FILTER (WHERE wait_event_type = 'Lock'), 0) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
)


@contextmanager
def _watched(url: str) -> Iterator[Sequence[tuple[int, int, float]]]:
    """Samples of who waits for a lock, of how many, and the longest wait."""
    seen: list[tuple[int, int, float]] = []
    over = threading.Event()

    def watch() -> None:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with suppress(OSError), engine.connect() as connection:
            while not over.wait(0.02):
                waiting, all_of_them, longest = connection.execute(_WAITS).one()
                seen.append((int(waiting), int(all_of_them), float(longest)))
        engine.dispose()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()

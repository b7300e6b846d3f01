"""What more worker services on one machine are worth: films a minute, and what a film costs in CPU, hints and forks.

Sandbox, web, PostgreSQL and broker share the machine's cores with them: where another service makes nothing faster, the
machine has come to its end, not the product. Nothing is asked of the product but what its users ask.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from redis import Redis
from redis.exceptions import RedisError

from tools.bench.idle import TICKS, used_by
from tools.bench.measure.rows import Claim, row
from tools.postgres import BINARIES, throw_away
from tools.stack import Service, Stack, free_port, until
from worker import broker

SERVICES = (1, 2, 4)
FILMS, SCENES, SECONDS = 6, 2, 1
MOST_HINTS = 1.25
"""So many times the hints of one service may a film take with several: each is a fork, and repeats are for nothing."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of so many services, for each film but the first."""

    films_per_minute: float
    cpu_s: float
    hints: float
    forks: float


def rows() -> list[Claim]:
    """Each number of services makes the same films, against one service."""
    found = {number: _measured(number) for number in SERVICES}
    one = found[1]
    told = []
    for number, now in found.items():
        many = f"{number} worker service{'s' if number > 1 else ''}"
        bar = MOST_HINTS if number > 1 else None
        told += [
            row("scale", f"films a minute, {many}", now.films_per_minute, one.films_per_minute, None),
            row("scale", f"CPU of the workers a film, {many}", now.cpu_s, one.cpu_s, None, unit="s"),
            row("scale", f"hints a film, {many}", now.hints, one.hints, bar),
            row("scale", f"forks a film, {many}", now.forks, one.forks, bar),
        ]
    return told


def _measured(number: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as name, ExitStack() as stack:
        var = Path(name) / "var"
        redis = stack.enter_context(_redis(Path(name)))
        extra = {"REDIS_URL": redis, "LOG_LEVEL": "WARNING"}
        if BINARIES:
            extra["DATABASE_URL"] = stack.enter_context(throw_away()).fresh_url()
        product = stack.enter_context(Stack(var, extra=extra))
        workers = [product.services["worker"]]
        for more in range(1, number):
            twin = Service(f"worker{more}", workers[0].command, product.environ(), var / f"worker{more}.log")
            twin.start()
            stack.callback(twin.stop)
            workers.append(twin)
        _make(product, [_order(product, 0)])
        return _of(product, redis, {worker.process.pid for worker in workers if worker.process})


def _of(product: Stack, redis: str, sessions: set[int]) -> Figures:
    cpu, hints, forks, began = _cpu(sessions), _hints(redis), _forks(redis), time.monotonic()
    _make(product, [_order(product, film) for film in range(1, FILMS + 1)])
    took = time.monotonic() - began
    return Figures(
        films_per_minute=FILMS / took * 60,
        cpu_s=(_cpu(sessions) - cpu) / FILMS,
        hints=(_hints(redis) - hints) / FILMS,
        forks=(_forks(redis) - forks) / FILMS,
    )


def _order(product: Stack, film: int) -> str:
    body = {
        "master_prompt": f"Film {film}: a paper boat crosses the harbour",
        "scene_count": SCENES,
        "clip_seconds": SECONDS,
        "resolution": "480p",
        "model": "local/animatic",
    }
    answer = product.post("/api/process-master-prompt", body)
    answer.raise_for_status()
    return str(answer.json()["run_id"])


def _make(product: Stack, runs: list[str]) -> None:
    for run in runs:
        view = product.wait_run(run, patience_s=600.0)
        if view["status"] != "done":
            raise RuntimeError(f"{run} is {view['status']}: {view['error']}")


def _cpu(sessions: set[int]) -> float:
    return sum(ticks for ticks, _ in used_by(sessions).values()) / TICKS


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """A broker that all services share and that counts."""
    port = free_port()
    options = {"--port": str(port), "--bind": "127.0.0.1", "--save": "", "--appendonly": "no", "--dir": str(folder)}
    words = [word for pair in options.items() for word in pair]
    process = subprocess.Popen([broker.binary(), *words], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}"
    try:
        until(lambda: _asked(url, "PING"), "the broker")
        yield url
    finally:
        process.kill()
        process.wait()


def _asked(url: str, *words: str) -> Any:
    try:
        with Redis.from_url(url, decode_responses=True) as connection:
            return connection.execute_command(*words)
    except RedisError as error:
        raise httpx.TransportError(str(error)) from error


def _hints(url: str) -> int:
    """All that were ever sent, as the broker counts its commands."""
    counted: dict[str, dict[str, int]] = _asked(url, "INFO", "commandstats")
    return sum(counted.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("rpush", "lpush"))


def _forks(url: str) -> int:
    """One for each hint that a worker has taken."""
    with Redis.from_url(url, decode_responses=True) as connection:
        workers = [connection.hgetall(name) for name in connection.smembers("rq:workers")]
    return sum(int(one.get(f"{end}_job_count", 0)) for one in workers for end in ("successful", "failed"))

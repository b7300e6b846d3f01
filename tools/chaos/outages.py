"""Failures of what the product stands on: Airtable, the database, Redis, storage."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tools.chaos.bucket import KEYS, Bucket
from tools.chaos.outcomes import ANSWER_S, ENDS_S, Outcome, judged, order
from tools.chaos.product import ProductStack, product_stack
from tools.postgres import throw_away
from tools.stack import BASE, free_port, until
from worker import broker

AIRTABLE_AWAY: tuple[tuple[dict[str, Any], float], ...] = (
    ({"latency_s": 10.0}, 15.0),
    ({"latency_s": 0.0, "lockout_now_s": 60.0}, 60.0),
    ({"fail_next": [{"status": 503, "count": 20}]}, 15.0),
)
"""What it does, and for how long."""
AIRTABLE_PER_S = 5


def airtable(var: Path) -> Outcome:
    """Airtable answers in ten seconds, then 429 for a minute, then 503."""
    with product_stack(var) as place:
        waits, records = list[float](), list[str]()
        for number, (wishes, lasts) in enumerate(AIRTABLE_AWAY):
            place.stack.sandbox("POST", "/airtable/_control/faults", wishes)
            began = time.monotonic()
            order(place, f"slow-{number}")
            waits.append(time.monotonic() - began)
            began = time.monotonic()
            records.append(place.order_row(f"slow-row-{number}"))
            waits.append(time.monotonic() - began)
            time.sleep(lasts)
        place.stack.sandbox("DELETE", "/airtable/_control/faults")
        late = [f"a trigger waited {max(waits):.1f} s"] if max(waits) > ANSWER_S else []
        runs = [run.id for run in place.runs()]
        found = judged(place, runs, "slow-", 2 * len(runs), late=late, slowest_answer_s=round(max(waits), 2))
        for record in records:
            until(partial(_told, place, record), f"the row {record}", ENDS_S, 1.0)
        return _with_pace(place, found)


def _told(place: ProductStack, record: str) -> bool:
    return place.stack.row(record).get("Status") == "Done" and len(place.films(record)) == 1


def _with_pace(place: ProductStack, found: Outcome) -> Outcome:
    """Whoever asks more often than Airtable allows is shut out, which happened once: by us."""
    seen = place.stack.sandbox("GET", "/airtable/_control/stats")["bases"][BASE]
    figures = {**found.figures, "calls_in_busiest_second": seen["max_per_second"], "calls_refused": seen["refused_429"]}
    kept = seen["max_per_second"] <= AIRTABLE_PER_S and seen["lockouts"] == 1
    faults = found.faults if kept else (*found.faults, f"the pace was not kept: {seen}")
    return replace(found, figures=figures, faults=faults)


def database(var: Path) -> Outcome:
    """PostgreSQL is killed six times."""
    with throw_away() as postgres, product_stack(var, postgres.fresh_url()) as place:
        runs = order(place, *(f"killed-{number}" for number in range(3)), abilities=("none", "key", "list"))
        statuses: list[int] = []
        slowest = 0.0
        for _ in range(6):
            time.sleep(1.0)
            postgres.stop("immediate")
            began = time.monotonic()
            statuses.append(place.stack.get("/api/runs").status_code)
            slowest = max(slowest, time.monotonic() - began)
            postgres.start()
        faults = [f"without a database {sorted({*statuses})} was answered"] if {*statuses} != {503} else []
        late = [f"that took {slowest:.1f} s"] if slowest > 5.0 else []
        return judged(place, runs, "killed-", 6, faults, late, restarts=6, refused_in_s=round(slowest, 2))


@contextmanager
def own_redis(folder: Path, host: str = "127.0.0.1") -> Iterator[tuple[str, Callable[[], None]]]:
    """A broker of our own at an address of this machine: where it is, and how it dies."""
    url = f"redis://{host}:{free_port()}"
    with own_redis_at(url, folder) as die:
        until(partial(_answers, url), "the broker")
        yield url, die


def _answers(url: str) -> bool:
    try:
        with Redis.from_url(url) as connection:
            return bool(connection.ping())
    except RedisError:
        return False


def redis(var: Path) -> Outcome:
    """Redis is full, then asks for another password, then is gone."""
    with (
        tempfile.TemporaryDirectory() as folder,
        own_redis(Path(folder)) as (url, die),
        product_stack(var, REDIS_URL=url) as place,
    ):
        connection = Redis.from_url(url)
        connection.config_set("maxmemory-policy", "noeviction")
        connection.config_set("maxmemory", "1")
        runs = order(place, "redis-full")
        time.sleep(3.0)
        connection.config_set("maxmemory", "0")
        connection.config_set("requirepass", "another")
        runs += order(place, "redis-locked")
        time.sleep(3.0)
        Redis.from_url(url, password="another").config_set("requirepass", "")
        die()
        began = time.monotonic()
        runs += order(place, "redis-gone")
        took = time.monotonic() - began
        late = [f"an order waited {took:.1f} s"] if took > ANSWER_S else []
        with own_redis_at(url, Path(folder)):
            return judged(place, runs, "redis-", 6, late=late, answer_s=round(took, 2))


@contextmanager
def own_redis_at(url: str, folder: Path) -> Iterator[Callable[[], None]]:
    """An empty one at this address, which may be that of one that is gone; how it dies."""
    host, _, port = url.removeprefix("redis://").rpartition(":")
    options = {"--port": port, "--bind": host, "--protected-mode": "no", "--save": "", "--appendonly": "no"}
    words = [word for pair in (options | {"--dir": str(folder)}).items() for word in pair]
    process = subprocess.Popen([broker.binary(), *words], stdout=subprocess.DEVNULL)

    def die() -> None:
        process.kill()
        process.wait()

    try:
        yield die
    finally:
        die()


SLOW_B_PER_S, SLOW_S, SPOILT_S = 1024, 40.0, 8.0
"""How fast a slow storage is, and how long it is slow, or answers with each status."""
DISK_MB = 64


def storage(var: Path) -> Outcome:
    """Storage takes 1 KB a second, then answers 500, 403 and 507 while clips arrive; then the disk is full."""
    bucket = Bucket()
    settings = {**KEYS, "STORAGE_URL": "s3://reels", "AWS_ENDPOINT_URL": bucket.url}
    try:
        with small_disk(var / "work") as disk, product_stack(var, **settings) as place:
            bucket.bytes_per_s = SLOW_B_PER_S
            runs = order(place, "stored-slow")
            time.sleep(SLOW_S)
            bucket.bytes_per_s = 0
            for status in (500, 403, 507):
                bucket.status = status
                runs += order(place, f"stored-{status}")
                time.sleep(SPOILT_S)
            bucket.status = 0
            if disk is not None:
                filled = _fill(disk)
                runs += order(place, "stored-full")
                time.sleep(SPOILT_S)
                filled.unlink()
            told: dict[str, Any] = {
                "spoilt_answers": bucket.spoilt,
                "disk_full": "played" if disk else "not played: needs root",
            }
            return judged(place, runs, "stored-", 2 * len(runs), **told)
    finally:
        bucket.stop()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """One of its own at this place, where the system lets us mount one; else None."""
    folder.mkdir(parents=True)
    mounted = sys.platform == "linux" and os.geteuid() == 0
    mounted = (
        mounted
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], check=False, capture_output=True
        ).returncode
    )
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        for _ in range(DISK_MB * 16 + 1):
            file.write(bytes(65_536))
    return filler

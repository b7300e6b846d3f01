"""Failures of what the product stands on: Airtable, the database, Redis, storage."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tools.chaos.bucket import KEYS, Bucket
from tools.chaos.outcomes import ANSWER_S, ENDS_S, Outcome, judged, order
from tools.chaos.product import product_stack
from tools.postgres import throw_away
from tools.stack import free_port, until
from worker import broker


def airtable(var: Path) -> Outcome:
    """Airtable answers in ten seconds, then 429 for half a minute, then 503."""
    with product_stack(var) as place:
        record = place.order_row("slow-row")
        runs = [str(place.runs()[0].id)]
        waits = []
        for wishes in ({"latency_s": 10.0}, {"rate_limit": 0}, {"fail_next": [{"status": 503, "count": 20}]}):
            place.stack.sandbox("POST", "/airtable/_control/faults", wishes)
            began = time.monotonic()
            runs += order(place, f"slow-{len(runs)}")
            waits.append(time.monotonic() - began)
            time.sleep(10.0)
        place.stack.sandbox("DELETE", "/airtable/_control/faults")
        late = [f"a trigger waited {max(waits):.1f} s"] if max(waits) > ANSWER_S else []
        found = judged(place, runs, "slow-", 2 * len(runs), late=late, slowest_answer_s=round(max(waits), 2))
        until(lambda: place.stack.row(record).get("Status") == "Done" and place.films(record), "the row", ENDS_S, 1.0)
        return found


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
def own_redis(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A broker of our own: its address, and how it dies."""
    port = free_port()
    options = {"--port": str(port), "--save": "", "--appendonly": "no", "--dir": str(folder)}
    process = subprocess.Popen(
        [broker.binary(), *(word for pair in options.items() for word in pair)], stdout=subprocess.DEVNULL
    )
    url = f"redis://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with Redis.from_url(url) as connection:
                return bool(connection.ping())
        except RedisError:
            return False

    def die() -> None:
        process.kill()
        process.wait()

    try:
        until(answers, "the broker")
        yield url, die
    finally:
        die()


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
def own_redis_at(url: str, folder: Path) -> Iterator[None]:
    """An empty one at the address of one that is gone."""
    words = ["--port", url.rpartition(":")[2], "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen([broker.binary(), *words], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def storage(var: Path) -> Outcome:
    """Storage is slow, then answers 500, 403 and 507 while clips arrive."""
    bucket = Bucket()
    settings = {**KEYS, "STORAGE_URL": "s3://reels", "AWS_ENDPOINT_URL": bucket.url}
    try:
        with product_stack(var, **settings) as place:
            runs = []
            for name, status, delay in (("slow", 0, 2.0), ("500", 500, 0.0), ("403", 403, 0.0), ("507", 507, 0.0)):
                bucket.status, bucket.delay_s = status, delay
                runs += order(place, f"stored-{name}")
                time.sleep(8.0)
            bucket.status, bucket.delay_s = 0, 0.0
            return judged(place, runs, "stored-", 8, spoilt_answers=bucket.spoilt)
    finally:
        bucket.stop()

"""The ten failures that a strict operator provokes, each against the whole product as real processes.

`make chaos FAILURES=all`, or some of them by number: `FAILURES=3,9`. For each a line: what was ordered, what got lost,
what was paid twice, whether the books balance, and how long it took. Exit code 1 where a line is not clean.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from pipelines.database import SqlStore
from pipelines.database.backup import back_up, restore
from pipelines.database.schema import HEAD
from pipelines.domain.lifecycle import STOPPED
from pipelines.stages.kernel.leases import LEASE_S
from tools.bench.access.rush import CALLERS, add_rows, callers_of, connect_bases, rate_alone
from tools.bench.idle import used_by
from tools.chaos.outages import airtable, database, own_redis, redis, storage
from tools.chaos.outcomes import ANSWER_S, Outcome, buying, judged, more, order, stopped
from tools.chaos.points import Journal
from tools.chaos.product import product_stack
from tools.postgres import BINARIES, throw_away
from tools.stack import StackError, free_port, until

CLOCKS = (3600.0, -3600.0, 30 * 86_400.0)
DRAINED_S = 60.0
"""So long a host waits after SIGTERM."""
RUSH = int(os.environ.get("TRIGGERS") or 1000)
FILMS = int(os.environ.get("FILMS") or 50)
"""How many triggers the first failure has, and how many films move in the seventh."""
FILMS_END_S = 1800.0
"""As many films as that, on two cores that somebody else may use, too."""
AT_PROVIDER_S = 20.0
NEXT = f"{int(HEAD) + 1:04d}"
_NEXT_SCHEMA = (
    "CREATE TABLE novelties (id TEXT PRIMARY KEY)",
    "ALTER TABLE runs ADD COLUMN novelty TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE generations ADD COLUMN novelty TEXT",
    f"UPDATE alembic_version SET version_num = '{NEXT}'",
)
"""What a migration that only adds does."""


def rush(var: Path) -> Outcome:
    """A thousand triggers over five bases, half of them repeats, at half of the rate that the web alone answers."""
    with product_stack(var) as place, callers_of(place.stack) as web:
        connect_bases(place.stack)
        rows = add_rows(place.stack, RUSH // 2, "rush")
        place.stack.services["worker"].stop()
        rate = rate_alone(web, rows[: RUSH // 10]) / 2
        place.stack.start("worker")
        began = time.monotonic()

        def trigger(number: int) -> tuple[int, float, str]:
            at = began + number / rate
            time.sleep(max(0.0, at - time.monotonic()))
            base, record = rows[number % len(rows)]
            answer = web.post("/api/process-record", json={"record_id": record, "base_id": base})
            return answer.status_code, time.monotonic() - at, answer.json().get("run_id", "")

        with ThreadPoolExecutor(CALLERS) as callers:
            answers = list(callers.map(trigger, range(RUSH)))
        p99 = statistics.quantiles([seconds for _, seconds, _ in answers], n=100)[98]
        sys.stderr.write(f"failure 1: p99 of {len(answers)} answers at {rate:.0f} a second {p99:.2f} s\n")
        refused = [status for status, _, _ in answers if status != HTTPStatus.ACCEPTED]
        runs = sorted({run for _, _, run in answers})
        faults = [f"{len(refused)} answers were not 202"] if refused else []
        late = [f"p99 of the answers is {p99:.2f} s"] if p99 > ANSWER_S else []
        faults += [f"{len(runs)} runs of {len(rows)} records"] if len(runs) != len(rows) else []
        with suppress(StackError):
            stopped(place, runs, FILMS_END_S)
        return judged(place, runs, "rush ", len(rows), faults, late, triggers=RUSH, p99_s=round(p99, 2))


def clock(var: Path) -> Outcome:
    """One of two workers has a clock that is an hour ahead, then one behind, then 30 days ahead; then it is gone."""
    wrong = Journal(var / "wrong")
    with (
        tempfile.TemporaryDirectory() as folder,
        own_redis(Path(folder)) as (broker_url, _die),
        throw_away() as postgres,
        product_stack(var, postgres.fresh_url(), REDIS_URL=broker_url) as place,
    ):
        place.stack.sandbox("POST", "/vendors/_control", {"generation_s": 6.0, "latency_s": 1.5})
        known, runs = set(place.heartbeats()), list[str]()
        wrong.set_clock(CLOCKS[0])
        worker = more(place, "worker", **wrong.environ())
        try:
            until(lambda: len(set(place.heartbeats()) - known) >= 5, "the other worker's heartbeats")
            for number, seconds in enumerate(CLOCKS):
                wrong.set_clock(seconds)
                runs += order(place, f"clock-{number}", abilities=("list",))
                until(partial(buying, place, runs[-1:]), "a clip at the provider")
            visits = len(wrong.visits())
        finally:
            worker.stop()
        faults = [] if visits else ["the one that was wrong did nothing"]
        return judged(place, runs, "clock-", 2 * len(CLOCKS), faults, visits_of_the_wrong_one=visits)


class Customers:
    """Order and look, at whatever address is told at the moment, until they are stopped."""

    def __init__(self, url: str) -> None:
        self.url, self.failed, self.asked = url, list[str](), 0
        self._over, self._at = Event(), dict[int, str]()
        self._threads = [Thread(target=self._ask, args=(number,)) for number in range(3)]
        for thread in self._threads:
            thread.start()

    def move_to(self, url: str) -> None:
        """As a host's edge does: what comes from now on goes there, and what is under way ends where it is."""
        self.url = url
        until(lambda: set(self._at.values()) == {url}, "everybody to be there")

    def _ask(self, number: int) -> None:
        while not self._over.wait(0.05):
            self._at[number] = self.url
            try:
                answer = httpx.get(f"{self._at[number]}/api/runs", timeout=30)
                self.asked += 1
                if answer.status_code != HTTPStatus.OK:
                    self.failed.append(f"{answer.status_code} {answer.text[:80]}")
            except httpx.HTTPError as error:
                self.failed.append(repr(error))

    def stop(self) -> None:
        """And wait for the last answers."""
        self._over.set()
        for thread in self._threads:
            thread.join()


def rolling(var: Path) -> Outcome:
    """New services first, then SIGTERM to the old ones, in mid-work."""
    with product_stack(var) as place:
        old = dict(place.stack.services)
        place.stack.sandbox("POST", "/vendors/_control", {"generation_s": AT_PROVIDER_S})
        runs = order(place, *(f"rolling-{number}" for number in range(FILMS)), scenes=1)
        customers = Customers(place.stack.url)
        known, port = set(place.heartbeats()), free_port()
        worker, web = more(place, "worker"), more(place, "web", PORT=str(port))
        faults, drained, moving, asked_before = list[str](), 0.0, 0, 0
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: httpx.get(f"{url}/health", timeout=2).status_code == HTTPStatus.OK, "the new web")
            until(lambda: len(set(place.heartbeats()) - known) >= 5, "the new worker's heartbeats")
            customers.move_to(url)
            moving, asked_before = sum(run.status not in STOPPED for run in place.runs()), customers.asked
            for name in ("web", "worker"):
                began = time.monotonic()
                if (code := old[name].stop(signal.SIGTERM, DRAINED_S)) != 0:
                    faults.append(f"{name} ended with {code}")
                drained = max(drained, time.monotonic() - began)
            stopped(place, runs, FILMS_END_S)
        finally:
            customers.stop()
            web.stop()
            worker.stop()
        asked_since = customers.asked - asked_before
        faults += customers.failed[:3] + ([] if moving else ["no film moved at SIGTERM"])
        faults += [] if customers.asked > len(runs) and asked_since else ["hardly anybody asked anything"]
        told: dict[str, Any] = {
            "moving": moving,
            "asked": customers.asked,
            "asked_since_sigterm": asked_since,
            "failed": len(customers.failed),
            "drained_s": round(drained, 1),
        }
        return judged(place, runs, "rolling-", len(runs), faults, **told)


def newer_schema(var: Path) -> Outcome:
    """The former version, which is this code, on the next one's database: it goes on, and starts anew."""
    with product_stack(var) as place:
        runs = order(place, "older-0", "older-1")
        until(lambda: buying(place, runs), "a clip at the provider")
        with place.store.engine.connect().execution_options(write=True) as connection, connection.begin():
            for line in _NEXT_SCHEMA:
                connection.execute(text(line))
        for name in ("worker", "web"):
            place.stack.services[name].stop()
            place.stack.start(name)
        place.stack.wait_ready()
        runs += order(place, "older-2", "older-3")
        found = judged(place, runs, "older-", 8)
        with place.store.engine.connect() as connection:
            is_next = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == NEXT
        return found if is_next else Outcome(**{**asdict(found), "faults": ("the schema was taken back",)})


def frozen(var: Path) -> Outcome:
    """A machine stands still for longer than a lease, and goes on."""
    with product_stack(var) as place:
        place.stack.sandbox("POST", "/vendors/_control", {"latency_s": 2.0})
        runs = order(place, "still-0", abilities=("list",))
        until(lambda: any(one["point"] == "submit.intended" for one in place.journal.visits()), "a purchase", 60, 0.01)
        process = place.stack.services["worker"].process
        asleep = list(used_by({process.pid})) if process else []
        for pid in asleep:
            os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        worker = more(place, "worker")
        try:
            until(lambda: time.monotonic() - began > LEASE_S + 10.0, "longer than a lease", 120.0, 0.5)
            for pid in asleep:
                os.kill(pid, signal.SIGCONT)
            runs += order(place, "still-1")
            return judged(place, runs, "still-", 4, frozen_s=round(LEASE_S + 10.0))
        finally:
            worker.stop()


def drill(var: Path) -> Outcome:
    """A backup in mid-load; then the database is lost, and brought back from it."""
    with product_stack(var) as place:
        runs = order(place, *(f"drill-{number}" for number in range(4)), abilities=("list", "key"))
        until(lambda: buying(place, runs), "a clip at the provider")
        saved, live = var / "saved.db", var / "reelgrid.db"
        back_up(f"sqlite:///{live}", saved)
        time.sleep(3.0)
        for name in ("web", "worker"):
            place.stack.services[name].stop(signal.SIGKILL)
        place.store.engine.dispose()
        for path in var.glob("reelgrid.db*"):
            path.rename(path.with_suffix(path.suffix + ".lost"))
        began = time.monotonic()
        restore(saved, f"sqlite:///{live}", time.time())
        place.store = SqlStore(f"sqlite:///{live}")
        for name in ("web", "worker"):
            place.stack.start(name)
        place.stack.wait_ready()
        place.stack.flask("stop", "off")
        ready = time.monotonic() - began
        stopped(place, runs)
        report = json.loads(place.stack.flask("recover", "--json", check=False).stdout)
        told: dict[str, Any] = {
            "found": len(report["found"]),
            "not_bought": report["not_bought"],
            "back_in_s": round(ready, 1),
        }
        return judged(place, runs, "drill-", 8, **told)


SCENARIOS: dict[int, Callable[[Path], Outcome]] = dict(
    enumerate(
        (rush, airtable, database, redis, storage, clock, rolling, newer_schema, frozen, drill),
        start=1,
    )
)


def provoke(number: int) -> Outcome:
    """One of them, in a folder of its own. What goes wrong with the scenario itself is a fault, too."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="failure-") as folder:
        try:
            found = SCENARIOS[number](Path(folder) / "var")
        except (StackError, httpx.HTTPError) as error:
            found = Outcome(0, 0, 0, balanced=False, faults=(str(error)[:300],))
    return Outcome(**{**asdict(found), "seconds": round(time.monotonic() - began, 1)})


def chosen(text: str) -> list[int]:
    """`all`, or numbers with commas. Raises SystemExit for what is none of them."""
    numbers = list(SCENARIOS) if text == "all" else [int(one) for one in text.split(",") if one.strip().isdigit()]
    if not numbers or not {*numbers} <= {*SCENARIOS}:
        sys.exit(f"FAILURES is all, or some of 1 to {len(SCENARIOS)} with commas")
    return [one for one in numbers if one not in NEED_POSTGRES or BINARIES]


NEED_POSTGRES = {3, 6}


def main(text: str, *, as_json: bool) -> int:
    """Provoke them one after the other, and tell."""
    found = dict[int, Outcome]()
    for number in chosen(text):
        found[number] = one = provoke(number)
        books = "balanced" if one.balanced else "not balanced"
        figures = f"{one.clips} clips, {one.lost} lost, {one.doubled} doubled, books {books}, {one.seconds} s"
        sys.stderr.write(f"failure {number}: {'' if one.clean else 'not '}clean; {figures}\n")
    if as_json:
        told = [{"number": number, "clean": one.clean, **asdict(one)} for number, one in found.items()]
        print(json.dumps({"failures": told}, indent=2))
    else:
        _show(found)
    return 0 if all(one.clean for one in found.values()) else 1


def _show(found: dict[int, Outcome]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "failure", "clips", "lost", "doubled", "balanced", "seconds", "besides"):
        table.add_column(column, overflow="fold")
    for number, one in found.items():
        name = (SCENARIOS[number].__doc__ or "").strip().rstrip(".")
        besides = ", ".join(f"{key} {value}" for key, value in one.figures.items())
        figures = (one.clips, one.lost, one.doubled, "yes" if one.balanced else "no", one.seconds)
        table.add_row(str(number), name, *map(str, figures), besides)
    console = Console()
    console.print(table)
    for number, one in found.items():
        for fault in (*one.faults, *one.late):
            console.print(f"{number}: {fault}", markup=False)

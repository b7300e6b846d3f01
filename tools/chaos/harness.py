"""`make chaos`: kill everything at random, lose replies, and count what was paid.

RUNS, CLIPS, SEED, DATABASE (sqlite, postgres), ABILITY (key, list, callback, none, all), JSON=1; KILL_EVERY is the mean
pause between two kills in seconds, CRASHES the percentage of crash points at which a process dies. Half of the orders
are rows of the emulated Airtable, whose base is a customer's who pays in credits. What was reached is said on standard
error every minute, and once more whenever it is stopped. Exit code 1 if anything was paid twice, lost, or said wrongly.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import STOPPED
from pipelines.ports import Store
from tools.chaos.killer import Killer, dead_machine
from tools.chaos.points import Journal
from tools.chaos.product import COMMANDS, sell_base
from tools.chaos.report import Findings, Progress, examine
from tools.postgres import BINARIES, throw_away
from tools.stack import BASE, Stack, StackError, until

ABILITIES = ("key", "list", "callback", "none")
KEYS = (
    "seed", "database", "ability", "runs", "done", "parked", "kills", "points_visited", "points_total", "scenes",
    "bought", "extra_paid", "extra_attachments", "over_budget_usd", "ledger_balanced", "recover_p50_s",
    "recover_max_s", "wall_s",
)  # fmt: skip
PATIENCE_S = 900.0
TOLD_EVERY_S = 60.0
"""How often is said on standard error what was reached."""
TRIGGER_PATIENCE_S = 150.0
"""A key whose request died with its server is free again after some seconds."""
CALLERS = 8
FAULTS = {
    "lost_percent": 5,
    "error_after_percent": 3,
    "error_percent": 3,
    "rate_limit_percent": 3,
    "retry_after_s": 1,
    "webhook_loss_percent": 10,
    "webhook_duplicate_percent": 10,
    "damage_percent": 2,
    "generation_s": 1.0,
    "palette": 6,
}
"""Replies lost after charging, 5xx after and before it, 429, callbacks lost and doubled, damaged files."""
NOT_USED = {"GEMINI_API_KEY": "", "GOOGLE_CLOUD_PROJECT": ""}
"""Google's library takes seconds to load whenever the worker service is started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for."""

    runs: int
    clips: int
    seed: str
    database: str
    ability: str
    kill_every_s: float
    crash_percent: float
    keep: Path | None = None

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Wish:
        """Defaults for what is not set or empty. Raises SystemExit for what is none of the choices."""

        def chosen(name: str, default: str) -> str:
            return environ.get(name) or default

        wish = cls(
            runs=int(chosen("RUNS", "40")),
            clips=int(chosen("CLIPS", "4")),
            seed=chosen("SEED", secrets.token_hex(3)),
            database=chosen("DATABASE", "sqlite"),
            ability=chosen("ABILITY", "key"),
            kill_every_s=float(chosen("KILL_EVERY", "1.2")),
            crash_percent=float(chosen("CRASHES", "4")),
            keep=Path(environ["KEEP"]) if environ.get("KEEP") else None,
        )
        if wish.database not in ("sqlite", "postgres") or wish.ability not in (*ABILITIES, "all"):
            sys.exit("DATABASE is sqlite or postgres; ABILITY is key, list, callback, none or all")
        if wish.database == "postgres" and not BINARIES:
            sys.exit("PostgreSQL is not on this machine")
        return wish


@contextmanager
def database(kind: str, var: Path) -> Iterator[str]:
    """The address of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{var / 'reelgrid.db'}"
        return
    with throw_away() as cluster:
        yield cluster.fresh_url()


@contextmanager
def folder(keep: Path | None) -> Iterator[Path]:
    """A short path for everything, kept if asked."""
    var = keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    if keep is not None:
        shutil.rmtree(keep, ignore_errors=True)
    var.mkdir(exist_ok=True)
    try:
        yield var
    finally:
        if keep is None:
            shutil.rmtree(var, ignore_errors=True)


class Chaos:
    """One ability on one database."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish

    def run(self) -> Findings:
        """Order, kill, wait, count."""
        wish, started = self._wish, time.monotonic()
        with folder(wish.keep) as var, database(wish.database, var) as url:
            journal = Journal(var / "chaos")
            extra = {"DATABASE_URL": url, "MAX_COST_PER_DAY_USD": "100000", "VIDEO_MODEL": self._model, **NOT_USED}
            extra |= journal.environ(wish.seed, wish.crash_percent)
            with Stack(var, extra=extra, commands=COMMANDS) as stack:
                stack.sandbox("POST", "/vendors/_control", {**FAULTS, "seed": int(wish.seed, 36) % 2**31})
                stack.listen()
                store = SqlStore(url)
                sell_base(stack, store)
                killer = Killer(stack, wish.seed, wish.kill_every_s)
                killer.start()
                progress = Progress(stack, store, journal, killer, wish.runs)
                try:
                    dead_machine(store)
                    with progress.told(TOLD_EVERY_S):
                        self._order_all(stack)
                        self._wait(store, killer)
                    found = examine(stack, store, journal, self._records_by_run(store), wish.clips)
                finally:
                    killer.stop()
        injected = sum(visit["died"] for visit in found.visits)
        about = {"seed": wish.seed, "database": wish.database, "ability": wish.ability}
        wall = {"wall_s": round(time.monotonic() - started, 1), "kills": injected + sum(killer.killed.values())}
        found.figures = {key: (about | wall | found.figures)[key] for key in KEYS}
        found.killed = {**killer.killed, "at a crash point": injected}
        return found

    @property
    def _model(self) -> str:
        return f"sora/sandbox-{self._wish.ability}"

    def _order_all(self, stack: Stack) -> None:
        """Rows by trigger, rows by the queue, and orders over REST, in turn; several callers at once."""
        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(lambda number: self._order(stack, number), range(self._wish.runs)))

    def _order(self, stack: Stack, number: int) -> None:
        mark = f"chaos-{self._wish.seed}-{number}"
        if number % 2:
            self._order_by_rest(stack, mark)
        else:
            self._order_by_row(stack, mark, queued=number % 8 == 4)

    def _order_by_rest(self, stack: Stack, mark: str) -> None:
        body = {
            "master_prompt": f"{mark} a paper boat crosses the harbour",
            "scene_count": self._wish.clips,
            "clip_seconds": 1,
            "resolution": "480p",
        }
        _trigger(stack, "/api/process-master-prompt", body, mark)

    def _order_by_row(self, stack: Stack, mark: str, *, queued: bool) -> None:
        lines = [f"{mark} shot {number}, a lantern is lit" for number in range(self._wish.clips)]
        fields = {"Title": mark, "Prompt": "\n".join(lines), "Clip Seconds": 1, "Resolution": "480p"}
        record = stack.add_row(fields | ({"Status": "Ready"} if queued else {}))
        if queued:
            _trigger(stack, "/api/process-queue", {"base_id": BASE})
        else:
            _trigger(stack, "/api/process-record", {"record_id": record, "base_id": BASE})

    def _wait(self, store: Store, killer: Killer) -> None:
        """Until every run has stopped; then, undisturbed, until Airtable has been told everything."""

        def stopped() -> bool:
            with store.read() as tx:
                runs = tx.runs.find()
            return len(runs) >= self._wish.runs and all(run.status in STOPPED for run in runs)

        def told() -> bool:
            with store.read() as tx:
                wants = tx.outbox.find(gone=False, table=("Videos", "Scenes", "Versions"))
            return all(want.next_at is None for want in wants)

        with suppress(StackError):
            until(stopped, "all runs to stop", PATIENCE_S, 0.5)
        killer.calm()
        with suppress(StackError):
            until(told, "Airtable to be told", 120.0, 0.5)

    def _records_by_run(self, store: Store) -> dict[str, str]:
        with store.read() as tx:
            return {run.id: run.record_id for run in tx.runs.find() if run.record_id}


def _trigger(stack: Stack, path: str, body: dict[str, Any], key: str | None = None) -> None:
    """As a caller does: until it is accepted; under one key where no record tells that it is the same order."""
    headers = {"Idempotency-Key": key} if key else {}

    def accepted() -> bool:
        answer = httpx.post(f"{stack.url}{path}", json=body, headers=headers, timeout=10)
        if answer.status_code in (httpx.codes.UNPROCESSABLE_ENTITY, httpx.codes.BAD_REQUEST):
            raise StackError(f"{path}: {answer.text}")
        return answer.status_code == httpx.codes.ACCEPTED

    until(accepted, f"{path} to be accepted", TRIGGER_PATIENCE_S, 0.5)


def table(found: Findings) -> str:
    """For people."""
    lines = [f"{key:<18} {value}" for key, value in found.figures.items()]
    lines += [f"  killed {kind:<16} {count}" for kind, count in sorted(found.killed.items())]
    return "\n".join([*lines, *(f"FAULT  {fault}" for fault in found.faults)])


def main() -> int:
    """Run what the environment asks for; 0 if every promise was kept."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    wish = Wish.of_environment(os.environ)
    # Whoever is asked to end says what was reached, and takes its processes with it.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    abilities = ABILITIES if wish.ability == "all" else (wish.ability,)
    results = []
    for ability in abilities:
        one = Wish(**{**{name: getattr(wish, name) for name in Wish.__slots__}, "ability": ability})
        sys.stderr.write(f"seed {one.seed}: {one.runs} runs of {one.clips} clips, {one.database}, {ability}\n")
        found = Chaos(one).run()
        results.append(found)
        if not os.environ.get("JSON"):
            print(table(found), flush=True)
        elif found.faults:
            sys.stderr.write("\n".join(found.faults) + "\n")
    if os.environ.get("JSON"):
        figures = [found.figures for found in results]
        print(json.dumps(figures[0] if len(figures) == 1 else {"results": figures}))
    return 1 if any(found.faults for found in results) else 0

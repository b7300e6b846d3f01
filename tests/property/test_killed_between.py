"""Whoever is killed between a posting and the balance that is kept of it leaves neither: they are one transaction.

A rule moves money in a process of its own, which kills itself (SIGKILL) as soon as it has sent its n-th statement. What
is kept must equal what the entries add up to after every step, whichever statement that was.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import event

from pipelines.database import SqlStore
from pipelines.domain.errors import OverBudget
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.policy import Policy
from pipelines.domain.records import ApiKey, Base, Generation, Run
from pipelines.domain.state.generation import GenerationRequest
from pipelines.ports import Tx
from pipelines.stages.spending import audit, ledger

NOW = 1_795_521_600.0
DAY_S = 86_400.0
PRICE = 1_000
Act = Callable[[Tx, float, Run], None]
RUNS = ("run_1", "run_2", "run_3")
POLICY = Policy(run_cap_micro=20 * PRICE, day_cap_micro=12 * PRICE, default_model="acme/film")


class KilledMachine(RuleBasedStateMachine):
    """Three runs of one key and base, whose money moves over three days in processes that die."""

    @initialize()
    def open_books(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="killed-")
        self.url = f"sqlite:///{Path(self.folder.name) / 'truth.db'}"
        self.store = SqlStore(self.url)
        self.store.migrate()
        self.deaths = self.commits = 0
        with self.store.write() as tx:
            tx.keys.add(ApiKey(id="key_1", name="key", sha256="0" * 64, day_cap_micro=9 * PRICE))
            tx.bases.add(Base(id="app1", day_cap_micro=9 * PRICE))
            for name in RUNS:
                tx.runs.add(Run(id=name, status=RunStatus.GENERATING, source="rest", key_id="key_1", base_id="app1"))
        self.store.engine.dispose()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.store.engine.dispose()
            self.folder.cleanup()

    @rule(
        run_id=st.sampled_from(RUNS),
        act=st.sampled_from(("hold", "reserve", "capture", "write_off", "free", "words", "release")),
        day=st.integers(0, 2),
        dies_after=st.one_of(st.none(), st.integers(1, 30)),
    )
    def move(self, run_id: str, act: str, day: int, dies_after: int | None) -> None:
        child = os.fork()
        if child == 0:
            os._exit(_act(self.url, run_id, ACTS[act], NOW + day * DAY_S, dies_after))
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        assert killed or os.WEXITSTATUS(status) == 0
        self.deaths += killed
        self.commits += not killed

    @invariant()
    def what_is_kept_is_what_the_entries_say(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as tx:
            assert audit.audit(tx, everything=True).problems == ()
            sums = {account: tx.balance(account) for account in ("held", "committed", "spent")}
            kept = ledger.of_all(tx, "")
            assert sums == {account: getattr(kept, account) for account in sums}
            assert kept.exposure <= POLICY.day_cap_micro
        self.store.engine.dispose()


def _act(url: str, run_id: str, act: Act, now: float, dies_after: int | None) -> int:
    """In the child: move money, and die with the statement that was named."""
    store = SqlStore(url)
    left = dies_after or -1

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(store.engine, "after_cursor_execute", count)
    try:
        with store.write() as tx:
            run = tx.runs.get(run_id)
            assert run is not None
            act(tx, now, run)
    except OverBudget:
        return 0
    return 0


def _open(tx: Tx, run: Run) -> list[Generation]:
    return tx.generations.find(run_id=run.id, status=GenerationStatus.RUNNING)


def _hold(tx: Tx, now: float, run: Run) -> None:
    ledger.hold(tx, now, run, 2 * PRICE, POLICY)


def _reserve(tx: Tx, now: float, run: Run) -> None:
    name = f"gen_{run.id}_{tx.generations.count(run_id=run.id)}"
    gen = Generation(
        id=name,
        run_id=run.id,
        scene_id=f"scene_of_{name}",
        status=GenerationStatus.RUNNING,
        provider="acme",
        model="acme/film",
        request=GenerationRequest(),
        idem_key=name,
        callback_token=name,
        reserve_micro=PRICE,
    )
    tx.generations.add(gen)
    ledger.reserve(tx, now, run, gen)


def _ended(
    to: GenerationStatus, move: Callable[[Tx, float, Run, Generation], None]
) -> Callable[[Tx, float, Run], None]:
    def act(tx: Tx, now: float, run: Run) -> None:
        for gen in _open(tx, run)[:1]:
            tx.generations.change(gen.id, status=to)
            move(tx, now, run, gen)

    return act


def _capture(tx: Tx, now: float, run: Run, gen: Generation) -> None:
    ledger.capture(tx, now, run, gen, PRICE - 100, 4.0)


ACTS: dict[str, Act] = {
    "hold": _hold,
    "reserve": _reserve,
    "capture": _ended(GenerationStatus.FETCHED, _capture),
    "write_off": _ended(GenerationStatus.ABANDONED, ledger.write_off),
    "free": _ended(GenerationStatus.FAILED, ledger.free),
    "words": lambda tx, now, run: ledger.spend_text(tx, now, run, min(50, ledger.held(tx, run))),
    "release": ledger.release,
}

TestKilledBetween = pytest.mark.slow(KilledMachine.TestCase)
TestKilledBetween.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)

"""How many statements the acts take of which every film has many, and that a row is read once only where nobody else
can change it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from pipelines.database import SqlStore
from pipelines.database.engine import FRESH_S
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.limits import StopSwitch
from pipelines.domain.money import subject
from pipelines.domain.policy import Policy
from pipelines.ports import Tx
from pipelines.stages.kernel.transitions import Actor, touch_run, transition_generation, transition_run, wake_run
from pipelines.stages.spending import audit, ledger
from tests.contract.test_store import NOW, a_generation, a_run
from tools.postgres import Postgres
from tools.stack import until

G, R = GenerationStatus, RunStatus
DAY = "2027-01-15"
POLICY = Policy(run_cap_micro=10**9, day_cap_micro=10**12, default_model="acme/film")
ACTOR = Actor("a test", NOW)
RUN = a_run(status=R.GENERATING, key_id="key_1", base_id="app1", record_id="rec1", version=4)
GENERATION = a_generation("gen_1", G.SUBMITTING, reserve_micro=300_000)


@contextmanager
def counted(store: SqlStore) -> Iterator[list[str]]:
    """The statements of a block, without what begins and ends a transaction."""
    asked: list[str] = []

    def note(*told: object) -> None:
        if not str(told[2]).startswith("BEGIN"):
            asked.append(str(told[2]))

    event.listen(store.engine, "before_cursor_execute", note)
    yield asked
    event.remove(store.engine, "before_cursor_execute", note)


def test_each_posting_takes_so_many_statements(store: SqlStore) -> None:
    """Of each, the kept balances of run, key, base and all are four."""
    with store.write() as tx:
        tx.runs.add(RUN)
        tx.generations.add(GENERATION)
        ledger.hold(tx, NOW, RUN, 1_000_000, POLICY)
    acts: dict[str, Callable[[Tx], object]] = {
        "hold": lambda tx: ledger.hold(tx, NOW, RUN, 1_000_000, POLICY),
        "reserve": lambda tx: ledger.reserve(tx, NOW, RUN, GENERATION),
        "capture": lambda tx: ledger.capture(tx, NOW, RUN, GENERATION, 250_000, 4.0),
        "release": lambda tx: ledger.release(tx, NOW, RUN),
    }
    taken = {}
    for name, act in acts.items():
        with counted(store) as asked, store.write() as tx:
            act(tx)
        taken[name] = len(asked)
    assert taken == {"hold": 10, "reserve": 8, "capture": 11, "release": 7}
    with store.read() as tx:
        balances = [
            ledger.of_run(tx, RUN.id),
            tx.balance_of(subject("key", "key_1"), DAY),
            ledger.of_base(tx, "app1", DAY),
        ]
        assert {(one.held, one.committed, one.spent) for one in balances} == {(0, 0, 250_000)}
        assert [one for one in audit.audit(tx, everything=True).problems if "gen_1" not in one] == []


def test_a_status_is_changed_by_one_statement_and_told_by_another(store: SqlStore) -> None:
    """What was written is returned as it is kept, also where SQLite returns it as it was given."""
    with store.write() as tx:
        tx.runs.add(RUN)
        tx.generations.add(GENERATION)
    with counted(store) as asked, store.write() as tx:
        assert transition_generation(tx, ACTOR, GENERATION, G.SUBMITTED).status is G.SUBMITTED
    assert len(asked) == 2
    with store.write() as tx:
        given: Any = 7.0
        renewed = tx.generations.renew("gen_1", None, polls=given, deadline_at=8)
        assert renewed is not None
        assert repr((renewed.polls, renewed.deadline_at)) == "(7, 8.0)"
        wake_run(tx, RUN.id, NOW)
    with counted(store) as asked, store.write() as tx:
        assert touch_run(tx, ACTOR, RUN, detail="x").version == RUN.version + 2, "who read it before takes nothing back"
    assert len(asked) == 1
    with counted(store) as asked, store.write() as tx:
        assert transition_run(tx, ACTOR, RUN, R.STITCHING).version == RUN.version + 3
        assert tx.runs.get(RUN.id, lock=True) is tx.runs.get(RUN.id)
    assert len(asked) == 2


def test_a_snapshot_is_asked_the_same_only_once(store: SqlStore) -> None:
    """And so is SQLite by whoever writes: nobody else does meanwhile. What the transaction writes itself it sees."""
    with store.write() as tx:
        tx.runs.add(RUN)

    def ask(tx: Tx) -> None:
        assert [run.id for run in tx.runs.find(base_id="app1")] == [RUN.id]
        assert tx.runs.get(RUN.id) is not None
        assert tx.stop_switches.get("nowhere") is None

    with counted(store) as asked, store.read() as tx:
        ask(tx)
        once = len(asked)
        ask(tx)
        assert len(asked) == once
    with store.write() as tx:
        ask(tx)
        assert tx.runs.change(RUN.id, base_id="app2")
        assert tx.stop_switches.add(StopSwitch(id="nowhere", on=True, at=NOW))
        assert tx.runs.find(base_id="app1") == []
        assert tx.stop_switches.get("nowhere") is not None
        assert tx.ledger.find(run_id=RUN.id) == []
        ledger.hold(tx, NOW, RUN, 1_000_000, POLICY)
        assert len(tx.ledger.find(run_id=RUN.id)) == 2


def test_what_others_may_change_is_read_anew_and_what_we_change_is_as_we_wrote_it(
    store: SqlStore, postgres: Postgres
) -> None:
    """`postgres`: on SQLite nobody else writes while we do."""
    assert postgres
    with store.write() as tx:
        tx.runs.add(RUN)
        tx.runs.add(a_run("run_2", version=1))

    def versions(tx: Tx) -> list[int]:
        return [run.version for name in ("run_1", "run_2") if (run := tx.runs.get(name)) is not None]

    with store.write() as ours:
        assert versions(ours) == [4, 1]
        if store.engine.dialect.name == "postgresql":
            with store.write() as theirs:
                wake_run(theirs, "run_1", NOW)
        else:
            wake_run(ours, "run_1", NOW)
        assert versions(ours) == [5, 1]
        assert ours.runs.get("run_1", lock=True) is not None
        assert not ours.runs.change("run_1", {"version": 4}, version=9)
        assert versions(ours) == [5, 1]
        assert ours.runs.change_all(["run_1", "run_2"], before={"version": 9}, version=6) == {"run_1", "run_2"}
        assert versions(ours) == [6, 6]
        ours.runs.change_each([(one, {"version": old}, {"version": 7}) for one, old in (("run_1", 6), ("run_2", 1))])
        assert versions(ours) == [7, 6]
        assert ours.runs.renew("run_2", {"version": 6}, {"version": 2}) is ours.runs.get("run_2")
        assert versions(ours) == [7, 8]
        assert ours.runs.remove("run_2")
        assert versions(ours) == [7]


@pytest.mark.parametrize("idle_s", [0.0, 2 * FRESH_S])
def test_a_connection_that_was_cut_off_while_nobody_used_it_is_replaced(postgres: Postgres, idle_s: float) -> None:
    """Also one that has served somebody a moment ago."""
    store = SqlStore(postgres.fresh_url(), threads=1)
    admin = SqlStore(postgres.fresh_url())
    store.check()
    admin.check()
    with store.engine.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    used = time.monotonic()
    with admin.engine.connect() as connection:
        assert connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one()
    until(lambda: time.monotonic() - used >= idle_s, "the connection to be so old")
    with counted(store) as asked:
        store.check()
        store.check()
    assert len(asked) == 2, "one that has just served is not asked whether it is there"
    store.disconnect()
    admin.disconnect()

"""The same promises of the store on SQLite and on PostgreSQL."""

from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import event
from sqlalchemy.engine.interfaces import CacheStats
from sqlalchemy.exc import DatabaseError, IntegrityError

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.money import Account, Posting
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Event, Generation, Kind, LedgerEntry, OutboxEntry, Run, TextRequest
from pipelines.domain.state.generation import GenerationRequest
from pipelines.ports import Store, UsageGroup
from pipelines.testing import fresh_store
from tools.postgres import Postgres

NOW = 1_800_000_000.0


def a_run(id: str = "run_1", **changes: Any) -> Run:
    return replace(Run(id=id, status=RunStatus.QUEUED, source="rest", created_at=NOW), **changes)


def a_generation(id: str, status: GenerationStatus, **changes: Any) -> Generation:
    usual = Generation(
        id=id,
        status=status,
        idem_key=id,
        callback_token=id,
        run_id="run_1",
        scene_id="scn_1",
        provider="sora",
        model="sora/sora-2",
        request=GenerationRequest(),
    )
    return replace(usual, **changes)


def ids(due: list[tuple[str, float]]) -> list[str]:
    return [row for row, _ in due]


def entry(account: Account, amount: int, **changes: Any) -> LedgerEntry:
    usual = LedgerEntry(
        at=NOW,
        day="2027-01-15",
        posting_id="m",
        posting=Posting.CAPTURE,
        account=account,
        amount=amount,
        run_id="run_1",
    )
    return replace(usual, **changes)


def test_a_row_comes_back_exactly_as_it_went_in(store: Store) -> None:
    run = a_run(
        order=Order(title="A fox", scenes=(SceneOrder(prompt="A fox", seed=7),)),
        next_at=NOW + 0.125,
        quote_micro=2**40,
        fresh=True,
    )
    with store.write() as tx:
        assert tx.runs.add(run)
    with store.read() as tx:
        assert tx.runs.get("run_1") == run


def test_what_is_written_in_a_block_that_fails_is_not_there(store: Store) -> None:
    def half_way() -> None:
        with store.write() as tx:
            tx.runs.add(a_run())
            raise KeyError("half way")

    with pytest.raises(KeyError, match="half way"):
        half_way()
    with store.read() as tx:
        assert tx.runs.get("run_1") is None


def test_the_same_unique_key_twice_is_refused_without_harm(store: Store) -> None:
    with store.write() as tx:
        assert tx.runs.add(a_run("run_1", base_id="b", record_id="r", number=1))
        assert not tx.runs.add(a_run("run_2", base_id="b", record_id="r", number=1))
        assert tx.runs.add(a_run("run_3", base_id="b", record_id="r", number=2))
    with store.read() as tx:
        assert [run.id for run in tx.runs.find()] == ["run_1", "run_3"]


def test_many_rows_change_together_each_only_while_its_conditions_hold(store: Store) -> None:
    flying, done = GenerationStatus.RUNNING, GenerationStatus.FETCHED
    with store.write() as tx:
        tx.runs.add(a_run())
        for number, status in enumerate((flying, flying, flying, done)):
            tx.generations.add(a_generation(f"gen_{number}", status, next_at=NOW + number))
    with store.write() as tx:
        every = [f"gen_{number}" for number in range(4)]
        taken = tx.generations.change_all(every, {"status": flying}, before={"next_at": NOW + 1.5}, next_at=NOW + 45.25)
        assert taken == {"gen_0", "gen_1"}
        as_taken = {"status": flying, "next_at": NOW + 45.25}
        tx.generations.change_each([(row, as_taken, {"polls": 7, "expires_at": None}) for row in every])
        tx.generations.change_each([])
    with store.read() as tx:
        rows = tx.generations.find(order="id")
    assert [row.next_at for row in rows] == [NOW + 45.25, NOW + 45.25, NOW + 2, NOW + 3]
    assert [row.polls for row in rows] == [7, 7, 0, 0]


def test_a_change_happens_only_while_its_conditions_hold(store: Store) -> None:
    with store.write() as tx:
        tx.runs.add(a_run())
        assert tx.runs.change("run_1", {"status": ("queued", "writing")}, status=RunStatus.GENERATING)
        assert not tx.runs.change("run_1", {"status": "queued"}, status=RunStatus.FAILED)
    with store.read() as tx:
        assert tx.runs.find(status="generating", next_at=None)[0].id == "run_1"


def test_rows_are_found_in_order_between_bounds(store: Store) -> None:
    with store.write() as tx:
        told = [
            Event(at=NOW + second, entity="run", entity_id="run_1", run_id="run_1", name=f"e{second}")
            for second in range(5)
        ]
        assert tx.events.find(run_id="run_1") == []
        tx.events.add_all(told[:4])
        tx.events.add_all([])
        tx.events.add(told[4])
    with store.read() as tx:
        assert [event.name for event in tx.events.find(order="id", run_id="run_1")] == ["e0", "e1", "e2", "e3", "e4"]
        found = tx.events.find(order="-at", limit=2, after={"at": NOW}, before={"at": NOW + 4}, run_id="run_1")
    assert [event.name for event in found] == ["e3", "e2"]


def test_of_old_rows_some_at_a_time_are_removed_and_others_stay(store: Store) -> None:
    with store.write() as tx:
        for second in range(5):
            run_id = None if second < 4 else "run_1"
            tx.events.add(Event(at=NOW + second, entity="airtable", entity_id="app", run_id=run_id, name=f"e{second}"))
    with store.write() as tx:
        assert [tx.events.remove_some(2, before={"at": NOW + 3}, run_id=None) for _ in range(3)] == [2, 1, 0]
        assert [event.name for event in tx.events.find()] == ["e3", "e4"]


def test_of_many_who_claim_a_due_row_exactly_one_gets_it(store: Store) -> None:
    with store.write() as tx:
        tx.runs.add(a_run(next_at=NOW))
    barrier, tokens = threading.Barrier(8), []

    def claim(name: str) -> None:
        barrier.wait()
        tokens.append(store.claim("runs", "run_1", owner=name, now=NOW, seconds=60))

    threads = [threading.Thread(target=claim, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(token is not None for token in tokens) == 1


def test_a_row_is_due_when_its_time_has_come_and_nobody_holds_it(store: Store) -> None:
    with store.write() as tx:
        tx.runs.add(a_run("run_1", next_at=NOW - 1))
        tx.runs.add(a_run("run_2", next_at=NOW + 1))
        tx.runs.add(a_run("run_3"))
    assert ids(store.due("runs", NOW, 10)) == ["run_1"]
    token = store.claim("runs", "run_1", owner="w", now=NOW, seconds=60)
    assert token
    assert ids(store.due("runs", NOW, 10)) == []
    assert ids(store.due("runs", NOW + 61, 10)) == ["run_1", "run_2"]
    assert store.renew("runs", "run_1", token, NOW + 120)
    assert ids(store.due("runs", NOW + 61, 10)) == ["run_2"]
    assert store.release("runs", "run_1", token, next_at=NOW + 5, attempts=1)
    assert not store.release("runs", "run_1", token, next_at=NOW, attempts=1)
    assert store.claim("runs", "run_1", owner="w", now=NOW, seconds=60) is None


def test_the_earliest_of_each_kind_leaves_out_what_is_held_or_will_never_be_worked_on(store: Store) -> None:
    with store.write() as tx:
        for name, at in (("run_1", NOW - 1), ("run_2", NOW + 5), ("run_3", None)):
            tx.runs.add(a_run(name, next_at=at))
        tx.texts.add(TextRequest(id="txt_1", run_id="run_1", next_at=NOW))
        tx.outbox.add(OutboxEntry(id="out_1", base_id="app", table="Videos", next_at=NOW, gone=True))
        tx.outbox.add(OutboxEntry(id="out_2", base_id="app", table="Videos", next_at=NOW + 9))
    assert store.earliest(NOW) == {Kind.RUN: NOW - 1, Kind.OUTBOX: NOW + 9}
    assert store.claim("runs", "run_1", owner="w", now=NOW, seconds=60)
    assert store.earliest(NOW)[Kind.RUN] == NOW + 5
    assert store.earliest(NOW + 61)[Kind.RUN] == NOW - 1, "whoever held it is dead"


@pytest.mark.parametrize("how", ["add", "change", "release_owner"])
def test_a_row_that_another_process_makes_due_is_heard_at_once(store: Store, how: str) -> None:
    assert isinstance(store, SqlStore)
    other = SqlStore(store.url)
    with other.write() as tx:
        tx.runs.add(a_run("run_1", next_at=NOW, lease_owner="dead", lease_token="t", lease_until=NOW + 60))
        tx.runs.add(a_run("run_2"))
    with store.commits() as commits:
        assert not commits.wait(0.01)
        if how == "release_owner":
            assert other.release_owner("dead") == 1
        else:
            with other.write() as tx:
                new = a_run("run_3", next_at=NOW)
                assert tx.runs.add(new) if how == "add" else tx.runs.change("run_2", next_at=NOW)
        assert commits.wait(60), "sixty seconds would be waited for what nobody has told"
        assert not commits.wait(0.01)
    other.engine.dispose()


def test_who_waits_for_commits_sleeps_while_nobody_commits(store: Store) -> None:
    with store.commits() as commits:
        woken = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        assert not commits.wait(1.0)
        assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - woken < 16, "the processor is left alone"


def test_a_store_that_is_warmed_up_keeps_no_connection_for_those_who_fork(store: Store) -> None:
    assert isinstance(store, SqlStore)
    store.warm_up()
    assert store.engine.pool.status() == SqlStore(store.url).engine.pool.status()
    assert ids(store.due("runs", NOW, 10)) == []


def test_what_the_steps_of_a_film_ask_is_compiled_before_a_fork_and_nothing_is_written(present_url: str) -> None:
    """By a store that shares nothing with those of other tests: counting rows was not asked before, and is compiled."""
    store = SqlStore(present_url)
    store.warm_up()
    compiled: list[str] = []

    def note(*told: Any) -> None:
        if told[4].compiled is not None and told[4].cache_hit is not CacheStats.CACHE_HIT:
            compiled.append(told[2])

    with store.write() as tx:
        assert tx.runs.add(a_run())
        assert tx.generations.add(a_generation("gen_1", GenerationStatus.SUCCEEDED))
    event.listen(store.engine, "after_cursor_execute", note)
    with store.write() as tx:
        assert [tx.events.count(), tx.clips.count(), tx.cuts.count(), tx.files.count()] == [0] * 4
        assert (counted := len(compiled)) == 4
        assert tx.clips.find(id=["clip_1"]) == []
        assert tx.scenes.find(run_id="run_1", order="number") == []
        assert tx.runs.get("run_2", lock=True) is None
        assert tx.events.add(Event(at=NOW, entity="run", entity_id="run_1", run_id=None, name="note"))
        assert tx.balance(Account.COMMITTED, generation_id="gen_1") == 0
        tx.post([entry(account, 0, generation_id="gen_1") for account in (Account.COMMITTED, Account.SPENT)])
        assert len(compiled) == counted
    store.engine.dispose()


def test_a_dead_process_loses_its_leases_but_not_that_of_a_paid_submission(store: Store) -> None:
    with store.write() as tx:
        tx.runs.add(a_run())
        tx.generations.add(a_generation("gen_1", GenerationStatus.SUBMITTING, next_at=NOW))
        tx.generations.add(a_generation("gen_2", GenerationStatus.SUCCEEDED, next_at=NOW))
    for generation in ("gen_1", "gen_2"):
        assert store.claim("generations", generation, owner="dead", now=NOW, seconds=60)
    assert store.release_owner("dead") == 1
    ((found, due_at),) = store.due("generations", NOW, 10)
    assert found == "gen_2"
    assert due_at != NOW, "whoever sent a hint for the old time sends another"


def test_whoever_takes_up_a_doubtful_submission_has_to_say_so_soon(store: Store) -> None:
    """Its lease cannot be told from the one of the paid POST, which nobody frees."""
    with store.write() as tx:
        tx.runs.add(a_run())
        tx.generations.add(a_generation("gen_1", GenerationStatus.SUBMITTING, next_at=NOW))
        tx.generations.add(a_generation("gen_2", GenerationStatus.UNKNOWN, next_at=NOW))
    for generation in ("gen_1", "gen_2"):
        assert store.claim("generations", generation, owner="w", now=NOW, seconds=60)
    assert ids(store.due("generations", NOW + 15, 10)) == ["gen_1"]
    assert len(store.due("generations", NOW + 61, 10)) == 2


def test_when_the_clock_steps_back_due_times_and_leases_follow(store: Store) -> None:
    with store.write() as tx:
        tx.runs.add(a_run("run_1", next_at=NOW))
    assert store.claim("runs", "run_1", owner="w", now=NOW, seconds=60)
    assert store.shift_time(3600, NOW - 3600)
    assert not store.shift_time(3600.5, NOW - 3599), "another process that noticed the same step moves nothing"
    assert ids(store.due("runs", NOW - 3600 + 61, 10)) == ["run_1"]


def test_when_the_clock_steps_back_an_order_written_by_the_new_hands_keeps_its_deadline_and_lease(store: Store) -> None:
    before, after = NOW - 30, NOW - 3600
    with store.write() as tx:
        tx.runs.add(a_run())
        for name, told in (("before", before), ("after", after)):
            times = {"next_at": told, "lease_until": told + 60, "deadline_at": told + 600}
            tx.generations.add(a_generation(f"gen_{name}", GenerationStatus.SUBMITTING, intent_at=told, **times))
    assert store.shift_time(3600, after + 1)
    with store.read() as tx:
        found = {gen.id: gen for gen in tx.generations.find()}
    for name, told in (("before", before - 3600), ("after", after)):
        gen = found[f"gen_{name}"]
        assert (gen.intent_at, gen.lease_until, gen.deadline_at) == (told, told + 60, told + 600), name


def test_when_the_clock_steps_back_what_is_over_is_left_alone(store: Store) -> None:
    """However much was made before, only what goes on is written; also what waits for a person and for no time."""
    with store.write() as tx:
        tx.runs.add(a_run())
        for status in (GenerationStatus.FETCHED, GenerationStatus.UNKNOWN):
            tx.generations.add(a_generation(f"gen_{status}", status, intent_at=NOW, deadline_at=NOW + 600))
    assert store.shift_time(3600, NOW - 3600)
    with store.read() as tx:
        done, open_one = tx.generations.get("gen_fetched"), tx.generations.get("gen_unknown")
        run = tx.runs.get("run_1")
    assert run is not None
    assert done is not None
    assert open_one is not None
    assert (run.lease_until, done.intent_at, done.deadline_at, done.lease_until) == (0.0, NOW, NOW + 600, 0.0)
    assert (open_one.intent_at, open_one.deadline_at) == (NOW - 3600, NOW - 3000)


def test_balances_and_usage_are_sums_of_the_ledger(store: Store) -> None:
    with store.write() as tx:
        tx.runs.add(a_run())
        for generation, amount, seconds in (("gen_1", 400_000, 4.0), ("gen_2", 600_000, 8.0)):
            tx.generations.add(a_generation(generation, GenerationStatus.FETCHED))
            sides = [entry(Account.BUDGET, -amount, generation_id=generation)]
            sides.append(entry(Account.SPENT, amount, generation_id=generation, seconds=seconds, model="sora/sora-2"))
            tx.post(sides)
    with store.read() as tx:
        assert tx.balance("spent", run_id="run_1") == 1_000_000
        assert tx.balance(Account.BUDGET, generation_id="gen_1") == -400_000
        assert tx.balance("spent", run_id="other") == 0
        (row,) = tx.usage(["day", "model"])
    assert row == UsageGroup(
        group={"day": "2027-01-15", "model": "sora/sora-2"},
        seconds=12.0,
        generations=2,
        refused=0,
        failed=0,
        quoted_micro=0,
        spent_micro=1_000_000,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda tx: tx.runs.change("run_1", status="lost"),
        lambda tx: tx.runs.change("run_1", quote_micro=-1),
        lambda tx: tx.runs.change("run_1", approval="perhaps"),
        lambda tx: tx.generations.add(a_generation("gen_1", GenerationStatus.PLANNED, run_id="run_of_nobody")),
        lambda tx: tx.ledger.add(entry(cast("Account", "purse"), 5)),
        lambda tx: tx.ledger.add(entry(Account.SPENT, 5, generation_id="gen_of_nobody")),
    ],
    ids=["status", "money below zero", "approval", "parent", "account", "parent that may be missing"],
)
def test_a_row_that_cannot_be_is_refused_and_nothing_of_its_transaction_stays(
    store: Store, wrong: Callable[[Any], bool]
) -> None:
    with store.write() as tx:
        tx.runs.add(a_run())

    def attempt() -> None:
        with store.write() as tx:
            tx.runs.change("run_1", detail="Waiting.")
            wrong(tx)

    with pytest.raises(IntegrityError):
        attempt()
    with store.read() as tx:
        assert tx.runs.find() == [a_run()]


def test_whoever_only_refers_to_a_row_does_not_wait_for_who_has_locked_it(
    postgres: Postgres, migrated_postgres: str
) -> None:
    """The two would wait for each other as soon as they meet in the other order elsewhere."""
    store = SqlStore(postgres.fresh_url(migrated_postgres))
    with store.write() as tx:
        tx.runs.add(a_run())
    with store.write() as holding:
        assert holding.runs.get("run_1", lock=True)
        with store.write() as tx:
            tx.connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            assert tx.generations.add(a_generation("gen_1", GenerationStatus.PLANNED))
    store.engine.dispose()


def test_many_threads_that_add_to_one_counter_lose_nothing(store: Store) -> None:
    with store.write() as tx:
        tx.runs.add(a_run())

    def add_one() -> None:
        for _ in range(10):
            with store.write() as tx:
                run = tx.runs.get("run_1", lock=True)
                assert run
                tx.runs.change("run_1", version=run.version + 1)

    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        final = tx.runs.get("run_1")
    assert final
    assert final.version == 40


def test_migrating_again_changes_nothing(store: Store) -> None:
    with store.write() as tx:
        tx.runs.add(a_run())
    store.migrate()
    with store.read() as tx:
        assert tx.runs.count() == 1


def test_a_write_inside_a_write_is_a_defect_and_is_said_at_once(tmp_path: Path) -> None:
    store = fresh_store(tmp_path / "truth.db")
    with store.write(), pytest.raises(RuntimeError, match="inside a write"), store.write():
        pass
    store.engine.dispose()


def test_a_write_comes_in_when_another_process_has_written(tmp_path: Path) -> None:
    store = fresh_store(tmp_path / "truth.db")
    other = sqlite3.connect(tmp_path / "truth.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    waiting, done = threading.Event(), threading.Event()

    def write() -> None:
        waiting.set()
        with store.write() as tx:
            tx.runs.add(a_run())
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    waiting.wait()
    with store.read() as tx:
        assert tx.runs.count() == 0
    other.execute("COMMIT")
    thread.join()
    other.close()
    assert done.is_set()
    store.engine.dispose()


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "truth.db").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    store = SqlStore(f"sqlite:///{tmp_path / 'truth.db'}")
    with pytest.raises(DatabaseError, match="not a database"), store.write():
        pass
    store.engine.dispose()

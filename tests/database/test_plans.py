"""No answer is looked for in the whole history: what a hold, a list, a sweep and an idle hour ask has an index.

The statements are those that the product itself sends, on a database of 2,000 finished films; the database is asked how
it would answer each.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from pipelines.database import SqlStore
from pipelines.domain.catalogue import Ability
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.policy import Policy
from pipelines.domain.records import Checkpoint, Kind, Run
from pipelines.meaning import MODEL
from pipelines.ports import RunFilter
from pipelines.stages.base_rows import time_left
from pipelines.stages.films.versions import version_of
from pipelines.stages.generations import poll
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import wake_waiting
from pipelines.stages.orders import accept, account_turn
from pipelines.stages.scheduler import maintenance, retention
from pipelines.stages.scheduler.job_lists import JobLists
from pipelines.stages.search import indexing
from pipelines.stages.spending import audit, ledger
from pipelines.stages.views import finding, operation, queue, run_list, run_view, usage
from pipelines.testing import make_services
from pipelines.testing.airtable import BASE
from pipelines.testing.fakes import MONDAY_NOON
from tools.bench.history import past

RUNS = 2_000
HISTORY = frozenset(
    {"runs", "scenes", "generations", "clips", "cuts", "events", "ledger", "outbox", "balances"}
    | {"search_vectors"}
    | {"event_archive", "ledger_archive"}
)
FEW = 300
"""So many rows may be read or put in order for one answer: those of one run, or of what is going on."""
POLICY = Policy(run_cap_micro=10**12, day_cap_micro=10**15, default_model="acme/film")
Statement = tuple[str, Any]


@pytest.fixture
def services(database_url: str, tmp_path: Path) -> Iterator[Services]:
    """A deployment with a past."""
    past.fill(database_url, RUNS, now=MONDAY_NOON)
    store = SqlStore(database_url)
    if store.engine.dialect.name == "postgresql":
        # As its autovacuum does; without it every answer is taken for short.
        with store.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")
            connection.commit()
    found = make_services(tmp_path, store=store)
    with store.write() as tx:
        last = tx.ledger.find(order="-id", limit=1)[0]
        tx.checkpoints.add(Checkpoint(id=audit.AUDIT, at=found.clock.now(), entry=last.id or 0))
    yield found
    store.engine.dispose()


@contextmanager
def _heard(store: SqlStore) -> Iterator[list[Statement]]:
    """The statements that are sent meanwhile, once each."""
    found: dict[str, Statement] = {}

    def hear(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if re.match(r"(SELECT|UPDATE|DELETE|WITH|INSERT INTO \w+_archive)\b", statement):
            found.setdefault(statement, (statement, parameters[0] if many else parameters))

    event.listen(store.engine, "before_cursor_execute", hear)
    heard: list[Statement] = []
    yield heard
    event.remove(store.engine, "before_cursor_execute", hear)
    heard += found.values()


def _hold(services: Services) -> None:
    run = Run(id=new_id("run"), status=RunStatus.GENERATING, source="rest", key_id="key_1", base_id=BASE)
    with services.store.write() as tx:
        tx.runs.add(run)
        ledger.hold(tx, services.clock.now(), run, 1_000, POLICY)
        ledger.release(tx, services.clock.now(), run)


def _audit(services: Services) -> None:
    with services.store.read() as tx:
        assert audit.audit(tx).problems == ()


def _due(services: Services) -> None:
    for kind in Kind:
        services.store.due(kind, services.clock.now(), 500)
    # As many as were asked for: accounts take turns.
    services.store.due("runs", services.clock.now(), 0)
    poll.poll_due(services)


def _lists(services: Services) -> None:
    for status in (None, ("failed", "needs_attention")):
        run_list.list_runs(services, RunFilter(status=status))
    run_list.list_runs(services, record="rec00000000000001_7")
    _, more = run_list.list_runs(services, limit=50)
    run_list.list_runs(services, limit=50, cursor=more)


_NARROWED = (
    RunFilter(model="local/animatic"),
    RunFilter(shape="16:9"),
    RunFilter(key_id="key_1"),
    RunFilter(base_id=BASE),
    RunFilter(model="local/animatic", shape="9:16", key_id="key_1", status=("failed",)),
)


def _narrowed_lists(services: Services) -> None:
    for looking in (services, dataclasses.replace(services, store=services.store.of("acc_a"))):
        for wanted in (*_NARROWED, RunFilter()):
            for dearest in (False, True):
                _, more = run_list.list_runs(looking, wanted, dearest=dearest, limit=20)
                run_list.list_runs(
                    looking, wanted, dearest=dearest, limit=20, cursor=more, since=1.0, until=MONDAY_NOON
                )


def _run_page(services: Services) -> None:
    found, _ = run_list.list_runs(services, limit=1)
    run_view.run_view(services, found[0]["run_id"])
    run_view.mark(services, found[0]["run_id"])
    run_view.runs_of_row(services, BASE, "rec00000000000001_7", 50)


def _versions(services: Services) -> None:
    found, _ = run_list.list_runs(services, limit=1)
    with services.store.read() as tx:
        run = tx.runs.get(found[0]["run_id"])
        assert run
        version_of(tx, run, tx.scenes.find(run_id=run.id, order="number"), 0)


def _search(services: Services) -> None:
    finding.find(services, "no film has these words", limit=50)
    finding.find(services, "nor of these models", limit=50, until=MONDAY_NOON, wanted=_NARROWED[-1])
    finding.find(dataclasses.replace(services, store=services.store.of("acc_a")), "nor these", limit=50)


class OneDirection:
    """ports.Meaning, to which everything means the same."""

    model = MODEL

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [b"\x01" for _ in texts]

    def nearest(self, text: str, **_asked: object) -> list[str]:
        return []


def _meaning(services: Services) -> None:
    indexing.index_ended(dataclasses.replace(services, meaning=OneDirection()))
    for store in (services.store, services.store.of("acc_a")):
        with store.read() as tx:
            newest: Any = {"model": MODEL, "order": "-indexed_at", "limit": 100}
            tx.search_vectors.find(**newest)
            tx.search_vectors.find(**newest, before={"indexed_at": MONDAY_NOON}, after={"indexed_at": 1.0})
            tx.search_vectors.find(id=["run_1:1:m", "run_2:1:m"])
            tx.search_vectors.find(run_id="run_1")


def _usage(services: Services) -> None:
    usage.usage(services, ["day", "model"], None, None)
    usage.usage(services, ["key_id"], "2026-11-01", None)
    usage.in_doubt(services)
    usage.storage(services)
    theirs = dataclasses.replace(services, store=services.store.of("acc_a"))
    usage.usage(theirs, ["day"], "2026-11-01", "2026-11-30")


def _overview(services: Services) -> None:
    queue.queue(services)
    queue.queue(dataclasses.replace(services, store=services.store.of("acc_a")))
    operation.lines(services)


def _trigger(services: Services) -> None:
    request = accept.StartRequest(source="record", base_id=BASE, record_id="rec00000000000001_7")
    accept.start(services, request)


def _time_left(services: Services) -> None:
    with services.store.read() as tx:
        (fetched,) = tx.generations.find(status=GenerationStatus.FETCHED, order="-updated_at", limit=1)
        assert time_left.usual_s(services, tx, fetched.model) > 0


def _turns(services: Services) -> None:
    with services.store.write() as tx:
        account_turn.load(tx, "acc_a", services.policy)
        wake_waiting(tx, services.clock.now(), "acc_a")


def _job_lists(services: Services) -> None:
    listing = {name: dataclasses.replace(card, ability=Ability.LIST) for name, card in services.catalogue.items()}
    assert JobLists(dataclasses.replace(services, catalogue=listing), many=0).read()


def _outlived(services: Services) -> None:
    for days in (30, 10):
        policy = dataclasses.replace(services.policy, keep_clips_s=days * past.DAY_S, keep_cuts_s=days * past.DAY_S)
        usage.storage(dataclasses.replace(services, policy=policy))
        with services.store.read() as tx:
            for table in (tx.clips, tx.cuts):
                bounds: Any = {"after": {"created_at": 0.0}, "before": {"created_at": MONDAY_NOON - days * past.DAY_S}}
                table.find(order="created_at", limit=maintenance.AT_ONCE, deleted_at=None, **bounds)


def _idle(services: Services) -> None:
    retention.archive(services)
    services.store.release_owner("somebody")
    services.store.shift_time(3600.0, services.clock.now())


_ACTS = [
    _hold,
    _audit,
    _due,
    _lists,
    _narrowed_lists,
    _run_page,
    _versions,
    _search,
    _meaning,
    _usage,
    _overview,
    _trigger,
    _time_left,
    _turns,
    _job_lists,
    _outlived,
    _idle,
]


def test_what_each_act_asks_is_found_by_an_index(services: Services) -> None:
    """One filled database for all acts: filling it takes longer than they do."""
    assert isinstance(services.store, SqlStore)
    explain = _sqlite_faults if services.store.engine.dialect.name == "sqlite" else _postgres_faults
    faults = []
    for act in _ACTS:
        with _heard(services.store) as heard:
            act(services)
        assert heard
        faults += [
            f"{act.__name__}: {fault}: {statement}"
            for statement, values in heard
            for fault in explain(services.store, statement, values)
        ]
    assert not faults, "\n".join(faults)


def _sqlite_faults(store: SqlStore, statement: str, values: Any) -> list[str]:
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    limited = " LIMIT " in statement
    looked_at = " AS looked_at" in statement
    """What is put in order are so many runs as one page looks at; to find them is another line of the plan."""
    going_on = any("next_at<" in detail for *_, detail in rows)
    faults = []
    for *_, detail in rows:
        scan = re.match(r"SCAN (\w+)(.*)", detail)
        some = limited or "ix_balances_exposed" in detail or "ix_balances_shared" in detail
        if scan and scan.group(1) in HISTORY and not some:
            faults.append(detail)
        if (
            not looked_at
            and "(account_id=?)" in detail
            and re.search(r"FROM runs.*\bstatus (=|IN)", statement, re.DOTALL)
        ):
            # Of all that the account has made, few have the status.
            faults.append(detail)
        if (
            detail == "USE TEMP B-TREE FOR ORDER BY"
            and limited
            and not looked_at
            and not going_on
            and (" FROM outbox" in statement or not re.search(r"(run|record)_id (=|IS NULL)", statement))
        ):
            faults.append(detail)
    return faults


def _postgres_faults(store: SqlStore, statement: str, values: Any) -> list[str]:
    with store.engine.connect() as connection:
        # Few rows are read as they are; where an index can be used, it is with many.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        if " AS looked_at" in statement or " OFFSET " in statement:
            # All that there are here are no more than one page looks at.
            connection.exec_driver_sql("SET LOCAL enable_sort = off")
        told = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
    plan = (json.loads(told) if isinstance(told, str | bytes) else told)[0]["Plan"]
    return list(_faults(plan, limited=False))


def _faults(node: dict[str, Any], *, limited: bool) -> Iterator[str]:
    name, rows = node["Node Type"], node["Plan Rows"]
    if name == "Seq Scan" and node["Relation Name"] in HISTORY:
        yield f"Seq Scan on {node['Relation Name']}"
    if name == "Sort" and rows > FEW:
        yield f"Sort of {rows} rows"
    for child in node.get("Plans", ()):
        yield from _faults(child, limited=limited or name == "Limit")

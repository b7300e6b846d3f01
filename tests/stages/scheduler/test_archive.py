"""What ended long ago is put away: tables that are read all the time stay small, and pages and money miss nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.policy import Policy
from pipelines.domain.records import Run
from pipelines.stages.decisions import regenerate
from pipelines.stages.kernel.transitions import Actor, record
from pipelines.stages.scheduler import retention
from pipelines.stages.spending import audit, ledger
from pipelines.stages.views import run_view
from tests.stages.doubt_fixtures import order, problems
from tests.stages.stage_fixtures import StageHarness

SCENE = 400_000
_LINKS = {"scenes": [], "cuts": [], "thumb_url": "", "version": ""}
"""What holds links, which are signed anew, and the mark by which watchers see that something has changed."""
LONG_S = (retention.ARCHIVED_AFTER_DAYS + 1) * retention.DAY_S


def _film_of_long_ago(harness: StageHarness) -> str:
    _, run = harness.film(Prompt="a lamp\na boat")
    assert run.status is RunStatus.DONE
    harness.settle()
    harness.clock.pass_by(LONG_S)
    return run.id


def test_a_film_that_ended_long_ago_is_archived_and_its_page_and_money_stay(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    run_id = _film_of_long_ago(harness)
    before = run_view.run_view(harness.services, run_id)
    assert retention.archive(harness.services) == 1
    with harness.services.store.read() as tx:
        assert (tx.events.count(run_id=run_id), tx.ledger.count(run_id=run_id)) == (0, 0)
        assert tx.outbox.count(run_id=run_id) == 0
        assert tx.balance("spent", run_id=run_id) == ledger.of_run(tx, run_id).spent == 2 * SCENE
        assert audit.audit(tx, everything=True).problems == ()
        (day,) = tx.usage(["record_id"])
        assert day.spent_micro == 2 * SCENE
    after = run_view.run_view(harness.services, run_id)
    assert {**after, **_LINKS} == {**before, **_LINKS}
    assert run_view.mark(harness.services, run_id).version == after["version"]
    assert retention.archive(harness.services) == 0


def test_what_ended_lately_or_waits_for_a_person_is_not_archived(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    old = _film_of_long_ago(harness)
    lately = harness.until(order(harness, "a bird"), "done").id
    assert retention.archive(harness.services) == 1
    with harness.services.store.read() as tx:
        assert tx.events.count(run_id=old) == 0
        assert tx.events.count(run_id=lately) > 0


def test_an_archived_film_gets_a_new_scene_and_is_archived_again(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    run_id = _film_of_long_ago(harness)
    retention.archive(harness.services)
    regenerate.regenerate(harness.services, run_id, 1, {"prompt": "a green lamp"}, "ann")
    harness.until(run_id, "done")
    harness.settle()
    assert problems(harness) == ()
    with harness.services.store.read() as tx:
        assert ledger.of_run(tx, run_id).spent == tx.balance("spent", run_id=run_id) == 3 * SCENE
        assert tx.outbox.count(run_id=run_id) > 0
    harness.clock.pass_by(LONG_S)
    assert retention.archive(harness.services) == 1
    with harness.services.store.read() as tx:
        assert tx.ledger.count() == 0
        assert audit.audit(tx, everything=True).problems == ()


def test_what_is_posted_while_a_run_is_archived_is_kept(store: SqlStore) -> None:
    """A late answer is settled between any two statements that archive its run; SQLite lets only one write."""
    if store.engine.dialect.name == "sqlite":
        pytest.skip("one writer at a time")
    now, run = 1_795_521_600.0, Run(id="run_1", status=RunStatus.DONE, source="rest")
    late, posted = SqlStore(store.url), 0
    with store.write() as tx:
        tx.runs.add(run)
        ledger.hold(tx, now, run, 1_000, Policy(run_cap_micro=10_000, day_cap_micro=10_000, default_model="acme/film"))
        ledger.spend_text(tx, now, run, 1_000)

    def settle(*_: Any) -> None:
        nonlocal posted
        with late.write() as tx:
            ledger.spend_text(tx, now, run, 10)
            record(tx, Actor("late", now), "run", run.id, run.id, "settled")
        posted += 1

    event.listen(store.engine, "after_cursor_execute", settle)
    with store.write() as tx:
        tx.archive([run.id])
    event.remove(store.engine, "after_cursor_execute", settle)
    assert posted > 1
    with store.read() as tx:
        assert tx.balance("spent", run_id=run.id) == ledger.of_run(tx, run.id).spent == 1_000 + 10 * posted
        assert tx.events.count() + tx.event_archive.count() == posted
        assert tx.ledger_archive.count() > 0
        assert audit.audit(tx, everything=True).problems == ()
    late.engine.dispose()

"""Projects: what is ordered under a label is counted under it, and its budget holds like any other cap."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from pipelines.database import SqlStore
from pipelines.domain.errors import OverBudget
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import Posting, entries, subject
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import LedgerEntry, Project, Run
from pipelines.domain.times import utc_day
from pipelines.ports import DayCap, Tx
from pipelines.stages.commerce import projects
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.spending import audit, ledger
from pipelines.stages.views import usage
from tests.stages.stage_fixtures import StageHarness

CLIP = 400_000


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def balance(harness: StageHarness, name: str) -> tuple[int, int]:
    """What a project has set aside and spent."""
    with harness.services.store.read() as tx:
        kept = tx.balance_of(subject("project", projects.id_of(None, name)))
    return kept.exposure, kept.spent


def test_rows_are_counted_under_their_project_whatever_its_spelling(harness: StageHarness) -> None:
    harness.film(Prompt="A cat", Project="Spring  campaign")
    harness.film(Prompt="A dog", Project="spring campaign ")
    harness.film(Prompt="A cow")
    assert balance(harness, "Spring campaign") == (0, 2 * CLIP)
    groups = usage.usage(harness.services, ["project_id"], None, None).groups
    assert {group.key: group.spent_micro for group in groups} == {("Spring campaign",): 800_000, (None,): 400_000}
    assert harness.balanced()
    with harness.services.store.read() as tx:
        assert not audit.audit(tx, everything=True).problems
        [project] = tx.projects.find()
    assert isinstance(project, Project)


def test_a_budget_holds_over_days_and_is_said_in_the_row(harness: StageHarness) -> None:
    projects.set_budget(harness.services, "Spring", 2 * CLIP, None)
    harness.film(Prompt="A cat", Project="Spring")
    harness.clock.pass_by(2 * 86_400)
    record, run = harness.film(Prompt="A dog\nA cow", Project="Spring")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "the project's budget leaves $0.40 of $0.80" in harness.cells(record)["Error"]
    assert harness.bought == ["A cat"]
    projects.set_budget(harness.services, "Spring", 3 * CLIP, None)
    control.retry(harness.services, run.id, "test")
    harness.until(run.id, "done")
    assert balance(harness, "Spring") == (0, 3 * CLIP)
    assert harness.balanced()


def test_an_order_above_its_projects_budget_is_refused_at_once(harness: StageHarness) -> None:
    projects.set_budget(harness.services, "Spring", CLIP - 1, None)
    order = Order(scenes=(SceneOrder(prompt="A cat"),), scene_count=1, project="Spring")
    request = StartRequest(source="rest", order=order)
    assert accept.dry_run(harness.services, request).problems[0].field == "project"
    with pytest.raises(OverBudget, match="the project's budget leaves"):
        accept.start(harness.services, request)
    with harness.services.store.read() as tx:
        assert tx.runs.count() == 0


def test_accounts_with_a_project_of_one_name_have_one_each(harness: StageHarness) -> None:
    ids = {projects.id_of(account, "Spring") for account in (None, "acc_a", "acc_b")}
    assert len(ids) == 3


@pytest.mark.parametrize("days_ago", [0, 3])
def test_the_statement_that_writes_the_balance_counts_all_that_was_ever_spent(present_url: str, days_ago: int) -> None:
    """Whatever a transaction saw when it looked: what others committed meanwhile is in that row."""
    store = SqlStore(present_url)
    now, mine = 1_795_521_600.0, subject("project", "prj_x")
    run = Run(id="run_x", status=RunStatus.GENERATING, source="rest", project_id="prj_x")
    with store.write() as tx:
        tx.runs.add(run)
        ledger.spend_text(tx, now - days_ago * 86_400, run, 5)
    today = utc_day(now)
    for limit in (6, 7):
        cap = DayCap(mine, today, limit, lambda used: OverBudget(str(used)), ever=True)
        with pytest.raises(OverBudget, match="5") if limit == 6 else nullcontext(), store.write() as tx:
            _hold(tx, now, run, 2)
            tx.must_fit(cap)
    with store.read() as tx:
        assert tx.balance_of(mine).total == 7
    store.engine.dispose()


def _hold(tx: Tx, now: float, run: Run, amount: int) -> None:
    common: dict[str, Any] = {
        "at": now,
        "day": utc_day(now),
        "posting_id": f"mov_{amount}_{now}",
        "run_id": run.id,
    }
    tx.post(
        [
            LedgerEntry(**common, posting=Posting.HOLD, account=side.account, amount=side.amount, project_id="prj_x")
            for side in entries(Posting.HOLD, amount)
        ]
    )

"""What one account bought is never another's: not the clip, not that it is being made, not the file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipelines.domain.errors import NotFound
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import AccountStatus, ApiKey, Base, Run
from pipelines.stages.base_changes import queue_sweep
from pipelines.stages.commerce import accounts
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.spending import caps
from pipelines.testing.airtable import BASE
from tests.stages.stage_fixtures import STOPPED, StageHarness

THEIRS = "appOfSomebodyElse"


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def order(harness: StageHarness, account_id: str | None) -> str:
    """The same clip every time, ordered over the API by somebody."""
    services = harness.services
    view = dataclasses.replace(services, store=services.store.of(account_id)) if account_id else services
    wanted = Order(scenes=(SceneOrder(prompt="a fox"),), scene_count=1)
    return accept.start(view, StartRequest(source="rest", order=wanted)).run_id


def test_the_same_order_of_two_accounts_is_two_purchases_and_again_of_one_none(harness: StageHarness) -> None:
    first, second = (accounts.create(harness.services, name).id for name in ("ada", "bob"))
    runs = [order(harness, who) for who in (first, second, None)]
    assert [harness.until(run, *STOPPED).status for run in runs] == [RunStatus.DONE] * 3
    assert harness.bought == ["a fox"] * 3
    again = harness.until(order(harness, second), *STOPPED)
    assert again.status is RunStatus.DONE
    assert harness.bought == ["a fox"] * 3
    assert [clip.run_id for clip in harness.clips(again)] == [runs[1]]
    assert harness.balanced()


def test_why_the_operator_stopped_spending_is_not_for_customers(harness: StageHarness) -> None:
    who = accounts.create(harness.services, "ada").id
    control.set_stop(harness.services, on=True, reason="a dispute with bob", actor="ann")
    theirs, ours = order(harness, who), order(harness, None)
    for _ in range(5):
        harness.work()
        harness.clock.pass_by(10.0)
    assert harness.run(theirs).detail.startswith("Spending is stopped (by whoever runs this service).")
    assert "a dispute with bob" in harness.run(ours).detail


def test_what_the_operators_key_spent_for_others_is_not_told_to_a_customer(harness: StageHarness) -> None:
    """A key of the operator's with a daily limit may start the rows of many."""
    who = accounts.create(harness.services, "ada").id
    key = ApiKey(id="key_1", name="zapier", sha256="0" * 64, day_cap_micro=100_000)
    row = Run(id="run_y", status=RunStatus.QUEUED, source="record", account_id=who, key_id=key.id)
    with harness.services.store.write() as tx:
        tx.keys.add(key)
        said = [
            caps.refusal(tx, harness.clock.now(), run, 1_000_000, harness.services.policy) or ""
            for run in (row, dataclasses.replace(row, account_id=None))
        ]
    assert said[0].startswith("This service has used up its budget of today.")
    assert said[1].startswith("This needs $1.00, but the key zapier leaves $0.10")


def test_a_base_that_was_just_given_away_starts_nothing(harness: StageHarness) -> None:
    """Whoever asked was let in while it was still theirs."""
    first, second = (accounts.create(harness.services, name).id for name in ("ada", "bob"))
    with harness.services.store.write() as tx:
        tx.bases.add(Base(id=THEIRS, account_id=second))
    view = dataclasses.replace(harness.services, store=harness.services.store.of(first))
    with pytest.raises(NotFound):
        accept.start(view, StartRequest(source="record", base_id=THEIRS, record_id="recAbCdEfGhIjKlMn"))


def test_equal_orders_at_the_same_moment_do_not_wait_for_anothers(harness: StageHarness) -> None:
    """That they had to wait would tell them that somebody else makes this very film."""
    first, second = (accounts.create(harness.services, name).id for name in ("ada", "bob"))
    one, other = order(harness, first), order(harness, second)
    for _ in range(6):
        harness.work()
    assert harness.bought == ["a fox"] * 2
    for run in (one, other):
        assert "equal order" not in harness.run(run).detail


def test_files_of_each_account_are_stored_apart(harness: StageHarness) -> None:
    """Under its own name, whatever is in them: deleting one's never takes another's."""
    who = accounts.create(harness.services, "ada").id
    ours, theirs = order(harness, None), order(harness, who)
    runs = [harness.until(run, *STOPPED) for run in (ours, theirs)]
    own, others = (
        [clip.key for clip in harness.clips(run)] + [cut.key or "" for cut in harness.cuts(run)] for run in runs
    )
    assert own
    assert all(who not in key for key in own)
    assert all(f"/{who}/" in key for key in others)
    assert not set(own) & set(others)
    cut = harness.cuts(runs[1])[0]
    assert all(f"/{who}/" in key for key in (cut.poster_key or f"/{who}/", *cut.extras.values()))


def test_a_ready_row_of_a_suspended_account_says_why_it_is_not_started(harness: StageHarness) -> None:
    """And the rows beside it are started as ever, once the account is active again."""
    who = accounts.create(harness.services, "ada").id
    with harness.services.store.write() as tx:
        tx.bases.add(Base(id=BASE, account_id=who))
    accounts.set_status(harness.services, who, AccountStatus.SUSPENDED)
    record = harness.row(Prompt="A cat", Status="Ready")
    assert queue_sweep.start_rows(harness.services, BASE) == []
    harness.settle()
    assert harness.cells(record)["Status Detail"].startswith("This account is suspended, so nothing new is started.")
    accounts.set_status(harness.services, who, AccountStatus.ACTIVE)
    assert len(queue_sweep.start_rows(harness.services, BASE)) == 1

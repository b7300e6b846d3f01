"""The links in a row's `Decide`: each does one thing once, for the price that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.domain.errors import NotAllowed, OverBudget, Suspended
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import AccountStatus, CustomerAccount, Run
from pipelines.domain.state.action_link import Act, ActionLink
from pipelines.stages.decisions import by_link, control, dry_run, regenerate
from pipelines.testing import Outcome
from tests.stages.stage_fixtures import StageHarness

LINK = re.compile(r"/decide\?t=(\w+)\.(\w+)\.(\d+)\.(\d+)")


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path, approval_above_micro=0)


def waiting(harness: StageHarness, **fields: object) -> tuple[str, Run]:
    record, run = harness.film(**{"Prompt": "A cat\nA dog\nA cow", **fields})
    assert run.status is RunStatus.NEEDS_APPROVAL
    return record, run


def links(harness: StageHarness, record: str) -> dict[Act, ActionLink]:
    """What the row offers, as the links say it."""
    found = LINK.findall(harness.cells(record).get("Decide", ""))
    return {
        Act(act): ActionLink(act=Act(act), run_id=run_id, version=int(version), ceiling_micro=int(ceiling))
        for act, run_id, version, ceiling in found
    }


def spent(harness: StageHarness, link: ActionLink) -> Run:
    """The link is used, and whatever follows has happened."""
    by_link.spend(harness.services, link)
    harness.settle()
    return harness.run(link.run_id)


def test_a_question_stands_in_the_row_with_its_price_and_goes_when_it_is_answered(harness: StageHarness) -> None:
    record, run = waiting(harness)
    assert harness.cells(record)["Decide"].startswith("Approve for at most $1.20:\nhttps://")
    offered = links(harness, record)
    assert {act: link.ceiling_micro for act, link in offered.items()} == {Act.APPROVE: 1_200_000, Act.CANCEL: 0}
    with harness.services.store.read() as tx:
        kept = tx.outbox.find(run_id=run.id, table="Videos")[0]
    assert "/decide" not in str(kept), "the database holds no link that works"
    assert by_link.asked(harness.services, offered[Act.APPROVE]).price_micro == 1_200_000
    assert spent(harness, offered[Act.APPROVE]).status is RunStatus.DONE
    assert "Decide" not in harness.cells(record)
    assert harness.balanced()


def test_a_link_works_once_and_then_says_what_it_did(harness: StageHarness) -> None:
    record, run = waiting(harness)
    offered = links(harness, record)
    by_link.spend(harness.services, offered[Act.APPROVE])
    for link in offered.values():
        with pytest.raises(NotAllowed) as refused:
            by_link.spend(harness.services, link)
        assert "the run was approved by a link of this row" in refused.value.marketer
        assert by_link.asked(harness.services, link).refused == refused.value.marketer
    harness.settle()
    assert len(harness.events(run, "approved")) == 1
    assert sorted(harness.bought) == ["A cat", "A cow", "A dog"]


def test_what_has_become_dearer_since_is_asked_for_again_and_not_bought(harness: StageHarness) -> None:
    """Somebody edits the scenes between the link and the click."""
    record, _ = waiting(harness)
    old = links(harness, record)[Act.APPROVE]
    harness.airtable.edit("Scenes", harness.scene_ids()[0], Seconds=12)
    assert spent(harness, old).status is RunStatus.NEEDS_APPROVAL
    assert harness.bought == []
    cells = harness.cells(record)
    assert "cost up to $2.00 now, more than was approved" in cells["Error"]
    assert (cells["Estimated Cost"], harness.held()) == (2.0, 2_000_000)
    new = links(harness, record)[Act.APPROVE]
    assert new.ceiling_micro == 2_000_000
    with pytest.raises(NotAllowed):
        by_link.spend(harness.services, old)
    assert spent(harness, new).status is RunStatus.DONE
    assert harness.cells(record)["Actual Cost"] == 2.0
    assert harness.balanced()


def test_what_cannot_be_made_as_edited_is_offered_anew(harness: StageHarness) -> None:
    """The link that led to the refusal is spent; the row has another."""
    record, _ = waiting(harness)
    scene = harness.scene_ids()[0]
    harness.airtable.edit("Scenes", scene, Seconds=50)
    old = links(harness, record)[Act.APPROVE]
    assert spent(harness, old).status is RunStatus.NEEDS_APPROVAL
    harness.airtable.edit("Scenes", scene, Seconds=4)
    new = links(harness, record)[Act.APPROVE]
    assert new.version != old.version
    assert spent(harness, new).status is RunStatus.DONE


def test_the_other_ways_to_decide_make_a_link_old_and_lift_its_ceiling(harness: StageHarness) -> None:
    record, run = waiting(harness)
    old = links(harness, record)[Act.APPROVE]
    harness.airtable.edit("Scenes", harness.scene_ids()[0], Seconds=12)
    control.approve(harness.services, run.id, "test")
    with pytest.raises(NotAllowed, match="has gone on since"):
        by_link.spend(harness.services, old)
    harness.settle()
    assert harness.run(run.id).status is RunStatus.DONE


def test_a_cancel_link_cancels(harness: StageHarness) -> None:
    record, _ = waiting(harness)
    offered = links(harness, record)
    assert spent(harness, offered[Act.CANCEL]).status is RunStatus.CANCELLED
    assert (harness.bought, harness.held()) == ([], 0)
    assert "Decide" not in harness.cells(record)
    with pytest.raises(NotAllowed, match="the run was cancelled by a link"):
        by_link.spend(harness.services, offered[Act.APPROVE])


def stopped(tmp_path: Path) -> tuple[StageHarness, str, Run]:
    """A run whose second scene the vendor refuses."""
    harness = StageHarness.build(tmp_path)
    harness.vendor().script("A dog", Outcome.NO_CREDIT)
    record, run = harness.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.NEEDS_ATTENTION
    return harness, record, run


def test_a_run_that_needs_attention_is_sent_on_for_what_is_missing(tmp_path: Path) -> None:
    harness, record, run = stopped(tmp_path)
    link = links(harness, record)[Act.RETRY]
    own = harness.cells(record)["Actual Cost"]
    assert link.ceiling_micro == round(own * 1_000_000) + 400_000
    assert "Go on for at most $0.40:" in harness.cells(record)["Decide"]
    harness.vendor().script("A dog", Outcome.SUCCEED)
    assert spent(harness, link).status is RunStatus.DONE
    assert harness.run(run.id).ceiling_micro == link.ceiling_micro
    assert harness.balanced()


def test_a_ceiling_bounds_what_follows_until_somebody_decides_anew(tmp_path: Path) -> None:
    """Whatever is bought after the click is within it; an order of a person's own is not bound by it."""
    harness, record, run = stopped(tmp_path)
    link = links(harness, record)[Act.RETRY]
    by_link.spend(harness.services, link)
    with harness.services.store.read() as tx:
        current = tx.runs.get(run.id)
    assert current
    harness.vendor().script("A dog", Outcome.SUCCEED)
    harness.settle()
    again = dry_run.regeneration(harness.services, run.id, 1, {})
    assert again.problems == ()
    regenerate.regenerate(harness.services, run.id, 1, {}, "test")
    assert harness.run(run.id).ceiling_micro is None


def test_a_refused_act_leaves_the_link_good(tmp_path: Path) -> None:
    """Over a budget, or while the account is suspended: nothing is committed, the spent link included."""
    harness, record, run = stopped(tmp_path)
    account = CustomerAccount(id="acc_ada", name="ada", status=AccountStatus.SUSPENDED)
    with harness.services.store.write() as tx:
        tx.accounts.add(account)
        tx.runs.change(run.id, account_id=account.id)
    link = links(harness, record)[Act.RETRY]
    with pytest.raises(Suspended):
        by_link.spend(harness.services, link)
    with harness.services.store.write() as tx:
        tx.accounts.change(account.id, status=AccountStatus.ACTIVE, run_cap_micro=1)
    assert "leaves" in (by_link.asked(harness.services, link).refused or "")
    with pytest.raises(OverBudget):
        by_link.spend(harness.services, link)
    with harness.services.store.write() as tx:
        assert tx.spent_links.count() == 0
        tx.accounts.change(account.id, run_cap_micro=None)
    harness.vendor().script("A dog", Outcome.SUCCEED)
    assert spent(harness, link).status is RunStatus.DONE

"""So many runs of one account are made at a time; the others begin as soon as there is room, and hold up nobody."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.database import SqlStore
from pipelines.domain.errors import TooMany
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Kind
from pipelines.stages.commerce import accounts
from pipelines.stages.decisions import control, dry_run, regenerate
from pipelines.stages.delivery import restore
from pipelines.stages.kernel.transitions import Actor
from pipelines.stages.orders import accept, account_turn
from pipelines.stages.orders.accept import StartRequest
from tests.stages.stage_fixtures import STOPPED, StageHarness

MOST, WAITING_MOST = 2, 3


@pytest.fixture
def harness(tmp_path: Path, store: SqlStore) -> StageHarness:
    return StageHarness.build(tmp_path, store=store, account_runs_in_flight=MOST, account_backlog=WAITING_MOST)


def customer(harness: StageHarness, name: str = "ada") -> str:
    return accounts.create(harness.services, name).id


def order(harness: StageHarness, account_id: str | None, prompt: str, *, paced: bool = False) -> str:
    services = harness.services
    view = dataclasses.replace(services, store=services.store.of(account_id)) if account_id else services
    wanted = Order(scenes=(SceneOrder(prompt=prompt),), scene_count=1)
    return accept.start(view, StartRequest(source="rest", order=wanted, paced=paced)).run_id


def begun(harness: StageHarness, runs: list[str]) -> list[str]:
    return [run for run in runs if harness.run(run).status is not RunStatus.QUEUED]


def load(harness: StageHarness, account_id: str) -> tuple[int, int]:
    with harness.services.store.read() as tx:
        found = account_turn.load(tx, account_id, harness.services.policy)
    return found.in_flight, found.waiting


def test_the_others_wait_and_begin_in_the_order_in_which_they_came(harness: StageHarness) -> None:
    who, other = customer(harness), customer(harness, "bob")
    theirs = []
    for number in range(5):
        theirs.append(order(harness, who, f"clip {number}"))
        harness.clock.pass_by(0.1)
    mine, operators = order(harness, other, "a boat"), [order(harness, None, f"tree {number}") for number in range(3)]
    while harness.work():
        pass
    assert begun(harness, theirs) == theirs[:MOST]
    assert begun(harness, [mine, *operators]) == [mine, *operators]
    assert load(harness, who) == (MOST, 3)
    told = harness.run(theirs[-1])
    assert told.detail == "2 films can be made at a time for this account. This one begins when it is its turn."
    began = harness.clock.now()
    for run in theirs:
        assert harness.until(run, *STOPPED).status is RunStatus.DONE
    started = [harness.run(run).started_at or 0 for run in theirs]
    assert started == sorted(started)
    assert load(harness, who) == (0, 0)
    # Each began when there was room, and not when it would have looked again.
    assert started[-1] - began < account_turn.LOOK_AGAIN_S
    assert sorted(harness.bought) == sorted({*harness.bought})
    assert harness.balanced()


def test_a_run_that_stops_for_whatever_reason_makes_room(harness: StageHarness) -> None:
    who = customer(harness)
    runs = [order(harness, who, f"clip {number}") for number in range(4)]
    while harness.work():
        pass
    for run in runs[:MOST]:
        control.cancel(harness.services, run, "ada")
    while harness.work():
        pass
    assert begun(harness, runs) == runs
    control.cancel(harness.services, runs[2], "ada")
    assert load(harness, who)[0] == 1


def test_whoever_dies_after_it_took_its_turn_still_has_it(harness: StageHarness) -> None:
    """And a run that waits, whose worker died, counts as one that waits."""
    who = customer(harness)
    runs = [order(harness, who, f"clip {number}") for number in range(MOST + 1)]
    services = harness.services
    for run in runs:
        now = services.clock.now()
        lease = services.store.claim(Kind.RUN, run, owner="dead", now=now, seconds=30.0)
        account_turn.take(services, Actor("dead", now, lease), harness.run(run))
    assert load(harness, who) == (MOST, 1)
    assert begun(harness, runs) == []
    for run in runs:
        assert harness.until(run, *STOPPED).status is RunStatus.DONE
    assert load(harness, who) == (0, 0)


def test_more_than_may_wait_is_refused_and_nothing_is_started(harness: StageHarness) -> None:
    who, services = customer(harness), harness.services
    runs = [order(harness, who, f"clip {number}", paced=True) for number in range(WAITING_MOST)]
    with pytest.raises(TooMany, match="wait") as refused:
        order(harness, who, "one more", paced=True)
    assert refused.value.limit == account_turn.BACKLOG
    with services.store.read() as tx:
        assert tx.runs.count(account_id=who) == len(runs)
    view = dataclasses.replace(services, store=services.store.of(who))
    one_more = Order(scenes=(SceneOrder(prompt="one more"),), scene_count=1)
    asked = StartRequest(source="rest", order=one_more)
    assert [problem.message for problem in accept.dry_run(view, asked).problems] == [refused.value.marketer]
    while harness.work():
        pass
    assert accept.dry_run(view, asked).problems == ()
    assert "This one begins when it is its turn." in " ".join(accept.dry_run(view, asked).warnings)
    order(harness, who, "one more", paced=True)
    order(harness, None, "the operator's", paced=True)


def stopped(harness: StageHarness, account_id: str | None, prompt: str) -> str:
    """A run that was begun and cancelled when its scenes were there: it may be retried."""
    run = order(harness, account_id, prompt)
    harness.until(run, "generating")
    control.cancel(harness.services, run, "ada")
    return run


def test_who_went_before_goes_on_only_where_there_is_room(harness: StageHarness) -> None:
    """Approve, retry, regenerate, restore, choose: at once, or not at all; so say previews. The operator's do."""
    services = harness.services
    who = customer(harness)
    done, cancelled = order(harness, who, "a fox"), stopped(harness, who, "a hare")
    mine = stopped(harness, None, "a tree")
    harness.until(done, "done")
    (first,) = harness.clips(harness.run(done))
    regenerate.regenerate(services, done, 1, {"prompt": "a vixen"}, "ada")
    harness.until(done, "done")
    asking = StageHarness(
        dataclasses.replace(services, policy=dataclasses.replace(services.policy, approval_above_micro=0))
    )
    waits = [order(asking, who, prompt) for prompt in ("a boat", "a lamp")]
    for run in waits:
        asking.until(run, "needs_approval")
    # What waits for a person takes nobody's place; what was approved does, from then on.
    control.approve(services, waits[0], "ada")
    full = order(harness, who, "a kite")
    harness.until(full, "generating")
    acts: list[Callable[[], object]] = [
        lambda: control.approve(services, waits[1], "ada"),
        lambda: control.retry(services, cancelled, "ada"),
        lambda: regenerate.regenerate(services, done, 1, {}, "ada"),
        lambda: restore.restore(services, done, 0, "ada"),
        lambda: restore.choose(services, done, 1, first.id, "ada"),
    ]
    for act in acts:
        with pytest.raises(TooMany) as refused:
            act()
        assert refused.value.marketer.startswith("2 films are being made, and this account may have 2 made at a time.")
        assert (refused.value.limit, refused.value.retry_after) == (account_turn.IN_FLIGHT, 60.0)
    words = refused.value.marketer
    previews = [dry_run.going_on(services, waits[1]), dry_run.going_on(services, cancelled)]
    previews += [dry_run.regeneration(services, done, 1, {}), restore.preview(services, done, 0)]
    previews.append(restore.preview_choice(services, done, 1, first.id))
    assert [[problem.message for problem in one.problems] for one in previews] == [[words]] * 5
    assert harness.run(waits[1]).approval == "asked"
    assert control.retry(services, mine, "me").status is RunStatus.GENERATING
    harness.until(waits[0], "done")
    assert control.retry(services, cancelled, "ada").status is RunStatus.GENERATING
    for run in (full, cancelled):
        harness.until(run, "done")
    for act in (acts[0], acts[2]):
        act()
    for run in (waits[1], done):
        harness.until(run, "done")
    assert harness.balanced()


def test_a_retry_before_the_scenes_are_there_waits_for_its_turn(harness: StageHarness) -> None:
    who = customer(harness)
    early = order(harness, who, "early")
    control.cancel(harness.services, early, "ada")
    others = [order(harness, who, f"clip {number}") for number in range(MOST)]
    while harness.work():
        pass
    control.retry(harness.services, early, "ada")
    while harness.work():
        pass
    assert (begun(harness, [early]), load(harness, who)) == ([], (MOST, 1))
    waiting = [order(harness, who, f"more {number}") for number in range(WAITING_MOST - 1)]
    control.cancel(harness.services, early, "ada")
    waiting.append(order(harness, who, "one more"))
    with pytest.raises(TooMany, match="wait"):
        control.retry(harness.services, early, "ada")
    for run in (*others, *waiting):
        assert harness.until(run, *STOPPED).status is RunStatus.DONE


def test_an_account_has_limits_of_its_own(harness: StageHarness) -> None:
    """A higher one is seen at once, by what waits; a lower one lets what is being made go on."""
    who, other = customer(harness), customer(harness, "bob")
    runs = [order(harness, who, f"clip {number}") for number in range(5)]
    while harness.work():
        pass
    assert load(harness, who) == (MOST, 3)
    accounts.set_limits(harness.services, who, accounts.Limits(runs_in_flight=4, backlog=1))
    while harness.work():
        pass
    assert len(begun(harness, runs)) == 4
    with pytest.raises(TooMany) as refused:
        order(harness, who, "one more", paced=True)
    assert refused.value.most == 1
    order(harness, other, "as for all", paced=True)
    account = accounts.set_limits(harness.services, who, accounts.Limits(backlog=2), as_for_all=True)
    assert (account.runs_in_flight, account.backlog) == (None, 2)
    for run in runs:
        assert harness.until(run, *STOPPED).status is RunStatus.DONE

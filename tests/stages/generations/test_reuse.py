"""Equal orders at the same moment: one clip is bought, and nobody waits for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.catalogue import Ability
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Run
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept
from pipelines.stages.spending import ledger
from pipelines.testing.provider import Outcome
from tests.stages.doubt_fixtures import doubtful_world, order
from tests.stages.stage_fixtures import STOPPED, StageHarness

PRICE = 400_000


def both(harness: StageHarness) -> tuple[str, str]:
    """Two equal orders, the first one's clip being made and the second waiting for it."""
    first, second = order(harness, "a fox"), order(harness, "a fox")
    for _ in range(6):
        harness.work()
    statuses = [[gen.status for gen in harness.generations(harness.run(run))] for run in (first, second)]
    assert statuses == [[GenerationStatus.SUBMITTED], [GenerationStatus.PLANNED]]
    return first, second


def spent(harness: StageHarness, run: str) -> int:
    with harness.services.store.read() as tx:
        return ledger.of_run(tx, run).spent


def end(harness: StageHarness, run: str) -> Run:
    return harness.until(run, *STOPPED)


def test_the_second_takes_the_first_ones_clip(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    first, second = both(harness)
    waiting = harness.run(second)
    assert (waiting.quote_micro, spent(harness, second)) == (PRICE, 0)
    assert "equal order" in waiting.detail
    assert [end(harness, run).status for run in (first, second)] == [RunStatus.DONE] * 2
    assert harness.bought == ["a fox"]
    assert (spent(harness, first), spent(harness, second), harness.held()) == (PRICE, 0, 0)
    assert [clip.id for clip in harness.clips(harness.run(first))] == [
        clip.id for clip in harness.clips(harness.run(second))
    ]
    assert [event.detail.saved_micro for event in harness.events(harness.run(second), "reused")] == [PRICE]
    assert harness.balanced()


def test_what_is_waited_for_is_not_asked_for_all_the_time(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    harness.vendor().ready_after_s = 300.0
    first, second = both(harness)
    before, started = harness.run(second).version, harness.clock.now()
    end(harness, first)
    assert harness.clock.now() - started > 300
    assert harness.run(second).version - before < 8
    end(harness, second)
    assert harness.clock.now() - started < 330


@pytest.mark.parametrize("outcome", [Outcome.REFUSE, Outcome.FLAG])
def test_where_the_first_is_refused_the_second_buys(tmp_path: Path, outcome: Outcome) -> None:
    harness = StageHarness.build(tmp_path)
    harness.vendor().script("a fox", outcome, Outcome.SUCCEED)
    first, second = order(harness, "a fox"), order(harness, "a fox")
    ends = [end(harness, run).status for run in (first, second)]
    assert RunStatus.DONE in ends
    paid = [purchase for purchase in harness.vendor().bought if purchase.outcome is Outcome.SUCCEED]
    assert len(paid) == 1
    assert harness.balanced()


def test_where_the_first_fails_the_second_buys_itself(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    first, second = both(harness)
    harness.vendor().keeps_s = 1.0
    control.cancel(harness.services, first, "a person")
    assert end(harness, second).status is RunStatus.DONE
    # A clip that is being made is still fetched when its run is cancelled: it is paid for.
    assert harness.bought == ["a fox"]
    assert harness.run(first).status is RunStatus.CANCELLED
    assert (spent(harness, first), spent(harness, second)) == (PRICE, 0)


def test_who_has_not_sent_anything_yet_keeps_nobody_waiting(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    first, second = order(harness, "a fox"), order(harness, "a fox")
    for run in (first, second):
        harness.step("runs", run)
        harness.step("runs", run)
    control.cancel(harness.services, first, "a person")
    assert end(harness, second).status is RunStatus.DONE
    assert (harness.bought, spent(harness, second)) == (["a fox"], PRICE)


def test_the_second_may_be_cancelled_while_it_waits(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    first, second = both(harness)
    control.cancel(harness.services, second, "a person")
    assert end(harness, first).status is RunStatus.DONE
    assert (harness.bought, spent(harness, second), harness.held()) == (["a fox"], 0, 0)
    assert harness.balanced()


def test_a_doubt_is_waited_for_as_long_as_we_can_clear_it(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    harness.vendor().script("a fox", Outcome.AMBIGUOUS, Outcome.SUCCEED)
    first, second = order(harness, "a fox"), order(harness, "a fox")
    assert [end(harness, run).status for run in (first, second)] == [RunStatus.DONE] * 2
    assert harness.bought == ["a fox"]
    assert spent(harness, first) + spent(harness, second) == PRICE


def test_a_doubt_that_only_a_person_can_settle_keeps_nobody_waiting(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.NONE)
    harness.vendor().script("a fox", Outcome.AMBIGUOUS, Outcome.SUCCEED)
    first, second = order(harness, "a fox"), order(harness, "a fox")
    assert end(harness, second).status is RunStatus.DONE
    assert end(harness, first).status is RunStatus.NEEDS_ATTENTION
    assert harness.bought == ["a fox", "a fox"]


def test_a_provider_that_gives_up_on_the_first_is_tried_again(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    harness.vendor().script("a fox", Outcome.FAIL, Outcome.SUCCEED)
    first, second = both(harness)
    assert [end(harness, run).status for run in (first, second)] == [RunStatus.DONE] * 2
    assert len(harness.bought) == 2
    assert spent(harness, first) + spent(harness, second) == PRICE


def test_fresh_orders_wait_for_nobody_else(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    wish = Order(scenes=(SceneOrder(prompt="a fox"),), fresh=True)
    request = accept.StartRequest(source="rest", order=wish, fresh=True)
    runs = [order(harness, "a fox"), accept.start(harness.services, request).run_id]
    assert [end(harness, run).status for run in runs] == [RunStatus.DONE] * 2
    assert harness.bought == ["a fox", "a fox"]


def test_equal_rows_wait_for_each_other_and_show_what_they_cost(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    records = [harness.row(Prompt="a fox\na hare"), harness.row(Prompt="a hare\na fox")]
    runs = [harness.trigger(record) for record in records]
    for run in runs:
        end(harness, run)
    harness.settle()
    assert sorted(harness.bought) == ["a fox", "a hare"]
    assert [harness.cells(record)["Status"] for record in records] == ["Done", "Done"]
    assert sum(harness.cells(record)["Actual Cost"] for record in records) == pytest.approx(0.8)
    assert harness.balanced()


def test_many_equal_orders_are_one_purchase(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    runs = [order(harness, "a fox") for _ in range(12)]
    assert {end(harness, run).status for run in runs} == {RunStatus.DONE}
    assert harness.bought == ["a fox"]
    assert harness.balanced()

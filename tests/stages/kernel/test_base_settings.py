"""The base's own Settings, Stop Spending and Day Budget: known before money is spent, and read with few calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.decisions import control
from pipelines.stages.kernel.base_settings import PACE_S
from pipelines.stages.scheduler.maintenance import SETTINGS_S, Maintenance
from tests.stages.stage_fixtures import BASE, STOPPED, StageHarness

SIX = "\n".join(f"Animal number {n}" for n in range(1, 7))


@pytest.fixture
def world(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def settings(world: StageHarness, **fields: object) -> str:
    return world.airtable.add("Settings", Name="Reelgrid", **fields)


def made(world: StageHarness, *prompts: str) -> str:
    """A film, finished long enough ago for the Settings to be stale; its run."""
    _, run = world.film(Prompt="\n".join(prompts))
    assert run.status is RunStatus.DONE
    world.clock.pass_by(3600)
    world.airtable.calls.clear()
    return run.id


def test_a_new_clip_asked_for_over_http_asks_nobody_and_is_not_bought_while_the_base_says_stop(
    world: StageHarness,
) -> None:
    row = settings(world)
    run = made(world, "A cat")
    world.airtable.edit("Settings", row, Stop_Spending=True)
    control.regenerate(world.services, run, 1, {}, "test")
    assert world.airtable.calls == [], "the request does not wait for Airtable"
    world.settle(patience_s=60)
    assert world.bought == ["A cat"]
    assert "Spending is stopped" in world.run(run).detail
    assert world.cells(world.run(run).record_id or "")["Status"] == "Generating"
    world.airtable.edit("Settings", row, Stop_Spending=False)
    world.clock.pass_by(60)
    Maintenance(world.services).tick()
    assert world.until(run, *STOPPED).status is RunStatus.DONE
    assert world.bought == ["A cat", "A cat"]


def test_a_day_budget_that_was_lowered_holds_for_what_is_asked_for_over_http(world: StageHarness) -> None:
    """The request sets money aside by what was known; before it is spent, the budget of this moment counts."""
    row = settings(world)
    run = made(world, "A cat", "A dog")
    world.airtable.edit("Settings", row, **{"Day Budget": 1.0})
    control.regenerate(world.services, run, 2, {"prompt": "A wolf"}, "test")
    stopped = world.until(run, *STOPPED)
    assert (stopped.status, world.bought) == (RunStatus.NEEDS_ATTENTION, ["A cat", "A dog"])
    assert "this base's Day Budget leaves $0.20 of $1.00" in (stopped.error or "")
    assert world.held() == 0
    world.airtable.edit("Settings", row, **{"Day Budget": 5})
    world.clock.pass_by(60)
    control.retry(world.services, run, "test")
    assert world.until(run, *STOPPED).status is RunStatus.DONE
    assert world.bought == ["A cat", "A dog", "A wolf"]
    assert world.balanced()


def test_a_retry_over_http_looks_at_the_base_before_it_buys(world: StageHarness) -> None:
    row = settings(world, **{"Day Budget": 0.5})
    _, run = world.film(Prompt="A cat\nA dog")
    assert (run.status, world.bought) == (RunStatus.NEEDS_ATTENTION, [])
    world.clock.pass_by(3600)
    world.airtable.edit("Settings", row, Stop_Spending=True, **{"Day Budget": 5})
    world.airtable.calls.clear()
    control.retry(world.services, run.id, "test")
    assert world.airtable.calls == []
    world.settle(patience_s=60)
    assert (world.bought, "Spending is stopped" in world.run(run.id).detail) == ([], True)


def test_what_is_stopped_while_the_scenes_are_written_keeps_them_and_pays_for_the_words_once(
    world: StageHarness,
) -> None:
    row = settings(world)
    record = world.row(**{"Master Prompt": "A zoo", "Scene Count": 2})

    def meanwhile() -> None:
        world.clock.pass_by(90)
        world.airtable.edit("Settings", row, Stop_Spending=True)

    world.points.at("script.written", meanwhile)
    run = world.trigger(record)
    world.settle(patience_s=60)
    waiting = world.run(run)
    assert (waiting.status, world.bought) == (RunStatus.WRITING, [])
    assert "Spending is stopped" in waiting.detail
    world.airtable.edit("Settings", row, Stop_Spending=False)
    world.clock.pass_by(60)
    assert world.until(run, *STOPPED).status is RunStatus.DONE
    assert len(world.writer.briefs) == 1
    assert world.balanced()


def test_words_that_were_paid_count_although_the_day_budget_leaves_nothing_for_the_clips(world: StageHarness) -> None:
    row = settings(world)
    world.writer.cost_micro = 2_000

    def meanwhile() -> None:
        world.clock.pass_by(90)
        world.airtable.edit("Settings", row, **{"Day Budget": 0.5})

    world.points.at("script.written", meanwhile)
    record, run = world.film(**{"Master Prompt": "A zoo", "Scene Count": 2})
    assert (run.status, world.bought) == (RunStatus.NEEDS_ATTENTION, [])
    assert world.cells(record)["Actual Cost"] == 0.002
    assert world.balanced()


def test_without_push_a_stop_is_heard_within_a_minute_while_a_run_is_moving(world: StageHarness) -> None:
    """However often, and in however many processes, the pump comes by: at most one call a minute."""
    row = settings(world)
    world.vendor().ready_after_s = 600.0
    run = world.until(world.trigger(world.row(Prompt="A cat")), "generating")
    world.airtable.calls.clear()
    world.airtable.edit("Settings", row, Stop_Spending=True)
    assert SETTINGS_S + PACE_S <= 65, "the pump's own pace adds next to nothing"
    began = world.clock.now()
    while world.calls("settings") == 0:
        world.clock.pass_by(5)
        Maintenance(world.services).tick()
        assert world.clock.now() - began <= 65
    for _ in range(48):
        world.clock.pass_by(5)
        Maintenance(world.services).tick()
    assert 3 <= world.calls("settings") <= 5
    assert world.run(run.id).status is RunStatus.GENERATING


def test_with_push_settings_are_read_now_and_then_only(world: StageHarness) -> None:
    settings(world)
    webhook_push.turn_on(world.services, BASE)
    world.vendor().ready_after_s = 600.0
    world.until(world.trigger(world.row(Prompt="A cat")), "generating")
    world.airtable.calls.clear()
    for _ in range(48):
        world.clock.pass_by(5)
        Maintenance(world.services).tick()
    assert world.calls("settings") <= 1


def test_what_waits_while_spending_is_stopped_asks_airtable_for_nothing_but_its_settings(tmp_path: Path) -> None:
    """An hour of waiting would use up a small quota otherwise, and afterwards both go on."""
    world = StageHarness.build(tmp_path, approval_above_micro=500_000)
    asked = world.until(world.trigger(world.row(Prompt="A dog\nA cow")), "needs_approval")
    world.settle()
    control.set_stop(world.services, on=True, reason="a holiday", actor="test")
    control.approve(world.services, asked.id, "test")
    queued = world.trigger(world.row(Prompt="A cat"))
    world.settle()
    world.airtable.calls.clear()
    began = world.clock.now()
    while world.clock.now() - began < 3600:
        if not world.work():
            world.clock.pass_by(5)
    assert {call.verb for call in world.airtable.calls} <= {"settings"}
    control.set_stop(world.services, on=False, reason="", actor="test")
    for run in (asked.id, queued):
        assert world.until(run, "done").status is RunStatus.DONE


@pytest.mark.parametrize("pushed", [True, False])
def test_a_video_of_six_scenes_takes_at_most_twelve_calls_and_without_push_one_more_a_minute(
    world: StageHarness, pushed: bool
) -> None:
    """What looks at the whole base now and then belongs to no video, and is left out here."""
    settings(world)
    webhook_push.turn_on(world.services, BASE) if pushed else webhook_push.turn_off(world.services, BASE)
    world.settle(patience_s=60)
    world.vendor().ready_after_s = 120.0
    world.airtable.calls.clear()
    began, run = world.clock.now(), world.trigger(world.row(Prompt=SIX))
    while world.run(run).status.value not in STOPPED:
        Maintenance(world.services).tick()
        if not world.work():
            world.clock.pass_by(1)
    minutes = int((world.clock.now() - began) / 60)
    world.settle()
    assert world.run(run).status is RunStatus.DONE
    assert minutes >= 2
    ours = [(call.verb, call.table) for call in world.airtable.calls if call.verb not in ("ticked", "ready")]
    assert len(ours) <= 12 + (0 if pushed else minutes), ours
    assert world.calls("settings") <= 1 + (0 if pushed else minutes)

"""The base's own Settings, Stop Spending and Day Budget: known before money is spent, and read with few calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.base_rows.base_settings import PACE_S, RETRY_S
from pipelines.stages.decisions import control, regenerate
from pipelines.stages.scheduler.maintenance import SETTINGS_S, Maintenance
from pipelines.stages.spending import stop_switch
from pipelines.testing.airtable import BASE
from tests.stages.stage_fixtures import STOPPED, StageHarness

SIX = "\n".join(f"Animal number {n}" for n in range(1, 7))


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def settings(harness: StageHarness, **fields: object) -> str:
    return harness.airtable.add("Settings", Name="Reelgrid", **fields)


def made(harness: StageHarness, *prompts: str) -> str:
    """A film, finished long enough ago for the Settings to be stale; its run."""
    _, run = harness.film(Prompt="\n".join(prompts))
    assert run.status is RunStatus.DONE
    harness.clock.pass_by(3600)
    harness.airtable.calls.clear()
    return run.id


def test_a_new_clip_asked_for_over_http_asks_nobody_and_is_not_bought_while_the_base_says_stop(
    harness: StageHarness,
) -> None:
    row = settings(harness)
    run = made(harness, "A cat")
    harness.airtable.edit("Settings", row, Stop_Spending=True)
    regenerate.regenerate(harness.services, run, 1, {}, "test")
    assert harness.airtable.calls == [], "the request does not wait for Airtable"
    harness.settle(patience_s=60)
    assert harness.bought == ["A cat"]
    assert "Spending is stopped" in harness.run(run).detail
    assert harness.cells(harness.run(run).record_id or "")["Status"] == "Generating"
    harness.airtable.edit("Settings", row, Stop_Spending=False)
    harness.clock.pass_by(60)
    Maintenance(harness.services).tick()
    assert harness.until(run, *STOPPED).status is RunStatus.DONE
    assert harness.bought == ["A cat", "A cat"]


def test_a_day_budget_that_was_lowered_holds_for_what_is_asked_for_over_http(harness: StageHarness) -> None:
    """The request sets money aside by what was known; before it is spent, the budget of this moment counts."""
    row = settings(harness)
    run = made(harness, "A cat", "A dog")
    harness.airtable.edit("Settings", row, **{"Day Budget": 1.0})
    regenerate.regenerate(harness.services, run, 2, {"prompt": "A wolf"}, "test")
    stopped = harness.until(run, *STOPPED)
    assert (stopped.status, harness.bought) == (RunStatus.NEEDS_ATTENTION, ["A cat", "A dog"])
    assert "this base's Day Budget leaves $0.20 of $1.00" in (stopped.error or "")
    assert harness.held() == 0
    harness.airtable.edit("Settings", row, **{"Day Budget": 5})
    harness.clock.pass_by(60)
    control.retry(harness.services, run, "test")
    assert harness.until(run, *STOPPED).status is RunStatus.DONE
    assert harness.bought == ["A cat", "A dog", "A wolf"]
    assert harness.balanced()


def test_a_retry_over_http_looks_at_the_base_before_it_buys(harness: StageHarness) -> None:
    row = settings(harness, **{"Day Budget": 0.5})
    _, run = harness.film(Prompt="A cat\nA dog")
    assert (run.status, harness.bought) == (RunStatus.NEEDS_ATTENTION, [])
    harness.clock.pass_by(3600)
    harness.airtable.edit("Settings", row, Stop_Spending=True, **{"Day Budget": 5})
    harness.airtable.calls.clear()
    control.retry(harness.services, run.id, "test")
    assert harness.airtable.calls == []
    harness.settle(patience_s=60)
    assert (harness.bought, "Spending is stopped" in harness.run(run.id).detail) == ([], True)


def test_what_is_stopped_while_the_scenes_are_written_keeps_them_and_pays_for_the_words_once(
    harness: StageHarness,
) -> None:
    row = settings(harness)
    record = harness.row(**{"Master Prompt": "A zoo", "Scene Count": 2})

    def meanwhile() -> None:
        harness.clock.pass_by(90)
        harness.airtable.edit("Settings", row, Stop_Spending=True)

    harness.points.at("script.written", meanwhile)
    run = harness.trigger(record)
    harness.settle(patience_s=60)
    waiting = harness.run(run)
    assert (waiting.status, harness.bought) == (RunStatus.WRITING, [])
    assert "Spending is stopped" in waiting.detail
    harness.airtable.edit("Settings", row, Stop_Spending=False)
    harness.clock.pass_by(60)
    assert harness.until(run, *STOPPED).status is RunStatus.DONE
    assert len(harness.writer.briefs) == 1
    assert harness.balanced()


def test_words_that_were_paid_count_although_the_day_budget_leaves_nothing_for_the_clips(harness: StageHarness) -> None:
    row = settings(harness)
    harness.writer.cost_micro = 2_000

    def meanwhile() -> None:
        harness.clock.pass_by(90)
        harness.airtable.edit("Settings", row, **{"Day Budget": 0.5})

    harness.points.at("script.written", meanwhile)
    record, run = harness.film(**{"Master Prompt": "A zoo", "Scene Count": 2})
    assert (run.status, harness.bought) == (RunStatus.NEEDS_ATTENTION, [])
    assert harness.cells(record)["Actual Cost"] == 0.002
    assert harness.balanced()


def test_without_push_a_stop_is_heard_within_a_minute_while_a_run_is_moving(harness: StageHarness) -> None:
    """However often, and in however many processes, the pump comes by: at most one call a minute."""
    row = settings(harness)
    harness.vendor().ready_after_s = 600.0
    run = harness.until(harness.trigger(harness.row(Prompt="A cat")), "generating")
    harness.airtable.calls.clear()
    harness.airtable.edit("Settings", row, Stop_Spending=True)
    assert SETTINGS_S + PACE_S <= 65, "the pump's own pace adds next to nothing"
    began = harness.clock.now()
    while harness.calls("settings") == 0:
        harness.clock.pass_by(5)
        Maintenance(harness.services).tick()
        assert harness.clock.now() - began <= 65
    for _ in range(48):
        harness.clock.pass_by(5)
        Maintenance(harness.services).tick()
    assert 3 <= harness.calls("settings") <= 5
    assert harness.run(run.id).status is RunStatus.GENERATING


def test_with_push_settings_are_read_now_and_then_only(harness: StageHarness) -> None:
    settings(harness)
    webhook_push.turn_on(harness.services, BASE)
    harness.vendor().ready_after_s = 600.0
    harness.until(harness.trigger(harness.row(Prompt="A cat")), "generating")
    harness.airtable.calls.clear()
    for _ in range(48):
        harness.clock.pass_by(5)
        Maintenance(harness.services).tick()
    assert harness.calls("settings") <= 1


@pytest.mark.slow
def test_what_waits_while_spending_is_stopped_asks_airtable_for_nothing_but_its_settings(tmp_path: Path) -> None:
    """An hour of waiting would use up a small quota otherwise, and afterwards both go on."""
    harness = StageHarness.build(tmp_path, approval_above_micro=500_000)
    asked = harness.until(harness.trigger(harness.row(Prompt="A dog\nA cow")), "needs_approval")
    harness.settle()
    control.set_stop(harness.services, on=True, reason="a holiday", actor="test")
    control.approve(harness.services, asked.id, "test")
    queued = harness.trigger(harness.row(Prompt="A cat"))
    harness.settle(patience_s=60)
    harness.airtable.calls.clear()
    harness.settle(patience_s=3600)
    assert {call.verb for call in harness.airtable.calls} <= {"settings"}
    control.set_stop(harness.services, on=False, reason="", actor="test")
    for run in (asked.id, queued):
        assert harness.until(run, "done").status is RunStatus.DONE


@pytest.mark.slow
@pytest.mark.parametrize("pushed", [True, False])
def test_a_video_of_six_scenes_takes_at_most_twelve_calls_and_without_push_one_more_a_minute(
    harness: StageHarness, pushed: bool
) -> None:
    """What looks at the whole base now and then belongs to no video, and is left out here."""
    settings(harness)
    webhook_push.turn_on(harness.services, BASE) if pushed else webhook_push.turn_off(harness.services, BASE)
    harness.settle(patience_s=60)
    harness.vendor().ready_after_s = 120.0
    harness.airtable.calls.clear()
    began, run = harness.clock.now(), harness.trigger(harness.row(Prompt=SIX))
    while harness.run(run).status.value not in STOPPED:
        Maintenance(harness.services).tick()
        if not harness.work():
            harness.clock.pass_by(1)
    minutes = int((harness.clock.now() - began) / 60)
    harness.settle()
    assert harness.run(run).status is RunStatus.DONE
    assert minutes >= 2
    ours = [(call.verb, call.table) for call in harness.airtable.calls if call.verb not in ("ticked", "ready")]
    assert len(ours) <= 12 + (0 if pushed else minutes), ours
    assert harness.calls("settings") <= 1 + (0 if pushed else minutes)


def test_a_stop_box_that_could_not_be_read_is_read_again_soon(harness: StageHarness) -> None:
    row = settings(harness)
    harness.vendor().ready_after_s = 300.0
    run = harness.trigger(harness.row(Prompt="A cat"))
    for _ in range(6):
        harness.work()
    harness.clock.pass_by(PACE_S)
    harness.airtable.edit("Settings", row, Stop_Spending=True)
    harness.airtable.away = True
    Maintenance(harness.services).tick()
    harness.airtable.away = False
    harness.clock.pass_by(RETRY_S + 1)
    Maintenance(harness.services).tick()
    with harness.services.store.read() as tx:
        assert stop_switch.reason_if_on(tx, BASE) is not None
    assert harness.run(run).status is RunStatus.GENERATING

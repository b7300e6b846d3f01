"""The figures in a base are told, whatever the end: nothing stays empty, nothing stays old."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.decisions import control, in_doubt
from pipelines.stages.scheduler.maintenance import Maintenance
from pipelines.testing.provider import Outcome
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    harness = StageHarness.build(tmp_path)
    harness.airtable.add("Settings", Name="Reelgrid", **{"Day Budget": 2.0})
    return harness


def settings(harness: StageHarness) -> dict[str, object]:
    [row] = harness.airtable.rows("Settings")
    return row


def test_what_was_spent_today_is_told_when_a_run_ends(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.DONE
    cells = harness.cells(record)
    assert (cells["Actual Cost"], settings(harness)["Spent Today"], settings(harness)["Status"]) == (
        0.8,
        0.8,
        "Running.",
    )
    assert cells["Finished At"]
    assert cells["Duration"]
    assert cells["Progress"] == 1


def test_a_film_of_clips_that_were_there_costs_nothing_and_says_so(harness: StageHarness) -> None:
    harness.film(Prompt="A cat")
    record, _ = harness.film(Prompt="A cat")
    assert (harness.cells(record)["Actual Cost"], settings(harness)["Spent Today"]) == (0.0, 0.4)
    [first, second] = harness.scene_rows()
    assert (first["Cost"], first["Attempts"]) == (0.4, 1)
    assert (second["Cost"], second["Attempts"]) == (0.0, 0)
    assert second["Provider Job ID"] == first["Provider Job ID"]


def test_a_day_budget_that_is_used_up_is_said_in_settings(harness: StageHarness) -> None:
    harness.film(Prompt="A cat\nA dog\nA hare\nA fox\nAn owl")
    status = str(settings(harness)["Status"])
    assert "Day Budget of $2.00 is used up" in status
    assert settings(harness)["Spent Today"] == 2.0


def test_on_a_new_day_nothing_is_spent(harness: StageHarness) -> None:
    harness.film(Prompt="A cat")
    assert settings(harness)["Spent Today"] == 0.4
    harness.clock.pass_by(86_400)
    Maintenance(harness.services).tick()
    harness.settle(patience_s=60)
    assert settings(harness)["Spent Today"] == 0.0


def test_a_clip_that_comes_after_its_run_was_cancelled_is_in_the_figures(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    for _ in range(8):
        harness.work()
    control.cancel(harness.services, run, "ann")
    harness.settle()
    assert harness.run(run).status is RunStatus.CANCELLED
    assert (harness.cells(record)["Actual Cost"], settings(harness)["Spent Today"]) == (0.4, 0.4)
    assert harness.cells(record)["Finished At"]


def test_a_late_clip_of_an_earlier_run_does_not_speak_of_the_later_one(harness: StageHarness) -> None:
    harness.vendor().ready_after_s = 60.0
    record = harness.row(Prompt="A cat")
    first = harness.trigger(record)
    for _ in range(8):
        harness.work()
    control.cancel(harness.services, first, "ann")
    harness.airtable.edit("Videos", record, Prompt="A dog\nA hare")
    second = harness.make(record)
    assert second.status is RunStatus.DONE
    assert (harness.cells(record)["Actual Cost"], settings(harness)["Spent Today"]) == (0.8, pytest.approx(1.2))


def test_money_in_doubt_that_is_written_off_is_in_the_figures(harness: StageHarness) -> None:
    harness.vendor().script("A cat", Outcome.AMBIGUOUS)
    record, run = harness.film(Prompt="A cat")
    assert run.status is RunStatus.NEEDS_ATTENTION
    [gen] = harness.generations(run)
    in_doubt.decide(harness.services, gen.id, "cancel", "ann")
    harness.settle()
    assert (harness.cells(record)["Status"], harness.cells(record)["Actual Cost"]) == ("Cancelled", 0.4)
    assert settings(harness)["Spent Today"] == 0.4


@pytest.mark.parametrize(("prompt", "status"), [("", "Failed"), ("A cat", "Needs Attention")])
def test_a_run_that_did_not_end_well_says_when_and_for_how_much(
    harness: StageHarness, prompt: str, status: str
) -> None:
    harness.vendor().script("A cat", Outcome.REFUSE)
    record, _ = harness.film(Prompt=prompt)
    cells = harness.cells(record)
    assert (cells["Status"], cells["Actual Cost"]) == (status, 0.0)
    assert cells["Finished At"]
    assert cells["Last Update"]

"""A look at the base reads whole rows: what it starts does not read them again, unless there is a reason to."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.base_changes import checkboxes
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept, prefetched_row
from pipelines.testing.airtable import BASE
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def ticked(harness: StageHarness, **fields: object) -> tuple[str, str]:
    """A row whose Generate was ticked and seen; the row and its run."""
    record = harness.row(Generate=True, **fields)
    [run] = checkboxes.poll_checkboxes(harness.services, BASE).runs
    return record, run


def test_a_ticked_row_is_made_as_it_was_when_it_was_ticked_without_being_read_again(harness: StageHarness) -> None:
    record, run = ticked(harness, Prompt="A cat\nA dog", Title="Pets", **{"Clip Seconds": 8})
    assert harness.run(run).known_order.title == "Pets", "known at once"
    harness.airtable.edit("Videos", record, Prompt="A cow")
    done = harness.until(run, "done")
    harness.settle()
    assert harness.bought == ["A cat", "A dog"], "inputs edited during a run count for the next one"
    assert done.quote_micro == 1_600_000
    assert harness.calls("row") == 0
    assert harness.cells(record)["Status"] == "Done"


def test_ready_rows_are_read_all_together_only(harness: StageHarness) -> None:
    for number in range(7):
        harness.row(Prompt=f"Cat {number}", Status="Ready")
    sweep = accept.sweep_queue(harness.services, BASE)
    harness.settle()
    assert accept.sweep_view(harness.services, sweep).status == "done"
    assert sorted(harness.bought) == [f"Cat {number}" for number in range(7)]
    assert (harness.calls("ready"), harness.calls("row")) == (1, 0)


def test_what_was_wrong_or_has_scenes_of_its_own_is_read_when_the_run_begins(harness: StageHarness) -> None:
    record, run = ticked(harness, Prompt="A cat", **{"Scene Count": 99})
    harness.airtable.edit("Videos", record, Scene_Count=1)
    harness.until(run, "done")
    assert harness.calls("row") == 1
    harness.settle()
    harness.airtable.edit("Scenes", harness.scene_ids()[0], Prompt="A lion", Status="Draft")
    harness.airtable.edit("Videos", record, Generate=True)
    [again] = checkboxes.poll_checkboxes(harness.services, BASE).runs
    harness.until(again, "done")
    assert harness.bought == ["A cat", "A lion"]
    assert harness.calls("row") == 2


def test_a_row_that_was_read_long_ago_is_read_again_because_its_pictures_have_died(harness: StageHarness) -> None:
    record, run = ticked(harness, Prompt="A cat")
    harness.airtable.edit("Videos", record, Prompt="A cow")
    harness.clock.pass_by(prefetched_row.GOOD_FOR_S + 1)
    harness.until(run, "done")
    assert (harness.bought, harness.calls("row")) == (["A cow"], 1)


def test_going_on_after_something_was_mended_in_the_row_reads_it(harness: StageHarness) -> None:
    record, run = ticked(harness, Prompt="A cat\nA dog", **{"Max Cost": 0.5})
    harness.until(run, "needs_attention")
    assert harness.calls("row") == 0
    harness.airtable.edit("Videos", record, Max_Cost=0.8)
    control.retry(harness.services, run, "test")
    assert harness.until(run, "done").status is RunStatus.DONE
    assert harness.calls("row") == 1

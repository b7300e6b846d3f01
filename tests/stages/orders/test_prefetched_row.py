"""A look at the base reads whole rows: what it starts does not read them again, unless there is a reason to."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.base_changes import checkboxes
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept, prefetched_row
from tests.stages.stage_fixtures import BASE, StageHarness


@pytest.fixture
def world(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def ticked(world: StageHarness, **fields: object) -> tuple[str, str]:
    """A row whose Generate was ticked and seen; the row and its run."""
    record = world.row(Generate=True, **fields)
    [run] = checkboxes.look(world.services, BASE)
    return record, run


def test_a_ticked_row_is_made_as_it_was_when_it_was_ticked_without_being_read_again(world: StageHarness) -> None:
    record, run = ticked(world, Prompt="A cat\nA dog", Title="Pets", **{"Clip Seconds": 8})
    assert (world.run(run).order or {})["title"] == "Pets", "known at once"
    world.airtable.edit("Videos", record, Prompt="A cow")
    done = world.until(run, "done")
    world.settle()
    assert world.bought == ["A cat", "A dog"], "inputs edited during a run count for the next one"
    assert done.quote_micro == 1_600_000
    assert world.calls("row") == 0
    assert world.cells(record)["Status"] == "Done"


def test_ready_rows_are_read_all_together_only(world: StageHarness) -> None:
    for number in range(7):
        world.row(Prompt=f"Cat {number}", Status="Ready")
    sweep = accept.sweep_queue(world.services, BASE)
    world.settle()
    assert accept.sweep_view(world.services, sweep).status == "done"
    assert sorted(world.bought) == [f"Cat {number}" for number in range(7)]
    assert (world.calls("ready"), world.calls("row")) == (1, 0)


def test_what_was_wrong_or_has_scenes_of_its_own_is_read_when_the_run_begins(world: StageHarness) -> None:
    record, run = ticked(world, Prompt="A cat", **{"Scene Count": 99})
    world.airtable.edit("Videos", record, Scene_Count=1)
    world.until(run, "done")
    assert world.calls("row") == 1
    world.settle()
    world.airtable.edit("Scenes", world.scene_ids()[0], Prompt="A lion", Status="Draft")
    world.airtable.edit("Videos", record, Generate=True)
    [again] = checkboxes.look(world.services, BASE)
    world.until(again, "done")
    assert world.bought == ["A cat", "A lion"]
    assert world.calls("row") == 2


def test_a_row_that_was_read_long_ago_is_read_again_because_its_pictures_have_died(world: StageHarness) -> None:
    record, run = ticked(world, Prompt="A cat")
    world.airtable.edit("Videos", record, Prompt="A cow")
    world.clock.pass_by(prefetched_row.GOOD_FOR_S + 1)
    world.until(run, "done")
    assert (world.bought, world.calls("row")) == (["A cow"], 1)


def test_going_on_after_something_was_mended_in_the_row_reads_it(world: StageHarness) -> None:
    record, run = ticked(world, Prompt="A cat\nA dog", **{"Max Cost": 0.5})
    world.until(run, "needs_attention")
    assert world.calls("row") == 0
    world.airtable.edit("Videos", record, Max_Cost=0.8)
    control.retry(world.services, run, "test")
    assert world.until(run, "done").status is RunStatus.DONE
    assert world.calls("row") == 1

"""Before money is spent: scenes in the base, a free preview, and exactly what a person left there is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.errors import NotAllowed
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run
from pipelines.stages.decisions import control
from pipelines.stages.delivery import flush
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def world(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path, approval_above_micro=0)


def waiting(world: StageHarness, **fields: object) -> tuple[str, Run]:
    record, run = world.film(**{"Prompt": "A cat\nA dog\nA cow", **fields})
    assert run.status is RunStatus.NEEDS_APPROVAL
    return record, run


def approved(world: StageHarness, run: Run) -> Run:
    control.approve(world.services, run.id, "test")
    world.until(run.id, "done", "failed", "needs_attention")
    world.settle()
    return world.run(run.id)


def test_scenes_and_a_free_preview_stand_in_the_base_while_it_waits(world: StageHarness) -> None:
    record, _ = waiting(world)
    cells = world.cells(record)
    assert cells["Status"] == "Needs Approval"
    assert cells["Estimated Cost"] == 1.2
    assert [row["Prompt"] for row in world.scene_rows()] == ["A cat", "A dog", "A cow"]
    assert [file["filename"] for file in cells["Final Video"]] == [f"{record}-r1-16x9-animatic.mp4"]
    assert [card.text for card in world.editor.cards] == ["A cat", "A dog", "A cow"]
    assert world.bought == []


def test_approved_as_it_is_nothing_is_planned_anew(world: StageHarness) -> None:
    _, run = waiting(world)
    before = [scene.id for scene in world.scenes(run)]
    done = approved(world, run)
    assert done.status is RunStatus.DONE
    assert [scene.id for scene in world.scenes(run)] == before
    assert not world.events(run, "scenes_edited")


def test_edits_order_additions_and_deletions_in_the_base_are_what_is_made(world: StageHarness) -> None:
    record, run = waiting(world)
    cat, dog, cow = world.scene_ids()
    world.airtable.edit("Scenes", cat, Prompt="A lion", Scene_no=4, Seconds=8)
    world.airtable.delete("Scenes", dog)
    world.airtable.add("Scenes", Video=[record], Scene_no=3.5, Prompt="A hen", Status="Draft")
    done = approved(world, run)
    assert world.bought == ["A cow", "A hen", "A lion"]
    assert done.quote_micro == 1_600_000
    assert world.cells(record)["Actual Cost"] == 1.6
    rows = {row["Prompt"]: (row["Status"], row["Scene Key"]) for row in world.scene_rows()}
    assert rows == {
        "A cow": ("Done", f"{record}-r1-01"),
        "A hen": ("Done", f"{record}-r1-02"),
        "A lion": ("Done", f"{record}-r1-03"),
    }
    assert cow in world.scene_ids()
    assert world.balanced()


def test_what_a_person_typed_is_never_written_over(world: StageHarness) -> None:
    _, run = waiting(world)
    cat = world.scene_ids()[0]
    world.airtable.edit("Scenes", cat, Prompt="A lion", Caption="Roar", Seconds=8)
    approved(world, run)
    world.airtable.edit("Scenes", cat, Prompt="A tiger")
    control.regenerate(world.services, run.id, 2, {}, "test")
    world.until(run.id, "done")
    world.settle()
    row = world.airtable.cells(cat, "Scenes")
    assert (row["Prompt"], row["Caption"], row["Seconds"]) == ("A tiger", "Roar", 8)


def test_an_edit_that_cannot_be_made_is_said_and_the_run_waits_on(world: StageHarness) -> None:
    record, run = waiting(world)
    cat = world.scene_ids()[0]
    world.airtable.edit("Scenes", cat, Seconds=50)
    control.approve(world.services, run.id, "test")
    world.settle()
    cells = world.cells(record)
    assert cells["Status"] == "Needs Approval"
    assert cells["Error"].startswith("Scene 1 Seconds: acme/film makes clips of 4, 8 or 12 seconds")
    world.airtable.edit("Scenes", cat, Seconds=8)
    assert approved(world, run).status is RunStatus.DONE
    assert "Error" not in world.cells(record)


def test_scenes_that_have_become_too_dear_wait_for_a_person(world: StageHarness) -> None:
    record, run = waiting(world, **{"Max Cost": 1.2})
    world.airtable.edit("Scenes", world.scene_ids()[0], Seconds=12)
    control.approve(world.services, run.id, "test")
    world.settle()
    assert world.cells(record)["Status"] == "Needs Approval"
    assert "At least $2.00 would do." in world.cells(record)["Error"]
    assert world.bought == []


def test_approving_while_the_preview_is_being_made_is_not_forgotten(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    run = world.trigger(record)
    world.points.at("cut.stored", lambda: control.approve(world.services, run, "test"))
    assert world.until(run, "done").status is RunStatus.DONE


def test_scenes_that_have_not_reached_the_base_yet_are_not_taken_for_deleted(world: StageHarness) -> None:
    record = world.row(Prompt="\n".join(f"Animal {n}" for n in range(12)))
    run = world.trigger(record)
    world.services.store.due("runs", world.clock.now(), 1)
    world.step("runs", run)
    world.clock.pass_by(10)
    flush.flush_due(world.services)
    assert len(world.scene_rows()) == 10
    control.approve(world.services, run, "test")
    while world.run(run).status is RunStatus.NEEDS_APPROVAL:
        assert world.step("runs", run)
    assert len(world.scenes(world.run(run))) == 12


def test_a_run_cancelled_while_it_waits_buys_nothing_and_holds_nothing(world: StageHarness) -> None:
    record, run = waiting(world)
    control.cancel(world.services, run.id, "test")
    world.settle()
    assert world.cells(record)["Status"] == "Cancelled"
    assert world.bought == []
    assert world.held() == 0
    with pytest.raises(NotAllowed):
        control.approve(world.services, run.id, "test")


def test_only_what_costs_more_than_the_threshold_asks(tmp_path: Path) -> None:
    world = StageHarness.build(tmp_path, approval_above_micro=500_000)
    _, cheap = world.film(Prompt="A cat")
    _, dear = world.film(Prompt="A dog\nA cow")
    assert (cheap.status, dear.status) == (RunStatus.DONE, RunStatus.NEEDS_APPROVAL)


def test_written_scenes_are_taken_as_edited_and_kept_for_the_next_run(world: StageHarness) -> None:
    record, run = waiting(world, Prompt=None, **{"Master Prompt": "A day", "Scene Count": 2})
    world.airtable.edit("Scenes", world.scene_ids()[0], Prompt="A morning")
    approved(world, run)
    second = world.until(world.trigger(record), "needs_approval", "done", "generating")
    assert [scene.prompt for scene in world.scenes(second)] == ["A morning", "A day: shot 2"]
    assert len(world.writer.briefs) == 1


SIX = "\n".join(f"Animal number {n}" for n in range(1, 7))


def test_the_question_and_its_scenes_stand_in_the_base_within_seconds(world: StageHarness) -> None:
    """Nobody looks at an empty table while the preview is made."""
    run = world.until(world.trigger(world.row(Prompt=SIX)), "needs_approval")
    asked = world.clock.now()
    while not world.scene_rows():
        if not world.work():
            world.clock.pass_by(0.1)
    assert world.clock.now() - asked <= 3.0
    assert world.cells(run.record_id or "")["Status"] == "Needs Approval"


def test_approval_of_six_scenes_and_making_one_again_take_few_calls(world: StageHarness) -> None:
    record, run = waiting(world, Prompt=SIX)
    approved(world, run)
    assert world.cells(record)["Status"] == "Done"
    assert calls_of_a_video(world) <= 12, world.airtable.calls
    world.airtable.calls.clear()
    control.regenerate(world.services, run.id, 3, {}, "test")
    world.until(run.id, "done")
    world.settle()
    assert calls_of_a_video(world) <= 8, world.airtable.calls


def calls_of_a_video(world: StageHarness) -> int:
    """A look at `Settings` is for the whole base."""
    return len(world.airtable.calls) - world.calls("settings")


def test_a_record_that_was_deleted_while_it_waited_is_not_made(world: StageHarness) -> None:
    record, run = waiting(world)
    for scene in world.scene_ids():
        world.airtable.edit("Scenes", scene, Video=[])
    world.airtable.delete("Videos", record)
    stopped = approved(world, run)
    assert (stopped.status, world.bought) == (RunStatus.FAILED, [])

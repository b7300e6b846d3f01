"""Before money is spent: scenes in the base, a free preview, and exactly what a person left there is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.errors import InvalidOrder, NotAllowed, OverBudget
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneChanges, SceneOrder
from pipelines.domain.records import Run
from pipelines.stages.decisions import control, dry_run, regenerate
from pipelines.stages.delivery import flush
from pipelines.stages.orders import accept
from tests.stages.people_fixtures import look
from tests.stages.stage_fixtures import STOPPED, StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path, approval_above_micro=0)


def waiting(harness: StageHarness, **fields: object) -> tuple[str, Run]:
    record, run = harness.film(**{"Prompt": "A cat\nA dog\nA cow", **fields})
    assert run.status is RunStatus.NEEDS_APPROVAL
    return record, run


def approved(harness: StageHarness, run: Run) -> Run:
    control.approve(harness.services, run.id, "test")
    harness.until(run.id, "done", "failed", "needs_attention")
    harness.settle()
    return harness.run(run.id)


def test_scenes_and_a_free_preview_stand_in_the_base_while_it_waits(harness: StageHarness) -> None:
    record, _ = waiting(harness)
    cells = harness.cells(record)
    assert cells["Status"] == "Needs Approval"
    assert cells["Estimated Cost"] == 1.2
    assert [row["Prompt"] for row in harness.scene_rows()] == ["A cat", "A dog", "A cow"]
    assert [file["filename"] for file in cells["Final Video"]] == [f"{record}-r1-16x9-animatic.mp4"]
    assert [card.text for card in harness.editor.cards] == ["A cat", "A dog", "A cow"]
    assert harness.bought == []


def test_approved_as_it_is_nothing_is_planned_anew(harness: StageHarness) -> None:
    _, run = waiting(harness)
    before = [scene.id for scene in harness.scenes(run)]
    done = approved(harness, run)
    assert done.status is RunStatus.DONE
    assert [scene.id for scene in harness.scenes(run)] == before
    assert not harness.events(run, "scenes_edited")


def test_edits_order_additions_and_deletions_in_the_base_are_what_is_made(harness: StageHarness) -> None:
    record, run = waiting(harness)
    cat, dog, cow = harness.scene_ids()
    harness.airtable.edit("Scenes", cat, Prompt="A lion", Scene_no=4, Seconds=8)
    harness.airtable.delete("Scenes", dog)
    harness.airtable.add("Scenes", Video=[record], Scene_no=3.5, Prompt="A hen", Status="Draft")
    done = approved(harness, run)
    assert harness.bought == ["A cow", "A hen", "A lion"]
    assert done.quote_micro == 1_600_000
    assert harness.cells(record)["Actual Cost"] == 1.6
    rows = {row["Prompt"]: (row["Status"], row["Scene Key"]) for row in harness.scene_rows()}
    assert rows == {
        "A cow": ("Done", f"{record}-r1-01"),
        "A hen": ("Done", f"{record}-r1-02"),
        "A lion": ("Done", f"{record}-r1-03"),
    }
    assert cow in harness.scene_ids()
    assert harness.balanced()


def test_what_a_person_typed_is_never_written_over(harness: StageHarness) -> None:
    _, run = waiting(harness)
    cat = harness.scene_ids()[0]
    harness.airtable.edit("Scenes", cat, Prompt="A lion", Caption="Roar", Seconds=8)
    approved(harness, run)
    harness.airtable.edit("Scenes", cat, Prompt="A tiger")
    regenerate.regenerate(harness.services, run.id, 2, {}, "test")
    harness.until(run.id, "done")
    harness.settle()
    row = harness.airtable.cells(cat, "Scenes")
    assert (row["Prompt"], row["Caption"], row["Seconds"]) == ("A tiger", "Roar", 8)


def test_an_edit_that_cannot_be_made_is_said_and_the_run_waits_on(harness: StageHarness) -> None:
    record, run = waiting(harness)
    cat = harness.scene_ids()[0]
    harness.airtable.edit("Scenes", cat, Seconds=50)
    control.approve(harness.services, run.id, "test")
    harness.settle()
    cells = harness.cells(record)
    assert cells["Status"] == "Needs Approval"
    assert cells["Error"].startswith("Scene 1 Seconds: acme/film makes clips of 4, 8 or 12 seconds")
    harness.airtable.edit("Scenes", cat, Seconds=8)
    assert approved(harness, run).status is RunStatus.DONE
    assert "Error" not in harness.cells(record)


def test_scenes_that_have_become_too_dear_wait_for_a_person(harness: StageHarness) -> None:
    record, run = waiting(harness, **{"Max Cost": 1.2})
    harness.airtable.edit("Scenes", harness.scene_ids()[0], Seconds=12)
    control.approve(harness.services, run.id, "test")
    harness.settle()
    assert harness.cells(record)["Status"] == "Needs Approval"
    assert "Raise Max Cost in the row, then tick Approve there." in harness.cells(record)["Error"]
    assert "At least $2.00 would do." in harness.cells(record)["Error"]
    assert harness.bought == []
    harness.airtable.edit("Videos", record, Max_Cost=2, Approve=True)
    look(harness)
    assert harness.until(run.id, "done").status is RunStatus.DONE


def test_a_preview_that_is_not_gone_on_with_is_told_what_helps_as_it_is(harness: StageHarness) -> None:
    """A cancelled film that its Max Cost refuses waits for no approval."""
    record, run = waiting(harness, **{"Max Cost": 1.2})
    harness.airtable.edit("Scenes", harness.scene_ids()[0], Seconds=12)
    harness.airtable.edit("Videos", record, Max_Cost=1.0, Approve=True)
    look(harness)
    control.cancel(harness.services, run.id, "test")
    with pytest.raises(OverBudget, match="Raise Max Cost in the row, then tick Generate there"):
        control.retry(harness.services, run.id, "test")
    assert harness.run(run.id).status is RunStatus.CANCELLED


def test_approving_while_the_preview_is_being_made_is_not_forgotten(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    harness.points.at("cut.stored", lambda: control.approve(harness.services, run, "test"))
    assert harness.until(run, "done").status is RunStatus.DONE


def test_scenes_that_have_not_reached_the_base_yet_are_not_taken_for_deleted(harness: StageHarness) -> None:
    record = harness.row(Prompt="\n".join(f"Animal {n}" for n in range(12)))
    run = harness.trigger(record)
    harness.services.store.due("runs", harness.clock.now(), 1)
    harness.step("runs", run)
    harness.clock.pass_by(10)
    flush.flush_due(harness.services)
    assert len(harness.scene_rows()) == 10
    control.approve(harness.services, run, "test")
    while harness.run(run).status is RunStatus.NEEDS_APPROVAL:
        assert harness.step("runs", run)
    assert len(harness.scenes(harness.run(run))) == 12


def test_a_run_cancelled_while_it_waits_buys_nothing_and_holds_nothing(harness: StageHarness) -> None:
    record, run = waiting(harness)
    control.cancel(harness.services, run.id, "test")
    harness.settle()
    assert harness.cells(record)["Status"] == "Cancelled"
    assert harness.bought == []
    assert harness.held() == 0
    with pytest.raises(NotAllowed):
        control.approve(harness.services, run.id, "test")


def test_only_what_costs_more_than_the_threshold_asks(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, approval_above_micro=500_000)
    _, cheap = harness.film(Prompt="A cat")
    _, dear = harness.film(Prompt="A dog\nA cow")
    assert (cheap.status, dear.status) == (RunStatus.DONE, RunStatus.NEEDS_APPROVAL)


def test_written_scenes_are_taken_as_edited_and_kept_for_the_next_run(harness: StageHarness) -> None:
    record, run = waiting(harness, Prompt=None, **{"Master Prompt": "A day", "Scene Count": 2})
    harness.airtable.edit("Scenes", harness.scene_ids()[0], Prompt="A morning")
    approved(harness, run)
    second = harness.until(harness.trigger(record), "needs_approval", "done", "generating")
    assert [scene.prompt for scene in harness.scenes(second)] == ["A morning", "A day: shot 2"]
    assert len(harness.writer.briefs) == 1


SIX = "\n".join(f"Animal number {n}" for n in range(1, 7))


def test_the_question_and_its_scenes_stand_in_the_base_within_seconds(harness: StageHarness) -> None:
    """Nobody looks at an empty table while the preview is made."""
    run = harness.until(harness.trigger(harness.row(Prompt=SIX)), "needs_approval")
    asked = harness.clock.now()
    while not harness.scene_rows():
        if not harness.work():
            harness.clock.pass_by(0.1)
    assert harness.clock.now() - asked <= 3.0
    assert harness.cells(run.record_id or "")["Status"] == "Needs Approval"


def test_approval_of_six_scenes_and_making_one_again_take_few_calls(harness: StageHarness) -> None:
    record, run = waiting(harness, Prompt=SIX)
    approved(harness, run)
    assert harness.cells(record)["Status"] == "Done"
    assert calls_of_a_video(harness) <= 12, harness.airtable.calls
    harness.airtable.calls.clear()
    regenerate.regenerate(harness.services, run.id, 3, {}, "test")
    harness.until(run.id, "done")
    harness.settle()
    assert calls_of_a_video(harness) <= 8, harness.airtable.calls


def calls_of_a_video(harness: StageHarness) -> int:
    """A look at `Settings` is for the whole base."""
    return len(harness.airtable.calls) - harness.calls("settings")


def test_a_record_that_was_deleted_while_it_waited_is_not_made(harness: StageHarness) -> None:
    record, run = waiting(harness)
    for scene in harness.scene_ids():
        harness.airtable.edit("Scenes", scene, Video=[])
    harness.airtable.delete("Videos", record)
    stopped = approved(harness, run)
    assert (stopped.status, harness.bought) == (RunStatus.FAILED, [])


EDITS: dict[int, SceneChanges] = {2: {"prompt": "A wolf"}}


def test_a_scene_that_is_changed_where_it_is_approved_is_made_so_and_its_row_keeps_its_text(
    harness: StageHarness,
) -> None:
    record, run = waiting(harness)
    assert dry_run.approving(harness.services, run.id, EDITS).shown_micro == 1_200_000
    control.approve(harness.services, run.id, "page", edits=EDITS, at_most_micro=1_200_000)
    control.approve(harness.services, run.id, "page", edits={1: {"prompt": "Twice is once"}})
    cow = harness.scene_ids()[2]
    harness.airtable.edit("Scenes", cow, Prompt="A bull")
    harness.until(run.id, "done")
    harness.settle()
    assert harness.bought == ["A cat", "A wolf", "A bull"]
    assert [row["Prompt"] for row in harness.scene_rows()] == ["A cat", "A dog", "A bull"]
    assert [row["Status"] for row in harness.scene_rows()] == ["Done"] * 3
    assert "Made with a prompt that was given on its page: “A wolf”" in harness.scene_rows()[1]["Error"]
    assert harness.cells(record)["Actual Cost"] == 1.2
    assert harness.balanced()


def test_what_is_changed_at_approval_is_bought_for_no_more_than_was_shown(harness: StageHarness) -> None:
    order = Order(scenes=(SceneOrder(prompt="A cat"), SceneOrder(prompt="A dog")), scene_count=2)
    started = accept.start(harness.services, accept.StartRequest(source="rest", order=order))
    run = harness.until(started.run_id, "needs_approval")
    longer: dict[int, SceneChanges] = {1: {"prompt": "A dog", "seconds": 8.0}}
    held = harness.held()
    with pytest.raises(OverBudget, match=r"\$1\.20, more than the \$0\.80"):
        control.approve(harness.services, run.id, "page", edits=longer, at_most_micro=800_000)
    with pytest.raises(InvalidOrder):
        control.approve(harness.services, run.id, "page", edits={9: {"prompt": "A cow"}})
    with pytest.raises(OverBudget):
        control.approve(harness.services, run.id, "page", at_most_micro=799_999)
    assert (harness.held(), harness.run(run.id).quote_micro) == (held, 800_000)
    preview = dry_run.approving(harness.services, run.id, longer)
    assert (preview.shown_micro, preview.problems) == (1_200_000, ())
    control.approve(harness.services, run.id, "page", edits=longer, at_most_micro=1_200_000)
    run = harness.until(run.id, "done")
    assert [(bought.request.prompt, bought.request.seconds) for bought in harness.vendor().bought] == [
        ("A dog", 8.0),
        ("A dog", 4.0),
    ]
    assert run.quote_micro == 1_200_000
    assert harness.balanced()
    assert harness.held() == 0


def test_scenes_that_are_to_be_written_first_wait_for_approval_whatever_they_cost(tmp_path: Path) -> None:
    """As *Write the scenes first* on New video orders them: nothing is bought before, and the hold covers what is."""
    harness = StageHarness.build(tmp_path)
    order = Order(master_prompt="A fox wakes up in the snow.", scene_count=2, ask_first=True)
    started = accept.start(harness.services, accept.StartRequest(source="rest", order=order))
    run = harness.until(started.run_id, *STOPPED)
    assert (run.status, run.approval, harness.bought) == (RunStatus.NEEDS_APPROVAL, "asked", [])
    assert len(harness.scenes(run)) == 2
    shown = dry_run.going_on(harness.services, run.id).shown_micro
    control.approve(harness.services, run.id, "page", at_most_micro=shown)
    harness.until(run.id, "done")
    assert len(harness.bought) == 2
    assert (harness.held(), harness.balanced()) == (0, True)

"""From a trigger to a quoted run: once only, the right scenes, and sentences for whatever is wrong with a row."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipelines.domain.errors import Expired, InvalidOrder, OverBudget
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.stages.decisions import control, regenerate
from pipelines.stages.orders import accept
from pipelines.stages.views import run_view
from pipelines.testing.airtable import BASE
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def test_five_triggers_at_once_are_one_run(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat\nA dog")
    runs: list[str] = []
    threads = [threading.Thread(target=lambda: runs.append(harness.trigger(record))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 5
    assert len(set(runs)) == 1
    harness.until(runs[0], "done")
    assert harness.bought == ["A cat", "A dog"]


def test_a_record_that_waits_for_a_person_gets_its_run_again(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat", **{"Max Cost": 0.1})
    first = harness.make(record)
    again = accept.start(harness.services, accept.StartRequest(source="record", base_id=BASE, record_id=record))
    assert first.status is RunStatus.NEEDS_ATTENTION
    assert (again.run_id, again.existing) == (first.id, True)


def test_quote_before_and_cost_after_stand_in_the_row(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat\nA dog", Generate=True)
    run = harness.trigger(record)
    harness.until(run, "generating")
    harness.settle()
    cells = harness.cells(record)
    assert (cells["Estimated Cost"], cells["Actual Cost"]) == (0.8, 0.8)
    assert (cells["Status"], cells["Progress"], cells["Run"], cells["Run ID"]) == ("Done", 1.0, 1, run)
    assert "Generate" not in cells
    assert harness.held() == 0
    assert harness.balanced()


def test_triggered_again_a_record_makes_run_2_of_the_clips_it_has(harness: StageHarness) -> None:
    record, first = harness.film(Prompt="A cat\nA dog")
    harness.airtable.edit("Videos", record, Prompt="A cat\nA cow")
    second = harness.make(record)
    assert (second.number, second.status) == (2, RunStatus.DONE)
    assert harness.bought == ["A cat", "A dog", "A cow"]
    assert harness.clips(second)[0].id == harness.clips(first)[0].id
    assert harness.cells(record)["Estimated Cost"] == 0.4


def test_a_fresh_run_buys_everything_anew_and_the_next_one_reuses_the_newest(harness: StageHarness) -> None:
    record, first = harness.film(Prompt="A cat")
    second = harness.make(record, fresh=True)
    third = harness.make(record)
    clips = [harness.clips(run)[0].id for run in (first, second, third)]
    assert harness.bought == ["A cat", "A cat"]
    assert clips[1] != clips[0]
    assert clips[2] == clips[1]


def test_an_unchanged_master_prompt_is_not_written_again(harness: StageHarness) -> None:
    record, _ = harness.film(**{"Master Prompt": "A day at sea", "Scene Count": 2})
    second = harness.make(record)
    assert len(harness.writer.briefs) == 1
    assert [scene.prompt for scene in harness.scenes(second)] == ["A day at sea: shot 1", "A day at sea: shot 2"]
    assert len(harness.bought) == 2
    assert second.quote_micro == 0


@pytest.mark.parametrize("change", [{"Master_Prompt": "A night at sea"}, {"Style_Notes": "film noir"}])
def test_a_changed_brief_is_written_again(harness: StageHarness, change: dict[str, str]) -> None:
    record, _ = harness.film(**{"Master Prompt": "A day at sea", "Scene Count": 1})
    harness.airtable.edit("Videos", record, **change)
    harness.make(record)
    assert len(harness.writer.briefs) == 2


def test_a_new_format_of_the_same_story_costs_nothing(harness: StageHarness) -> None:
    record, _ = harness.film(**{"Master Prompt": "A day at sea", "Scene Count": 2})
    harness.airtable.edit("Videos", record, Formats=["9:16"])
    second = harness.make(record)
    assert len(harness.bought) == 2
    assert [cut.format for cut in harness.cuts(second)] == ["16:9", "9:16"]


def test_the_next_run_takes_the_clip_of_a_scene_that_was_ordered_again(harness: StageHarness) -> None:
    record, first = harness.film(Prompt="A cat\nA dog")
    regenerate.regenerate(harness.services, first.id, 2, {}, "test")
    harness.until(first.id, "done")
    wanted = harness.clips(first)[1].id
    second = harness.make(record)
    assert len(harness.bought) == 3
    assert harness.clips(second)[1].id == wanted


def test_two_equal_lines_are_two_clips(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA cat")
    assert harness.bought == ["A cat", "A cat"]
    assert len({clip.id for clip in harness.clips(run)}) == 2


def test_draft_scenes_come_before_prompt_lines_and_the_master_prompt(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat", **{"Master Prompt": "A day at sea"})
    for number, prompt in ((2, "A whale"), (1, "A ship")):
        harness.airtable.add("Scenes", Video=[record], Scene_no=number, Prompt=prompt, Status="Draft")
    harness.make(record)
    assert harness.bought == ["A ship", "A whale"]
    rows = {row["Prompt"]: row for row in harness.scene_rows()}
    assert rows["A ship"]["Scene Key"] == f"{record}-r1-01"
    assert rows["A whale"]["Status"] == "Done"
    assert len(rows) == 2


def test_prompt_lines_come_before_the_master_prompt(harness: StageHarness) -> None:
    harness.film(Prompt="A cat", **{"Master Prompt": "A day at sea"})
    assert harness.bought == ["A cat"]


def test_the_other_trigger_always_takes_the_master_prompt(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat", **{"Master Prompt": "A day at sea", "Scene Count": 1})
    harness.make(record, source="master_prompt")
    assert harness.bought == ["A day at sea: shot 1"]


def test_hand_made_scenes_are_made_again_from_what_they_were(harness: StageHarness) -> None:
    record = harness.row()
    harness.airtable.add("Scenes", Video=[record], Scene_no=1, Prompt="A ship")
    harness.make(record)
    second = harness.make(record)
    assert second.status is RunStatus.DONE
    assert harness.bought == ["A ship"]


def test_an_edited_scene_set_to_draft_brings_its_siblings_along(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat\nA dog\nA cow")
    harness.airtable.edit("Scenes", harness.scene_ids()[1], Prompt="A wolf", Status="Draft")
    second = harness.make(record)
    assert [scene.prompt for scene in harness.scenes(second)] == ["A cat", "A wolf", "A cow"]
    assert harness.bought == ["A cat", "A dog", "A cow", "A wolf"]


def test_style_notes_go_with_scenes_that_a_person_wrote(harness: StageHarness) -> None:
    record = harness.row(**{"Master Prompt": "Anything", "Style Notes": "film noir"})
    harness.airtable.add("Scenes", Video=[record], Scene_no=1, Prompt="A ship")
    harness.make(record)
    assert harness.bought == ["A ship\n\nStyle: film noir"]
    assert not harness.writer.briefs


def test_style_notes_that_do_not_fit_beside_a_prompt_are_said_to_be_left_out(harness: StageHarness) -> None:
    long = "A cat " * 700
    record, run = harness.film(Prompt=f"{long[:3990]}\nA dog", **{"Style Notes": "in pastel colours"})
    assert run.status is RunStatus.DONE
    assert ["pastel" in prompt for prompt in harness.bought] == [False, True]
    (note,) = run.known_plan.adapted
    assert note.startswith("Scene 1: the style notes do not fit beside the prompt")
    assert note in harness.cells(record)["Status Detail"]
    found = accept.dry_run(harness.services, accept.StartRequest(source="record", base_id=BASE, record_id=record))
    assert found.plan is not None
    assert found.plan.adapted == (note,)


def test_style_notes_are_the_writers_business_when_it_writes(harness: StageHarness) -> None:
    harness.film(**{"Master Prompt": "A day", "Scene Count": 1, "Style Notes": "film noir"})
    assert harness.bought == ["A day: shot 1"]
    assert harness.writer.briefs[0].style_notes == "film noir"


def test_a_bad_row_fails_with_a_sentence_for_each_field(harness: StageHarness) -> None:
    fields = {"Fit": "Sideways", "Model": "acme/none", "Clip Seconds": "soon"}
    record, run = harness.film(Title="The cat", Prompt="A cat", **fields)
    assert run_view.run_view(harness.services, run.id)["title"] == "The cat"
    error = harness.cells(record)["Error"]
    assert run.status is RunStatus.FAILED
    assert all(f"{name}: " in error for name in ("Fit", "Model", "Clip Seconds"))
    assert harness.bought == []


def test_a_bad_draft_scene_is_named_by_its_place(harness: StageHarness) -> None:
    record = harness.row()
    harness.airtable.add("Scenes", Video=[record], Scene_no=1, Prompt="A ship")
    harness.airtable.add("Scenes", Video=[record], Scene_no=2, Prompt="A whale", Seconds="long")
    harness.make(record)
    assert "Scene 2 Seconds: must be a number" in harness.cells(record)["Error"]
    assert harness.bought == []


def test_an_empty_row_says_what_to_write(harness: StageHarness) -> None:
    record, run = harness.film(Title="Nothing yet")
    assert run.status is RunStatus.FAILED
    assert harness.cells(record)["Status"] == "Failed"
    assert harness.cells(record)["Error"].startswith("Master Prompt: is empty.")


def test_a_record_that_is_gone_ends_its_run(harness: StageHarness) -> None:
    run = harness.make("rec00000000000999")
    assert run.status is RunStatus.FAILED
    assert run.error == "The row is not in “Videos” any more."


def test_over_max_cost_the_number_that_would_do_is_named_and_raising_it_goes_on(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat\nA dog", **{"Max Cost": 0.5})
    cells = harness.cells(record)
    assert cells["Status"] == "Needs Attention"
    assert "Max Cost" in cells["Error"]
    assert "At least $0.80 would do." in cells["Error"]
    harness.airtable.edit("Videos", record, Max_Cost=0.8)
    control.retry(harness.services, run.id, "test")
    assert harness.until(run.id, "done").status is RunStatus.DONE
    assert "Error" not in harness.cells(record)


def test_clips_that_are_there_need_no_budget(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, day_cap_micro=1_000_000)
    record, _ = harness.film(Prompt="A cat\nA dog")
    second = harness.make(record)
    assert second.status is RunStatus.DONE


def test_writing_is_part_of_the_quote_and_of_the_cost(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    harness.writer.cost_micro = 10_000
    record, run = harness.film(**{"Master Prompt": "A day", "Scene Count": 1})
    assert run.quote_micro == 410_000
    assert harness.cells(record)["Estimated Cost"] == harness.cells(record)["Actual Cost"] == 0.41
    assert harness.balanced()


def test_reference_images_are_brought_home_before_they_expire(harness: StageHarness) -> None:
    picture = "https://dl.airtable.test/1"
    harness.intake.world[picture] = b"a picture"
    harness.film(Prompt="A cat", **{"Reference Images": [{"url": picture, "filename": "a.png", "type": "image/png"}]})
    (purchase,) = harness.vendor().bought
    assert purchase.request.first_frame is not None
    assert purchase.request.first_frame.startswith("inputs/")
    assert harness.services.media.stat(purchase.request.first_frame) is not None


def test_an_expired_reference_image_is_named_as_the_row_names_it(harness: StageHarness) -> None:
    picture = "https://dl.airtable.test/1"
    harness.intake.world[picture] = Expired("410")
    files = [{"url": picture, "filename": "a.png", "type": "image/png"}]
    record, run = harness.film(Prompt="A cat", **{"Reference Images": files})
    assert run.status is RunStatus.FAILED
    assert harness.cells(record)["Error"].startswith("Reference Images: The file could not be fetched.")


def test_an_order_by_rest_is_quoted_at_once_and_needs_no_base(harness: StageHarness) -> None:
    order = Order(scenes=(SceneOrder(prompt="A cat"),), master_prompt=None)
    started = accept.start(harness.services, accept.StartRequest(source="rest", order=order))
    assert started.quote_micro == 400_000
    run = harness.until(started.run_id, "done")
    assert len(harness.cuts(run)) == 1
    assert not harness.airtable.calls


def test_what_cannot_be_made_or_paid_is_refused_before_anything_starts(harness: StageHarness) -> None:
    with pytest.raises(InvalidOrder):
        accept.start(harness.services, accept.StartRequest(source="rest", order=Order()))
    dear = Order(scenes=tuple(SceneOrder(prompt=f"A cat {n}", seconds=12) for n in range(20)))
    with pytest.raises(OverBudget, match=r"a limit of at least \$24\.00"):
        accept.start(harness.services, accept.StartRequest(source="rest", order=dear))


def test_a_dry_run_of_a_row_names_its_problems_and_starts_nothing(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat\nA dog", Fit="Sideways")
    found = accept.dry_run(harness.services, accept.StartRequest(source="record", base_id=BASE, record_id=record))
    assert found.quote_micro == 800_000
    assert [problem.field for problem in found.problems] == ["Fit"]
    with harness.services.store.read() as tx:
        assert tx.runs.count() == 0

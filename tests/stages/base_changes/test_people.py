"""What people do in the base without a script: ticked boxes, edited scenes, versions put back, rows that are ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.airtable.schema import table
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.airtable_fields import AirtableTable
from pipelines.stages.base_changes import checkboxes, webhook_push
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept
from pipelines.stages.scheduler.maintenance import Maintenance
from pipelines.testing import Outcome
from tests.stages.people_fixtures import changed, look, only_run, pushed, told
from tests.stages.stage_fixtures import BASE, StageHarness


@pytest.fixture
def world(tmp_path: Path) -> StageHarness:
    return pushed(tmp_path)


def test_a_ticked_generate_starts_once_and_is_cleared(world: StageHarness) -> None:
    record = world.row(Prompt="A cat", Generate=True)
    look(world)
    look(world)
    assert world.run(only_run(world)).status is RunStatus.DONE
    assert "Generate" not in world.cells(record)
    assert world.bought == ["A cat"]


def test_approve_and_cancel_are_boxes_too(tmp_path: Path) -> None:
    world = StageHarness.build(tmp_path, approval_above_micro=0)
    first, _ = world.film(Prompt="A cat")
    second, stopped = world.film(Prompt="A dog")
    world.airtable.edit("Videos", first, Approve=True)
    world.airtable.edit("Videos", second, Cancel=True)
    look(world)
    assert world.bought == ["A cat"]
    assert world.run(stopped.id).status is RunStatus.CANCELLED
    assert world.cells(first)["Status"] == "Done"
    assert not {"Approve", "Cancel"} & {*world.cells(first), *world.cells(second)}


@pytest.mark.parametrize("box", ["Approve", "Cancel"])
def test_a_box_that_means_nothing_yet_is_cleared_with_a_sentence(world: StageHarness, box: str) -> None:
    record = world.row(Prompt="A cat", **{box: True})
    look(world)
    cells = world.cells(record)
    assert box not in cells
    assert cells["Status Detail"] == "Nothing was started for this row yet: tick Generate first."


def test_cancelling_what_is_over_says_so(world: StageHarness) -> None:
    record, _ = world.film(Prompt="A cat")
    world.airtable.edit("Videos", record, Cancel=True)
    look(world)
    assert world.cells(record)["Status Detail"] == "This run is over; it is done."
    assert "Cancel" not in world.cells(record)


def test_regenerate_makes_the_scene_of_the_row_as_it_stands_there(world: StageHarness) -> None:
    record, _ = world.film(Prompt="A cat\nA dog")
    dog = world.scene_ids()[1]
    world.airtable.edit("Scenes", dog, Prompt="A wolf", Regenerate=True)
    look(world)
    assert world.bought == ["A cat", "A dog", "A wolf"]
    row = world.airtable.cells(dog, "Scenes")
    assert ("Regenerate" in row, row["Status"], row["Prompt"]) == (False, "Done", "A wolf")
    assert "take2" in world.cells(record)["Final Video"][0]["filename"]


def test_regenerate_that_cannot_be_is_said_in_the_scenes_row(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    scene = world.airtable.add("Scenes", Video=[record], Prompt="A cat", Regenerate=True)
    look(world)
    row = world.airtable.cells(scene, "Scenes")
    assert "Regenerate" not in row
    assert row["Error"].startswith("This scene was never made")


def test_restore_puts_an_old_film_back_without_making_anything(world: StageHarness) -> None:
    record, first = world.film(Prompt="A cat")
    before = world.cells(record)
    world.airtable.edit("Videos", record, Prompt="A dog")
    world.make(record)
    films = len(world.editor.films)
    versions: Mapping[str, Mapping[str, Any]] = world.airtable.tables[AirtableTable.VERSIONS]
    (old,) = [one for one, row in versions.items() if row["Run"] == 1]
    world.airtable.edit("Versions", old, Restore=True)
    look(world)
    cells = world.cells(record)
    assert [file["filename"] for file in cells["Final Video"]] == [f"{record}-r1-16x9.mp4"]
    assert cells["Video URL"] == before["Video URL"]
    assert cells["Status Detail"] == "The film of run 1 is back."
    assert "Restore" not in world.airtable.cells(old, "Versions")
    assert len(world.editor.films) == films
    assert len(world.cuts(first)) == 1


def test_a_version_that_is_not_kept_any_more_says_so(world: StageHarness) -> None:
    record, run = world.film(Prompt="A cat")
    with world.services.store.write() as tx:
        tx.cuts.change(world.cuts(run)[0].id, deleted_at=1.0)
    (version,) = world.airtable.tables[AirtableTable.VERSIONS]
    world.airtable.edit("Versions", version, Restore=True)
    look(world)
    assert world.cells(record)["Status Detail"] == "The film of run 1 is not kept any more."


def test_the_queue_starts_ready_rows_whose_time_has_come(world: StageHarness) -> None:
    now, later = world.row(Prompt="A cat", Status="Ready"), "2026-11-25T12:00:00.000Z"
    waits = world.row(Prompt="A dog", Status="Ready", **{"Scheduled For": later})
    world.row(Prompt="A cow", Status="Draft")
    sweep = accept.sweep_queue(world.services, BASE)
    world.settle()
    done = accept.sweep_view(world.services, sweep)
    assert (done.status, len(done.started)) == ("done", 1)
    assert world.cells(now)["Status"] == "Done"
    assert world.cells(waits)["Status"] == "Ready"
    world.clock.pass_by(24 * 3600)
    accept.sweep_queue(world.services, BASE)
    world.settle()
    assert world.bought == ["A cat", "A dog"]


def test_a_queue_that_cannot_be_read_says_why(world: StageHarness) -> None:
    world.airtable.denied = True
    sweep = accept.sweep_queue(world.services, BASE)
    world.settle()
    found = accept.sweep_view(world.services, sweep)
    assert (found.status, found.error) == ("failed", "Airtable refuses our access token: it was revoked.")


def test_pushed_ticks_are_looked_up_in_one_call(world: StageHarness) -> None:
    """What a change says may be served by now: the boxes as they are decide."""
    records = [world.row(Prompt=prompt, Generate=True) for prompt in ("A cat", "A dog")]
    served = world.row(Prompt="A cow")
    for record in (*records, served):
        told(world, "Videos", record, ticked=("Generate",))
    webhook_push.pinged(world.services, BASE, "ping-1")
    world.settle()
    assert [world.cells(record).get("Status") for record in (*records, served)] == ["Done", "Done", None]
    assert world.calls("ticked") == 1


def test_a_row_set_to_ready_is_started_by_its_push(world: StageHarness) -> None:
    record = world.row(Prompt="A cat", Status="Ready")
    changed(world, "Videos", record, "Status")
    assert world.cells(record)["Status"] == "Done"


def test_an_edited_scene_of_a_finished_run_is_stale_and_nothing_is_bought(world: StageHarness) -> None:
    world.film(Prompt="A cat\nA dog")
    dog = world.scene_ids()[1]
    world.airtable.edit("Scenes", dog, Prompt="A wolf")
    changed(world, "Scenes", dog, "Prompt")
    assert world.airtable.cells(dog, "Scenes")["Status"] == "Stale"
    assert world.bought == ["A cat", "A dog"]
    world.airtable.edit("Scenes", dog, Prompt="A dog")
    changed(world, "Scenes", dog, "Prompt")
    assert world.airtable.cells(dog, "Scenes")["Status"] == "Done"


def test_our_own_writes_make_no_scene_stale(world: StageHarness) -> None:
    world.film(Prompt="A cat")
    (cat,) = world.scene_ids()
    changed(world, "Scenes", cat, *world.airtable.cells(cat, "Scenes"))
    assert world.airtable.cells(cat, "Scenes")["Status"] == "Done"


def test_pushed_regenerate_restore_and_settings_are_acted_on(world: StageHarness) -> None:
    settings = world.airtable.add("Settings", Name="Reelgrid")
    world.film(Prompt="A cat")
    (scene,) = world.scene_ids()
    world.airtable.edit("Scenes", scene, Regenerate=True)
    changed(world, "Scenes", scene, ticked=("Regenerate",))
    assert world.bought == ["A cat", "A cat"]
    world.airtable.edit("Settings", settings, Stop_Spending=True)
    changed(world, "Settings", settings, ticked=("Stop Spending",))
    record = world.row(Prompt="A dog")
    run = world.trigger(record)
    world.settle(patience_s=60)
    assert world.run(run).status is RunStatus.QUEUED
    assert "Spending is stopped" in world.run(run).detail
    world.airtable.edit("Settings", settings, Stop_Spending=False)
    changed(world, "Settings", settings, "Stop Spending")
    assert world.run(run).status is RunStatus.DONE


def test_a_webhook_that_airtable_dropped_is_made_anew_and_nothing_is_missed(world: StageHarness) -> None:
    hooks = world.services.base_tools.webhooks
    hooks.dropped = True
    record = world.row(Prompt="A cat", Generate=True)
    webhook_push.pinged(world.services, BASE, "ping-1")
    world.settle()
    assert hooks.registered == 2
    assert world.cells(record)["Status"] == "Done"


def test_what_was_spent_today_is_told_seldom(world: StageHarness) -> None:
    settings = world.airtable.add("Settings", Name="Reelgrid")
    for number in range(3):
        world.film(Prompt=f"Cat {number}")
    row = world.airtable.cells(settings, "Settings")
    writes = [call for call in world.airtable.calls if call.verb == "write" and call.table == "Settings"]
    assert row["Status"] == "Running."
    assert row["Spent Today"] == 0.8
    assert len(writes) <= 3


def test_the_day_budget_of_the_base_is_a_cap(world: StageHarness) -> None:
    world.airtable.add("Settings", Name="Reelgrid", **{"Day Budget": 0.5})
    record, run = world.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "Day Budget" in world.cells(record)["Error"]


def test_a_base_is_looked_at_seldom_and_less_where_push_is_on(world: StageHarness) -> None:
    """However often, and in however many processes, the pump comes by."""
    for on, calls in ((True, 0), (False, 3)):
        webhook_push.turn_on(world.services, BASE) if on else webhook_push.turn_off(world.services, BASE)
        world.clock.pass_by(webhook_push.PUSHED_S + 1)
        world.settle(patience_s=60)
        world.airtable.calls.clear()
        for _ in range(3):
            Maintenance(world.services).tick()
            world.settle(patience_s=60)
        world.clock.pass_by(webhook_push.POLL_S + 1)
        world.settle(patience_s=60)
        assert world.calls("ticked") == calls


def test_a_duplicated_base_with_the_same_ids_and_keys_orders_its_own_scene_again(world: StageHarness) -> None:
    """Airtable's Duplicate base keeps the ids of rows: what is ticked there must not buy for the first team."""
    _, first = world.film(Prompt="A cat")
    (scene,) = world.scene_ids()
    other = "appDuplicated0001"
    with world.services.store.write() as tx:
        tx.runs.add(replace(first, id="run_other", base_id=other))
        [known] = tx.scenes.find(run_id=first.id)
        tx.scenes.add(replace(known, id="scn_other", run_id="run_other", updated_at=known.updated_at + 9))
    found = [checkboxes.scene_of(world.services, base, scene, known.key) for base in (BASE, other)]
    assert [one.run_id if one else None for one in found] == [first.id, "run_other"]
    assert checkboxes.scene_of(world.services, "appThird000000001", scene, known.key) is None


def refused(world: StageHarness) -> tuple[str, str]:
    """A film of which one scene was not made, because its model is out of credit; the row and its run."""
    world.vendor().script("dog", Outcome.NO_CREDIT)
    record, run = world.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.NEEDS_ATTENTION
    world.vendor().script("dog", Outcome.SUCCEED)
    return record, run.id


def test_the_row_says_what_to_tick_and_generate_goes_on_with_the_run_that_needs_attention(world: StageHarness) -> None:
    record, run = refused(world)
    assert world.cells(record)["Status Detail"].startswith("1 of 2 clips is ready. Tick Generate to try again as it is")
    world.airtable.edit("Videos", record, Generate=True)
    changed(world, "Videos", record, ticked=("Generate",))
    cells = world.cells(record)
    assert (cells["Status"], cells["Run"], cells["Run ID"]) == ("Done", 1, run)
    assert not {"Generate", "Error"} & set(cells)
    assert sorted(world.bought) == ["A cat", "A dog"], "what was paid for is kept"


def test_ready_means_the_same_for_the_queue_and_for_a_look(world: StageHarness) -> None:
    by_queue, first = refused(world)
    world.airtable.edit("Videos", by_queue, Status="Ready")
    accept.sweep_queue(world.services, BASE)
    world.settle()
    assert (world.run(first).status, world.cells(by_queue)["Status"]) == (RunStatus.DONE, "Done")
    world.airtable.edit("Videos", by_queue, Prompt="A hen\nA dog that barks")
    world.vendor().script("dog", Outcome.NO_CREDIT)
    second = world.make(by_queue)
    world.vendor().script("dog", Outcome.SUCCEED)
    world.airtable.edit("Videos", by_queue, Status="Ready")
    look(world)
    assert (world.run(second.id).status, world.cells(by_queue)["Status"]) == (RunStatus.DONE, "Done")


def test_a_repeated_request_does_not_go_on_by_itself_but_sees_the_box_that_a_person_ticked(world: StageHarness) -> None:
    """An automation sends its request when `Generate` is ticked; one that is merely sent again buys nothing."""
    webhook_push.turn_off(world.services, BASE)
    world.settle(patience_s=60)
    record, run = refused(world)
    assert world.trigger(record) == run
    world.settle(patience_s=60)
    assert world.run(run).status is RunStatus.NEEDS_ATTENTION
    world.airtable.edit("Videos", record, Generate=True)
    assert world.trigger(record) == run
    world.settle(patience_s=60)
    assert world.run(run).status is RunStatus.DONE
    assert "Generate" not in world.cells(record)


def test_generate_cannot_mend_a_placeholder_and_says_what_can(world: StageHarness) -> None:
    world.vendor().script("dog", Outcome.REFUSE)
    record, run = world.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "tick Regenerate there" in world.cells(record)["Status Detail"]
    world.airtable.edit("Videos", record, Generate=True)
    calls = len(world.airtable.calls)
    look(world)
    cells = world.cells(record)
    assert (cells["Status"], "Generate" in cells) == ("Needs Attention", False)
    assert cells["Status Detail"] == "Change Prompt in Scenes and tick Regenerate there: only that scene is made again."
    assert len(world.airtable.calls) - calls <= 5, "nothing was joined and delivered again"


def test_generate_does_not_decide_about_money_in_doubt(world: StageHarness) -> None:
    world.vendor().script("dog", Outcome.LOST)
    record = world.row(Prompt="A cat\nA dog")
    run = world.until(world.trigger(record), "done", "needs_attention", rounds=5000)
    world.settle(patience_s=60)
    assert run.status is RunStatus.NEEDS_ATTENTION
    world.airtable.edit("Videos", record, Generate=True)
    look(world)
    assert "decide there" in world.cells(record)["Status Detail"]
    assert world.run(run.id).status is RunStatus.NEEDS_ATTENTION


def test_a_prompt_given_on_the_page_is_told_in_the_row_whose_own_text_stays(world: StageHarness) -> None:
    record, run = world.film(Prompt="A cat\nA dog")
    dog = world.scene_ids()[1]
    control.regenerate(world.services, run.id, 2, {"prompt": "A wolf"}, "page")
    world.settle()
    row = world.airtable.cells(dog, "Scenes")
    assert (row["Prompt"], row["Status"]) == ("A dog", "Done")
    assert row["Error"].startswith("Made with a prompt that was given on its page: “A wolf”")
    world.airtable.edit("Scenes", dog, Caption="Woof")
    changed(world, "Scenes", dog, "Caption")
    world.airtable.edit("Scenes", dog, Caption=None)
    changed(world, "Scenes", dog, "Caption")
    row = world.airtable.cells(dog, "Scenes")
    assert row["Status"] == "Done", "the text of the row was not edited"
    assert "A wolf" in row["Error"]
    world.airtable.edit("Scenes", dog, Regenerate=True)
    look(world)
    row = world.airtable.cells(dog, "Scenes")
    assert (row["Prompt"], "Error" in row) == ("A dog", False)
    assert world.bought == ["A cat", "A dog", "A wolf", "A dog"]
    assert world.cells(record)["Status"] == "Done"


def test_a_softer_wording_is_told_in_the_row_whose_own_text_stays(tmp_path: Path) -> None:
    world = StageHarness.build(tmp_path)
    world.vendor().script("gently", Outcome.SUCCEED)
    world.vendor().script("dog", Outcome.REFUSE)
    world.film(Prompt="A cat\nA dog", **{"Allow Rewrite": True})
    row = world.airtable.cells(world.scene_ids()[1], "Scenes")
    assert row["Prompt"] == "A dog"
    assert row["Error"].startswith("The video service refused this text. Made with a softer one: “gently")


def test_a_scenes_own_transition_is_the_one_into_it_as_its_field_says(world: StageHarness) -> None:
    record = world.row(Title="A farm", Transition="Dip White")
    for number, prompt, own in ((1, "A cat", "Crossfade"), (2, "A dog", "Fade Black"), (3, "A cow", None)):
        fields = {"Video": [record], "Scene #": number, "Prompt": prompt, "Status": "Draft", "Transition": own}
        world.airtable.add(AirtableTable.SCENES, **fields)
    world.make(record)
    kinds = [boundary.kind.value for boundary in world.editor.films[-1].boundaries]
    assert kinds == ["Fade Black", "Dip White"]
    (field,) = [one for one in table(AirtableTable.SCENES).fields if one.name == "Transition"]
    assert "From the scene before into this one" in field.description

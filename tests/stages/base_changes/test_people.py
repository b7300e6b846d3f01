"""What people do in the base without a script: ticked boxes, edited scenes, versions put back, rows that are ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.airtable.schema import table
from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.base_changes import checkboxes, webhook_push
from pipelines.stages.base_rows import next_action
from pipelines.stages.decisions import regenerate
from pipelines.stages.orders import accept
from pipelines.stages.scheduler.maintenance import Maintenance
from pipelines.testing import Outcome
from pipelines.testing.airtable import BASE
from tests.stages.people_fixtures import changed, look, only_run, pushed, told
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return pushed(tmp_path)


def test_a_ticked_generate_starts_once_and_is_cleared(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat", Generate=True)
    look(harness)
    look(harness)
    assert harness.run(only_run(harness)).status is RunStatus.DONE
    assert "Generate" not in harness.cells(record)
    assert harness.bought == ["A cat"]


def test_approve_and_cancel_are_boxes_too(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, approval_above_micro=0)
    first, _ = harness.film(Prompt="A cat")
    second, stopped = harness.film(Prompt="A dog")
    harness.airtable.edit("Videos", first, Approve=True)
    harness.airtable.edit("Videos", second, Cancel=True)
    look(harness)
    assert harness.bought == ["A cat"]
    assert harness.run(stopped.id).status is RunStatus.CANCELLED
    assert harness.cells(first)["Status"] == "Done"
    assert not {"Approve", "Cancel"} & {*harness.cells(first), *harness.cells(second)}


@pytest.mark.parametrize("box", ["Approve", "Cancel"])
def test_a_box_that_means_nothing_yet_is_cleared_with_a_sentence(harness: StageHarness, box: str) -> None:
    record = harness.row(Prompt="A cat", **{box: True})
    look(harness)
    cells = harness.cells(record)
    assert box not in cells
    assert cells["Status Detail"] == "Nothing was started for this row yet: tick Generate first."


def test_cancelling_what_is_over_says_so(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat")
    harness.airtable.edit("Videos", record, Cancel=True)
    look(harness)
    assert harness.cells(record)["Status Detail"] == "This run is over; it is done. There is nothing to cancel."
    assert "Cancel" not in harness.cells(record)


def test_regenerate_makes_the_scene_of_the_row_as_it_stands_there(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat\nA dog")
    dog = harness.scene_ids()[1]
    harness.airtable.edit("Scenes", dog, Prompt="A wolf", Regenerate=True)
    look(harness)
    assert harness.bought == ["A cat", "A dog", "A wolf"]
    row = harness.airtable.cells(dog, "Scenes")
    assert ("Regenerate" in row, row["Status"], row["Prompt"]) == (False, "Done", "A wolf")
    assert "take2" in harness.cells(record)["Final Video"][0]["filename"]


def test_regenerate_that_cannot_be_is_said_in_the_scenes_row(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    scene = harness.airtable.add("Scenes", Video=[record], Prompt="A cat", Regenerate=True)
    look(harness)
    row = harness.airtable.cells(scene, "Scenes")
    assert "Regenerate" not in row
    assert row["Error"].startswith("This scene was never made")


def test_restore_puts_an_old_film_back_without_making_anything(harness: StageHarness) -> None:
    record, first = harness.film(Prompt="A cat")
    before = harness.cells(record)
    harness.airtable.edit("Videos", record, Prompt="A dog")
    harness.make(record)
    films = len(harness.editor.films)
    versions: Mapping[str, Mapping[str, Any]] = harness.airtable.tables[AirtableTable.VERSIONS]
    (old,) = [one for one, row in versions.items() if row["Run"] == 1]
    harness.airtable.edit("Versions", old, Restore=True)
    look(harness)
    cells = harness.cells(record)
    assert [file["filename"] for file in cells["Final Video"]] == [f"{record}-r1-16x9.mp4"]
    assert cells["Video URL"] == before["Video URL"]
    assert cells["Status Detail"] == "The film of run 1 is back."
    assert "Restore" not in harness.airtable.cells(old, "Versions")
    assert len(harness.editor.films) == films
    assert len(harness.cuts(first)) == 1


def test_a_version_that_is_not_kept_any_more_says_so(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat")
    with harness.services.store.write() as tx:
        tx.cuts.change(harness.cuts(run)[0].id, deleted_at=1.0)
    (version,) = harness.airtable.tables[AirtableTable.VERSIONS]
    harness.airtable.edit("Versions", version, Restore=True)
    look(harness)
    assert (
        harness.cells(record)["Status Detail"]
        == "The film of run 1 is not kept any more. Tick Generate to make it anew."
    )


def test_the_queue_starts_ready_rows_whose_time_has_come(harness: StageHarness) -> None:
    now, later = harness.row(Prompt="A cat", Status="Ready"), "2026-11-25T12:00:00.000Z"
    waits = harness.row(Prompt="A dog", Status="Ready", **{"Scheduled For": later})
    harness.row(Prompt="A cow", Status="Draft")
    sweep = accept.sweep_queue(harness.services, BASE)
    harness.settle()
    done = accept.sweep_view(harness.services, sweep)
    assert (done.status, len(done.started)) == ("done", 1)
    assert harness.cells(now)["Status"] == "Done"
    assert harness.cells(waits)["Status"] == "Ready"
    harness.clock.pass_by(24 * 3600)
    accept.sweep_queue(harness.services, BASE)
    harness.settle()
    assert harness.bought == ["A cat", "A dog"]


def test_a_queue_that_cannot_be_read_says_why(harness: StageHarness) -> None:
    harness.airtable.denied = True
    sweep = accept.sweep_queue(harness.services, BASE)
    harness.settle()
    found = accept.sweep_view(harness.services, sweep)
    assert (found.status, found.error) == ("failed", "Airtable refuses our access token: it was revoked.")


def test_pushed_ticks_are_looked_up_in_one_call(harness: StageHarness) -> None:
    """What a change says may be served by now: the boxes as they are decide."""
    records = [harness.row(Prompt=prompt, Generate=True) for prompt in ("A cat", "A dog")]
    served = harness.row(Prompt="A cow")
    for record in (*records, served):
        told(harness, "Videos", record, ticked=("Generate",))
    webhook_push.record_ping(harness.services, BASE, "ping-1")
    harness.settle()
    assert [harness.cells(record).get("Status") for record in (*records, served)] == ["Done", "Done", None]
    assert harness.calls("ticked") == 1


def test_a_row_set_to_ready_is_started_by_its_push(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat", Status="Ready")
    changed(harness, "Videos", record, "Status")
    assert harness.cells(record)["Status"] == "Done"


def test_an_edited_scene_of_a_finished_run_is_stale_and_nothing_is_bought(harness: StageHarness) -> None:
    harness.film(Prompt="A cat\nA dog")
    dog = harness.scene_ids()[1]
    harness.airtable.edit("Scenes", dog, Prompt="A wolf")
    changed(harness, "Scenes", dog, "Prompt")
    assert harness.airtable.cells(dog, "Scenes")["Status"] == "Stale"
    assert harness.bought == ["A cat", "A dog"]
    harness.airtable.edit("Scenes", dog, Prompt="A dog")
    changed(harness, "Scenes", dog, "Prompt")
    assert harness.airtable.cells(dog, "Scenes")["Status"] == "Done"


def test_our_own_writes_make_no_scene_stale(harness: StageHarness) -> None:
    harness.film(Prompt="A cat")
    (cat,) = harness.scene_ids()
    changed(harness, "Scenes", cat, *harness.airtable.cells(cat, "Scenes"))
    assert harness.airtable.cells(cat, "Scenes")["Status"] == "Done"


def test_pushed_regenerate_restore_and_settings_are_acted_on(harness: StageHarness) -> None:
    settings = harness.airtable.add("Settings", Name="Reelgrid")
    harness.film(Prompt="A cat")
    (scene,) = harness.scene_ids()
    harness.airtable.edit("Scenes", scene, Regenerate=True)
    changed(harness, "Scenes", scene, ticked=("Regenerate",))
    assert harness.bought == ["A cat", "A cat"]
    harness.airtable.edit("Settings", settings, Stop_Spending=True)
    changed(harness, "Settings", settings, ticked=("Stop Spending",))
    record = harness.row(Prompt="A dog")
    run = harness.trigger(record)
    harness.settle(patience_s=60)
    assert harness.run(run).status is RunStatus.QUEUED
    assert "Spending is stopped" in harness.run(run).detail
    harness.airtable.edit("Settings", settings, Stop_Spending=False)
    changed(harness, "Settings", settings, "Stop Spending")
    assert harness.run(run).status is RunStatus.DONE


def test_a_stop_is_heard_before_anything_that_was_ticked_with_it_starts(harness: StageHarness) -> None:
    """A queue of rows, each of them a call or more, does not stand before it."""
    settings = harness.airtable.add("Settings", Name="Reelgrid")
    record = harness.row(Prompt="A dog", Generate=True)
    harness.airtable.edit("Settings", settings, Stop_Spending=True)
    told(harness, "Videos", record, ticked=("Generate",))
    harness.airtable.calls.clear()
    changed(harness, "Settings", settings, ticked=("Stop Spending",), patience_s=300)
    verbs = [call.verb for call in harness.airtable.calls]
    assert verbs.index("settings") < verbs.index("ticked")
    assert harness.run(only_run(harness)).status is RunStatus.QUEUED


def test_a_webhook_that_airtable_dropped_is_made_anew_and_nothing_is_missed(harness: StageHarness) -> None:
    harness.webhooks.dropped = True
    record = harness.row(Prompt="A cat", Generate=True)
    webhook_push.record_ping(harness.services, BASE, "ping-1")
    harness.settle()
    assert harness.webhooks.registered == 2
    assert harness.cells(record)["Status"] == "Done"


def test_what_was_spent_today_is_told_seldom(harness: StageHarness) -> None:
    settings = harness.airtable.add("Settings", Name="Reelgrid")
    for number in range(3):
        harness.film(Prompt=f"Cat {number}")
    row = harness.airtable.cells(settings, "Settings")
    writes = [call for call in harness.airtable.calls if call.verb == "write" and call.table == "Settings"]
    assert row["Status"] == "Running."
    assert row["Spent Today"] == pytest.approx(1.2)
    assert len(writes) <= 3


def test_the_day_budget_of_the_base_is_a_cap(harness: StageHarness) -> None:
    harness.airtable.add("Settings", Name="Reelgrid", **{"Day Budget": 0.5})
    record, run = harness.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "Raise Day Budget in the Settings table." in harness.cells(record)["Error"]
    harness.services.base_tools.bases.connect(BASE, day_cap_micro=400_000)
    record, _ = harness.film(Prompt="A cow\nA pig")
    assert "Ask your operator to raise the Day Budget of the base" in harness.cells(record)["Error"]


def test_a_base_is_looked_at_seldom_and_less_where_push_is_on(harness: StageHarness) -> None:
    """However often, and in however many processes, the pump comes by."""
    for on, calls in ((True, 0), (False, 3)):
        webhook_push.turn_on(harness.services, BASE) if on else webhook_push.turn_off(harness.services, BASE)
        harness.clock.pass_by(webhook_push.PUSHED_S + 1)
        harness.settle(patience_s=60)
        harness.airtable.calls.clear()
        for _ in range(3):
            Maintenance(harness.services).tick()
            harness.settle(patience_s=60)
        harness.clock.pass_by(webhook_push.POLL_S + 1)
        harness.settle(patience_s=60)
        assert harness.calls("ticked") == calls


def test_a_duplicated_base_with_the_same_ids_and_keys_orders_its_own_scene_again(harness: StageHarness) -> None:
    """Airtable's Duplicate base keeps the ids of rows: what is ticked there must not buy for the first team."""
    _, first = harness.film(Prompt="A cat")
    (scene,) = harness.scene_ids()
    other = "appDuplicated0001"
    with harness.services.store.write() as tx:
        tx.runs.add(replace(first, id="run_other", base_id=other))
        [known] = tx.scenes.find(run_id=first.id)
        tx.scenes.add(replace(known, id="scn_other", run_id="run_other", updated_at=known.updated_at + 9))
    found = [checkboxes.scene_of(harness.services, base, scene, known.key) for base in (BASE, other)]
    assert [one.run_id if one else None for one in found] == [first.id, "run_other"]
    assert checkboxes.scene_of(harness.services, "appThird000000001", scene, known.key) is None


def refused(harness: StageHarness) -> tuple[str, str]:
    """A film of which one scene was not made, because its model is out of credit; the row and its run."""
    harness.vendor().script("dog", Outcome.NO_CREDIT)
    record, run = harness.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.NEEDS_ATTENTION
    harness.vendor().script("dog", Outcome.SUCCEED)
    return record, run.id


def test_the_row_says_what_to_tick_and_generate_goes_on_with_the_run_that_needs_attention(
    harness: StageHarness,
) -> None:
    record, run = refused(harness)
    assert harness.cells(record)["Status Detail"].startswith(
        "1 of 2 clips is ready. Tick Generate to try again as it is"
    )
    harness.airtable.edit("Videos", record, Generate=True)
    changed(harness, "Videos", record, ticked=("Generate",))
    cells = harness.cells(record)
    assert (cells["Status"], cells["Run"], cells["Run ID"]) == ("Done", 1, run)
    assert not {"Generate", "Error"} & set(cells)
    assert sorted(harness.bought) == ["A cat", "A dog"], "what was paid for is kept"


def test_ready_means_the_same_for_the_queue_and_for_a_look(harness: StageHarness) -> None:
    by_queue, first = refused(harness)
    harness.airtable.edit("Videos", by_queue, Status="Ready")
    accept.sweep_queue(harness.services, BASE)
    harness.settle()
    assert (harness.run(first).status, harness.cells(by_queue)["Status"]) == (RunStatus.DONE, "Done")
    harness.airtable.edit("Videos", by_queue, Prompt="A hen\nA dog that barks")
    harness.vendor().script("dog", Outcome.NO_CREDIT)
    second = harness.make(by_queue)
    harness.vendor().script("dog", Outcome.SUCCEED)
    harness.airtable.edit("Videos", by_queue, Status="Ready")
    look(harness)
    assert (harness.run(second.id).status, harness.cells(by_queue)["Status"]) == (RunStatus.DONE, "Done")


def test_a_repeated_request_does_not_go_on_by_itself_but_sees_the_box_that_a_person_ticked(
    harness: StageHarness,
) -> None:
    """An automation sends its request when `Generate` is ticked; one that is merely sent again buys nothing."""
    webhook_push.turn_off(harness.services, BASE)
    harness.settle(patience_s=60)
    record, run = refused(harness)
    assert harness.trigger(record) == run
    harness.settle(patience_s=60)
    assert harness.run(run).status is RunStatus.NEEDS_ATTENTION
    harness.airtable.edit("Videos", record, Generate=True)
    assert harness.trigger(record) == run
    harness.settle(patience_s=60)
    assert harness.run(run).status is RunStatus.DONE
    assert "Generate" not in harness.cells(record)


def test_generate_cannot_mend_a_placeholder_and_says_what_can(harness: StageHarness) -> None:
    harness.vendor().script("dog", Outcome.REFUSE)
    record, run = harness.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "tick Regenerate there" in harness.cells(record)["Status Detail"]
    harness.airtable.edit("Videos", record, Generate=True)
    calls = len(harness.airtable.calls)
    look(harness)
    cells = harness.cells(record)
    assert (cells["Status"], "Generate" in cells) == ("Needs Attention", False)
    assert cells["Status Detail"] == "Change Prompt in Scenes and tick Regenerate there: only that scene is made again."
    assert len(harness.airtable.calls) - calls <= 5, "nothing was joined and delivered again"


def test_generate_does_not_decide_about_money_in_doubt(harness: StageHarness) -> None:
    harness.vendor().script("dog", Outcome.LOST)
    record = harness.row(Prompt="A cat\nA dog")
    run = harness.until(harness.trigger(record), "done", "needs_attention", rounds=5000)
    harness.settle(patience_s=60)
    assert run.status is RunStatus.NEEDS_ATTENTION
    harness.airtable.edit("Videos", record, Generate=True)
    look(harness)
    assert "decide there" in harness.cells(record)["Status Detail"]
    assert harness.run(run.id).status is RunStatus.NEEDS_ATTENTION
    with harness.services.store.read() as tx:
        theirs = next_action.next_action(tx, replace(run, account_id="acc_ada"))
    assert theirs is not None
    assert "Progress Page" not in theirs.value, "an account's key may not decide"
    assert not theirs.goes_on


def test_a_prompt_given_on_the_page_is_told_in_the_row_whose_own_text_stays(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat\nA dog")
    dog = harness.scene_ids()[1]
    regenerate.regenerate(harness.services, run.id, 2, {"prompt": "A wolf"}, "page")
    harness.settle()
    row = harness.airtable.cells(dog, "Scenes")
    assert (row["Prompt"], row["Status"]) == ("A dog", "Done")
    assert row["Error"].startswith("Made with a prompt that was given on its page: “A wolf”")
    harness.airtable.edit("Scenes", dog, Caption="Woof")
    changed(harness, "Scenes", dog, "Caption")
    harness.airtable.edit("Scenes", dog, Caption=None)
    changed(harness, "Scenes", dog, "Caption")
    row = harness.airtable.cells(dog, "Scenes")
    assert row["Status"] == "Done", "the text of the row was not edited"
    assert "A wolf" in row["Error"]
    harness.airtable.edit("Scenes", dog, Regenerate=True)
    look(harness)
    row = harness.airtable.cells(dog, "Scenes")
    assert (row["Prompt"], "Error" in row) == ("A dog", False)
    assert harness.bought == ["A cat", "A dog", "A wolf", "A dog"]
    assert harness.cells(record)["Status"] == "Done"


def test_a_softer_wording_is_told_in_the_row_whose_own_text_stays(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    harness.vendor().script("gently", Outcome.SUCCEED)
    harness.vendor().script("dog", Outcome.REFUSE)
    harness.film(Prompt="A cat\nA dog", **{"Allow Rewrite": True})
    row = harness.airtable.cells(harness.scene_ids()[1], "Scenes")
    assert row["Prompt"] == "A dog"
    assert row["Error"].startswith("The video service refused this text. Made with a softer one: “gently")


def test_a_scenes_own_transition_is_the_one_into_it_as_its_field_says(harness: StageHarness) -> None:
    record = harness.row(Title="A farm", Transition="Dip White")
    for number, prompt, own in ((1, "A cat", "Crossfade"), (2, "A dog", "Fade Black"), (3, "A cow", None)):
        fields = {"Video": [record], "Scene #": number, "Prompt": prompt, "Status": "Draft", "Transition": own}
        harness.airtable.add(AirtableTable.SCENES, **fields)
    harness.make(record)
    kinds = [boundary.kind.value for boundary in harness.editor.films[-1].boundaries]
    assert kinds == ["Fade Black", "Dip White"]
    (field,) = [one for one in table(AirtableTable.SCENES).fields if one.name == "Transition"]
    assert "From the scene before into this one" in field.description

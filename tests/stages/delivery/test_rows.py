"""The row while a run goes on: few calls, nothing lost, the truth whatever Airtable does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.progress import pacing
from pipelines.stages.base_changes import checkboxes
from pipelines.stages.base_rows import run_row
from pipelines.stages.decisions import control, regenerate
from pipelines.stages.delivery import flush
from pipelines.testing import Outcome
from pipelines.testing.airtable import BASE
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


SIX = "\n".join(f"Animal number {n}" for n in range(1, 7))


def test_a_video_of_six_scenes_takes_at_most_twelve_calls(harness: StageHarness) -> None:
    record = harness.row(Prompt=SIX)
    harness.make(record)
    assert harness.cells(record)["Status"] == "Done"
    assert len(harness.airtable.calls) <= 12, [(call.verb, call.table) for call in harness.airtable.calls]


def test_a_slow_written_video_takes_at_most_twelve_calls_too(harness: StageHarness) -> None:
    harness.vendor().ready_after_s = 150.0
    record = harness.row(**{"Master Prompt": "A zoo", "Scene Count": 6})
    began = harness.clock.now()
    harness.make(record)
    assert harness.cells(record)["Status"] == "Done"
    assert harness.clock.now() - began > 150
    assert len(harness.airtable.calls) <= 12, [(call.verb, call.table) for call in harness.airtable.calls]


@pytest.mark.parametrize("urgent", [True, False])
def test_what_is_said_while_an_urgent_word_is_on_its_way_waits_its_own_time(
    harness: StageHarness, *, urgent: bool
) -> None:
    """Else each urgent word is followed by a second call for whatever small thing happened in that moment."""
    run = harness.until(harness.trigger(harness.row(Prompt="A cat")), "generating")
    harness.clock.pass_by(3)

    def meanwhile() -> None:
        with harness.services.store.write() as tx:
            assert tx.runs.change(run.id, detail="Half of the clips are here.")
            run_row.show(harness.services, tx, tx.runs.get(run.id) or run, urgent=urgent)

    harness.points.at("outbox.written", meanwhile)
    flush.flush_due(harness.services)
    assert "outbox.written" in harness.points.reached
    before = harness.calls("write")
    harness.clock.pass_by(1)
    flush.flush_due(harness.services)
    assert harness.calls("write") - before == (1 if urgent else 0)
    harness.clock.pass_by(pacing.EVERY_S)
    flush.flush_due(harness.services)
    assert harness.cells(run.record_id or "")["Status Detail"] == "Half of the clips are here."


def test_the_film_is_written_before_progress_that_waits(harness: StageHarness) -> None:
    for number in range(11):
        run = harness.trigger(harness.row(Prompt=f"Cat {number}"))
        harness.until(run, "generating")
    film = harness.until(harness.trigger(harness.row(Prompt="Cat 3")), "delivering")
    flush.flush_due(harness.services)
    assert "Final Video" in harness.cells(film.record_id or "")


def test_files_that_airtable_cannot_fetch_at_all_ask_a_person_and_retrying_sends_new_links(
    harness: StageHarness,
) -> None:
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    harness.airtable.lose_films = 99
    stopped = harness.until(run, "done", "needs_attention")
    harness.settle()
    assert stopped.status is RunStatus.NEEDS_ATTENTION
    assert "open it with Video URL" in harness.cells(record)["Error"]
    harness.airtable.lose_films = 0
    control.retry(harness.services, run, "test")
    assert harness.until(run, "done", "needs_attention").status is RunStatus.DONE
    assert harness.bought == ["A cat"]
    harness.settle()
    assert harness.cells(record)["Status"] == "Done"


def test_where_airtable_cannot_reach_us_small_films_are_uploaded(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, airtable_reaches_us=False)
    record, first = harness.film(Prompt="A cat\nA dog", Formats=["9:16"])
    assert first.status is RunStatus.DONE
    assert [file["filename"].rpartition("-")[2] for file in harness.cells(record)["Final Video"]] == [
        "16x9.mp4",
        "9x16.mp4",
    ]
    assert harness.cells(record)["Poster"]
    assert harness.airtable.links == []
    harness.make(record)
    assert [file["filename"] for file in harness.cells(record)["Final Video"]] == [
        f"{record}-r2-16x9.mp4",
        f"{record}-r2-9x16.mp4",
    ]
    assert [row["Run"] for row in harness.airtable.rows("Versions")] == [1, 2]


def test_with_the_quota_used_up_at_delivery_the_run_is_done_and_everything_arrives_later(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    harness.until(run, "stitching")
    harness.airtable.quota = True
    done = harness.until(run, "done", "needs_attention")
    assert done.status is RunStatus.DONE
    assert "quota is used up" in done.detail
    assert harness.held() == 0
    harness.settle(patience_s=3600)
    harness.airtable.quota = False
    harness.settle()
    cells = harness.cells(record)
    assert (cells["Status"], cells["Status Detail"]) == ("Done", "The film is ready.")
    assert len(cells["Final Video"]) == 1
    assert [row["Status"] for row in harness.scene_rows()] == ["Done"]
    assert len(harness.airtable.rows("Versions")) == 1
    assert harness.run(run).detail == "The film is ready."


def test_what_arrives_late_is_looked_after_like_anything_else(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    harness.until(run, "stitching")
    harness.airtable.quota = True
    harness.until(run, "done")
    harness.airtable.quota, harness.airtable.lose_films = False, 2
    harness.settle()
    assert harness.events(harness.run(run), "attached_again")
    assert harness.run(run).status is RunStatus.DONE
    assert len(harness.cells(record)["Final Video"]) == 1


def test_a_lock_out_in_the_middle_only_delays(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat\nA dog")
    run = harness.trigger(record)
    harness.until(run, "generating")
    harness.airtable.locked_until = harness.clock.now() + 30
    assert harness.until(run, "done", "needs_attention").status is RunStatus.DONE
    harness.settle()
    assert harness.cells(record)["Status"] == "Done"


def test_a_lock_out_while_the_row_is_read_only_delays(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    harness.airtable.locked_until = harness.clock.now() + 30
    assert harness.make(record).status is RunStatus.DONE


def test_a_revoked_token_is_said_and_its_return_is_enough(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    harness.until(run, "stitching")
    harness.airtable.denied = True
    stopped = harness.until(run, "done", "needs_attention")
    assert stopped.status is RunStatus.NEEDS_ATTENTION
    assert "Airtable refuses our access token" in (stopped.error or "")
    harness.airtable.denied = False
    harness.settle()
    cells = harness.cells(record)
    assert (cells["Status"], cells.get("Error")) == ("Done", None)
    assert len(cells["Final Video"]) == 1
    assert harness.run(run).status is RunStatus.DONE


def test_a_token_that_is_revoked_before_the_row_is_read_asks_and_can_be_retried(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    harness.airtable.denied = True
    run = harness.until(harness.trigger(record), "failed", "needs_attention")
    assert run.status is RunStatus.NEEDS_ATTENTION
    harness.airtable.denied = False
    control.retry(harness.services, run.id, "test")
    assert harness.until(run.id, "done", "needs_attention").status is RunStatus.DONE


def test_airtable_away_for_an_hour_loses_nothing(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    harness.until(run, "stitching")
    harness.airtable.away = True
    harness.settle(patience_s=3600)
    harness.airtable.away = False
    harness.settle()
    assert harness.run(run).status is RunStatus.DONE
    assert len(harness.cells(record)["Final Video"]) == 1


def test_a_row_deleted_while_its_film_is_made_leaves_the_film_on_the_page(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    harness.until(run, "generating")
    harness.settle(patience_s=1)
    harness.airtable.delete("Videos", record)
    done = harness.until(run, "done", "needs_attention")
    harness.settle()
    assert done.status is RunStatus.DONE
    assert "row was deleted" in done.detail
    assert len(harness.cuts(done)) == 1
    assert harness.balanced()


def test_a_row_deleted_after_airtable_was_seen_fetching_the_film_is_said_on_its_page(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    harness.until(run, "delivering")
    flush.flush_due(harness.services)
    harness.airtable.delete("Videos", record)
    harness.until(run, "done", "needs_attention")
    harness.settle()
    assert "row was deleted" in harness.run(run).detail


def test_a_row_deleted_between_writing_and_looking_is_no_trouble(harness: StageHarness) -> None:
    harness.airtable.seen_fetching = False
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    harness.until(run, "delivering")
    flush.flush_due(harness.services)
    harness.airtable.delete("Videos", record)
    assert "row was deleted" in harness.until(run, "done", "needs_attention").detail


def test_input_fields_are_never_written(harness: StageHarness) -> None:
    record = harness.row(
        Prompt="A cat\nA dog", Title="Pets", Generate=True, **{"Allow Rewrite": True, "Clip Seconds": 3}
    )
    before = {name: value for name, value in harness.cells(record).items() if name != "Generate"}
    harness.make(record)
    assert before.items() <= harness.cells(record).items()


def test_what_was_changed_in_a_row_after_its_run_stays(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat")
    (scene,) = harness.scene_ids()
    harness.airtable.edit("Scenes", scene, Prompt="A lion", Caption="Roar")
    regenerate.regenerate(harness.services, run.id, 1, {}, "test")
    harness.until(run.id, "done")
    harness.settle()
    row = harness.airtable.cells(scene, "Scenes")
    assert (row["Prompt"], row["Caption"]) == ("A lion", "Roar")


def test_a_refused_scene_is_named_in_the_row_and_its_siblings_are_kept(harness: StageHarness) -> None:
    harness.vendor().script("dog", Outcome.REFUSE)
    harness.moderator.sentence = "the prompt (violence)"
    record, run = harness.film(Prompt="A cat\nA dog\nA cow")
    cells = harness.cells(record)
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert cells["Status"] == "Needs Attention"
    assert "Scene 2 is a placeholder. The video service refused this scene: the prompt (violence)." in cells["Error"]
    assert len(cells["Final Video"]) == 1
    assert {row["Prompt"]: row["Status"] for row in harness.scene_rows()} == {
        "A cat": "Done",
        "A dog": "Refused",
        "A cow": "Done",
    }
    assert harness.bought == ["A cat", "A cow"]


def test_a_row_that_airtable_never_takes_is_not_tried_for_ever(harness: StageHarness) -> None:
    harness.airtable.refused = {"Versions"}
    record, _ = harness.film(Prompt="A cat")
    tries = [call for call in harness.airtable.calls if call.table == "Versions"]
    assert 1 < len(tries) <= flush.REFUSALS
    assert harness.cells(record)["Status"] == "Done"


def test_a_film_whose_row_airtable_never_takes_asks_a_person(harness: StageHarness) -> None:
    harness.airtable.refused = {"Videos"}
    record = harness.row(Prompt="A cat")
    run = harness.until(harness.trigger(record), "done", "needs_attention")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "open it with Video URL" in (run.error or "")


def names(harness: StageHarness, record: str) -> list[str]:
    return [film["filename"].removeprefix(f"{record}-") for film in harness.cells(record)["Final Video"]]


@pytest.mark.parametrize("reaches", [True, False])
def test_old_films_are_replaced_or_kept_behind_the_new_one_as_configured(tmp_path: Path, *, reaches: bool) -> None:
    for keep, expected in ((False, ["r2-16x9.mp4"]), (True, ["r2-16x9.mp4", "r1-16x9.mp4", "mine.mp4"])):
        harness = StageHarness.build(tmp_path / str(keep), keep_old_films=keep, airtable_reaches_us=reaches)
        record = harness.row(Prompt="A cat")
        own = {"id": "attMine", "filename": "mine.mp4", "size": 9, "type": "video/mp4"}
        harness.airtable.tables["Videos"][record]["Final Video"] = [own]
        harness.make(record)
        harness.airtable.edit("Videos", record, Prompt="A dog")
        harness.make(record)
        assert [name.removeprefix(f"{record}-") for name in names(harness, record)] == expected


def test_a_kept_film_never_stands_there_twice(tmp_path: Path) -> None:
    """Not after a lost fetch, a new take, a restored version or a preview that waited for approval."""
    harness = StageHarness.build(tmp_path, keep_old_films=True, approval_above_micro=0)
    record, run = harness.film(Prompt="A cat")
    assert names(harness, record) == ["r1-16x9-animatic.mp4"]
    harness.airtable.vanish, harness.airtable.lose_films = True, 1
    control.approve(harness.services, run.id, "test")
    harness.until(run.id, "done")
    harness.settle()
    assert names(harness, record) == ["r1-16x9.mp4"]
    regenerate.regenerate(harness.services, run.id, 1, {}, "test")
    harness.until(run.id, "done")
    harness.settle()
    assert names(harness, record) == ["r1-take2-16x9.mp4", "r1-16x9.mp4"]
    links = len(harness.airtable.links)
    [version] = harness.airtable.tables["Versions"]
    harness.airtable.edit("Versions", version, Restore=True)
    checkboxes.poll_checkboxes(harness.services, BASE)
    harness.settle()
    assert names(harness, record) == ["r1-take2-16x9.mp4", "r1-16x9.mp4"]
    assert not [link for link in harness.airtable.links[links:] if link.endswith("take2-16x9.mp4")], (
        "it was there already"
    )


def test_a_base_without_the_column_for_films_is_told_so_instead_of_being_asked_again_and_again(
    harness: StageHarness,
) -> None:
    """Somebody deleted the column while the film was made: nothing failed to be fetched, there is nowhere to put it."""
    harness.airtable.missing = {"Final Video"}
    record, run = harness.film(Prompt="A cat")
    assert run.status is RunStatus.DONE
    assert "no field “Final Video”" in harness.cells(record)["Status Detail"]
    assert not harness.events(run, "attached_again")


def test_what_is_said_of_a_revoked_token_reads_as_sentences(harness: StageHarness) -> None:
    run = harness.trigger(harness.row(Prompt="A cat"))
    harness.until(run, "stitching")
    harness.airtable.denied = True
    error = harness.until(run, "needs_attention").error or ""
    assert error.endswith("it was revoked. It arrives here by itself after that.")

"""The row while a run goes on: few calls, nothing lost, the truth whatever Airtable does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.base_changes import checkboxes
from pipelines.stages.decisions import control
from pipelines.stages.delivery import flush
from pipelines.stages.kernel import outbox
from pipelines.testing import Outcome
from tests.stages.stage_fixtures import BASE, StageHarness


@pytest.fixture
def world(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


SIX = "\n".join(f"Animal number {n}" for n in range(1, 7))


def test_a_video_of_six_scenes_takes_at_most_twelve_calls(world: StageHarness) -> None:
    record = world.row(Prompt=SIX)
    world.make(record)
    assert world.cells(record)["Status"] == "Done"
    assert len(world.airtable.calls) <= 12, [(call.verb, call.table) for call in world.airtable.calls]


def test_a_slow_written_video_takes_at_most_twelve_calls_too(world: StageHarness) -> None:
    world.vendor().ready_after_s = 150.0
    record = world.row(**{"Master Prompt": "A zoo", "Scene Count": 6})
    began = world.clock.now()
    world.make(record)
    assert world.cells(record)["Status"] == "Done"
    assert world.clock.now() - began > 150
    assert len(world.airtable.calls) <= 12, [(call.verb, call.table) for call in world.airtable.calls]


@pytest.mark.parametrize("urgent", [True, False])
def test_what_is_said_while_an_urgent_word_is_on_its_way_waits_its_own_time(
    world: StageHarness, *, urgent: bool
) -> None:
    """Else each urgent word is followed by a second call for whatever small thing happened in that moment."""
    run = world.until(world.trigger(world.row(Prompt="A cat")), "generating")
    world.clock.pass_by(3)

    def meanwhile() -> None:
        with world.services.store.write() as tx:
            assert tx.runs.change(run.id, detail="Half of the clips are here.")
            outbox.show_run(world.services, tx, tx.runs.get(run.id) or run, urgent=urgent)

    world.points.at("board.written", meanwhile)
    flush.flush_due(world.services)
    assert "board.written" in world.points.reached
    before = world.calls("write")
    world.clock.pass_by(1)
    flush.flush_due(world.services)
    assert world.calls("write") - before == (1 if urgent else 0)
    world.clock.pass_by(outbox.COALESCE_S)
    flush.flush_due(world.services)
    assert world.cells(run.record_id or "")["Status Detail"] == "Half of the clips are here."


def test_the_film_is_written_before_progress_that_waits(world: StageHarness) -> None:
    for number in range(11):
        run = world.trigger(world.row(Prompt=f"Cat {number}"))
        world.until(run, "generating")
    film = world.until(world.trigger(world.row(Prompt="Cat 3")), "delivering")
    flush.flush_due(world.services)
    assert "Final Video" in world.cells(film.record_id or "")


def test_files_that_airtable_cannot_fetch_at_all_ask_a_person_and_retrying_sends_new_links(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    run = world.trigger(record)
    world.airtable.lose_films = 99
    stopped = world.until(run, "done", "needs_attention")
    world.settle()
    assert stopped.status is RunStatus.NEEDS_ATTENTION
    assert "open it with Video URL" in world.cells(record)["Error"]
    world.airtable.lose_films = 0
    control.retry(world.services, run, "test")
    assert world.until(run, "done", "needs_attention").status is RunStatus.DONE
    assert world.bought == ["A cat"]
    world.settle()
    assert world.cells(record)["Status"] == "Done"


def test_where_airtable_cannot_reach_us_small_films_are_uploaded(tmp_path: Path) -> None:
    world = StageHarness.build(tmp_path, airtable_reaches_us=False)
    record, first = world.film(Prompt="A cat\nA dog", Formats=["9:16"])
    assert first.status is RunStatus.DONE
    assert [file["filename"].rpartition("-")[2] for file in world.cells(record)["Final Video"]] == [
        "16x9.mp4",
        "9x16.mp4",
    ]
    assert world.cells(record)["Poster"]
    assert world.airtable.links == []
    world.make(record)
    assert [file["filename"] for file in world.cells(record)["Final Video"]] == [
        f"{record}-r2-16x9.mp4",
        f"{record}-r2-9x16.mp4",
    ]
    assert [row["Run"] for row in world.airtable.rows("Versions")] == [1, 2]


def test_with_the_quota_used_up_at_delivery_the_run_is_done_and_everything_arrives_later(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    run = world.trigger(record)
    world.until(run, "stitching")
    world.airtable.quota = True
    done = world.until(run, "done", "needs_attention")
    assert done.status is RunStatus.DONE
    assert "quota is used up" in done.detail
    assert world.held() == 0
    world.settle(patience_s=3600)
    world.airtable.quota = False
    world.settle()
    cells = world.cells(record)
    assert (cells["Status"], cells["Status Detail"]) == ("Done", "The film is ready.")
    assert len(cells["Final Video"]) == 1
    assert [row["Status"] for row in world.scene_rows()] == ["Done"]
    assert len(world.airtable.rows("Versions")) == 1
    assert world.run(run).detail == "The film is ready."


def test_what_arrives_late_is_looked_after_like_anything_else(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    run = world.trigger(record)
    world.until(run, "stitching")
    world.airtable.quota = True
    world.until(run, "done")
    world.airtable.quota, world.airtable.lose_films = False, 2
    world.settle()
    assert world.events(world.run(run), "attached_again")
    assert world.run(run).status is RunStatus.DONE
    assert len(world.cells(record)["Final Video"]) == 1


def test_a_lock_out_in_the_middle_only_delays(world: StageHarness) -> None:
    record = world.row(Prompt="A cat\nA dog")
    run = world.trigger(record)
    world.until(run, "generating")
    world.airtable.locked_until = world.clock.now() + 30
    assert world.until(run, "done", "needs_attention").status is RunStatus.DONE
    world.settle()
    assert world.cells(record)["Status"] == "Done"


def test_a_lock_out_while_the_row_is_read_only_delays(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    world.airtable.locked_until = world.clock.now() + 30
    assert world.make(record).status is RunStatus.DONE


def test_a_revoked_token_is_said_and_its_return_is_enough(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    run = world.trigger(record)
    world.until(run, "stitching")
    world.airtable.denied = True
    stopped = world.until(run, "done", "needs_attention")
    assert stopped.status is RunStatus.NEEDS_ATTENTION
    assert "Airtable refuses our access token" in (stopped.error or "")
    world.airtable.denied = False
    world.settle()
    cells = world.cells(record)
    assert (cells["Status"], cells.get("Error")) == ("Done", None)
    assert len(cells["Final Video"]) == 1
    assert world.run(run).status is RunStatus.DONE


def test_a_token_that_is_revoked_before_the_row_is_read_asks_and_can_be_retried(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    world.airtable.denied = True
    run = world.until(world.trigger(record), "failed", "needs_attention")
    assert run.status is RunStatus.NEEDS_ATTENTION
    world.airtable.denied = False
    control.retry(world.services, run.id, "test")
    assert world.until(run.id, "done", "needs_attention").status is RunStatus.DONE


def test_airtable_away_for_an_hour_loses_nothing(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    run = world.trigger(record)
    world.until(run, "stitching")
    world.airtable.away = True
    world.settle(patience_s=3600)
    world.airtable.away = False
    world.settle()
    assert world.run(run).status is RunStatus.DONE
    assert len(world.cells(record)["Final Video"]) == 1


def test_a_row_deleted_while_its_film_is_made_leaves_the_film_on_the_page(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    run = world.trigger(record)
    world.until(run, "generating")
    world.settle(patience_s=1)
    world.airtable.delete("Videos", record)
    done = world.until(run, "done", "needs_attention")
    world.settle()
    assert done.status is RunStatus.DONE
    assert "row was deleted" in done.detail
    assert len(world.cuts(done)) == 1
    assert world.balanced()


def test_a_row_deleted_between_writing_and_looking_is_no_trouble(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    run = world.trigger(record)
    world.until(run, "delivering")
    flush.flush_due(world.services)
    world.airtable.delete("Videos", record)
    assert "row was deleted" in world.until(run, "done", "needs_attention").detail


def test_input_fields_are_never_written(world: StageHarness) -> None:
    record = world.row(Prompt="A cat\nA dog", Title="Pets", Generate=True, **{"Allow Rewrite": True, "Clip Seconds": 3})
    before = {name: value for name, value in world.cells(record).items() if name != "Generate"}
    world.make(record)
    assert before.items() <= world.cells(record).items()


def test_what_was_changed_in_a_row_after_its_run_stays(world: StageHarness) -> None:
    _, run = world.film(Prompt="A cat")
    (scene,) = world.scene_ids()
    world.airtable.edit("Scenes", scene, Prompt="A lion", Caption="Roar")
    control.regenerate(world.services, run.id, 1, {}, "test")
    world.until(run.id, "done")
    world.settle()
    row = world.airtable.cells(scene, "Scenes")
    assert (row["Prompt"], row["Caption"]) == ("A lion", "Roar")


def test_a_refused_scene_is_named_in_the_row_and_its_siblings_are_kept(world: StageHarness) -> None:
    world.vendor().script("dog", Outcome.REFUSE)
    world.moderator.sentence = "the prompt (violence)"
    record, run = world.film(Prompt="A cat\nA dog\nA cow")
    cells = world.cells(record)
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert cells["Status"] == "Needs Attention"
    assert "Scene 2 is a placeholder. The video service refused this scene: the prompt (violence)." in cells["Error"]
    assert len(cells["Final Video"]) == 1
    assert {row["Prompt"]: row["Status"] for row in world.scene_rows()} == {
        "A cat": "Done",
        "A dog": "Refused",
        "A cow": "Done",
    }
    assert world.bought == ["A cat", "A cow"]


def test_a_row_that_airtable_never_takes_is_not_tried_for_ever(world: StageHarness) -> None:
    world.airtable.refused = {"Versions"}
    record, _ = world.film(Prompt="A cat")
    tries = [call for call in world.airtable.calls if call.table == "Versions"]
    assert 1 < len(tries) <= flush.REFUSALS
    assert world.cells(record)["Status"] == "Done"


def test_a_film_whose_row_airtable_never_takes_asks_a_person(world: StageHarness) -> None:
    world.airtable.refused = {"Videos"}
    record = world.row(Prompt="A cat")
    run = world.until(world.trigger(record), "done", "needs_attention")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "open it with Video URL" in (run.error or "")


def names(world: StageHarness, record: str) -> list[str]:
    return [film["filename"].removeprefix(f"{record}-") for film in world.cells(record)["Final Video"]]


@pytest.mark.parametrize("reaches", [True, False])
def test_old_films_are_replaced_or_kept_behind_the_new_one_as_configured(tmp_path: Path, *, reaches: bool) -> None:
    for keep, expected in ((False, ["r2-16x9.mp4"]), (True, ["r2-16x9.mp4", "r1-16x9.mp4", "mine.mp4"])):
        world = StageHarness.build(tmp_path / str(keep), keep_old_films=keep, airtable_reaches_us=reaches)
        record = world.row(Prompt="A cat")
        own = {"id": "attMine", "filename": "mine.mp4", "size": 9, "type": "video/mp4"}
        world.airtable.tables["Videos"][record]["Final Video"] = [own]
        world.make(record)
        world.airtable.edit("Videos", record, Prompt="A dog")
        world.make(record)
        assert [name.removeprefix(f"{record}-") for name in names(world, record)] == expected


def test_a_kept_film_never_stands_there_twice(tmp_path: Path) -> None:
    """Not after a lost fetch, a new take, a restored version or a preview that waited for approval."""
    world = StageHarness.build(tmp_path, keep_old_films=True, approval_above_micro=0)
    record, run = world.film(Prompt="A cat")
    assert names(world, record) == ["r1-16x9-animatic.mp4"]
    world.airtable.vanish, world.airtable.lose_films = True, 1
    control.approve(world.services, run.id, "test")
    world.until(run.id, "done")
    world.settle()
    assert names(world, record) == ["r1-16x9.mp4"]
    control.regenerate(world.services, run.id, 1, {}, "test")
    world.until(run.id, "done")
    world.settle()
    assert names(world, record) == ["r1-take2-16x9.mp4", "r1-16x9.mp4"]
    links = len(world.airtable.links)
    [version] = world.airtable.tables["Versions"]
    world.airtable.edit("Versions", version, Restore=True)
    checkboxes.look(world.services, BASE)
    world.settle()
    assert names(world, record) == ["r1-take2-16x9.mp4", "r1-16x9.mp4"]
    assert not [link for link in world.airtable.links[links:] if link.endswith("take2-16x9.mp4")], (
        "it was there already"
    )


def test_a_base_without_the_column_for_films_is_told_so_instead_of_being_asked_again_and_again(
    world: StageHarness,
) -> None:
    """Somebody deleted the column while the film was made: nothing failed to be fetched, there is nowhere to put it."""
    world.airtable.missing = {"Final Video"}
    record, run = world.film(Prompt="A cat")
    assert run.status is RunStatus.DONE
    assert "no field “Final Video”" in world.cells(record)["Status Detail"]
    assert not world.events(run, "attached_again")


def test_what_is_said_of_a_revoked_token_reads_as_sentences(world: StageHarness) -> None:
    run = world.trigger(world.row(Prompt="A cat"))
    world.until(run, "stitching")
    world.airtable.denied = True
    error = world.until(run, "needs_attention").error or ""
    assert error.endswith("it was revoked. It arrives here by itself after that.")

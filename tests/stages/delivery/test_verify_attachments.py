"""Files that Airtable fetches some time after the write, or loses in silence: looked after wherever they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.base_changes import checkboxes
from pipelines.stages.decisions import control
from tests.stages.stage_fixtures import BASE, StageHarness

SIX = "\n".join(f"Animal number {n}" for n in range(1, 7))


@pytest.fixture
def world(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def test_files_that_never_arrive_are_sent_again_under_a_fresh_link(world: StageHarness) -> None:
    record = world.row(Prompt="A cat")
    run = world.trigger(record)
    world.airtable.lose_films = 2
    done = world.until(run, "done", "needs_attention")
    world.settle()
    assert done.status is RunStatus.DONE
    assert len(world.events(done, "attached_again")) == 2
    assert len(set(world.airtable.links)) == len(world.airtable.links)
    assert world.cells(record)["Status"] == "Done"


def test_a_film_that_vanishes_from_its_cell_is_sent_again_at_once_and_what_is_there_stays(world: StageHarness) -> None:
    """No minutes of waiting for what is known to be lost, and no second fetch of what has arrived."""
    world.airtable.vanish = True
    record = world.row(Prompt="A cat", Formats=["9:16"])
    run, world.airtable.lose_films = world.trigger(record), 1
    began = world.until(run, "delivering").updated_at
    done = world.until(run, "done", "needs_attention")
    assert world.clock.now() - began < 10
    world.settle()
    assert len(world.events(done, "attached_again")) == 1
    films = world.cells(record)["Final Video"]
    assert [film["filename"].rpartition("-")[2] for film in films] == ["16x9.mp4", "9x16.mp4"]
    fetches = [sum(link.endswith(f"-{name}.mp4") for link in world.airtable.links) for name in ("16x9", "9x16")]
    assert fetches == [2 + 1, 1 + 1], "in Videos and in Versions; the one that had arrived is named by its id"


def test_the_copy_in_versions_is_looked_after_once_for_all_and_sent_again_when_lost(world: StageHarness) -> None:
    """Nobody waits for it; two lost fetches later it is there, under a third link."""
    records = [world.row(Prompt=f"Cat {number}") for number in range(3)]
    runs = [world.trigger(record) for record in records]
    world.airtable.lose_versions = 2
    for run in runs:
        world.until(run, "done")
    world.airtable.calls.clear()
    world.settle()
    assert [len(row["Final Video"]) for row in world.airtable.rows("Versions")] == [1, 1, 1]
    looks = [call for call in world.airtable.calls if call.verb == "attachments" and call.table == "Versions"]
    assert len(looks[0].rows) == 3, "one call for all of them"
    assert len(looks) <= 7
    for row in world.airtable.rows("Versions"):
        assert row["Final Video"][0]["id"]
    told = [event for run in runs for event in world.events(world.run(run), "attached_again")]
    assert len(told) == 2
    assert all(world.cells(record)["Status"] == "Done" for record in records)


def test_a_copy_in_versions_that_never_arrives_is_said_there_and_the_film_stays_done(world: StageHarness) -> None:
    world.airtable.lose_versions, world.airtable.vanish = 99, True
    record, run = world.film(Prompt="A cat")
    [version] = world.airtable.rows("Versions")
    assert version["What Changed"].endswith("Airtable could not fetch the file; Restore still works.")
    assert world.events(run, "not_attached")
    assert world.cells(record)["Status"] == "Done"


def clip_looks(world: StageHarness) -> list[int]:
    """How many rows of `Scenes` each look at their clips was about."""
    return [len(call.rows) for call in world.airtable.calls if (call.verb, call.table) == ("attachments", "Scenes")]


def test_the_clips_in_scenes_are_looked_at_once_in_one_call_and_never_again(world: StageHarness) -> None:
    _, run = world.film(Prompt=SIX)
    assert clip_looks(world) == [6]
    assert not world.events(run, "attached_again")
    control.regenerate(world.services, run.id, 3, {}, "test")
    world.until(run.id, "done")
    world.settle()
    assert clip_looks(world) == [6, 1], "only the new one"
    assert [len(row["Clip"]) for row in world.scene_rows()] == [1] * 6
    assert sum("/clips/" in link for link in world.airtable.links) == 7, "what is there is not fetched twice"


@pytest.mark.parametrize("vanish", [True, False])
def test_a_clip_that_airtable_failed_to_fetch_is_sent_again_and_the_others_are_not(
    world: StageHarness, vanish: bool
) -> None:
    world.airtable.lose_clips, world.airtable.vanish = 2, vanish
    record, run = world.film(Prompt="A cat\nA dog\nA cow")
    assert world.cells(record)["Status"] == "Done"
    assert [len(row["Clip"]) for row in world.scene_rows()] == [1, 1, 1]
    [again] = world.events(run, "attached_again")
    assert again.detail["table"] == "Scenes"
    clips = [link for link in world.airtable.links if "name=scene-" in link]
    assert (len(clips), len(set(clips))) == (3 + 2, 5), "each under a link of its own"
    assert all("Error" not in row for row in world.scene_rows())


def test_a_clip_that_never_arrives_is_said_in_its_row_and_the_film_stays_done(world: StageHarness) -> None:
    world.airtable.lose_clips, world.airtable.vanish = 99, True
    record, run = world.film(Prompt="A cat")
    [row] = world.scene_rows()
    assert row["Error"] == "Airtable could not fetch the clip, which is in the film: open it with Clip URL."
    assert world.events(run, "not_attached")
    assert world.cells(record)["Status"] == "Done"


def test_a_base_without_a_column_for_clips_is_not_asked_for_them_again_and_again(world: StageHarness) -> None:
    world.airtable.missing = {"Clip"}
    _, run = world.film(Prompt="A cat\nA dog")
    assert len(clip_looks(world)) <= 1
    assert not world.events(run, "attached_again")


def test_a_film_that_somebody_put_back_is_looked_after_too(world: StageHarness) -> None:
    record, _ = world.film(Prompt="A cat")
    world.airtable.edit("Videos", record, Prompt="A dog")
    world.make(record)
    [old] = [one for one, row in world.airtable.tables["Versions"].items() if row["Run"] == 1]
    world.airtable.edit("Versions", old, Restore=True)
    world.airtable.lose_films, world.airtable.vanish = 2, True
    checkboxes.look(world.services, BASE)
    world.settle()
    assert [film["filename"] for film in world.cells(record)["Final Video"]] == [f"{record}-r1-16x9.mp4"]
    assert world.cells(record)["Status Detail"] == "The film of run 1 is back."

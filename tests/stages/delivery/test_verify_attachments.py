"""Files that Airtable fetches some time after the write, or loses in silence: looked after wherever they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.base_changes import checkboxes
from pipelines.stages.decisions import regenerate
from pipelines.testing.airtable import BASE
from tests.stages.stage_fixtures import StageHarness

SIX = "\n".join(f"Animal number {n}" for n in range(1, 7))


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    """Our server does not see what Airtable fetches: everything has to be looked at."""
    harness = StageHarness.build(tmp_path)
    harness.airtable.seen_fetching = False
    return harness


def test_files_that_never_arrive_are_sent_again_under_a_fresh_link(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    run = harness.trigger(record)
    harness.airtable.lose_films = 2
    done = harness.until(run, "done", "needs_attention")
    harness.settle()
    assert done.status is RunStatus.DONE
    assert len(harness.events(done, "attached_again")) == 2
    assert len(set(harness.airtable.links)) == len(harness.airtable.links)
    assert harness.cells(record)["Status"] == "Done"


def test_a_film_that_vanishes_from_its_cell_is_sent_again_at_once_and_what_is_there_stays(
    harness: StageHarness,
) -> None:
    """No minutes of waiting for what is known to be lost, and no second fetch of what has arrived."""
    harness.airtable.vanish = True
    record = harness.row(Prompt="A cat", Formats=["9:16"])
    run, harness.airtable.lose_films = harness.trigger(record), 1
    began = harness.until(run, "delivering").updated_at
    done = harness.until(run, "done", "needs_attention")
    assert harness.clock.now() - began < 10
    harness.settle()
    assert len(harness.events(done, "attached_again")) == 1
    films = harness.cells(record)["Final Video"]
    assert [film["filename"].rpartition("-")[2] for film in films] == ["16x9.mp4", "9x16.mp4"]
    fetches = [sum(link.endswith(f"-{name}.mp4") for link in harness.airtable.links) for name in ("16x9", "9x16")]
    assert fetches == [2 + 1, 1 + 1], "in Videos and in Versions; the one that had arrived is named by its id"


def test_the_copy_in_versions_is_looked_after_once_for_all_and_sent_again_when_lost(harness: StageHarness) -> None:
    """Nobody waits for it; two lost fetches later it is there, under a third link."""
    records = [harness.row(Prompt=f"Cat {number}") for number in range(3)]
    runs = [harness.trigger(record) for record in records]
    harness.airtable.lose_versions = 2
    for run in runs:
        harness.until(run, "done")
    harness.airtable.calls.clear()
    harness.settle()
    assert [len(row["Final Video"]) for row in harness.airtable.rows("Versions")] == [1, 1, 1]
    looks = [call for call in harness.airtable.calls if call.verb == "attachments" and call.table == "Versions"]
    assert len(looks[0].rows) == 3, "one call for all of them"
    assert len(looks) <= 7
    for row in harness.airtable.rows("Versions"):
        assert row["Final Video"][0]["id"]
    told = [event for run in runs for event in harness.events(harness.run(run), "attached_again")]
    assert len(told) == 2
    assert all(harness.cells(record)["Status"] == "Done" for record in records)


def test_a_copy_in_versions_that_never_arrives_is_said_there_and_the_film_stays_done(harness: StageHarness) -> None:
    harness.airtable.lose_versions, harness.airtable.vanish = 99, True
    record, run = harness.film(Prompt="A cat")
    [version] = harness.airtable.rows("Versions")
    assert version["What Changed"].endswith("Airtable could not fetch the file; Restore still works.")
    assert harness.events(run, "not_attached")
    assert harness.cells(record)["Status"] == "Done"


def clip_looks(harness: StageHarness) -> list[int]:
    """How many rows of `Scenes` each look at their clips was about."""
    return [len(call.rows) for call in harness.airtable.calls if (call.verb, call.table) == ("attachments", "Scenes")]


def test_the_clips_in_scenes_are_looked_at_once_in_one_call_and_never_again(harness: StageHarness) -> None:
    _, run = harness.film(Prompt=SIX)
    assert clip_looks(harness) == [6]
    assert not harness.events(run, "attached_again")
    regenerate.regenerate(harness.services, run.id, 3, {}, "test")
    harness.until(run.id, "done")
    harness.settle()
    assert clip_looks(harness) == [6, 1], "only the new one"
    assert [len(row["Clip"]) for row in harness.scene_rows()] == [1] * 6
    assert sum("/clips/" in link for link in harness.airtable.links) == 7, "what is there is not fetched twice"


@pytest.mark.parametrize("vanish", [True, False])
def test_a_clip_that_airtable_failed_to_fetch_is_sent_again_and_the_others_are_not(
    harness: StageHarness, vanish: bool
) -> None:
    harness.airtable.lose_clips, harness.airtable.vanish = 2, vanish
    record, run = harness.film(Prompt="A cat\nA dog\nA cow")
    assert harness.cells(record)["Status"] == "Done"
    assert [len(row["Clip"]) for row in harness.scene_rows()] == [1, 1, 1]
    [again] = harness.events(run, "attached_again")
    assert again.detail.table == "Scenes"
    clips = [link for link in harness.airtable.links if "name=scene-" in link]
    assert (len(clips), len(set(clips))) == (3 + 2, 5), "each under a link of its own"
    assert all("Error" not in row for row in harness.scene_rows())


def test_a_clip_that_never_arrives_is_said_in_its_row_and_the_film_stays_done(harness: StageHarness) -> None:
    harness.airtable.lose_clips, harness.airtable.vanish = 99, True
    record, run = harness.film(Prompt="A cat")
    [row] = harness.scene_rows()
    assert row["Error"] == "Airtable could not fetch the clip, which is in the film: open it with Clip URL."
    assert harness.events(run, "not_attached")
    assert harness.cells(record)["Status"] == "Done"


def test_a_base_without_a_column_for_clips_is_not_asked_for_them_again_and_again(harness: StageHarness) -> None:
    harness.airtable.missing = {"Clip"}
    _, run = harness.film(Prompt="A cat\nA dog")
    assert len(clip_looks(harness)) <= 1
    assert not harness.events(run, "attached_again")


def test_a_film_that_somebody_put_back_is_looked_after_too(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat")
    harness.airtable.edit("Videos", record, Prompt="A dog")
    harness.make(record)
    [old] = [one for one, row in harness.airtable.tables["Versions"].items() if row["Run"] == 1]
    harness.airtable.edit("Versions", old, Restore=True)
    harness.airtable.lose_films, harness.airtable.vanish = 2, True
    checkboxes.poll_checkboxes(harness.services, BASE)
    harness.settle()
    assert [film["filename"] for film in harness.cells(record)["Final Video"]] == [f"{record}-r1-16x9.mp4"]
    assert harness.cells(record)["Status Detail"] == "The film of run 1 is back."

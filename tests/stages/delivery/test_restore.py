"""An earlier film, or an earlier clip, chosen again: nothing is bought, the row shows it, and twice is once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.errors import NotAllowed, NotFound
from pipelines.domain.records import Cut, Run
from pipelines.domain.state.delivery import JoinReport
from pipelines.stages.decisions import regenerate
from pipelines.stages.delivery import restore
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def two_versions(harness: StageHarness) -> tuple[str, Run]:
    """A film of two scenes whose second was made again, with other words."""
    record, run = harness.film(Prompt="A cat\nA dog", Captions="Burned")
    regenerate.regenerate(harness.services, run.id, 2, {"prompt": "A wolf", "caption": "Howl"}, "test")
    run = harness.until(run.id, "done")
    harness.settle()
    return record, run


def all_films(harness: StageHarness, run: Run) -> list[Cut]:
    with harness.services.store.read() as tx:
        return tx.cuts.find(run_id=run.id, order="take")


def test_an_earlier_film_is_back_with_its_scenes_and_nothing_is_bought(harness: StageHarness) -> None:
    record, run = two_versions(harness)
    films, bought, cost = len(harness.editor.films), list(harness.bought), harness.cells(record)["Actual Cost"]
    preview = restore.preview(harness.services, run.id, 0)
    assert (preview.price_micro, preview.problems) == (0, ())
    restore.restore(harness.services, run.id, 0, "test")
    restore.restore(harness.services, run.id, 0, "test")
    run = harness.until(run.id, "done")
    restore.restore(harness.services, run.id, 0, "test")
    harness.settle()
    first, _, third = all_films(harness, run)
    assert (run.take, third.sha256, third.key) == (2, first.sha256, first.key)
    assert third.token != first.token
    assert len(harness.editor.films) == films
    assert (harness.bought, harness.cells(record)["Actual Cost"]) == (bought, cost)
    assert [(scene.prompt, scene.caption) for scene in harness.scenes(run)] == [("A cat", None), ("A dog", None)]
    (file,) = harness.cells(record)["Final Video"]
    assert file["filename"].endswith("-r1-take3-16x9.mp4")
    assert harness.cells(record)["Status"] == "Done"
    assert harness.balanced()
    assert harness.held() == 0


def test_a_film_that_is_not_kept_is_joined_from_its_clips(harness: StageHarness) -> None:
    _, run = two_versions(harness)
    bought, films = list(harness.bought), len(harness.editor.films)
    with harness.services.store.write() as tx:
        (first,) = tx.cuts.find(run_id=run.id, take=0)
        tx.cuts.change(first.id, deleted_at=harness.clock.now())
    restore.restore(harness.services, run.id, 0, "test")
    run = harness.until(run.id, "done")
    assert (len(harness.editor.films), harness.bought) == (films + 1, bought)
    assert harness.cuts(run)[-1].sha256 == first.sha256
    gone = harness.scenes(run)[1].clip_id or ""
    regenerate.regenerate(harness.services, run.id, 2, {"prompt": "A fox"}, "test")
    run = harness.until(run.id, "done")
    with harness.services.store.write() as tx:
        tx.clips.change(gone, deleted_at=harness.clock.now())
    (problem,) = restore.preview(harness.services, run.id, 0).problems
    assert "are kept any more" in problem.message
    with pytest.raises(NotAllowed, match="kept any more"):
        restore.restore(harness.services, run.id, 0, "test")
    assert harness.run(run.id).take == run.take


def test_films_that_do_not_remember_their_scenes_come_back_too(harness: StageHarness) -> None:
    """Films of before this could be done."""
    _, run = two_versions(harness)
    with harness.services.store.write() as tx:
        for cut in tx.cuts.find(run_id=run.id):
            tx.cuts.change(cut.id, report=replace(cut.report, scenes=JoinReport().scenes))
    restore.restore(harness.services, run.id, 0, "test")
    run = harness.until(run.id, "done")
    assert [scene.prompt for scene in harness.scenes(run)] == ["A cat", "A dog"]
    with pytest.raises(NotFound, match="take 7"):
        restore.restore(harness.services, run.id, 7, "test")
    regenerate.regenerate(harness.services, run.id, 1, {}, "test")
    with pytest.raises(NotAllowed, match="stopped"):
        restore.restore(harness.services, run.id, 0, "test")
    assert [problem.field for problem in restore.preview(harness.services, run.id, 0).problems] == ["take"]


def test_an_earlier_clip_of_a_scene_is_chosen_again(harness: StageHarness) -> None:
    _, run = two_versions(harness)
    with harness.services.store.read() as tx:
        (before,) = (
            clip for clip in tx.clips.find(run_id=run.id) if clip.id not in {s.clip_id for s in harness.scenes(run)}
        )
    bought = list(harness.bought)
    assert restore.preview_choice(harness.services, run.id, 2, before.id).price_micro == 0
    restore.choose(harness.services, run.id, 2, before.id, "test")
    restore.choose(harness.services, run.id, 2, before.id, "test")
    run = harness.until(run.id, "done")
    scene = harness.scenes(run)[1]
    assert (scene.clip_id, scene.prompt, scene.caption) == (before.id, "A dog", "Howl")
    assert (run.take, harness.bought) == (2, bought)
    with pytest.raises(NotFound):
        restore.choose(harness.services, run.id, 1, before.id, "test")


def test_a_row_that_shows_another_run_gets_this_film_again(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat")
    first = harness.cells(record)["Final Video"][0]["filename"]
    harness.airtable.edit(AirtableTable.VIDEOS, record, Prompt="A dog")
    harness.make(record)
    harness.settle()
    assert harness.cells(record)["Final Video"][0]["filename"] != first
    restore.restore(harness.services, run.id, None, "test")
    harness.settle()
    assert harness.cells(record)["Final Video"][0]["filename"] == first
    calls = len(harness.airtable.calls)
    restore.restore(harness.services, run.id, None, "test")
    harness.settle()
    assert len(harness.airtable.calls) == calls

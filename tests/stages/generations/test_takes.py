"""Further clips of one paid job are takes of its scene: kept, shown, free, and waited for by nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.errors import Expired, NotConfigured, ReelgridError, Unavailable
from pipelines.domain.records import Clip
from pipelines.stages.spending import ledger
from tests.stages.doubt_fixtures import generations, history, order, problems
from tests.stages.stage_fixtures import StageHarness


def clips_of(harness: StageHarness, run_id: str) -> list[Clip]:
    """The clip that was ordered first."""
    with harness.services.store.read() as tx:
        return sorted(tx.clips.find(run_id=run_id), key=lambda clip: clip.generation_id is None)


def settle(harness: StageHarness, run_id: str) -> None:
    """Until nothing of the run is left to be brought home."""
    while any(gen.next_at is not None for gen in generations(harness, run_id)):
        if not harness.work():
            harness.clock.pass_by(1.0)


def test_the_further_clips_of_a_job_are_kept_beside_the_one_that_was_ordered(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    harness.vendor().takes = 2
    run = order(harness, "a lamp")
    harness.until(run, "done")
    settle(harness, run)
    ordered, *takes = clips_of(harness, run)
    (scene,) = harness.scenes(harness.run(run))
    assert (scene.clip_id, len(takes)) == (ordered.id, 2)
    assert len({clip.sha256 for clip in (ordered, *takes)}) == 3
    assert all(harness.services.media.stat(clip.key) for clip in takes)
    assert {(clip.scene_id, clip.cost_micro, clip.generation_id) for clip in takes} == {(scene.id, 0, None)}
    assert (len(history(harness, "another_take")), harness.bought, problems(harness)) == (2, ["a lamp"], ())
    with harness.services.store.read() as tx:
        assert ledger.of_run(tx, run).spent == ordered.cost_micro


def test_an_equal_order_is_served_with_the_clip_that_was_ordered_and_not_with_a_take(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    harness.vendor().takes = 1
    first = order(harness, "a lamp")
    harness.until(first, "done")
    settle(harness, first)
    second = order(harness, "a lamp")
    harness.until(second, "done")
    (again,) = harness.scenes(harness.run(second))
    assert again.clip_id == clips_of(harness, first)[0].id
    assert harness.bought == ["a lamp"]


@pytest.mark.parametrize(
    ("trouble", "kept", "lost"), [(Unavailable("busy"), 2, 0), (NotConfigured("no key"), 2, 0), (Expired("gone"), 1, 1)]
)
def test_a_take_that_cannot_be_had_holds_up_neither_the_film_nor_the_next_take(
    tmp_path: Path, trouble: ReelgridError, kept: int, lost: int
) -> None:
    harness = StageHarness.build(tmp_path)
    harness.vendor().takes = 2
    harness.vendor().take_troubles = [trouble]
    run = order(harness, "a lamp")
    harness.until(run, "done")
    settle(harness, run)
    assert len(clips_of(harness, run)) == 1 + kept
    assert len(history(harness, "take_lost")) == lost
    assert not generations(harness, run)[0].result.takes

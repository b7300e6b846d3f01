"""A horse that has brought what a run waits for goes on with that run: no hint, no fork, in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.records import Kind
from pipelines.stages.generations import poll
from pipelines.stages.recovery.fan_out import PREPARING_S
from pipelines.stages.scheduler import steps
from tests.stages.stage_fixtures import StageHarness
from worker import step


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[StageHarness]:
    """Services that a worker's steps of this process work with."""
    made = StageHarness.build(tmp_path, forgiving=True)
    step.factory.override(lambda _owner: made.services)
    step.services_of.cache_clear()
    yield made
    step.services_of.cache_clear()


def made(harness: StageHarness) -> str:
    """A run whose only clip lies at its provider."""
    run_id = harness.trigger(harness.row(Prompt="A cat"))
    run = harness.until(run_id, "generating")
    for _ in range(60):
        gen = next(iter(harness.generations(run)), None)
        if gen is not None and gen.status is GenerationStatus.SUCCEEDED:
            return run_id
        if gen is None or gen.status is GenerationStatus.PLANNED:
            steps.step(harness.services, *((Kind.GENERATION, gen.id) if gen else (Kind.RUN, run_id)))
        poll.poll_due(harness.services)
        harness.clock.pass_by(1.0)
    raise AssertionError("the clip is not made")


def test_the_last_clip_is_followed_by_its_film_in_two_steps(harness: StageHarness) -> None:
    """One of each queue: what was fetched takes the run to stitching, and the clip that is ready is joined."""
    run_id = made(harness)
    (gen,) = harness.generations(harness.run(run_id))
    step.step(Kind.GENERATION, gen.id)
    run = harness.run(run_id)
    # Nobody is sent to look whether the clip is ready.
    assert (run.status, run.next_at) == (RunStatus.STITCHING, harness.clock.now() + PREPARING_S)
    (clip,) = harness.clips(harness.run(run_id))
    assert clip.thumbnail is None
    step.step(Kind.CLIP, clip.id)
    assert harness.run(run_id).status is RunStatus.DELIVERING
    assert harness.clips(harness.run(run_id))[0].thumbnail is not None


@pytest.mark.logs_errors
def test_what_fails_in_the_run_is_said_of_the_run(harness: StageHarness) -> None:
    """A defect while going on is one of the run's step: the clip is ready and free."""
    run_id = made(harness)
    (gen,) = harness.generations(harness.run(run_id))
    step.step(Kind.GENERATION, gen.id)
    (clip,) = harness.clips(harness.run(run_id))
    harness.editor.broken = RuntimeError("a defect")
    step.step(Kind.CLIP, clip.id)
    run = harness.run(run_id)
    assert (run.status, run.attempts, run.lease_token) == (RunStatus.STITCHING, 1, None)
    assert (harness.clips(run)[0].next_at, harness.clips(run)[0].attempts) == (None, 0)

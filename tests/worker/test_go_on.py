"""A horse that has brought what a run waits for goes on with that run: no hint, no fork, in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.records import Kind
from pipelines.stages.generations import poll
from pipelines.stages.recovery.fan_out import PREPARING_S
from pipelines.stages.scheduler import steps
from tests.stages.stage_fixtures import StageHarness
from worker import step
from worker.pump import LEFT_S, Dispatcher


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[StageHarness]:
    """Services that a worker's steps of this process work with."""
    made = StageHarness.build(tmp_path, forgiving=True)
    step.factory.override(lambda _owner: made.services)
    step.services_of.cache_clear()
    yield made
    step.services_of.cache_clear()
    step.work_as("tests")


def made(harness: StageHarness, *prompts: str) -> str:
    """A run whose clips, by default one, lie at their provider."""
    prompts = prompts or ("A cat",)
    run_id = harness.trigger(harness.row(Prompt="\n".join(prompts)))
    run = harness.until(run_id, "generating")
    for _ in range(60):
        gens = harness.generations(run)
        if [gen.status for gen in gens] == [GenerationStatus.SUCCEEDED] * len(prompts):
            return run_id
        planned = [(Kind.GENERATION, gen.id) for gen in gens if gen.status is GenerationStatus.PLANNED]
        for kind, row_id in planned if gens else [(Kind.RUN, run_id)]:
            steps.step(harness.services, kind, row_id)
        poll.poll_due(harness.services)
        harness.clock.pass_by(1.0)
    raise AssertionError("the clips are not made")


@dataclass
class Broker:
    """Takes every hint, unless its workers of media are `busy` and it is for now or never."""

    busy: bool = False
    sent: list[tuple[str, bool]] = field(default_factory=list)

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:
        if at_once and self.busy:
            return False
        self.sent += [(row, media) for _, row in hints]
        return True

    def check(self) -> None:
        """It answers."""


def dispatched(harness: StageHarness, *, busy: bool) -> list[tuple[str, bool]]:
    """The generations for which hints are sent, and whether to those who join."""
    broker = Broker(busy)
    dispatcher = Dispatcher(replace(harness.services, hints=broker), ("generations",), shared_broker=False)
    assert [dispatcher.tick(), dispatcher.tick()] == [len(broker.sent), 0], "no hint is sent twice"
    return broker.sent


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


def test_what_a_film_still_waits_for_is_brought_by_who_can_join_if_they_are_free(harness: StageHarness) -> None:
    run_id = made(harness, "A cat", "A dog")
    first, second = harness.generations(harness.run(run_id))
    assert set(dispatched(harness, busy=False)) == {(first.id, False), (second.id, False)}, "each lacks the other"
    step.step(Kind.GENERATION, first.id)
    assert dispatched(harness, busy=True) == [(second.id, False)]
    assert dispatched(harness, busy=False) == [(second.id, True)]


def test_a_clip_that_had_to_be_tried_again_keeps_nobody_from_joining(harness: StageHarness) -> None:
    """Its server may be slow for long."""
    run_id = made(harness)
    (gen,) = harness.generations(harness.run(run_id))
    with harness.services.store.write() as tx:
        tx.generations.change(gen.id, {}, attempts=1)
    assert dispatched(harness, busy=False) == [(gen.id, False)]


def woken(harness: StageHarness, run_id: str, *, ago_s: float = 0.0) -> list[tuple[str, bool]]:
    """The hints for a run that was woken so long ago."""
    with harness.services.store.write() as tx:
        tx.runs.change(run_id, {}, next_at=harness.clock.now() - ago_s)
    broker = Broker()
    Dispatcher(replace(harness.services, hints=broker), ("runs",), shared_broker=False).tick()
    return broker.sent


def test_a_run_is_left_for_a_moment_to_who_brings_its_clips(harness: StageHarness) -> None:
    run_id = made(harness, "A cat", "A dog")
    step.step(Kind.GENERATION, harness.generations(harness.run(run_id))[0].id)
    assert woken(harness, run_id) == []
    assert woken(harness, run_id, ago_s=LEFT_S) == [(run_id, False)]


def test_a_run_that_has_no_clip_yet_is_left_to_nobody(harness: StageHarness) -> None:
    run_id = harness.trigger(harness.row(Prompt="A cat"))
    harness.until(run_id, "generating")
    assert woken(harness, run_id) == [(run_id, False)]


def test_who_can_join_goes_on_from_the_last_clip_to_the_film_at_once(harness: StageHarness) -> None:
    run_id = made(harness)
    (gen,) = harness.generations(harness.run(run_id))
    step.work_as("media", media=True)
    step.step(Kind.GENERATION, gen.id)
    assert harness.run(run_id).status is RunStatus.DELIVERING


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

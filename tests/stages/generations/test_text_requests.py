"""A text that was paid is not paid again, whatever happens to the step that asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.domain.errors import Unavailable
from pipelines.ports import Brief, Script
from pipelines.stages.scheduler import steps
from pipelines.testing import ScriptedWriter
from tests.stages.stage_fixtures import StageHarness

COST = 2_000


class SlowWriter(ScriptedWriter):
    """Lets something happen while it writes."""

    def __init__(self) -> None:
        super().__init__(cost_micro=COST)
        self.meanwhile: Callable[[], object] | None = None

    def write(self, brief: Brief) -> Script:
        """As asked, and in the middle of it what a test wants."""
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return super().write(brief)


@pytest.fixture
def writer() -> SlowWriter:
    return SlowWriter()


@pytest.fixture
def harness(tmp_path: Path, writer: SlowWriter) -> StageHarness:
    return StageHarness.build(tmp_path, writer=writer)


def written(harness: StageHarness, run_id: str) -> int:
    with harness.services.store.read() as tx:
        booked = tx.ledger.find(run_id=run_id, account="spent", memo="scene writing")
        assert tx.texts.count() == 0
    return sum(entry.amount for entry in booked)


def taken_for_dead(harness: StageHarness, run_id: str, *, certain: bool) -> None:
    """The run's step is declared dead while it lives, and another worker takes the run over."""
    harness.services.store.release_owner("test", certain=certain)
    steps.step(replace(harness.services, owner="another"), "runs", run_id)


def test_a_lost_lease_does_not_pay_the_text_twice(harness: StageHarness, writer: SlowWriter) -> None:
    run_id = harness.trigger(harness.row(**{"Master Prompt": "a fox", "Scene Count": 2}))
    writer.meanwhile = lambda: taken_for_dead(harness, run_id, certain=False)
    harness.until(run_id, "done")
    assert (len(writer.briefs), written(harness, run_id)) == (1, COST)
    assert harness.bought == ["a fox: shot 1", "a fox: shot 2"]
    assert harness.balanced()


def test_a_machine_that_slept_through_its_lease_is_asked_whether_it_lives(
    harness: StageHarness, writer: SlowWriter
) -> None:
    run_id = harness.trigger(harness.row(**{"Master Prompt": "a fox", "Scene Count": 2}))

    def sleep() -> None:
        harness.clock.pass_by(3600.0)
        taken_for_dead(harness, run_id, certain=False)

    writer.meanwhile = sleep
    harness.until(run_id, "done")
    assert (len(writer.briefs), written(harness, run_id)) == (1, COST)


def test_a_writer_that_died_is_not_waited_for(harness: StageHarness, writer: SlowWriter) -> None:
    run_id = harness.trigger(harness.row(**{"Master Prompt": "a fox", "Scene Count": 2}))
    died_at = harness.clock.now()

    def die() -> None:
        harness.services.store.release_owner("test")
        raise KeyboardInterrupt

    writer.meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        harness.until(run_id, "done")
    harness.until(run_id, "generating")
    assert harness.clock.now() - died_at < 10
    harness.until(run_id, "done")
    assert len(writer.briefs) == 1


def test_a_writer_whose_death_nobody_saw_is_waited_for_as_long_as_its_lease(
    harness: StageHarness, writer: SlowWriter
) -> None:
    run_id = harness.trigger(harness.row(**{"Master Prompt": "a fox", "Scene Count": 2}))

    def die() -> None:
        harness.services.store.release_owner("test", certain=False)
        raise KeyboardInterrupt

    writer.meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        harness.until(run_id, "done")
    asked_at = harness.clock.now()
    harness.until(run_id, "done")
    assert len(writer.briefs) == 1
    assert harness.clock.now() - asked_at < 150


def test_an_answer_is_there_again_after_a_death_before_it_was_used(harness: StageHarness, writer: SlowWriter) -> None:
    run_id = harness.trigger(harness.row(**{"Master Prompt": "a fox", "Scene Count": 2}))

    def die() -> None:
        harness.services.store.release_owner("test")
        raise KeyboardInterrupt

    harness.points.at("script.written", die)
    with pytest.raises(KeyboardInterrupt):
        harness.until(run_id, "done")
    harness.until(run_id, "done")
    assert (len(writer.briefs), written(harness, run_id)) == (1, COST)


def test_a_writer_that_is_away_is_asked_again(harness: StageHarness, writer: SlowWriter) -> None:
    run_id = harness.trigger(harness.row(**{"Master Prompt": "a fox", "Scene Count": 2}))
    writer.fail = Unavailable("connection refused")
    harness.until(run_id, "done")
    assert (len(writer.briefs), written(harness, run_id)) == (1, COST)

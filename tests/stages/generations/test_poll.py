"""Watching what is at a provider, politely and without giving up a paid job for one bad answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.errors import Expired, NotConfigured, RateLimited, ReelgridError, Unavailable
from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.generations import poll
from pipelines.stages.generations.poll import MISSING_S
from tests.stages.stage_fixtures import StageHarness


def film(harness: StageHarness, prompts: str, **fields: str) -> str:
    return harness.trigger(harness.row(**{"Prompt": prompts, "Clip Seconds": 4, "Model": "acme/film", **fields}))


def test_a_provider_that_asks_to_wait_is_not_polled_for_any_job_until_then(tmp_path: Path) -> None:
    """And the others are polled as usual."""
    harness = StageHarness.build(tmp_path)
    acme, other = harness.vendor("acme"), harness.vendor("other")
    acme.ready_after_s = other.ready_after_s = 300.0
    runs = [film(harness, "a lake\na hill\na fen"), film(harness, "a dune", Model="other/film")]
    while len(acme.bought) + len(other.bought) < 4:
        harness.work()
    acme.troubles = [RateLimited("429", retry_after=40.0)]
    harness.clock.pass_by(30.0)
    poll.poll_due(harness.services)
    assert (acme.polls, other.polls) == (1, 1)
    harness.clock.pass_by(39.0)
    poll.poll_due(harness.services)
    assert (acme.polls, other.polls) == (1, 2)
    harness.clock.pass_by(2.0)
    poll.poll_due(harness.services)
    assert acme.polls == 4
    assert [harness.until(run, "done").status for run in runs] == ["done", "done"]


def test_a_job_that_is_not_known_yet_is_not_lost(tmp_path: Path) -> None:
    """Two servers behind one address: the second hears of the job a little later."""
    harness = StageHarness.build(tmp_path)
    run = film(harness, "a lake")
    harness.vendor("acme").troubles = [Expired("404"), Expired("404"), Expired("404")]
    assert harness.until(run, "done", "needs_attention").status == "done"
    assert len(harness.vendor("acme").bought) == 1


def test_a_job_that_stays_unknown_is_given_up_and_counted(tmp_path: Path) -> None:
    """A server that keeps its jobs in memory was started anew."""
    harness = StageHarness.build(tmp_path)
    began = harness.clock.now()
    harness.vendor("acme").troubles = [Expired("404") for _ in range(100)]
    run = harness.until(film(harness, "a lake"), "done", "needs_attention")
    assert run.status == "needs_attention"
    assert MISSING_S <= harness.clock.now() - began < 2 * MISSING_S
    assert harness.generations(run)[0].cost_micro == 400_000
    assert len(harness.vendor("acme").bought) == 1
    assert harness.balanced()


SLEPT_S = 8 * 3600.0


def asleep(harness: StageHarness, run: str) -> None:
    """Until the job was asked about once; then the machine sleeps."""
    while not harness.vendor().polls:
        harness.work()
        harness.clock.pass_by(1.0)
    harness.clock.pass_by(SLEPT_S)


def test_a_machine_that_slept_between_two_polls_has_seen_nothing_missing(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    vendor = harness.vendor()
    vendor.troubles = [Expired("404")]
    run = film(harness, "a lake")
    asleep(harness, run)
    vendor.troubles = [Expired("404"), Expired("404")]
    assert harness.until(run, "done", "needs_attention").status == "done"
    assert (harness.bought, harness.balanced()) == (["a lake"], True)


@pytest.mark.parametrize("woken", [[], [Unavailable("no network yet")], [RateLimited("429", retry_after=30.0)]])
def test_a_machine_that_slept_past_the_deadline_gives_the_job_its_time_back(
    tmp_path: Path, woken: list[ReelgridError]
) -> None:
    """At the provider it is still running; it ends as long after the machine woke as it would have taken."""
    harness = StageHarness.build(tmp_path)
    vendor = harness.vendor()
    vendor.ready_after_s = SLEPT_S + 120.0
    run = film(harness, "a lake")
    asleep(harness, run)
    vendor.troubles = [*woken]
    assert harness.until(run, "done", "needs_attention").status == "done"
    assert not harness.events(harness.run(run), "adopted")


def test_a_provider_that_asks_to_wait_for_hours_gets_no_time_for_it(tmp_path: Path) -> None:
    """Neither for the job that was asked about nor for those that waited with it."""
    harness = StageHarness.build(tmp_path)
    vendor = harness.vendor()
    vendor.troubles = [RateLimited("429", retry_after=3600.0) for _ in range(100)]
    began, run = harness.clock.now(), film(harness, "a lake\na hill\na fen")
    while harness.run(run).status is RunStatus.GENERATING or not vendor.polls:
        harness.work()
        harness.clock.pass_by(60.0)
        assert harness.clock.now() - began < 12 * 3600.0
    assert harness.run(run).status is RunStatus.NEEDS_ATTENTION


@pytest.mark.parametrize("error", [Expired("404"), NotConfigured("the key was changed")])
def test_a_late_look_that_finds_nothing_is_not_the_last(tmp_path: Path, error: ReelgridError) -> None:
    harness = StageHarness.build(tmp_path)
    vendor = harness.vendor()
    vendor.ready_after_s = 3600.0
    run = film(harness, "a lake")
    harness.until(run, "needs_attention")
    vendor.troubles = [error]
    harness.until(run, "done")
    assert (harness.bought, harness.balanced()) == (["a lake"], True)

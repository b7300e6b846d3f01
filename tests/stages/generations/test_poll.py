"""Watching what is at a provider, politely and without giving up a paid job for one bad answer."""

from __future__ import annotations

from pathlib import Path

from pipelines.domain.errors import Expired, RateLimited
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

"""What is paid for is brought home before its provider's copy expires, and not given up while it may still be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from typing_extensions import override

from pipelines.domain.errors import BadDelivery, Expired, RateLimited
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.state.generation import JobResult
from pipelines.ports import GenerationRequest, Job
from pipelines.stages.generations import poll
from pipelines.stages.generations.fetch import GONE_S
from pipelines.stages.orders import accept
from pipelines.testing import FixedClock, ScriptedProvider, ScriptedProviders
from tests.stages.stage_fixtures import StageHarness

PRICE = 400_000


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def ordered(harness: StageHarness, prompt: str = "a lake", model: str = "acme/film") -> str:
    wish = Order(scenes=(SceneOrder(prompt=prompt),), model=model)
    return accept.start(harness.services, accept.StartRequest(source="rest", order=wish)).run_id


def gone(times: int) -> list[Expired]:
    return [Expired("the download answered 404") for _ in range(times)]


def test_a_file_that_is_not_there_yet_is_fetched_a_little_later_and_not_bought_again(harness: StageHarness) -> None:
    harness.vendor().fetch_troubles = [*gone(3)]
    run = harness.until(ordered(harness), "done", "needs_attention")
    assert run.status == "done"
    assert (harness.bought, harness.balanced()) == (["a lake"], True)


def test_a_file_that_stays_away_is_given_up_counted_and_said(harness: StageHarness) -> None:
    began = harness.clock.now()
    harness.vendor().fetch_troubles = [*gone(1000)]
    run = harness.until(ordered(harness), "done", "needs_attention")
    assert GONE_S <= harness.clock.now() - began < 2 * GONE_S
    assert "no longer has this clip" in (run.error or "")
    assert "counts as paid" in (run.error or "")
    (gen,) = harness.generations(run)
    assert (gen.status, gen.reason, gen.cost_micro) == ("failed", "expired", PRICE)
    assert (harness.bought, harness.balanced()) == (["a lake"], True)


def test_past_its_time_a_file_is_looked_for_once_more_and_no_longer(harness: StageHarness) -> None:
    began = harness.clock.now()
    harness.vendor().keeps_s = 1.0
    harness.vendor().fetch_troubles = [*gone(1000)]
    harness.until(ordered(harness), "needs_attention")
    assert harness.clock.now() - began < GONE_S / 2
    assert len(harness.vendor().fetch_troubles) == 1000 - 2


class _ShortLinks(ScriptedProvider):
    """Every answer to a poll has a new link, and only the newest one works."""

    links = 0

    @override
    def poll(self, job_id: str, request: GenerationRequest) -> Job:
        job = super().poll(job_id, request)
        if job.status is not GenerationStatus.SUCCEEDED:
            return job
        self.links += 1
        return Job(id=job.id, status=job.status, progress=100, result=JobResult(url=f"link {self.links}"))

    @override
    def fetch(self, job: Job, request: GenerationRequest, dest: Path) -> None:
        if job.result.url != f"link {max(self.links, 2)}":
            raise Expired("the link answered 403")
        super().fetch(job, request, dest)


def test_a_link_that_died_is_asked_for_again(tmp_path: Path) -> None:
    clock = FixedClock()
    vendor = _ShortLinks("acme", clock)
    harness = StageHarness.build(tmp_path, clock=clock, providers=ScriptedProviders(vendor))
    assert harness.until(ordered(harness), "done", "needs_attention").status == "done"
    assert (vendor.links, vendor.prompts) == (2, ["a lake"])


def test_what_expires_soon_is_fetched_ahead_of_all_that_waits(harness: StageHarness) -> None:
    harness.vendor("other").keeps_s = 60.0
    patient = [ordered(harness, f"lake {number}") for number in range(3)]
    urgent = ordered(harness, "a cliff", model="other/film")
    waiting: dict[str, str] = {}
    while len(waiting) < 4:
        for kind in ("runs", "generations"):
            for row, _ in harness.services.store.due(kind, harness.clock.now(), 100):
                if row not in waiting:
                    harness.step(kind, row)
        harness.clock.pass_by(1.0)
        poll.poll_due(harness.services)
        found = [gen for run in (*patient, urgent) for gen in harness.generations(harness.run(run))]
        waiting = {gen.id: gen.run_id for gen in found if gen.status is GenerationStatus.SUCCEEDED}
    (first, _), *_ = harness.services.store.due("generations", harness.clock.now(), 100)
    assert waiting[first] == urgent


def test_in_the_last_minutes_it_is_tried_again_every_few_seconds(harness: StageHarness) -> None:
    began = harness.clock.now()
    harness.vendor().keeps_s = 110.0
    harness.vendor().fetch_troubles = [BadDelivery("half a file") for _ in range(8)]
    assert harness.until(ordered(harness), "done", "needs_attention").status == "done"
    assert harness.clock.now() - began < 10.0 + 8 * 5.0 + 10.0


def test_nobody_waits_longer_than_the_file_is_kept(harness: StageHarness) -> None:
    began = harness.clock.now()
    harness.vendor().keeps_s = 600.0
    harness.vendor().fetch_troubles = [RateLimited("429", retry_after=3600.0)]
    assert harness.until(ordered(harness), "done", "needs_attention").status == "done"
    assert harness.clock.now() - began < 600.0

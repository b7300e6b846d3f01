"""What is paid for is brought home before its provider's copy expires, and not given up while it may still be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typing_extensions import override

from pipelines.domain.errors import BadDelivery, Expired, RateLimited, ReelgridError, Unavailable
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.state.generation import JobResult
from pipelines.ports import Accept, GenerationRequest, Job, anything
from pipelines.providers.clip_sources import ClipSource, download_first
from pipelines.stages.generations import poll
from pipelines.stages.generations.fetch import GONE_S
from pipelines.stages.orders import accept
from pipelines.stages.scheduler.steps import MAX_TRIES_DAMAGED, MAX_TRIES_PAID
from pipelines.testing import FixedClock, ScriptedProvider, ScriptedProviders
from pipelines.testing.clips import tiny_mp4
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


SLEPT_S = 6 * 3600.0


@pytest.mark.parametrize(("keeps_s", "woken"), [(24 * 3600.0, 5), (3600.0, 1)])
def test_a_machine_that_slept_between_two_looks_has_seen_nothing_gone(
    harness: StageHarness, keeps_s: float, woken: int
) -> None:
    """The file comes a little after it woke; past its time it is looked for twice all the same."""
    harness.vendor().keeps_s = keeps_s
    harness.vendor().fetch_troubles = [*gone(1)]
    run = ordered(harness)
    while harness.vendor().fetch_troubles:
        harness.work()
        harness.clock.pass_by(1.0)
    harness.clock.pass_by(SLEPT_S)
    harness.vendor().fetch_troubles = [*gone(woken)]
    assert harness.until(run, "done", "needs_attention").status == "done"
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
    def fetch(self, job: Job, request: GenerationRequest, dest: Path, accept: Accept = anything) -> None:
        if job.result.url != f"link {max(self.links, 2)}":
            raise Expired("the link answered 403")
        super().fetch(job, request, dest, accept)


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


OWN = "its own copy"
"""Where the vendor itself has the clip, when no link is left in the answer."""
Way = Callable[[float, Path], None]


def good(seconds: float, dest: Path) -> None:
    dest.write_bytes(tiny_mp4(seconds, "good"))


def unplayable(seconds: float, dest: Path) -> None:
    """It begins as a video does, and is none."""
    dest.write_bytes(tiny_mp4(seconds, "bad")[:40] + bytes(4000))


def too_short(seconds: float, dest: Path) -> None:
    dest.write_bytes(tiny_mp4(seconds / 2, "short"))


def fails(error: Callable[[], ReelgridError]) -> Way:
    def way(_seconds: float, _dest: Path) -> None:
        raise error()

    return way


class _Ways(ScriptedProvider):
    """A vendor whose answers name links, and who has the clip itself, too: each way yields what a test says."""

    def __init__(self, clock: FixedClock, links: list[str], ways: dict[str, Way]) -> None:
        super().__init__("acme", clock)
        self.links, self.ways = links, ways
        self.tried: list[str] = []
        self.later: list[Job] = []
        """What polls answer after the first success, one each; the last stays."""

    @override
    def poll(self, job_id: str, request: GenerationRequest) -> Job:
        job = super().poll(job_id, request)
        if job.status is not GenerationStatus.SUCCEEDED:
            return job
        if self.tried and self.later:
            return self.later.pop(0) if len(self.later) > 1 else self.later[0]
        result = JobResult(url=self.links[0] if self.links else None, others=tuple(self.links[1:]))
        return Job(id=job.id, status=job.status, progress=100, result=result)

    @override
    def fetch(self, job: Job, request: GenerationRequest, dest: Path, accept: Accept = anything) -> None:
        def source(way: str) -> ClipSource:
            def read(path: Path) -> None:
                self.tried.append(way)
                self.ways[way](request.seconds, path)

            return ClipSource(way, read, way)

        known = (way for way in (*job.result.links, OWN) if way in self.ways)
        download_first(job.id, map(source, known), dest, accept)


def world_of(tmp_path: Path, links: list[str], ways: Mapping[str, Way]) -> tuple[StageHarness, _Ways]:
    clock = FixedClock()
    vendor = _Ways(clock, links, dict(ways))
    return StageHarness.build(tmp_path, clock=clock, providers=ScriptedProviders(vendor)), vendor


def assert_given_up_and_counted(harness: StageHarness, vendor: _Ways, run_id: str) -> None:
    """A person is asked, and the clip counts as paid, once."""
    run = harness.run(run_id)
    (gen,) = harness.generations(run)
    assert (run.status, gen.status, gen.cost_micro) == ("needs_attention", "failed", PRICE)
    assert run.error
    assert (vendor.prompts, harness.balanced()) == (["a lake"], True)
    with harness.services.store.read() as tx:
        assert (tx.balance("spent"), tx.balance("committed"), tx.balance("held")) == (PRICE, 0, 0)


@pytest.mark.parametrize("damage", [unplayable, too_short])
@pytest.mark.parametrize("links", [["one"], ["one", "two"], ["one", "two", "three"]])
def test_where_links_lead_to_damaged_files_they_are_left_out_one_after_the_other(
    tmp_path: Path, links: list[str], damage: Way
) -> None:
    harness, vendor = world_of(tmp_path, links, {**dict.fromkeys(links, damage), OWN: good})
    assert harness.until(ordered(harness), "done", "needs_attention").status == "done"
    assert vendor.tried == [*links, OWN]
    assert (vendor.prompts, harness.balanced()) == (["a lake"], True)


def test_the_first_link_that_leads_to_the_clip_is_enough(tmp_path: Path) -> None:
    ways = {"one": unplayable, "two": good, "three": unplayable, OWN: unplayable}
    harness, vendor = world_of(tmp_path, ["one", "two", "three"], ways)
    assert harness.until(ordered(harness), "done", "needs_attention").status == "done"
    assert vendor.tried == ["one", "two"]


def test_damage_everywhere_ends_with_a_person_and_the_money_counted(tmp_path: Path) -> None:
    harness, vendor = world_of(tmp_path, ["one"], {"one": unplayable, OWN: too_short})
    began, run = harness.clock.now(), ordered(harness)
    harness.until(run, "done", "needs_attention")
    assert_given_up_and_counted(harness, vendor, run)
    assert vendor.tried == ["one", OWN] * (MAX_TRIES_DAMAGED + 1)
    assert harness.clock.now() - began < 3600.0


@pytest.mark.parametrize("own", [lambda: Expired("404"), lambda: BadDelivery("a page of HTML")])
def test_a_damaged_file_beside_nothing_is_asked_for_again_as_a_damaged_file_is(
    tmp_path: Path, own: Callable[[], ReelgridError]
) -> None:
    harness, vendor = world_of(tmp_path, ["one"], {"one": unplayable, OWN: fails(own)})
    run = ordered(harness)
    harness.until(run, "done", "needs_attention")
    assert_given_up_and_counted(harness, vendor, run)
    assert vendor.tried == ["one", OWN] * (MAX_TRIES_DAMAGED + 1)


def test_a_damaged_file_is_not_counted_against_a_copy_that_is_out_of_reach_for_a_while(tmp_path: Path) -> None:
    harness, vendor = world_of(tmp_path, ["one"], {"one": unplayable})
    troubles = iter([Unavailable("503")] * (3 * MAX_TRIES_DAMAGED))

    def away_for_a_while(seconds: float, dest: Path) -> None:
        if error := next(troubles, None):
            raise error
        good(seconds, dest)

    vendor.ways[OWN] = away_for_a_while
    assert harness.until(ordered(harness), "done", "needs_attention").status == "done"
    assert vendor.prompts == ["a lake"]


def test_a_page_of_html_says_nothing_about_the_clip_and_is_asked_past_for_as_long_as_it_is_kept(
    tmp_path: Path,
) -> None:
    harness, vendor = world_of(tmp_path, ["one"], {"one": fails(lambda: BadDelivery("a page of HTML"))})
    began = harness.clock.now()
    while_it_lasts = vendor.ways["one"]

    def mended(seconds: float, dest: Path) -> None:
        (good if harness.clock.now() >= began + 1800.0 else while_it_lasts)(seconds, dest)

    vendor.ways["one"] = mended
    assert harness.until(ordered(harness), "done", "needs_attention").status == "done"
    assert len(vendor.tried) > MAX_TRIES_DAMAGED
    assert (vendor.prompts, harness.balanced()) == (["a lake"], True)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_page_of_html_for_ever_ends_with_a_person_and_the_money_counted(tmp_path: Path) -> None:
    harness, vendor = world_of(tmp_path, ["one"], {"one": fails(lambda: BadDelivery("a page of HTML"))})
    began, run = harness.clock.now(), ordered(harness)
    harness.until(run, "done", "needs_attention", rounds=20_000)
    assert_given_up_and_counted(harness, vendor, run)
    assert len(vendor.tried) == MAX_TRIES_PAID + 1
    assert harness.clock.now() - began < 6 * 3600.0


def running(job_id: str = "acme-1") -> Job:
    return Job(id=job_id, status=GenerationStatus.RUNNING, progress=50)


def test_a_job_that_was_called_done_too_early_is_waited_for(tmp_path: Path) -> None:
    """Its file comes long after the time for which a missing one is looked for."""
    harness, vendor = world_of(tmp_path, [], {})
    began = harness.clock.now()

    def in_time(seconds: float, dest: Path) -> None:
        if harness.clock.now() < began + 4 * GONE_S:
            raise Expired("404")
        good(seconds, dest)

    vendor.ways[OWN] = in_time
    vendor.later = [running()]
    assert harness.until(ordered(harness), "done", "needs_attention").status == "done"
    assert (vendor.prompts, harness.balanced()) == (["a lake"], True)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_job_that_was_called_done_too_early_and_never_ends_is_given_up_in_the_end(tmp_path: Path) -> None:
    harness, vendor = world_of(tmp_path, [], {OWN: fails(lambda: Expired("404"))})
    vendor.later = [running()]
    began, run = harness.clock.now(), ordered(harness)
    harness.until(run, "done", "needs_attention", rounds=20_000)
    assert_given_up_and_counted(harness, vendor, run)
    assert harness.clock.now() - began < 6 * 3600.0


def test_a_clip_that_its_provider_names_a_link_to_is_asked_for_however_long_its_files_are_away(tmp_path: Path) -> None:
    """An outage of where the files are: each new answer has a link again."""
    harness, vendor = world_of(tmp_path, ["one"], {})
    began = harness.clock.now()

    def after_a_while(seconds: float, dest: Path) -> None:
        if harness.clock.now() < began + 5 * GONE_S:
            raise Expired("the download answered 404")
        good(seconds, dest)

    vendor.ways["one"] = after_a_while
    assert harness.until(ordered(harness), "done", "needs_attention").status == "done"
    assert (vendor.prompts, harness.balanced()) == (["a lake"], True)
    assert len(vendor.tried) < 50, "past the first two minutes it is asked once a minute"


def test_a_link_that_is_named_and_dead_is_given_up_when_the_clip_is_kept_no_longer(tmp_path: Path) -> None:
    harness, vendor = world_of(tmp_path, ["one"], {"one": fails(lambda: Expired("404"))})
    vendor.keeps_s = 5 * GONE_S
    began, run = harness.clock.now(), ordered(harness)
    harness.until(run, "done", "needs_attention")
    assert_given_up_and_counted(harness, vendor, run)
    assert 4 * GONE_S < harness.clock.now() - began < 6 * GONE_S


def test_a_link_that_comes_with_the_second_answer_is_used(tmp_path: Path) -> None:
    harness, vendor = world_of(tmp_path, [], {OWN: fails(lambda: Expired("404")), "late": good})
    done = Job(id="acme-1", status=GenerationStatus.SUCCEEDED, progress=100, result=JobResult(url="late"))
    vendor.later = [running(), running(), done]
    assert harness.until(ordered(harness), "done", "needs_attention").status == "done"
    assert vendor.tried[-1] == "late"


def test_a_job_that_is_called_failed_after_it_was_done_is_looked_for_and_then_given_up(tmp_path: Path) -> None:
    harness, vendor = world_of(tmp_path, [], {OWN: fails(lambda: Expired("404"))})
    vendor.later = [Job(id="acme-1", status=GenerationStatus.FAILED, error="gone")]
    began, run = harness.clock.now(), ordered(harness)
    harness.until(run, "done", "needs_attention")
    assert_given_up_and_counted(harness, vendor, run)
    assert GONE_S <= harness.clock.now() - began < 2 * GONE_S

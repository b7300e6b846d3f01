"""Many jobs at one provider: its list tells whom to ask, each job's own answer decides; a bad list costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.domain.catalogue import Ability
from pipelines.domain.errors import Ambiguous, RateLimited, ReelgridError
from pipelines.domain.lifecycle import IN_FLIGHT, GenerationStatus
from pipelines.ports import Job, ListedJob
from pipelines.stages.generations import callback
from pipelines.stages.generations.poll import LONGEST_POLL_S
from pipelines.stages.scheduler.job_lists import ROUND_S, JobLists
from pipelines.testing.services import CATALOGUE
from tests.stages.stage_fixtures import STOPPED, StageHarness

SCENES, READY_S, STEP_S = 4, 93.0, 2.5
LISTING = {card.id: replace(card, ability=Ability.LIST) for card in CATALOGUE.values() if not card.free}


class Pump:
    """The hands of pump and workers while somebody waits for a film."""

    def __init__(self, folder: Path, *, lists: bool = True) -> None:
        self.harness = StageHarness.build(folder, catalogue={**CATALOGUE, **LISTING})
        self.vendor = self.harness.vendor("acme")
        self.vendor.ready_after_s = READY_S
        self.lists = JobLists(self.harness.services, many=SCENES if lists else 1000)
        words = "\n".join(f"a lake {number}" for number in range(SCENES))
        self.run = self.harness.trigger(self.harness.row(**{"Prompt": words, "Clip Seconds": 4, "Model": "acme/film"}))

    def work(self, over: Callable[[], bool]) -> None:
        while not over():
            self.lists.read()
            if not self.harness.work():
                self.harness.clock.pass_by(STEP_S)

    def finish(self) -> None:
        self.work(lambda: self.harness.run(self.run).status in STOPPED)
        assert self.harness.run(self.run).status == "done"
        assert len(self.vendor.bought) == SCENES
        assert self.harness.balanced()

    def lags(self) -> list[float]:
        """From the moment a job was done to the moment that we knew."""
        events = self.harness.events(self.harness.run(self.run), "status")
        seen = [event.at for event in events if event.entity == "generation" and event.new == "succeeded"]
        return [at - (bought.at + READY_S) for at, bought in zip(sorted(seen), self.vendor.bought, strict=True)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many polls the film takes where no list is read."""
    pump = Pump(tmp_path_factory.mktemp("alone"), lists=False)
    pump.finish()
    assert pump.vendor.lists == 0
    return pump.vendor.polls


def test_a_list_spares_polls_and_tells_at_once_who_has_ended(tmp_path: Path, alone: int) -> None:
    pump = Pump(tmp_path)
    pump.finish()
    assert pump.vendor.polls <= alone / 2
    assert pump.vendor.lists <= (READY_S + LONGEST_POLL_S) / ROUND_S
    assert max(pump.lags()) <= ROUND_S + STEP_S


def frozen(jobs: Sequence[Job]) -> Sequence[Job]:
    return [replace(job, status=GenerationStatus.RUNNING, progress=50) for job in jobs]


def hasty(jobs: Sequence[Job]) -> Sequence[Job]:
    return [replace(job, status=GenerationStatus.SUCCEEDED) for job in jobs]


def half(jobs: Sequence[Job]) -> Sequence[Job]:
    return jobs[::2]


def foreign(jobs: Sequence[Job]) -> Sequence[Job]:
    return [replace(job, id=f"theirs-{number}") for job in jobs for number in range(100)]


def nothing(_jobs: Sequence[Job]) -> Sequence[Job]:
    return ()


@pytest.mark.parametrize("shows", [frozen, hasty, half, foreign, nothing])
def test_a_list_that_is_wrong_costs_no_clip_and_hardly_a_request(
    tmp_path: Path, alone: int, shows: Callable[[Sequence[Job]], Sequence[Job]]
) -> None:
    pump = Pump(tmp_path)
    pump.vendor.list_shows = shows
    pump.finish()
    # Each is asked once more where the list says that it has ended.
    assert pump.vendor.polls <= alone + 2 * SCENES
    assert pump.vendor.lists <= 2 * (READY_S + 4 * LONGEST_POLL_S) / ROUND_S
    assert max(pump.lags()) <= 4 * LONGEST_POLL_S


@pytest.mark.parametrize(
    "trouble", [Ambiguous("404"), RateLimited("429", retry_after=2000.0)], ids=lambda error: type(error).__name__
)
def test_a_list_that_fails_is_left_alone_longer_each_time_and_holds_no_poll_back(
    tmp_path: Path, alone: int, trouble: ReelgridError
) -> None:
    pump = Pump(tmp_path)
    pump.vendor.list_troubles = [trouble] * 100
    pump.finish()
    assert pump.vendor.lists <= (4 if trouble.retry_after is None else 1)
    assert pump.vendor.polls <= alone + SCENES
    assert max(pump.lags()) <= LONGEST_POLL_S * 1.1 + STEP_S


def test_a_list_that_fails_after_a_page_that_helped_is_read_again_soon(tmp_path: Path, alone: int) -> None:
    """As that of a LiteLLM proxy, which refuses to list one of its routes."""
    pump = Pump(tmp_path)
    plain = pump.vendor.listed

    def torn() -> Iterator[Sequence[ListedJob]]:
        yield from plain()
        raise Ambiguous("LLM provider not provided")

    pump.vendor.listed = torn  # type: ignore[method-assign]
    pump.finish()
    assert pump.vendor.polls <= alone / 2
    assert max(pump.lags()) <= ROUND_S + STEP_S


def test_a_listed_job_of_a_model_that_left_the_catalogue_keeps_no_other_waiting(tmp_path: Path) -> None:
    pump = Pump(tmp_path)
    pump.lists = JobLists(pump.harness.services, many=SCENES - 1)
    pump.work(lambda: len(pump.vendor.bought) == SCENES)
    first = pump.vendor.bought[0].job_id
    with pump.harness.services.store.write() as tx:
        (gone,) = tx.generations.find(provider_id=first)
        tx.generations.change(gone.id, model="acme/gone", next_at=None)
    pump.work(lambda: pump.harness.clock.now() >= pump.vendor.bought[-1].at + READY_S + ROUND_S + STEP_S)
    flying = [gen.id for gen in pump.harness.generations(pump.harness.run(pump.run)) if gen.status in IN_FLIGHT]
    assert flying == [gone.id]


def test_a_job_whose_provider_calls_back_is_asked_although_the_list_shows_it_at_work(tmp_path: Path) -> None:
    pump = Pump(tmp_path)
    pump.vendor.list_shows = frozen
    pump.work(lambda: pump.harness.clock.now() >= pump.vendor.bought[0].at + READY_S if pump.vendor.bought else False)
    before, job = pump.vendor.polls, pump.vendor.bought[0].job_id
    assert callback.receive(pump.harness.services, "acme", "delivery-1", job_id=job)
    pump.work(lambda: pump.vendor.polls > before)
    gens = pump.harness.generations(pump.harness.run(pump.run))
    assert [gen.status.value for gen in gens if gen.provider_id == job] != ["running"]
    pump.finish()


def test_a_provider_that_wants_everybody_to_wait_is_not_listed_either(tmp_path: Path) -> None:
    pump = Pump(tmp_path)
    pump.work(lambda: pump.vendor.lists > 0)
    pump.vendor.troubles = [RateLimited("429", retry_after=100.0)]
    pump.work(lambda: not pump.vendor.troubles)
    seen = pump.vendor.lists
    for _ in range(9):
        pump.lists.read()
        pump.harness.clock.pass_by(10.0)
    assert pump.vendor.lists == seen
    pump.harness.clock.pass_by(10.0)
    pump.finish()

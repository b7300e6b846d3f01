"""What a provider's own list tells of many jobs at once: which are done, and which are asked about now, or not yet.

A job that the list shows as done is believed, as after a poll: its clip is looked at when it is fetched, and where
there is none, the provider is asked about the job alone. One that has ended otherwise is polled at once, because only
its own answer may end it. One at work is polled later, except in its own turns, and once its provider has called back.
What a list does not show, and all where it cannot be read, is polled as if there were none.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from pipelines.domain.catalogue import Ability
from pipelines.domain.errors import Busy, ReelgridError
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import IN_FLIGHT, GenerationStatus
from pipelines.domain.records import Generation
from pipelines.ports import Columns, Job, ListedJob
from pipelines.stages.generations import poll
from pipelines.stages.generations.poll import LONGEST_POLL_S, POLLS
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import rate_limits

logger = logging.getLogger(__name__)

MANY = 100
"""From so many jobs in flight at one provider on, its list is read: about as many stand on a page."""
LISTS = "list:"
"""Begins the name of the rate limit that one provider's list is read at, by all processes together."""
ROUND_S, LONGEST_ROUND_S = 5.0, 640.0
"""Between two readings of a list; twice as long after each that was of no use, up to the longest."""
_AT_WORK = (GenerationStatus.SUBMITTED, GenerationStatus.RUNNING)


@dataclass(slots=True)
class _Former:
    """What the former readings of a list have shown."""

    ended: set[str] = field(default_factory=set)
    took_s: float = 0.0
    helped: bool = False
    useless: int = 0
    """So many of them in a row showed nothing of ours, or failed."""


class JobLists:
    """Reads the lists of providers that have `many` jobs of ours, until `stopped`. What it remembers only saves work: a
    process that has just started reads a little further.
    """

    def __init__(self, services: Services, stopped: Callable[[], bool] = lambda: False, *, many: int = MANY) -> None:
        self._services, self._stopped, self._least = services, stopped, many
        self._former: dict[str, _Former] = {}

    def read(self) -> bool:
        """Read the list of each provider that has many jobs of ours, where it is time; False where none has so many."""
        many = self._many()
        for provider, jobs in many.items():
            # It wants everybody to wait, or another process has just read it.
            with suppress(Busy):
                self._read(provider, jobs)
        return bool(many)

    def _many(self) -> dict[str, int]:
        models: dict[str, list[str]] = {}
        for card in self._services.catalogue.values():
            if card.ability is Ability.LIST:
                models.setdefault(card.provider, []).append(card.id)
        status = tuple(IN_FLIGHT)
        with self._services.store.read() as tx:
            if tx.generations.count(status=status, limit=self._least) < self._least:
                return {}
            # By model: an index of providers has all that was ever bought.
            counts = {name: tx.generations.count(status=status, model=ids) for name, ids in sorted(models.items())}
        return {name: jobs for name, jobs in counts.items() if jobs >= self._least}

    def _read(self, provider: str, jobs: int) -> None:
        """Raises Busy."""
        former = self._former.setdefault(provider, _Former())
        began = self._services.clock.now()
        with self._services.store.write() as tx:
            rate_limits.must_be_free(tx, f"{POLLS}{provider}", began, ROUND_S)
            rate_limits.acquire(tx, f"{LISTS}{provider}", began, max(ROUND_S, former.took_s))
        former.helped, asked_pause_s = False, 0.0
        try:
            self._read_pages(provider, jobs, former)
        except ReelgridError as error:
            logger.info("the list of %s helps with no further poll: %s", provider, error.operator)
            asked_pause_s = min(LONGEST_ROUND_S, error.retry_after or 0.0)
        now = self._services.clock.now()
        former.took_s = now - began
        former.useless = 0 if former.helped else former.useless + 1
        pause_s = 0.0 if former.helped else min(LONGEST_ROUND_S, ROUND_S * 2.0 ** min(former.useless, 10))
        if pause_s or asked_pause_s:
            with self._services.store.write() as tx:
                rate_limits.hold_back(tx, f"{LISTS}{provider}", now + max(pause_s, asked_pause_s))

    def _read_pages(self, provider: str, jobs: int, former: _Former) -> None:
        """They end where all that are in flight were seen; further back than twice as many jobs nobody looks. Raises
        Busy where the provider has asked everybody to wait meanwhile.
        """
        ended, seen = set[str](), set[str]()
        for page in islice(self._services.providers.get(provider).listed(), 2 * jobs // MANY + 2):
            shown = {job_key(job.id): job for job in page}
            seen |= self._take(provider, shown, former)
            former.helped = bool(seen)
            ended |= {key for key, job in shown.items() if job.status not in _AT_WORK}
            if len(seen) >= jobs or self._stopped():
                break
        former.ended = ended

    def _take(self, provider: str, shown: Mapping[str, ListedJob], former: _Former) -> set[str]:
        """Of these jobs, which are done, who is polled now, and who later; the ids of those that are ours and in
        flight. Of a model that is gone from the catalogue nothing is known.
        """
        if not shown:
            return set()
        now = self._services.clock.now()
        with self._services.store.read() as tx:
            rate_limits.must_be_free(tx, f"{POLLS}{provider}", now, ROUND_S)
            found = tx.generations.find(provider=provider, provider_id=sorted(shown), status=tuple(IN_FLIGHT))
        ours = [
            (gen, shown[gen.provider_id]) for gen in found if gen.provider_id and gen.model in self._services.catalogue
        ]
        done = [(gen, job) for gen, one in ours if (job := _done(one))]
        poll.take_listed(self._services, done)
        taken = {gen.id for gen, _ in done}
        hurried = [
            gen
            for gen, one in ours
            if one.status not in _AT_WORK
            and gen.id not in taken
            and gen.provider_id not in former.ended
            and (gen.next_at or now) > now
        ]
        # Who comes due before the list is read again.
        soon = now + min(LONGEST_POLL_S, 2 * max(ROUND_S, former.took_s))
        later = [
            (gen, one) for gen, one in ours if one.status in _AT_WORK and gen.next_at is not None and gen.next_at < soon
        ]
        self._write(now, hurried, later)
        return {gen.id for gen, _ in ours}

    def _write(self, now: float, hurried: Sequence[Generation], later: Sequence[tuple[Generation, ListedJob]]) -> None:
        turns = [
            (gen, one, now + LONGEST_POLL_S * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load
            for gen, one in later
        ]
        waiting = [
            (
                gen.id,
                _as_read(gen),
                {"next_at": at, "polls": gen.polls + 1, "progress": max(gen.progress, one.progress)},
            )
            for gen, one, at in turns
            if _may_wait(gen, at)
        ]
        if hurried or waiting:
            with self._services.store.write() as tx:
                poll.take_turns(tx)
                tx.generations.change_each([(gen.id, _as_read(gen), {"next_at": now}) for gen in hurried])
                tx.generations.change_each(waiting)


def _done(found: ListedJob) -> Job | None:
    """The job, where its entry tells that it has made its clip."""
    job = found.read() if found.status is GenerationStatus.SUCCEEDED else None
    return job if job is not None and job.status is GenerationStatus.SUCCEEDED else None


def _may_wait(gen: Generation, until: float) -> bool:
    """Not where only its own answer can settle something: whether the provider still has it, whether it is too late."""
    if poll.is_own_turn(gen.polls) or gen.result.missing_since is not None:
        return False
    return gen.deadline_at is None or until < gen.deadline_at


def _as_read(gen: Generation) -> Columns:
    return {"status": gen.status, "next_at": gen.next_at}

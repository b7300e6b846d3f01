"""Watching what is at the providers: one sweep over the rows that are due, whoever waits for them."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypedDict

from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.errors import (
    Expired,
    NotConfigured,
    Permanent,
    ProviderFailed,
    RateLimited,
    ReelgridError,
    Refused,
    Retryable,
    Unavailable,
)
from pipelines.domain.lifecycle import IN_FLIGHT, GenerationStatus, Reason
from pipelines.domain.records import Generation, Kind, Run
from pipelines.domain.state.generation import GenerationResult
from pipelines.ports import Columns, Job, Tx, log_context, trace
from pipelines.stages.generations import fetch, submit
from pipelines.stages.kernel import log_ids
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import (
    FREE,
    Actor,
    LostLease,
    record,
    transition_generation,
    transition_generations,
)
from pipelines.stages.spending import circuit_breaker, ledger, rate_limits

logger = logging.getLogger(__name__)

_G = GenerationStatus
LONGEST_POLL_S = 30.0
GROWTH = 1.5
POLLS = "poll:"
"""Begins the name of the rate limit that holds back the polls of one provider."""
MISSING_S = 90.0
"""A job that its provider does not know for so long in a row is gone."""
TOGETHER, TOGETHER_S = 100, 0.5
"""So many answers are committed together, or those of so long."""
LATE_S = 120.0
"""A job that is polled so late was forgotten by us, not by its provider."""
SILENT = 8
"""After so many calls in a row without an answer, a provider is left alone for the rest of a sweep."""
MOMENT_S = 0.001
"""What comes due within this time is due."""
CLAIM_S = 45.0
"""A row taken into a sweep is not due again for so long: a sweep that dies loses nothing but this time."""
OWN_TURN = 4
"""Every so-manieth turn of a job is its own: its provider is asked about it, whatever a list tells."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is to be committed about a generation that was taken into a sweep. `job` is None where nobody was asked."""

    gen: Generation
    at: float
    job: Job | None = None

    @property
    def moves(self) -> GenerationStatus | None:
        """The status that it goes on to; None while it only waits."""
        said = self.job.status if self.job else None
        return said if said is _G.SUCCEEDED or (said is _G.RUNNING and self.gen.status is not _G.RUNNING) else None


class _ProviderBackoff:
    """Which providers are still asked in this sweep: none that wants everybody to wait, none that stays silent."""

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._silent: Counter[str] = Counter()

    def lasts(self, provider: str) -> bool:
        return provider not in self._waiting and self._silent[provider] < SILENT

    def heard(self, provider: str, error: Retryable | None = None) -> None:
        if isinstance(error, RateLimited):
            self._waiting.add(provider)
        self._silent[provider] = self._silent[provider] + 1 if error else 0


def poll_due(
    services: Services, *, limit: int = 500, run_id: str | None = None, executor: Executor | None = None
) -> int:
    """Poll every due generation at a provider once; returns how many. Answers are committed some at a time: the disk is
    slower than any provider.
    """
    due = _take_due(services, limit, run_id)
    if not due:
        return 0
    runs = _traced(services, due)
    with trace.span("poll", {"reelgrid.generations": len(due)}, links=[run.traceparent for run in runs.values()]):
        _poll(services, due, runs, executor)
    return len(due)


def _traced(services: Services, due: Sequence[Generation]) -> dict[str, Run]:
    """The runs that a sweep is linked to, by their ids, whose owners its lines tell too; none where nobody traces,
    because reading them takes time.
    """
    if not trace.is_on():
        return {}
    with services.store.read() as tx:
        found = tx.runs.find(id=sorted({gen.run_id for gen in due})[: trace.MOST_LINKS])
    return {run.id: run for run in found}


def _poll(services: Services, due: Sequence[Generation], runs: Mapping[str, Run], executor: Executor | None) -> None:
    ask = partial(_ask, services, _ProviderBackoff(), runs)
    together, since = list[_Answer](), time.monotonic()
    for answer in executor.map(ask, due) if executor else map(ask, due):
        together += [answer] if answer else []
        if len(together) >= TOGETHER or time.monotonic() > since + TOGETHER_S:
            _commit(services, together)
            together, since = [], time.monotonic()
    _commit(services, together)


def _commit(services: Services, answers: Sequence[_Answer]) -> None:
    """One transaction for all: what has moved on meanwhile is left out."""
    if not answers:
        return
    with services.store.write() as tx:
        if len(answers) > 1:
            take_turns(tx)
        # Unchanged since the sweep took it, it waits on; a callback that made it due meanwhile is not undone.
        tx.generations.change_each(
            [
                (
                    one.gen.id,
                    _as_taken(one.gen),
                    {**_known(one.gen, one.job), "next_at": _next(services, one.gen, one.at)},
                )
                for one in answers
                if one.moves is None
            ]
        )
        for to in (_G.RUNNING, _G.SUCCEEDED):
            _move(services, tx, [one for one in answers if one.moves is to], to)


def take_listed(services: Services, found: Sequence[tuple[Generation, Job]]) -> None:
    """Jobs that their provider's list shows as done, as if each had been polled: whoever fetches a clip that is not
    there asks about its job alone.
    """
    now = services.clock.now()
    _commit(services, [_Answer(gen, now, job) for gen, job in found])


def is_own_turn(polls: int) -> bool:
    """Whether it is, of a job that was polled so often."""
    return (polls + 1) % OWN_TURN == 0


def as_own_turn(services: Services, gen: Generation) -> int:
    """How often it counts as polled, to be asked about next whatever its provider's list tells."""
    cards = services.catalogue.values()
    if not any(card.provider == gen.provider and card.ability is Ability.LIST for card in cards):
        return gen.polls
    return max(OWN_TURN - 1, gen.polls - (gen.polls + 1) % OWN_TURN)


def take_turns(tx: Tx) -> None:
    """For whoever changes several jobs in flight in one transaction: two of them could wait for each other."""
    tx.serialise("jobs in flight")


class _Known(TypedDict):
    progress: int
    polls: int
    expires_at: float | None


def _known(gen: Generation, job: Job | None) -> _Known:
    if job is None:
        return _Known(progress=gen.progress, polls=gen.polls, expires_at=gen.expires_at)
    return _Known(progress=job.progress, polls=gen.polls + 1, expires_at=job.expires_at or gen.expires_at)


def _move(services: Services, tx: Tx, answers: Sequence[_Answer], to: GenerationStatus) -> None:
    moves = [(Actor("sweep", one.at), one.gen, _changes(services, one, to)) for one in answers]
    for gen in transition_generations(tx, moves, to):
        if to is _G.SUCCEEDED:
            circuit_breaker.record_outcome(tx, gen.model, moves[-1][0].now, ok=True)


def _changes(services: Services, one: _Answer, to: GenerationStatus) -> Columns:
    gen, job = one.gen, one.job
    known = _known(gen, job)
    if job is None or to is not _G.SUCCEEDED:
        return {**known, "next_at": _next(services, gen, one.at)}
    due = fetch.due_at(job.expires_at or fetch.kept_until(services, gen), one.at)
    result, cost = GenerationResult.of(job.result), job.cost_micro
    return {**known, "result": result, "cost_micro": cost, "billed_micro": cost, "next_at": due}


class _Some(TypedDict, total=False):
    run_id: str
    provider: tuple[str, ...]


def _take_due(services: Services, limit: int, run_id: str | None) -> list[Generation]:
    now = services.clock.now()
    if not services.store.due(Kind.GENERATION, now + MOMENT_S, 1):
        return []
    only: _Some = {"run_id": run_id} if run_id else {}
    bounds, status = {"next_at": now + MOMENT_S}, tuple(IN_FLIGHT)
    with services.store.read() as tx:
        due = tx.generations.find(order="next_at", limit=limit, before=bounds, status=status, **only)
        paused = _paused(tx, now) if due else set()
        if paused:
            only["provider"] = tuple({card.provider for card in services.catalogue.values()} - paused)
            due = tx.generations.find(order="next_at", limit=limit, before=bounds, status=status, **only)
    if not due:
        return []
    with services.store.write() as tx:
        if len(due) > 1:
            take_turns(tx)
        ids = [gen.id for gen in due]
        mine = tx.generations.change_all(ids, {"status": status}, before=bounds, next_at=now + CLAIM_S)
        taken = [_with_time_back(tx, gen, now) for gen in due if gen.id in mine]
    return [replace(gen, next_at=now + CLAIM_S) for gen in taken]


def _with_time_back(tx: Tx, gen: Generation, now: float) -> Generation:
    """A judge who is late himself: the time in which nobody asked (a machine asleep, a clock that jumped, no worker)
    is added to the deadline of a job that could not be asked about.
    """
    late = now - (gen.next_at or now)
    if late < LATE_S or gen.deadline_at is None:
        return gen
    asked = tx.rate_limits.get(f"{POLLS}{gen.provider}")
    # Who had asked us to wait was not forgotten.
    late = min(late, now - asked.not_before) if asked else late
    deadline = gen.deadline_at + max(0.0, late)
    tx.generations.change(gen.id, {"status": gen.status}, deadline_at=deadline)
    return replace(gen, deadline_at=deadline)


def _paused(tx: Tx, now: float) -> set[str]:
    """The providers that have asked everybody to wait."""
    waiting = [limit.id for limit in tx.rate_limits.find(after={"not_before": now})]
    return {name.removeprefix(POLLS) for name in waiting if name.startswith(POLLS)}


def _ask(services: Services, patience: _ProviderBackoff, runs: Mapping[str, Run], gen: Generation) -> _Answer | None:
    with log_context.about(run_id=gen.run_id, generation_id=gen.id):
        log_ids.add(gen, runs.get(gen.run_id))
        return _ask_once(services, patience, gen)


def _ask_once(services: Services, patience: _ProviderBackoff, gen: Generation) -> _Answer | None:
    """What is still to be committed is returned; troubles are dealt with at once. Never raises for what a
    provider may do.
    """
    actor = Actor("sweep", services.clock.now())
    if not patience.lasts(gen.provider):
        return _Answer(gen, actor.now)
    try:
        job = services.providers.get(gen.provider).poll(gen.job_id, gen.request)
        patience.heard(gen.provider)
        services.points.reach("poll.answered", run=gen.run_id, generation=gen.id)
        return _judge(services, replace(actor, now=services.clock.now()), gen, job)
    except LostLease:
        logger.info("generation %s has moved on meanwhile", gen.id)
    except Retryable as error:
        patience.heard(gen.provider, error)
        _wait(services, actor, gen, error)
    except Expired as error:
        _missing(services, actor, gen, error)
    except NotConfigured as error:
        # A changed key or address says nothing about a job that is paid for.
        _wait(services, actor, gen, Unavailable(error.operator, retry_after=LONGEST_POLL_S))
    except Permanent as error:
        _fail(services, actor, gen, submit.reason_of(error), error)
    return None


def _judge(services: Services, actor: Actor, gen: Generation, job: Job) -> _Answer | None:
    """A bad end is committed at once; good news and no news are returned."""
    if job.status is _G.CANCELLED:
        raise ProviderFailed(f"{gen.provider} cancelled {gen.provider_id}")
    if job.status is not _G.SUCCEEDED and gen.deadline_at is not None and actor.now > gen.deadline_at:
        _abandon(services, actor, gen)
        return None
    if job.status is _G.FAILED:
        error = _error_of(job)
        told = replace(gen, billed_micro=job.cost_micro)
        _fail(services, actor, told, job.reason or Reason.PROVIDER_ERROR, error, cost=_charged(services, gen, job))
        return None
    if gen.result.missing_since is not None:
        known = replace(gen.result, missing_since=None, looked_at=None)
        with services.store.write() as tx:
            tx.generations.change(gen.id, {"status": gen.status}, result=known)
    return _Answer(gen, actor.now, job)


def _as_taken(gen: Generation) -> Columns:
    return {"status": gen.status, "next_at": gen.next_at}


def _next(services: Services, gen: Generation, now: float) -> float:
    return now + pause_s(services.catalogue_model(gen.model), gen.polls)


def pause_s(card: CatalogueModel, polls: int) -> float:
    """Seconds until the next poll: growing from the model's own interval, with jitter."""
    grown = min(max(LONGEST_POLL_S, card.poll_s), card.poll_s * GROWTH ** min(polls, 12))
    return grown * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, guards nothing


def _error_of(job: Job) -> ReelgridError:
    words = job.error or "no reason given"
    if job.reason is Reason.REFUSED:
        return Refused(words)
    return Expired(words) if job.reason is Reason.EXPIRED else ProviderFailed(words)


def _charged(services: Services, gen: Generation, job: Job) -> int:
    if job.cost_micro is not None:
        return job.cost_micro
    return gen.reserve_micro if services.catalogue_model(gen.model).charges_failures else 0


def _missing(services: Services, actor: Actor, gen: Generation, error: Expired) -> None:
    """The provider does not know the job: not yet (servers behind one address tell each other a little later), for a
    moment, or not any more. In the last case it may well be charged.
    """
    since = gen.result.since(gen.result.missing_since, actor.now)
    if actor.now - since >= MISSING_S:
        _fail(services, actor, gen, Reason.EXPIRED, error, cost=gen.reserve_micro)
        return
    with services.store.write() as tx:
        seen = replace(gen.result, missing_since=since, looked_at=actor.now)
        tx.generations.change(gen.id, {"status": gen.status}, result=seen)
    _wait(services, actor, gen, Unavailable(error.operator, retry_after=services.catalogue_model(gen.model).poll_s))


def _fail(
    services: Services, actor: Actor, gen: Generation, reason: Reason, error: ReelgridError, *, cost: int = 0
) -> None:
    try:
        with services.store.write() as tx:
            submit.fail(tx, actor, gen, reason, error, cost=cost)
    except LostLease:
        logger.info("generation %s has moved on meanwhile", gen.id)


def _wait(services: Services, actor: Actor, gen: Generation, error: Retryable) -> None:
    """The provider does not answer: wait, and say so once in a while; its deadline is far."""
    pause = (
        error.retry_after
        if error.retry_after is not None
        else pause_s(services.catalogue_model(gen.model), gen.polls + 1)
    )
    logger.warning("polling %s: %s; again in %.0f s", gen.id, error.operator, pause)
    with services.store.write() as tx:
        if isinstance(error, RateLimited):
            rate_limits.hold_back(tx, f"{POLLS}{gen.provider}", actor.now + pause)
        overdue = gen.deadline_at is not None and actor.now > gen.deadline_at
        tx.generations.change(gen.id, _as_taken(gen), polls=gen.polls + 1, next_at=actor.now + pause)
        if overdue and not tx.events.count(entity_id=gen.id, name="unreachable"):
            record(tx, actor, "generation", gen.id, gen.run_id, "unreachable", error=error.operator)
    if gen.deadline_at is not None and actor.now > gen.deadline_at + UNREACHABLE_S:
        with suppress(LostLease):
            _abandon(services, actor, gen)


UNREACHABLE_S = 6 * 3600.0
"""A provider that is away for so long after the deadline is not waited for any more."""
LATE_PAUSE_S = 600.0
LATE_POLLS = 12


def _abandon(services: Services, actor: Actor, gen: Generation) -> None:
    """Past its deadline nobody waits for it any more. It may be charged for, so it counts as spent; a result that
    turns up later is still taken.
    """
    words = f"still not finished after {services.catalogue_model(gen.model).maximum_s:.0f} s"
    with services.store.write() as tx:
        run = tx.runs.get(gen.run_id, lock=True)
        reason = Reason.PROVIDER_ERROR
        later = {"next_at": actor.now + LATE_PAUSE_S, "polls": 0}
        transition_generation(tx, actor, gen, _G.ABANDONED, error=words, reason=reason, **later)
        if run is not None:
            ledger.write_off(tx, actor.now, run, gen)
            circuit_breaker.record_outcome(tx, gen.model, actor.now, ok=False)
            submit.wake_if_generating(tx, run, actor.now)


def poll_late(services: Services, actor: Actor, gen: Generation) -> None:
    """A step of an abandoned generation: has its result turned up after all?"""
    job, waiting = None, False
    if gen.provider_id is not None and gen.polls < LATE_POLLS:
        try:
            job = services.providers.get(gen.provider).poll(gen.job_id, gen.request)
        except (Expired, NotConfigured) as error:
            # Not known at this moment, or a key that was changed: it is looked for again as long as for the others.
            logger.info("a late look at %s: %s", gen.id, error.operator)
            waiting = True
    waiting = waiting or (job is not None and job.status in (_G.SUBMITTED, _G.RUNNING))
    with services.store.write() as tx:
        if job is not None and job.status is _G.SUCCEEDED:
            gen = transition_generation(tx, actor, gen, _G.ADOPTED)
            record(tx, actor, "generation", gen.id, gen.run_id, "adopted", scene=gen.scene_id, by="a late look")
            transition_generation(
                tx,
                replace(actor, lease=None),
                gen,
                _G.SUCCEEDED,
                result=GenerationResult.of(job.result),
                next_at=actor.now,
            )
        else:
            later = actor.now + LATE_PAUSE_S if waiting else None
            tx.generations.change(gen.id, {"lease_token": actor.lease}, next_at=later, polls=gen.polls + 1, **FREE)

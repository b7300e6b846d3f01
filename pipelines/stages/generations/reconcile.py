"""Clearing doubt: a paid request whose answer we do not have. What may be done depends on the provider's ability.

It is never sent again blindly: only under the same idempotency key, or when the provider's own list has shown for
long enough that it never arrived.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.errors import Ambiguous, Expired, InvalidOrder, ReelgridError, Refused, Retryable, Unavailable
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.records import Generation
from pipelines.ports import Job
from pipelines.stages.generations import callback, submit
from pipelines.stages.generations.requests import is_late_draft
from pipelines.stages.kernel.leases import LEASE_S
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, LostLease, record, transition_generation, wake_equal
from pipelines.stages.spending import ledger, stop_switch

logger = logging.getLogger(__name__)

_G = GenerationStatus
CLOCK_SLACK_S = 5.0
"""A vendor's clock may be behind ours by this much when its jobs are matched by creation time."""
UNHEARD_S = 90.0
"""A job that a callback named and its provider does not know for so long was never there."""
LONGEST_WAIT_S = 60.0
LISTEN_S = 5.0
LIST_TRIES = 5
"""So many looks into a list, spread over its grace, before it counts as proof: a clock that jumps ahead proves none."""


def clear_doubt(services: Services, actor: Actor, gen: Generation) -> None:
    """One try to learn what became of a request. The lease of its POST has expired, so the call itself is over."""
    card = services.catalogue_model(gen.model)
    if gen.status is _G.SUBMITTING:
        gen = _to_unknown(services, actor, gen)
        services.points.reach("reconcile.doubted", run=gen.run_id, generation=gen.id)
    if gen.result.called_back:
        confirm(services, actor, gen)
        return
    _WAYS[card.ability](services, actor, gen, card)


def confirm(services: Services, actor: Actor, gen: Generation) -> None:
    """A callback named a job. Anybody can call back: it is ours once the provider, asked with our key, knows it."""
    job_id = gen.result.called_back or ""
    try:
        services.providers.get(gen.provider).poll(job_id, gen.request)
        callback.adopt(services, replace(actor, now=services.clock.now()), gen, job_id)
    except (Expired, Ambiguous) as error:
        _doubt_it(services, actor, gen, error)
    except Retryable as error:
        if gen.status is _G.UNKNOWN:
            _bound(services, actor, gen, error)
        else:
            error.retry_after = min(error.retry_after or LONGEST_WAIT_S, LONGEST_WAIT_S)
            raise


def _bound(services: Services, actor: Actor, gen: Generation, error: Retryable) -> None:
    """Who answers nothing but "wait" is asked for so long, and at least so often; then a person decides. Raises the
    error until then: whatever pause the provider asks for, we are back when the time is over.
    """
    card = services.catalogue_model(gen.model)
    left = submit.over_at(gen, card) + card.maximum_s + card.list_grace_s - services.clock.now()
    if left <= 0 and gen.attempts >= LIST_TRIES:
        leave_to_person(services, actor, gen)
        return
    longest = left if left > 0 else LONGEST_WAIT_S
    error.retry_after = min(error.retry_after, longest) if error.retry_after is not None else None
    raise error


def _doubt_it(services: Services, actor: Actor, gen: Generation, error: ReelgridError) -> None:
    """The provider does not know the job, or not yet; or it is another generation's."""
    now = services.clock.now()
    since = gen.result.since(gen.result.heard_since, now)
    if isinstance(error, Expired) and now - since < UNHEARD_S:
        known = replace(gen.result, heard_since=since, looked_at=now)
        later = now + services.catalogue_model(gen.model).poll_s
    else:
        logger.warning("the callback of %s is not believed: %s", gen.id, error.operator)
        known, later = replace(gen.result, called_back=None, heard_since=None), now
    with services.store.write() as tx:
        if not tx.generations.change(gen.id, actor.fence(gen.status), result=known, next_at=later, **FREE):
            raise LostLease(gen.id)


def _to_unknown(services: Services, actor: Actor, gen: Generation) -> Generation:
    kept = {"lease_owner": actor.name, "lease_token": actor.lease, "lease_until": actor.now + LEASE_S}
    with services.store.write() as tx:
        return transition_generation(
            tx, actor, gen, _G.UNKNOWN, next_at=actor.now, error="no answer was recorded", **kept
        )


def _same_key(services: Services, actor: Actor, gen: Generation, _card: CatalogueModel) -> None:
    """Under the same key the provider answers with the job it has, or makes it now: so only if it is still wanted.

    An answer that is about us (no credit, a changed key) says nothing about the first request: a person decides.
    """
    with services.store.read() as tx:
        run = tx.runs.get(gen.run_id)
        stop_switch.must_be_off(tx, *((run.base_id, run.account_id) if run else ()))
    wanted = run is not None and run.status in (RunStatus.GENERATING, RunStatus.NEEDS_ATTENTION)
    if run is not None and gen.request.draft:
        wanted = not is_late_draft(run, gen)
    if not wanted:
        leave_to_person(services, actor, gen)
        return
    try:
        job = services.providers.get(gen.provider).submit(submit.submission_of(services, gen))
    except Ambiguous as error:
        _bound(services, actor, gen, Unavailable(error.operator))
        return
    except Retryable as error:
        _bound(services, actor, gen, error)
        return
    except (Refused, InvalidOrder) as error:
        with services.store.write() as tx:
            submit.fail(tx, replace(actor, now=services.clock.now()), gen, submit.reason_of(error), error)
        return
    _adopt(services, actor, gen, job, "key")


def _adopt(services: Services, actor: Actor, gen: Generation, job: Job, by: str) -> None:
    services.points.reach("reconcile.found", run=gen.run_id, generation=gen.id)
    try:
        submit.commit_job(services, actor, gen, job, adopted=by)
    except Ambiguous as error:
        raise Unavailable(f"{error.operator}; looking again") from error


def _find_in_list(services: Services, actor: Actor, gen: Generation, card: CatalogueModel) -> None:
    since = (gen.intent_at or gen.created_at) - CLOCK_SLACK_S
    try:
        jobs = services.providers.get(gen.provider).find(submit.submission_of(services, gen), since)
    except Retryable as error:
        # A list that never answers is none.
        _bound(services, actor, gen, error)
        return
    free = _unclaimed(services, gen, jobs, since)
    job = free[0] if free else None
    now = services.clock.now()
    if job is not None and _twin_is_sending(services, gen, job, now):
        _retry_later(services, actor, gen, now + _pause(card))
    elif job is not None and job.wordless and (len(free) > 1 or _others_in_doubt(services, gen)):
        leave_to_person(services, actor, gen)
    elif job is not None:
        _adopt(services, actor, gen, job, "list")
    elif gen.polls < LIST_TRIES or now < submit.over_at(gen, card) + card.list_grace_s:
        # A list may lag behind: "not there" proves something only after a while.
        _retry_later(services, actor, gen, now + _pause(card))
    else:
        with services.store.write() as tx:
            transition_generation(tx, actor, gen, _G.PLANNED, next_at=now, error=None, polls=0)
            record(tx, actor, "generation", gen.id, gen.run_id, "not_taken", checked="list")


def _unclaimed(services: Services, gen: Generation, jobs: list[Job], since: float) -> list[Job]:
    """The matching jobs that no other generation has, the first after the intent foremost; an earlier one only behind
    all others, because the vendor's clock may be behind.
    """
    with services.store.read() as tx:
        free = [job for job in jobs if not tx.generations.count(provider=gen.provider, provider_id=job_key(job.id))]
    return sorted(free, key=lambda job: ((job.created_at or 0.0) < since, job.created_at or 0.0))


def _twin_is_sending(services: Services, gen: Generation, job: Job, now: float) -> bool:
    """A request that the list could not tell from ours is on its way at this moment: the job may be its own."""
    with services.store.read() as tx:
        sending = tx.generations.find(status=_G.SUBMITTING, model=gen.model)
    others = (other for other in sending if other.id != gen.id and other.lease_until >= now)
    return any(_wording(other, job) == _wording(gen, job) for other in others)


def _others_in_doubt(services: Services, gen: Generation) -> bool:
    """Whether a job that tells no words may be that of another scene whose answer was lost as well."""
    with services.store.read() as tx:
        doubted = tx.generations.find(status=_G.UNKNOWN, model=gen.model)
    others = (other for other in doubted if other.request.prompt != gen.request.prompt)
    return any(_measures(other) == _measures(gen) for other in others)


def _wording(gen: Generation, job: Job) -> tuple[object, ...]:
    """What a job that is found in a list is known by."""
    return "" if job.wordless else gen.request.prompt, *_measures(gen)


def _measures(gen: Generation) -> tuple[object, ...]:
    return gen.request.seconds, gen.request.width, gen.request.height


def _pause(card: CatalogueModel) -> float:
    return max(0.5, card.list_grace_s / LIST_TRIES)


def _retry_later(services: Services, actor: Actor, gen: Generation, when: float) -> None:
    with services.store.write() as tx:
        if not tx.generations.change(gen.id, actor.fence(gen.status), next_at=when, polls=gen.polls + 1, **FREE):
            raise LostLease(gen.id)


def _wait_for_callback(services: Services, actor: Actor, gen: Generation, card: CatalogueModel) -> None:
    """The callback adopts it (`callback`). The grace exceeds the longest generation, so nothing comes after it."""
    over_at = submit.over_at(gen, card) + card.maximum_s
    now = services.clock.now()
    # While this machine slept, nobody could call back: only the time counts in which we listened.
    listened = gen.polls * LISTEN_S >= card.maximum_s
    if (now >= over_at and listened) or services.links.callback(gen.provider, gen.callback_token) is None:
        leave_to_person(services, actor, gen)
    else:
        _retry_later(services, actor, gen, now + LISTEN_S)


def leave_to_person(services: Services, actor: Actor, gen: Generation) -> None:
    """Nothing more can be learned by us: the money stays counted, and the run asks. For a draft nobody is asked: it
    counts as spent, and its film is made without it.
    """
    with services.store.write() as tx:
        run = tx.runs.get(gen.run_id, lock=True)
        if gen.request.draft:
            gen = transition_generation(tx, actor, gen, _G.ABANDONED, error="its answer was lost")
            if run is not None:
                ledger.write_off(tx, actor.now, run, gen)
                submit.wake_if_generating(tx, run, actor.now)
            return
        if not tx.generations.change(gen.id, actor.fence(gen.status), next_at=None, **FREE):
            raise LostLease(gen.id)
        record(tx, actor, "generation", gen.id, gen.run_id, "in_doubt", scene=gen.scene_id)
        wake_equal(tx, replace(actor, now=services.clock.now()), gen)
        if run is not None:
            submit.wake_if_generating(tx, run, services.clock.now())


def _ask(services: Services, actor: Actor, gen: Generation, _card: CatalogueModel) -> None:
    leave_to_person(services, actor, gen)


_WAYS: Mapping[Ability, Callable[[Services, Actor, Generation, CatalogueModel], None]] = {
    Ability.KEY: _same_key,
    Ability.LIST: _find_in_list,
    Ability.CALLBACK: _wait_for_callback,
    Ability.NONE: _ask,
}

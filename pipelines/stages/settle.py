"""Clearing doubt: a paid request whose answer we do not have. What may be done depends on the provider's ability.

It is never sent again blindly: only under the same idempotency key, or when the provider's own list has shown for
long enough that it never arrived.
"""

from __future__ import annotations

from dataclasses import replace

from pipelines.domain.catalogue import Ability, ModelCard
from pipelines.domain.errors import Ambiguous, Permanent, Unavailable
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.run import Generation
from pipelines.ports import Job
from pipelines.stages import hook, submit
from pipelines.stages.moves import FREE, Actor, move_generation, record
from pipelines.stages.services import Services

_G = GenerationStatus
CLOCK_SLACK_S = 5.0
"""A vendor's clock may be behind ours by this much when its jobs are matched by creation time."""


def clear_doubt(services: Services, actor: Actor, gen: Generation) -> None:
    """One try to learn what became of a request. The lease of its POST has expired, so the call itself is over."""
    card = services.card(gen.model)
    if gen.status is _G.SUBMITTING and card.ability is not Ability.KEY:
        gen = _to_unknown(services, actor, gen)
        actor = replace(actor, lease=gen.lease_token)
    if card.ability is Ability.KEY:
        _same_key(services, actor, gen)
    elif card.ability is Ability.LIST:
        _look_in_list(services, actor, gen, card)
    elif card.ability is Ability.CALLBACK:
        _wait_for_callback(services, actor, gen, card)
    else:
        _leave_to_person(services, actor, gen)


def _to_unknown(services: Services, actor: Actor, gen: Generation) -> Generation:
    kept = {"lease_owner": actor.name, "lease_token": actor.lease, "lease_until": gen.lease_until}
    with services.store.write() as tx:
        return move_generation(tx, actor, gen, _G.UNKNOWN, next_at=actor.now, error="no answer was recorded", **kept)


def _same_key(services: Services, actor: Actor, gen: Generation) -> None:
    if gen.status is _G.SUBMITTING:
        submit.submit_again(services, actor, gen)
        return
    # Unknown or abandoned: under the same key the provider tells us about the job it has, or makes it now.
    provider = services.providers.get(gen.provider)
    try:
        job = provider.submit(submit.submission_of(services, gen))
    except Ambiguous as error:
        raise Unavailable(error.operator) from error
    except Permanent as error:
        with services.store.write() as tx:
            submit.fail(tx, replace(actor, now=services.clock.now()), gen, submit.reason_of(error), error)
        return
    submit.commit_job(services, actor, gen, job, adopted=True)


def _look_in_list(services: Services, actor: Actor, gen: Generation, card: ModelCard) -> None:
    since = (gen.intent_at or gen.created_at) - CLOCK_SLACK_S
    jobs = services.providers.get(gen.provider).find(submit.submission_of(services, gen), since)
    job = _unclaimed(services, gen, jobs)
    if job is not None:
        submit.commit_job(services, actor, gen, job, adopted=True)
        return
    now = services.clock.now()
    over_at = (gen.intent_at or gen.created_at) + card.submit_timeout_s + submit.LEASE_MARGIN_S
    with services.store.write() as tx:
        if gen.status is not _G.UNKNOWN:
            tx.generations.change(gen.id, {"lease_token": actor.lease}, next_at=None, **FREE)
        elif now < over_at + card.list_grace_s:
            # A list may lag behind: "not there" proves something only after a while.
            tx.generations.change(gen.id, {"lease_token": actor.lease}, next_at=now + _pause(card), **FREE)
        else:
            record(tx, actor, "generation", gen.id, gen.run_id, "not_taken", checked="list")
            move_generation(tx, actor, gen, _G.PLANNED, next_at=now, error=None)


def _unclaimed(services: Services, gen: Generation, jobs: list[Job]) -> Job | None:
    """The oldest matching job that no other generation has."""
    with services.store.read() as tx:
        free = [job for job in jobs if not tx.generations.count(provider=gen.provider, provider_id=job.id)]
    return min(free, key=lambda job: job.created_at or 0.0, default=None)


def _pause(card: ModelCard) -> float:
    return max(0.5, card.list_grace_s / 5)


def _wait_for_callback(services: Services, actor: Actor, gen: Generation, card: ModelCard) -> None:
    """The callback adopts it (stages.hook). The grace exceeds the longest generation, so nothing comes after it."""
    over_at = (gen.intent_at or gen.created_at) + card.submit_timeout_s + submit.LEASE_MARGIN_S + card.maximum_s
    now = services.clock.now()
    called_back = gen.result.get("called_back")
    if called_back:
        with services.store.write() as tx:
            hook.adopt(services, tx, actor, gen, called_back)
        return
    if now >= over_at:
        _leave_to_person(services, actor, gen)
        return
    with services.store.write() as tx:
        tx.generations.change(gen.id, {"lease_token": actor.lease}, next_at=min(over_at, now + 5.0), **FREE)


def _leave_to_person(services: Services, actor: Actor, gen: Generation) -> None:
    """Nothing more can be learned by us: the money stays counted, and the run asks."""
    with services.store.write() as tx:
        tx.generations.change(gen.id, {"lease_token": actor.lease}, next_at=None, **FREE)
        record(tx, actor, "generation", gen.id, gen.run_id, "in_doubt", scene=gen.scene_id)
        run = tx.runs.get(gen.run_id, lock=True)
        if run is not None:
            submit.wake_if_generating(tx, run, services.clock.now())

"""Buying one generation: commit the intent, send exactly one request, commit the answer.

Between the intent and the answer lies the one window that we cannot close alone; `settle` clears what falls into it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from pipelines.domain.catalogue import ModelCard
from pipelines.domain.errors import (
    Ambiguous,
    Busy,
    InvalidOrder,
    NotConfigured,
    OutOfCredit,
    Permanent,
    ReelgridError,
    Refused,
    Retryable,
)
from pipelines.domain.lifecycle import IN_FLIGHT, GenerationStatus, Reason, RunStatus
from pipelines.domain.run import Generation, Run
from pipelines.ports import GenerationRequest, Job, MediaInput, Submission, Tx
from pipelines.stages import breaker, lanes, ledger, stop
from pipelines.stages.moves import Actor, LostLease, move_generation, wake_run
from pipelines.stages.requests import request_from_json
from pipelines.stages.services import Services

_G = GenerationStatus
LEASE_MARGIN_S = 15.0
"""The lease of a paid request outlives its total timeout by this: when it has expired, the call is over."""
BURSTS_PER_MINUTE = 4
"""A quarter of a minute's creates may be sent at once."""
BUSY_PAUSE_S = 1.5
STOPPED_PAUSE_S = 5.0


def buy(services: Services, actor: Actor, gen: Generation) -> None:
    """From planned to submitted, or to what the answer means."""
    provider = services.providers.get(gen.provider)
    submission = submission_of(services, gen)
    gen = _commit_intent(services, actor, gen)
    services.points.reach("submit.intended", run=gen.run_id, generation=gen.id)
    _post(services, actor, gen, lambda: provider.submit(submission))


def submit_again(services: Services, actor: Actor, gen: Generation) -> None:
    """The same request under the same idempotency key: the provider answers with the job it already has."""
    provider = services.providers.get(gen.provider)
    submission = submission_of(services, gen)
    lease = services.card(gen.model).submit_timeout_s + LEASE_MARGIN_S
    if not services.store.renew("generations", gen.id, actor.lease or "", actor.now + lease):
        raise LostLease(gen.id)
    _post(services, actor, gen, lambda: provider.submit(submission))


def submission_of(services: Services, gen: Generation) -> Submission:
    """The request with its marks, its pictures fetched from storage to this machine."""
    request = request_from_json(gen.request)
    return Submission(
        request=request,
        idem_key=gen.idem_key,
        callback_url=services.links.callback(gen.provider, gen.callback_token),
        inputs={key: _input(services, key) for key in pictures_of(request)},
    )


def pictures_of(request: GenerationRequest) -> list[str]:
    """Storage keys of every picture that goes with a request."""
    named = [request.first_frame, request.last_frame, *request.references]
    return [key for key in dict.fromkeys(named) if key]


def _input(services: Services, key: str) -> MediaInput:
    path = services.work / "inputs" / key.replace("/", "_")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        services.media.fetch(key, path)
    kinds = {".png": "image/png", ".webp": "image/webp"}
    url = services.links.media(key, path.name, 24 * 3600.0) if services.policy.providers_reach_us else None
    return MediaInput(key=key, path=path, content_type=kinds.get(path.suffix, "image/jpeg"), url=url)


def _commit_intent(services: Services, actor: Actor, gen: Generation) -> Generation:
    """Every gate is passed in the transaction that commits the intent. Raises Busy when it is not our turn."""
    card = services.card(gen.model)
    with services.store.write() as tx:
        _must_be_wanted(tx, gen)
        stop.must_be_off(tx)
        _must_fit_in_flight(tx, gen, card)
        breaker.must_be_closed(tx, gen.model, actor.now)
        spacing, burst = 60.0 / card.creates_per_minute, max(1, int(card.creates_per_minute / BURSTS_PER_MINUTE))
        lanes.take_turn(tx, f"create:{gen.provider}", actor.now, spacing, burst)
        lease_until = actor.now + card.submit_timeout_s + LEASE_MARGIN_S
        return move_generation(
            tx,
            actor,
            gen,
            _G.SUBMITTING,
            intent_at=actor.now,
            next_at=actor.now,
            lease_owner=actor.name,
            lease_token=actor.lease,
            lease_until=lease_until,
            deadline_at=lease_until + card.maximum_s,
        )


def _must_be_wanted(tx: Tx, gen: Generation) -> None:
    run = tx.runs.get(gen.run_id)
    if run is None or run.status is not RunStatus.GENERATING:
        raise Busy(f"{gen.id}: its run is not generating", retry_after=STOPPED_PAUSE_S)


def _must_fit_in_flight(tx: Tx, gen: Generation, card: ModelCard) -> None:
    tx.serialise(f"in-flight:{gen.provider}")
    busy = tx.generations.count(model=gen.model, status=(*IN_FLIGHT, _G.SUBMITTING))
    if busy >= card.max_in_flight:
        raise Busy(f"{gen.model}: {busy} in flight", retry_after=BUSY_PAUSE_S * random.uniform(0.7, 1.3))  # noqa: S311


def _post(services: Services, actor: Actor, gen: Generation, send: Callable[[], Job]) -> None:
    try:
        job = send()
    except ReelgridError as error:
        _commit_error(services, actor, gen, error)
        return
    services.points.reach("submit.answered", run=gen.run_id, generation=gen.id)
    commit_job(services, actor, gen, job)
    services.points.reach("submit.committed", run=gen.run_id, generation=gen.id)


def commit_job(services: Services, actor: Actor, gen: Generation, job: Job, *, adopted: bool = False) -> None:
    """The provider's id is ours: from here on nothing is in doubt."""
    card, now = services.card(gen.model), services.clock.now()
    values = {
        "provider_id": job.id,
        "submitted_at": now,
        "progress": job.progress,
        "result": job.result,
        "expires_at": job.expires_at,
        "deadline_at": now + card.maximum_s,
        "next_at": now + first_poll_s(card),
    }
    with services.store.write() as tx:
        gen = move_generation(tx, actor, gen, _G.ADOPTED if adopted else _G.SUBMITTED, **values)
        if job.status is _G.SUCCEEDED:
            done = replace(actor, lease=None)
            move_generation(tx, done, gen, _G.SUCCEEDED, next_at=now, cost_micro=job.cost_micro, result=job.result)
        breaker.note(tx, gen.model, now, ok=True)


def first_poll_s(card: ModelCard) -> float:
    """Asking before half of the usual time has passed is only noise."""
    return min(card.typical_s * 0.5, 4 * card.poll_s)


_REASONS: tuple[tuple[type[Permanent], Reason], ...] = (
    (Refused, Reason.REFUSED),
    (OutOfCredit, Reason.QUOTA),
    (InvalidOrder, Reason.INVALID),
    (NotConfigured, Reason.INVALID),
)


def reason_of(error: Permanent) -> Reason:
    """Our class of a permanent error."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), Reason.PROVIDER_ERROR)


def _commit_error(services: Services, actor: Actor, gen: Generation, error: ReelgridError) -> None:
    now = services.clock.now()
    later = replace(actor, now=now)
    with services.store.write() as tx:
        if isinstance(error, Ambiguous):
            breaker.note(tx, gen.model, now, ok=False)
            move_generation(tx, later, gen, _G.UNKNOWN, error=error.operator, next_at=now)
        elif isinstance(error, Retryable):
            # Provably not taken: the same intent may be made again, later.
            pause = error.retry_after if error.retry_after is not None else BUSY_PAUSE_S * 2
            lanes.hold_back(tx, f"create:{gen.provider}", now + (error.retry_after or 0.0))
            breaker.note(tx, gen.model, now, ok=False)
            move_generation(tx, later, gen, _G.PLANNED, error=error.operator, next_at=now + pause)
        else:
            fail(tx, later, gen, reason_of(error) if isinstance(error, Permanent) else Reason.PROVIDER_ERROR, error)


def fail(tx: Tx, actor: Actor, gen: Generation, reason: Reason, error: ReelgridError, *, cost: int = 0) -> None:
    """The provider said no: what it costs is captured (mostly nothing), the rest is free again, the run looks on."""
    run = tx.runs.get(gen.run_id, lock=True)
    gen = move_generation(tx, actor, gen, _G.FAILED, reason=reason.value, error=error.operator, cost_micro=cost)
    if run is not None:
        if cost:
            ledger.capture(tx, actor.now, run, gen, cost, 0.0)
        ledger.free(tx, actor.now, run, gen)
        wake_if_generating(tx, run, actor.now)
    breaker.note(tx, gen.model, actor.now, ok=reason is not Reason.PROVIDER_ERROR)


def drop(tx: Tx, actor: Actor, gen: Generation, error: ReelgridError) -> None:
    """A planned generation that can never be sent: it cost nothing."""
    gen = move_generation(tx, actor, gen, _G.SUBMITTING)
    reason = reason_of(error) if isinstance(error, Permanent) else Reason.PROVIDER_ERROR
    fail(tx, replace(actor, lease=None), gen, reason, error)


def wake_if_generating(tx: Tx, run: Run, now: float) -> None:
    """A run that generates looks at its scenes again; any other only gets a new version for its watchers."""
    if run.status is RunStatus.GENERATING:
        wake_run(tx, run.id, now)
    else:
        tx.runs.change(run.id, version=run.version + 1, updated_at=now)

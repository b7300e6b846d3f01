"""Buying one generation: commit the intent, send exactly one request, commit the answer.

Between the intent and the answer lies the one window that we cannot close alone; `reconcile` clears what falls into it.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import (
    Ambiguous,
    Busy,
    InvalidOrder,
    NotConfigured,
    OutOfCredit,
    Permanent,
    RateLimited,
    ReelgridError,
    Refused,
    Retryable,
    Unavailable,
)
from pipelines.domain.keys import job_key, scene_of
from pipelines.domain.lifecycle import IN_FLIGHT, TERMINAL, GenerationStatus, Reason, RunStatus
from pipelines.domain.money import dollars
from pipelines.domain.records import Generation, Run
from pipelines.domain.state.generation import GenerationRequest, GenerationResult
from pipelines.ports import Job, MediaInput, Submission, Tx, trace
from pipelines.stages.base_rows import run_row
from pipelines.stages.generations import prompt_check, restored, reuse
from pipelines.stages.generations.requests import is_late_draft
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, LostLease, record, transition_generation, wake_run
from pipelines.stages.spending import circuit_breaker, ledger, rate_limits, stop_switch

logger = logging.getLogger(__name__)

_G = GenerationStatus
BURSTS_PER_MINUTE = 4
"""A quarter of a minute's creates may be sent at once."""
BUSY_PAUSE_S = 1.5
LONGEST_PAUSE_S = 60.0
TRIES = 20
"""After so many requests in a row that could not even be sent, the provider counts as failed."""
STOPPED_PAUSE_S = 5.0
INSIST_S = 120.0
"""So long an answer is kept in hand while the database is away."""


def margin_s(card: CatalogueModel) -> float:
    """The lease of a paid request outlives its total timeout by this: when it has expired, the call is over."""
    return max(2.0, card.submit_timeout_s / 4)


def over_at(gen: Generation, card: CatalogueModel) -> float:
    """From this moment on the paid call is certainly over, however it ended."""
    return (gen.intent_at or gen.created_at) + card.submit_timeout_s + margin_s(card)


def buy(services: Services, actor: Actor, gen: Generation) -> None:
    """From planned to submitted, or to what the answer means."""
    provider = services.providers.get(gen.provider)
    _must_be_allowed(services, gen)
    submission = submission_of(services, gen)
    intended = _commit_intent(services, actor, gen)
    if intended is None:
        return
    services.points.reach("submit.intended", run=gen.run_id, generation=gen.id)
    if services.clock.now() > (intended.intent_at or 0.0) + margin_s(services.catalogue_model(gen.model)) / 2:
        # This process stood still (a paused container, a laptop asleep): the lease would not outlive the call.
        # Nothing was sent: the intent is withdrawn, and made again later.
        now = services.clock.now()
        with services.store.write() as tx:
            transition_generation(
                tx, replace(actor, now=now), intended, _G.PLANNED, next_at=now, error="stood still before sending"
            )
        return
    _post(services, actor, intended, lambda: provider.submit(submission))


def _must_be_allowed(services: Services, gen: Generation) -> None:
    """As `prompt_check`, whose server is asked once for a clip, however often it looks whether it is its turn."""
    if services.prompt_check is None:
        return
    card, now = services.catalogue_model(gen.model), services.clock.now()
    with services.store.read() as tx:
        run = tx.runs.get(gen.run_id)
        wanted = run is not None and (run.status is RunStatus.GENERATING or gen.request.draft)
        if run is not None and wanted:
            stop_switch.must_be_off(tx, run.base_id, run.account_id)
            _must_fit_in_flight(tx, gen, card)
            if circuit_breaker.is_open(tx, gen.model, now):
                raise circuit_breaker.busy(gen.model)
            rate_limits.must_be_free(tx, f"create:{gen.provider}", now, *_pace(card))
    prompt_check.must_be_allowed(services, [gen.request.prompt])


def submission_of(services: Services, gen: Generation) -> Submission:
    """The request with its marks, its pictures fetched from storage to this machine."""
    request = gen.request
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
    path = scratch.local(services, key)
    kinds = {".png": "image/png", ".webp": "image/webp"}
    url = services.links.media(key, path.name, 24 * 3600.0) if services.policy.providers_reach_us else None
    return MediaInput(key=key, path=path, content_type=kinds.get(path.suffix, "image/jpeg"), url=url)


def _commit_intent(services: Services, actor: Actor, gen: Generation) -> Generation | None:
    """Every gate is passed in the transaction that commits the intent. Raises Busy when it is not our turn; None when
    the clip is not wanted any more.
    """
    card = services.catalogue_model(gen.model)
    with services.store.write() as tx:
        now = services.clock.now()
        actor = replace(actor, now=now)
        run = tx.runs.get(gen.run_id, lock=True)
        if run is None or _put_aside(tx, actor, run, gen):
            return None
        reuse.must_be_only(tx, gen)
        if restored.must_be_searched_for(tx, actor, run, gen, card):
            return None
        stop_switch.must_be_off(tx, run.base_id, run.account_id)
        tx.serialise(f"in-flight:{gen.provider}")
        _must_fit_in_flight(tx, gen, card)
        circuit_breaker.must_be_closed(tx, gen.model, now)
        rate_limits.acquire(tx, f"create:{gen.provider}", now, *_pace(card))
        lease_until = now + card.submit_timeout_s + margin_s(card)
        return transition_generation(
            tx,
            actor,
            gen,
            _G.SUBMITTING,
            intent_at=now,
            next_at=now,
            attempts=gen.attempts,
            lease_owner=actor.name,
            lease_token=actor.lease,
            lease_until=lease_until,
            deadline_at=lease_until + card.maximum_s,
        )


def _put_aside(tx: Tx, actor: Actor, run: Run, gen: Generation) -> bool:
    """Whether nobody wants this clip now: the run is over, its scene has one, a person is asked first, or it may have
    been bought already; nor a draft, once its run does not wait for approval any more.
    """
    scene, current = tx.scenes.get(scene_of(gen.scene_id)), tx.generations.get(gen.id) or gen
    is_over = run.status in TERMINAL or scene is None or scene.clip_id is not None
    if is_over or (is_late_draft(run, gen) and not current.result.called_back):
        ledger.free(tx, actor.now, run, transition_generation(tx, actor, gen, _G.CANCELLED))
        return True
    if current.result.called_back or run.status is RunStatus.NEEDS_ATTENTION:
        # Heard of just now, it is not bought: its next step looks whether that is true.
        later = actor.now if current.result.called_back else None
        if not tx.generations.change(gen.id, actor.fence(gen.status), next_at=later, **FREE):
            raise LostLease(gen.id)
        return True
    if run.status is not RunStatus.GENERATING and not gen.request.draft:
        raise Busy(f"{gen.id}: its run is {run.status}", retry_after=STOPPED_PAUSE_S)
    return False


def _pace(card: CatalogueModel) -> tuple[float, int]:
    """Seconds between creates, and how many may be sent at once."""
    return 60.0 / card.creates_per_minute, max(1, int(card.creates_per_minute / BURSTS_PER_MINUTE))


def _must_fit_in_flight(tx: Tx, gen: Generation, card: CatalogueModel) -> None:
    busy = tx.generations.count(model=gen.model, status=(*IN_FLIGHT, _G.SUBMITTING))
    if busy >= card.max_in_flight:
        raise Busy(f"{gen.model}: {busy} in flight", retry_after=BUSY_PAUSE_S * random.uniform(0.7, 1.3))  # noqa: S311


def _post(services: Services, actor: Actor, gen: Generation, send: Callable[[], Job]) -> None:
    try:
        with trace.span(f"generate_content {gen.model}", _traced(services, gen), kind="client") as span:
            job = send()
            span.tell({"gen_ai.response.id": job.id, "gen_ai.response.model": gen.model})
    except ReelgridError as error:
        failure = error
        insist(lambda: _commit_error(services, actor, gen, failure))
        return
    services.points.reach("submit.answered", run=gen.run_id, generation=gen.id)
    insist(lambda: _commit_answer(services, actor, gen, job))
    services.points.reach("submit.committed", run=gen.run_id, generation=gen.id)


_GEN_AI = {"sora": "openai", "omni": "gcp.gemini", "veo": "gcp.vertex_ai"}
"""OpenTelemetry's names of providers; the others go by their own."""


def _traced(services: Services, gen: Generation) -> dict[str, trace.Value]:
    """What a span says of a purchase: names and numbers, and nothing that anybody wrote."""
    origin = dict(services.policy.model_origins).get(gen.provider)
    return {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": _GEN_AI.get(gen.provider, gen.provider),
        "gen_ai.request.model": gen.model.partition("/")[2],
        "gen_ai.request.seed": gen.request.seed,
        "server.address": urlsplit(origin).hostname if origin else None,
        "reelgrid.run.id": gen.run_id,
        "reelgrid.scene": gen.scene_id,
        "reelgrid.generation.id": gen.id,
        "reelgrid.seconds": gen.request.seconds,
        "reelgrid.quote_usd": dollars(gen.reserve_micro),
    }


def insist(commit: Callable[[], object]) -> None:
    """What the provider answered is not thrown away because the database restarts at this moment."""
    until, pause = time.monotonic() + INSIST_S, 0.1
    while True:
        try:
            commit()
        except Unavailable:
            if time.monotonic() > until:
                raise
            time.sleep(pause)
            pause = min(2.0, pause * 2)
        else:
            return


def _commit_answer(services: Services, actor: Actor, gen: Generation, job: Job) -> None:
    try:
        commit_job(services, actor, gen, job)
    except LostLease:
        _answer_came_late(services, gen, job)
    except Ambiguous as error:
        _commit_error(services, actor, gen, error)


def _answer_came_late(services: Services, gen: Generation, job: Job) -> None:
    """Others hold the call for lost already. The answer is better proof than any search, if nothing was found yet."""
    actor = Actor("late answer", services.clock.now())
    with services.store.read() as tx:
        current = tx.generations.get(gen.id)
    if current is None or current.provider_id == job_key(job.id):
        return
    if current.provider_id is None and current.status in (_G.PLANNED, _G.UNKNOWN, _G.ABANDONED):
        with suppress(LostLease, Ambiguous):
            commit_job(services, actor, current, job, adopted="late answer")
            return
    with services.store.write() as tx:
        record(tx, actor, "generation", gen.id, gen.run_id, "second_job", job=job.id, status=current.status)
    logger.error("generation %s is %s, and the provider also took it as %s", gen.id, current.status, job.id)


def commit_job(
    services: Services, actor: Actor, gen: Generation, job: Job, *, adopted: str | None = None, **changes: Any
) -> None:
    """The provider's id is ours: from here on nothing is in doubt. `adopted` says by what means it was found again.

    Raises Ambiguous when another generation has this very job.
    """
    card, now = services.catalogue_model(gen.model), services.clock.now()
    actor, result = replace(actor, now=now), GenerationResult.of(job.result)
    values = {
        **named(job.id),
        "submitted_at": now,
        "progress": job.progress,
        "result": result,
        "expires_at": job.expires_at,
        "deadline_at": now + card.maximum_s,
        "next_at": now + first_poll_s(card),
        "polls": 0,
        "error": None,
        **changes,
    }
    with services.store.write() as tx:
        must_be_unclaimed(tx, gen, job.id)
        gen = transition_generation(tx, actor, gen, _G.ADOPTED if adopted else _G.SUBMITTED, **values)
        if adopted:
            record(tx, actor, "generation", gen.id, gen.run_id, "adopted", scene=gen.scene_id, by=adopted)
        if job.status is _G.SUCCEEDED:
            done = replace(actor, lease=None)
            transition_generation(
                tx,
                done,
                gen,
                _G.SUCCEEDED,
                next_at=now,
                cost_micro=job.cost_micro,
                billed_micro=job.cost_micro,
                result=result,
            )
            circuit_breaker.record_outcome(tx, gen.model, now, ok=True)


def named(job_id: str) -> dict[str, str | None]:
    """What a generation keeps of its job's id."""
    key = job_key(job_id)
    return {"provider_id": key, "wrapped_id": job_id if job_id != key else None}


def must_be_unclaimed(tx: Tx, gen: Generation, job_id: str) -> None:
    """One job is one generation's. Raises Ambiguous when another has it: a search took ours for its own."""
    tx.serialise(f"job:{gen.provider}:{job_key(job_id)}")
    if any(other.id != gen.id for other in tx.generations.find(provider=gen.provider, provider_id=job_key(job_id))):
        raise Ambiguous(f"{gen.provider} job {job_id} belongs to another generation")


def first_poll_s(card: CatalogueModel) -> float:
    """Asking before half of the usual time has passed is only noise."""
    return min(card.typical_s * 0.5, 4 * card.poll_s)


_REASONS: tuple[tuple[type[Permanent], Reason], ...] = (
    (Refused, Reason.REFUSED),
    (OutOfCredit, Reason.QUOTA),
    (InvalidOrder, Reason.INVALID),
    (NotConfigured, Reason.INVALID),
)


_TELLING = (Reason.PROVIDER_ERROR, Reason.EXPIRED, Reason.REFUSED)
"""Reasons that say whether the provider is well; a wrong key or an empty account is our own trouble."""


def reason_of(error: ReelgridError) -> Reason:
    """Our class of an error that ends a generation."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), Reason.PROVIDER_ERROR)


def _commit_error(services: Services, actor: Actor, gen: Generation, error: ReelgridError) -> None:
    later = replace(actor, now=services.clock.now())
    try:
        with services.store.write() as tx:
            if isinstance(error, Ambiguous):
                transition_generation(tx, later, gen, _G.UNKNOWN, error=error.operator, next_at=later.now)
                circuit_breaker.record_outcome(tx, gen.model, later.now, ok=False)
            elif isinstance(error, Retryable):
                _not_taken(tx, later, gen, error)
            else:
                fail(tx, later, gen, reason_of(error), error)
    except LostLease:
        logger.info("generation %s has been settled meanwhile", gen.id)


def _not_taken(tx: Tx, actor: Actor, gen: Generation, error: Retryable) -> None:
    """Provably not taken: the same intent may be made again, later; when it never can be sent, the provider failed."""
    tries = gen.attempts + (not isinstance(error, RateLimited))
    if tries > TRIES:
        fail(tx, actor, gen, Reason.PROVIDER_ERROR, error)
        return
    pause = min(LONGEST_PAUSE_S, BUSY_PAUSE_S * 2.0 ** min(max(tries, 1), 6))
    pause = error.retry_after if error.retry_after is not None else pause
    again = {"attempts": tries, "next_at": actor.now + pause}
    transition_generation(tx, actor, gen, _G.PLANNED, error=error.operator, **again)
    if not isinstance(error, RateLimited):
        circuit_breaker.record_outcome(tx, gen.model, actor.now, ok=False)
    rate_limits.hold_back(tx, f"create:{gen.provider}", actor.now + (error.retry_after or 0.0))


def fail(tx: Tx, actor: Actor, gen: Generation, reason: Reason, error: ReelgridError, *, cost: int = 0) -> None:
    """The provider said no: what it costs is captured (mostly nothing), the rest is free again, the run looks on."""
    run = tx.runs.get(gen.run_id, lock=True)
    known = {"reason": reason, "error": error.operator, "cost_micro": cost, "billed_micro": gen.billed_micro}
    gen = transition_generation(tx, actor, gen, _G.FAILED, **known)
    if run is not None:
        if cost:
            ledger.capture(tx, actor.now, run, gen, cost, 0.0)
        ledger.free(tx, actor.now, run, gen)
        wake_if_generating(tx, run, actor.now)
    if reason in _TELLING:
        circuit_breaker.record_outcome(tx, gen.model, actor.now, ok=reason is Reason.REFUSED)


def drop(tx: Tx, actor: Actor, gen: Generation, error: ReelgridError) -> None:
    """A planned generation that can never be sent: it cost nothing."""
    fail(tx, actor, gen, reason_of(error), error)


def wake_if_generating(tx: Tx, run: Run, now: float) -> None:
    """A run that generates, or waits with its drafts for approval, looks at its scenes again; any other only gets a new
    version for its watchers.
    """
    if run.status in (RunStatus.GENERATING, RunStatus.NEEDS_APPROVAL):
        wake_run(tx, run.id, now)
    else:
        tx.runs.change(run.id, version=run.version + 1, updated_at=now)
        run_row.show_late_cost(tx, now, run)

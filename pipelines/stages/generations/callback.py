"""A provider called back. A hint, never a truth: it makes the next look due, and may name the job of a request whose
answer was lost. The provider is asked about that job (`reconcile`) before it becomes ours.
"""

from __future__ import annotations

from dataclasses import replace

from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import IN_DOUBT, IN_FLIGHT, GenerationStatus
from pipelines.domain.records import Generation, InboxItem
from pipelines.domain.state.open_json import JsonObject
from pipelines.ports import Tx, log_context
from pipelines.stages.generations import submit
from pipelines.stages.generations.poll import as_own_turn
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record, transition_generation

_G = GenerationStatus


def receive(
    services: Services,
    provider: str,
    delivery_id: str,
    *,
    generation_token: str | None = None,
    job_id: str | None = None,
    body: JsonObject | None = None,
) -> bool:
    """Record a verified delivery once and make its generation due; False when it concerns nothing of ours."""
    now = services.clock.now()
    with services.store.write() as tx:
        gen = _find(tx, provider, generation_token, job_id)
        if gen is None:
            return False
        log_context.add(run_id=gen.run_id, generation_id=gen.id)
        item = InboxItem(id=f"{provider}:{delivery_id}", at=now, provider=provider, body=body or {})
        if tx.inbox.add(item):
            _act(services, tx, gen, job_id, now)
    services.points.reach("callback.recorded", generation=gen.id)
    return True


def _find(tx: Tx, provider: str, token: str | None, job_id: str | None) -> Generation | None:
    if token is not None:
        found = tx.generations.find(callback_token=token, provider=provider, limit=1)
    elif job_id is not None:
        found = tx.generations.find(provider=provider, provider_id=job_key(job_id), limit=1)
    else:
        found = []
    return found[0] if found else None


def _act(services: Services, tx: Tx, found: Generation, job_id: str | None, now: float) -> None:
    tx.runs.get(found.run_id, lock=True)
    gen = tx.generations.get(found.id, lock=True)
    if gen is None:
        return
    if gen.status in IN_FLIGHT:
        tx.generations.change(gen.id, {"status": gen.status}, next_at=now, polls=as_own_turn(services, gen))
    elif job_id is not None and gen.provider_id is None and gen.status in _ADOPTABLE:
        # While the call itself may still be on its way, its answer has the first word.
        due = {} if gen.status is _G.SUBMITTING else {"next_at": now}
        tx.generations.change(gen.id, result=replace(gen.result, called_back=job_id), **due)


_ADOPTABLE = (*IN_DOUBT, _G.PLANNED, _G.ABANDONED)
"""Planned as well: the list said that a request never arrived, and here it is."""


def adopt(services: Services, actor: Actor, gen: Generation, job_id: str) -> None:
    """The answer was lost, but a callback that carried our own token told the job, and the provider knows it.

    Raises LostLease, or Ambiguous when the job is another generation's.
    """
    now = services.clock.now()
    deadline = now + services.catalogue_model(gen.model).maximum_s
    known = {**submit.named(job_id), "submitted_at": now, "deadline_at": deadline, "error": None, "polls": 0}
    with services.store.write() as tx:
        run = tx.runs.get(gen.run_id, lock=True)
        submit.must_be_unclaimed(tx, gen, job_id)
        gen = transition_generation(tx, actor, gen, _G.ADOPTED, next_at=now, **known)
        record(tx, actor, "generation", gen.id, gen.run_id, "adopted", scene=gen.scene_id, by="callback")
        if run is not None:
            tx.runs.change(run.id, version=run.version + 1, updated_at=now)

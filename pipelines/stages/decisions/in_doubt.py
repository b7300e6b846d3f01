"""What a person may decide about money of which nobody knows whether it was spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pipelines.domain.errors import Expired, InvalidOrder, NotAllowed, NotFound, Problem
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import (
    CANCELLABLE,
    RETRYABLE_RUNS,
    GenerationStatus,
    RunStatus,
)
from pipelines.domain.records import Generation, Run
from pipelines.ports import Tx
from pipelines.stages.base_rows import run_row
from pipelines.stages.decisions import control
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import (
    Actor,
    found_run,
    record,
    touch_run,
    transition_generation,
    transition_run,
    was_decided,
)
from pipelines.stages.spending import ledger

_R, _G = RunStatus, GenerationStatus


def decide(services: Services, generation_id: str, choice: str, actor: str, *, press: str | None = None) -> Run:
    """Settle money in doubt: `wait` a little longer, `write_off` and buy again, or `cancel` the run.

    Raises NotFound, InvalidOrder, NotAllowed, and OverBudget when buying again does not fit (nothing changes then).
    """
    who = Actor(actor, services.clock.now())
    if choice not in CHOICES:
        raise InvalidOrder([Problem("choice", f"is one of {', '.join(CHOICES)}")])
    with services.store.read() as tx:
        found = tx.generations.get(generation_id)
    if found is None:
        raise NotFound(f"generation {generation_id}", marketer="There is no such generation.")
    with services.store.write() as tx:
        run = found_run(tx, found.run_id, lock=True)
        if was_decided(tx, run.id, press):
            return run
        gen = _locked(tx, found)
        record(tx, who, "generation", gen.id, run.id, "decided", choice=choice)
        return _DECISIONS[choice](services, tx, who, run, gen)


def name_job(services: Services, generation_id: str, job_id: str, actor: str) -> Run:
    """A person has found at the provider which job a request in doubt became, where nothing of ours can look it up.
    Believed like a callback: the provider, asked with our key, must know it, and no other generation may have it.

    Raises NotFound, NotAllowed, and what the provider answers.
    """
    with services.store.read() as tx:
        found = tx.generations.get(generation_id)
    if found is None:
        raise NotFound(f"generation {generation_id}", marketer=f"There is no generation {generation_id}.")
    try:
        services.providers.get(found.provider).poll(job_id, found.request)
    except Expired as error:
        raise NotAllowed(
            error.operator, marketer=f"{found.provider} does not know {job_id}, or not any more."
        ) from error
    who = Actor(actor, services.clock.now())
    with services.store.write() as tx:
        run, gen = found_run(tx, found.run_id, lock=True), _locked(tx, found)
        if tx.generations.count(provider=gen.provider, provider_id=job_key(job_id)):
            raise NotAllowed(marketer=f"{job_id} is the job of another generation.")
        record(tx, who, "generation", gen.id, run.id, "decided", choice="adopt")
        tx.generations.change(gen.id, result=replace(gen.result, called_back=job_id), next_at=who.now)
        return touch_run(tx, who, run, detail="The clip was found at its provider and is fetched.")


def _locked(tx: Tx, found: Generation) -> Generation:
    """Of a run that is locked. Raises NotAllowed where nothing is in doubt any more."""
    gen = tx.generations.get(found.id, lock=True) or found
    if gen.status is not _G.UNKNOWN:
        raise NotAllowed(marketer=f"Nothing is in doubt here any more: the generation is {gen.status.value}.")
    return gen


def _wait(services: Services, tx: Tx, who: Actor, run: Run, gen: Generation) -> Run:
    """The run goes on waiting; if nothing turns up, it asks again."""
    tx.generations.change(gen.id, next_at=who.now)
    detail = "Looking once more for the clip."
    if run.status is _R.NEEDS_ATTENTION:
        run = transition_run(tx, who, run, _R.GENERATING, detail=detail, error=None, finished_at=None)
        control.wake_planned(tx, run, who.now)
        run_row.show(services, tx, run, urgent=True)
        return run
    return touch_run(tx, who, run, detail=detail)


def _write_off(services: Services, tx: Tx, who: Actor, run: Run, gen: Generation) -> Run:
    """It counts as spent; should the clip turn up after all, it is taken and not paid again."""
    ledger.write_off(tx, who.now, run, transition_generation(tx, who, gen, _G.ABANDONED))
    if run.status in RETRYABLE_RUNS:
        return control.resume(services, tx, who, run)
    if run.status is not _R.GENERATING:
        run_row.show_late_cost(tx, who.now, run)
        return run
    run = touch_run(tx, who, run, ceiling_micro=None)
    control.forgive(tx, tx.scenes.find(id=gen.scene_id))
    control.hold_missing(services, tx, run, tx.scenes.find(run_id=run.id, order="number"), who.now)
    return touch_run(tx, who, run, next_at=who.now)


def _write_off_and_cancel(services: Services, tx: Tx, who: Actor, run: Run, gen: Generation) -> Run:
    ledger.write_off(tx, who.now, run, transition_generation(tx, who, gen, _G.ABANDONED))
    if run.status in CANCELLABLE:
        return control.cancel_within(services, tx, who, run)
    run_row.show_late_cost(tx, who.now, run)
    return run


_DECISIONS: dict[str, Callable[[Services, Tx, Actor, Run, Generation], Run]] = {
    "wait": _wait,
    "write_off": _write_off,
    "cancel": _write_off_and_cancel,
}
CHOICES = tuple(_DECISIONS)

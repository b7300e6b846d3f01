"""What a run wants now, by its status."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipelines.domain.errors import Busy, InsufficientCredits, InvalidOrder, RecordGone, ReelgridError, Refused
from pipelines.domain.lifecycle import MOVING, RunStatus
from pipelines.domain.records import Run
from pipelines.stages.base_rows import outbox, run_row
from pipelines.stages.decisions import approval
from pipelines.stages.delivery import deliver
from pipelines.stages.films import stitch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record, touch_run, transition_run
from pipelines.stages.orders import plan_run, script
from pipelines.stages.recovery import fan_out
from pipelines.stages.spending import credit_book, ledger

_R = RunStatus

STEPS: Mapping[RunStatus, Callable[[Services, Actor, Run], None]] = {
    _R.QUEUED: plan_run.plan_run,
    _R.WRITING: script.write,
    _R.NEEDS_APPROVAL: approval.advance,
    _R.GENERATING: fan_out.fan_out,
    _R.STITCHING: stitch.make_cuts,
    _R.DELIVERING: deliver.advance,
}


def advance(services: Services, actor: Actor, run: Run) -> None:
    """One step of one run."""
    if run.status in STEPS:
        STEPS[run.status](services, actor, run)
    else:
        with services.store.write() as tx:
            touch_run(tx, actor, run, next_at=None, **FREE)


def give_up(services: Services, actor: Actor, run_id: str, error: ReelgridError) -> None:
    """A step cannot succeed. What is wrong with the order fails; what a person can settle asks for one."""
    with services.store.read() as tx:
        run = tx.runs.get(run_id)
    if run is None:
        return
    if run.status is _R.STITCHING:
        stitch.give_up(services, actor, run, error)
    elif run.status is _R.DELIVERING:
        deliver.give_up(services, actor, run, error)
    elif run.status is not _R.NEEDS_APPROVAL or not approval.give_up(services, actor, run, error):
        _stop(services, actor, run_id, error)


_NOTHING_TO_SETTLE = (InvalidOrder, Refused, RecordGone)
"""A new trigger is what mends these; anything else can be settled, and the run goes on from where it is."""


def _stop(services: Services, actor: Actor, run_id: str, error: ReelgridError) -> None:
    with services.store.write() as tx:
        run = tx.runs.get(run_id, lock=True)
        if run is None or run.status not in MOVING | {_R.NEEDS_APPROVAL}:
            return
        to = _R.FAILED if isinstance(error, _NOTHING_TO_SETTLE) else _R.NEEDS_ATTENTION
        if isinstance(error, InsufficientCredits):
            record(tx, actor, credit_book.REFUSED, run.status, None, credit_book.REFUSED)
        run = transition_run(tx, actor, run, to, error=error.marketer, detail="", finished_at=actor.now)
        ledger.release(tx, actor.now, run)
        run_row.show(services, tx, run, urgent=True)


def say_waiting(services: Services, run_id: str, error: Busy) -> None:
    """A run that waits says for what."""
    with services.store.write() as tx:
        run = tx.runs.get(run_id, lock=True)
        if run is not None and run.status in MOVING and error.marketer not in (run.detail, Busy.default):
            tx.runs.change(run_id, detail=error.marketer, version=run.version + 1)
            waiting = tx.runs.get(run_id) or run
            run_row.show(services, tx, waiting, urgent=True, within_s=outbox.COALESCE_S)

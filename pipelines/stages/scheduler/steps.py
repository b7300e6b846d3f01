"""One step: claim a row, let its stage do one effect, commit under the lease, or say when to try again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

from pipelines.domain.errors import BadDelivery, Blame, Busy, Permanent, ReelgridError, Retryable
from pipelines.domain.footage import Preview
from pipelines.domain.lifecycle import MOVING, RunStatus
from pipelines.domain.records import (
    Base,
    Clip,
    Cut,
    Event,
    Generation,
    Kind,
    Leased,
    Payment,
    Purchase,
    QueueSweep,
    Run,
)
from pipelines.ports import Tx, trace
from pipelines.stages.base_changes import queue_sweep, webhook_push
from pipelines.stages.commerce import payments
from pipelines.stages.delivery import extras
from pipelines.stages.files import thumbnails
from pipelines.stages.films import prepare_clip
from pipelines.stages.generations import drafts
from pipelines.stages.generations.poll import poll_due
from pipelines.stages.kernel import leases, log_ids
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import DEFECT, Actor, LostLease
from pipelines.stages.recovery import fan_out
from pipelines.stages.scheduler import purchases, run_steps

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
MAX_TRIES = 30
"""After so many failed tries in a row (about half an hour) a person is asked."""
MAX_TRIES_PAID = 300
"""What is paid for is fetched until the provider says that it is gone; this many tries are about five hours."""
MAX_TRIES_DAMAGED = 20
"""A file that arrives damaged so often in a row, for a quarter of an hour, will not get better."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How one kind of row is worked on: its stage, given the row as it was when it was claimed, and what to do when
    trying again cannot help.
    """

    work: Callable[[Services, Actor, Leased], None]
    give_up: Callable[[Services, Actor, str, ReelgridError], None]
    renewed: bool = True
    """False where only the end of the first lease may prove that a paid call is over (what fetches renews itself)."""
    afterwards: Callable[[Services, Leased], None] = lambda _services, _row: None
    """What nobody waits for: done when the row, given as it was when it was claimed, is free again and its run has gone
    on.
    """


L = TypeVar("L", bound=Leased)


def _of(record: type[L], work: Callable[[Services, Actor, L], None]) -> Callable[[Services, Actor, Leased], None]:
    """A stage for the rows of one table."""

    def checked(services: Services, actor: Actor, row: Leased) -> None:
        if not isinstance(row, record):
            raise TypeError(f"{row.id} is no {record.__name__}")
        work(services, actor, row)

    return checked


def _thumbnails(services: Services, row: Leased) -> None:
    """Of a clip that is ready, and of a run whose film has been put together."""
    if isinstance(row, Clip):
        thumbnails.make(services, row.run_id)
    elif isinstance(row, Run) and row.status is RunStatus.STITCHING:
        thumbnails.make(services, row.id)


STAGES: Mapping[str, Stage] = {
    Kind.RUN: Stage(_of(Run, run_steps.advance), run_steps.give_up, afterwards=_thumbnails),
    Kind.GENERATION: Stage(_of(Generation, fan_out.advance), fan_out.give_up, renewed=False),
    Kind.CLIP: Stage(_of(Clip, prepare_clip.prepare_pieces), prepare_clip.give_up, afterwards=_thumbnails),
    Kind.CUT: Stage(_of(Cut, extras.advance), extras.give_up),
    Kind.SWEEP: Stage(_of(QueueSweep, queue_sweep.start_ready), queue_sweep.give_up),
    Kind.BASE: Stage(_of(Base, webhook_push.advance), webhook_push.give_up),
    Kind.PAYMENT: Stage(_of(Payment, payments.advance), payments.give_up),
    Kind.PURCHASE: Stage(_of(Purchase, purchases.advance), purchases.give_up),
}


def step(
    services: Services, kind: str, id: str, go_on: Callable[[Services, str], object] = lambda _services, _run_id: None
) -> bool:
    """Do what one row wants now. False when there is nothing to do, or somebody else does it. `go_on` is told the run
    that has got a clip, or whose clip is ready now.
    """
    with services.store.write() as tx:
        row = tx.claim(Kind(kind), id, owner=services.owner, now=services.clock.now(), seconds=leases.LEASE_S)
        run = _run_of(tx, row)
    if row is None:
        return False
    about = {"reelgrid.kind": kind, "reelgrid.row.id": id, "reelgrid.run.id": run.id if run else None}
    with trace.within(run.traceparent if run else None), trace.span(f"step {kind}", about):
        log_ids.add(row, run)
        _work(services, kind, row)
    if run is not None and kind in (Kind.GENERATION, Kind.CLIP):
        go_on(services, run.id)
    STAGES[kind].afterwards(services, row)
    return True


def _run_of(tx: Tx, row: Leased | None) -> Run | None:
    """Whose trace a step belongs to."""
    if isinstance(row, Generation | Clip | Cut | Purchase):
        return tx.runs.get(row.run_id)
    return row if isinstance(row, Run) else None


def _work(services: Services, kind: str, row: Leased) -> None:
    token = row.lease_token or ""
    actor = Actor(services.owner, services.clock.now(), token)
    stage = STAGES[kind]
    try:
        with leases.renewed(services, kind, row.id, token) if stage.renewed else nullcontext():
            stage.work(services, actor, row)
    except LostLease:
        logger.info("somebody else has %s %s; nothing committed", kind, row.id)
    except Busy as error:
        _wait_turn(services, kind, row.id, token, error)
    except Retryable as error:
        _try_later(services, kind, row.id, token, error)
    except Permanent as error:
        _conclude(services, stage, Actor(services.owner, services.clock.now(), token), row.id, error)


def record_failure(services: Services, kind: str, id: str, error: BaseException) -> None:
    """A defect of ours stopped a step (the outer edge caught it): the row waits, and asks a person in the end."""
    with services.store.read() as tx:
        row = tx.leased(Kind(kind)).get(id)
    if row is None or row.lease_owner != services.owner or not row.lease_token:
        return
    with services.store.write() as tx:
        tx.events.add(Event(at=services.clock.now(), entity=DEFECT, entity_id=kind, run_id=None, name=DEFECT))
    wrapped = Retryable(f"{type(error).__name__}: {error}")
    _try_later(services, kind, id, row.lease_token, wrapped)


def _wait_turn(services: Services, kind: str, id: str, token: str, error: Busy) -> None:
    """Our own limits and switches: however long it takes, it is no failure, and the run says for what it waits."""
    level = logging.WARNING if error.blame is Blame.OPERATOR else logging.DEBUG
    logger.log(level, "%s %s waits: %s", kind, id, error.operator)
    with services.store.read() as tx:
        row = tx.leased(Kind(kind)).get(id)
        gen = tx.generations.get(id) if kind == Kind.GENERATION else None
    pause = error.retry_after if error.retry_after is not None else FIRST_PAUSE_S
    services.store.release(kind, id, token, next_at=services.clock.now() + pause, attempts=row.attempts if row else 0)
    if row is not None and (gen is not None or kind == Kind.RUN):
        run_steps.say_waiting(services, gen.run_id if gen else id, error)


def _try_later(services: Services, kind: str, id: str, token: str, error: Retryable) -> None:
    with services.store.read() as tx:
        row = tx.leased(Kind(kind)).get(id)
    if row is None:
        return
    attempts = row.attempts + 1
    if attempts > _max_tries(kind, error):
        actor = Actor(services.owner, services.clock.now(), token)
        _conclude(services, STAGES[kind], actor, id, Permanent(error.operator, marketer=error.marketer))
        return
    pause = error.retry_after if error.retry_after is not None else backoff(attempts)
    logger.warning("%s %s: %s; again in %.1f s", kind, id, error.operator, pause)
    services.store.release(kind, id, token, next_at=services.clock.now() + pause, attempts=attempts)


def _max_tries(kind: str, error: Retryable) -> int:
    if isinstance(error, BadDelivery):
        return MAX_TRIES_DAMAGED
    return MAX_TRIES_PAID if kind == Kind.GENERATION else MAX_TRIES


def _conclude(services: Services, stage: Stage, actor: Actor, id: str, error: ReelgridError) -> None:
    try:
        stage.give_up(services, actor, id, error)
    except LostLease:
        logger.info("somebody else has %s; nothing committed", id)


def backoff(attempts: int) -> float:
    """Seconds until the next try: doubling from one, up to a minute, with jitter."""
    pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 10))
    return pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, guards nothing


def drive(services: Services, run_id: str, *, on_change: Callable[[Run], None], tick_s: float = 0.05) -> Run:
    """Work on one run in this process until it stops: for the command line, which has no workers."""
    version = -1
    while True:
        with services.store.read() as tx:
            row = tx.runs.get(run_id)
        if row is None:
            raise KeyError(run_id)
        if row.version != version:
            version = row.version
            on_change(row)
        if row.status not in MOVING and not _goes_on(services, row):
            return row
        worked = poll_due(services, run_id=run_id) > 0
        now = services.clock.now()
        for kind in (Kind.RUN, Kind.PURCHASE, Kind.GENERATION, Kind.CLIP):
            for row_id, _ in services.store.due(kind, now, 100):
                if _belongs(services, kind, row_id, run_id):
                    worked = step(services, kind, row_id) or worked
        if not worked:
            time.sleep(tick_s)


def _goes_on(services: Services, run: Run) -> bool:
    """Whether a run that waits for approval is approved, or its drafts are still being made."""
    if run.status is not RunStatus.NEEDS_APPROVAL:
        return False
    if run.approval == "given" or run.known_order.preview is not Preview.DRAFT:
        return run.approval == "given"
    with services.store.read() as tx:
        return run.next_at is not None or bool(drafts.being_made(tx, run))


def finish(services: Services, run_id: str) -> None:
    """What nobody waits for after a run is done, in this process: what goes with its films, and its pack."""
    while True:
        due = [row_id for row_id, _ in services.store.due(Kind.CUT, services.clock.now(), 100)]
        worked = [step(services, Kind.CUT, cut) for cut in due if _belongs(services, Kind.CUT, cut, run_id)]
        if not any(worked):
            return


def _belongs(services: Services, kind: str, id: str, run_id: str) -> bool:
    if kind == Kind.RUN:
        return id == run_id
    with services.store.read() as tx:
        row = tx.leased(Kind(kind)).get(id)
    return isinstance(row, Generation | Clip | Cut | Purchase) and row.run_id == run_id

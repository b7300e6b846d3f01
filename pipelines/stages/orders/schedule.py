"""`Scheduled For`: a run whose time has not come waits in SQL, is due by itself then, and says so in its row."""

from __future__ import annotations

from datetime import UTC, datetime

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run
from pipelines.ports import Tx
from pipelines.stages.base_rows import outbox, run_row
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, ROW, Actor, give_turn, record, touch_run

NEAR_S = 1.0
"""What is due this soon is begun."""
SOON = "Waiting for its turn."
SCHEDULED = "scheduled"
"""The event that says until when a run waits."""


def is_ahead(at: float | None, now: float) -> bool:
    """Whether a time has not come yet."""
    return at is not None and at > now + NEAR_S


def waits(tx: Tx, run: Run, now: float) -> bool:
    """Whether a run is only waiting for its time: nobody has to do anything about it. One that is queued for another
    reason, such as a Stop switch, is due at another moment than its history says.
    """
    if run.status is not RunStatus.QUEUED or not is_ahead(run.next_at, now):
        return False
    last = tx.events.find(run_id=run.id, name=SCHEDULED, order="-id", limit=1)
    return bool(last) and last[0].detail.at == run.next_at


def sentence(at: float) -> str:
    """For the row. Times are UTC, which Airtable shows in each person's own zone."""
    when = f"{datetime.fromtimestamp(at, UTC):%d %b %Y, %H:%M} UTC"
    return f"Waiting until {when}, as Scheduled For says. Empty it to start at once."


def record_schedule(tx: Tx, actor: Actor, run_id: str, at: float) -> None:
    """Into the history: the run is due `at`, because its row says so."""
    record(tx, actor, "run", run_id, run_id, SCHEDULED, at=at, sentence=sentence(at))


def wait(services: Services, actor: Actor, run: Run, at: float) -> None:
    """The row that was read names a later time."""
    with services.store.write() as tx:
        run = touch_run(tx, actor, run, next_at=at, attempts=0, detail=sentence(at), **FREE)
        give_turn(tx, actor.now, run)
        record_schedule(tx, actor, run.id, at)
        run_row.show(services, tx, run, urgent=True)


def reschedule(services: Services, run_id: str, at: float | None) -> None:
    """Somebody changed the time of a row whose run waits, or emptied it."""
    now = services.clock.now()
    with services.store.write() as tx:
        run = tx.runs.get(run_id, lock=True)
        if run is None or at == run.next_at or run.lease_token is not None or not waits(tx, run, now):
            return
        actor = Actor(ROW, now)
        if at is not None and is_ahead(at, now):
            run = touch_run(tx, actor, run, next_at=at, detail=sentence(at))
            record_schedule(tx, actor, run.id, at)
        else:
            run = touch_run(tx, actor, run, next_at=now, detail=SOON)
        run_row.show(services, tx, run, urgent=True, within_s=outbox.MOMENT_S)


def waiting_run(tx: Tx, base_id: str, record_id: str, now: float) -> str | None:
    """The record's run that waits for its time."""
    queued = tx.runs.find(base_id=base_id, record_id=record_id, status=RunStatus.QUEUED)
    return next((run.id for run in queued if waits(tx, run, now)), None)

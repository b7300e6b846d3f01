"""`Scheduled For`: a run whose time has not come waits in SQL, is due by itself then, and says so in its row."""

from __future__ import annotations

from datetime import UTC, datetime

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.run import Run
from pipelines.ports import Tx
from pipelines.stages import outbox
from pipelines.stages.moves import FREE, Actor, touch_run
from pipelines.stages.services import Services

NEAR_S = 1.0
"""What is due this soon is begun."""
SOON = "Waiting for its turn."


def is_ahead(at: float | None, now: float) -> bool:
    """Whether a time has not come yet."""
    return at is not None and at > now + NEAR_S


def waits(run: Run, now: float) -> bool:
    """Whether a run is only waiting for its time: nobody has to do anything about it."""
    return run.status is RunStatus.QUEUED and is_ahead(run.next_at, now) and run.detail.startswith(_WAITING)


_WAITING = "Waiting until "


def sentence(at: float) -> str:
    """For the row. Times are UTC, which Airtable shows in each person's own zone."""
    when = f"{datetime.fromtimestamp(at, UTC):%d %b %Y, %H:%M} UTC"
    return f"{_WAITING}{when}, as Scheduled For says. Empty it to start at once."


def wait(services: Services, actor: Actor, run: Run, at: float) -> None:
    """The row that was read names a later time."""
    with services.store.write() as tx:
        run = touch_run(tx, actor, run, next_at=at, attempts=0, detail=sentence(at), **FREE)
        outbox.show_run(services, tx, run, urgent=True)


def move(services: Services, run_id: str, at: float | None) -> None:
    """Somebody changed the time of a row whose run waits, or emptied it."""
    now = services.clock.now()
    with services.store.write() as tx:
        run = tx.runs.get(run_id, lock=True)
        if run is not None and waits(run, now) and run.lease_token is None:
            ahead = is_ahead(at, now)
            due, detail = (at, sentence(at or 0.0)) if ahead else (now, SOON)
            if (due, detail) != (run.next_at, run.detail):
                run = touch_run(tx, Actor(_PERSON, now), run, next_at=due, detail=detail)
                outbox.show_run(services, tx, run, urgent=True, within_s=outbox.MOMENT_S)


_PERSON = "airtable"


def waiting_run(tx: Tx, base_id: str, record_id: str, now: float) -> str | None:
    """The record's run that waits for its time."""
    queued = tx.runs.find(base_id=base_id, record_id=record_id, status=RunStatus.QUEUED)
    return next((run.id for run in queued if waits(run, now)), None)

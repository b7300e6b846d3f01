"""`process-queue`: start every row of a base that is ready and whose time has come."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.domain.airtable.fields import VideoField
from pipelines.domain.errors import Permanent, ReelgridError, Suspended, TooMany
from pipelines.domain.records import QueueSweep
from pipelines.ports import AirtableRow
from pipelines.stages.base_rows import outbox, run_row
from pipelines.stages.decisions import control
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, ROW, Actor
from pipelines.stages.orders import accept, schedule

logger = logging.getLogger(__name__)

READY = "Ready"
HORIZON_S = 30 * 86_400.0
"""How far ahead scheduled rows are looked for."""


def start_ready(services: Services, actor: Actor, sweep: QueueSweep) -> None:
    """Read the ready rows and start each; a row that has an active run keeps it."""
    if sweep.status != "queued":
        return
    started = tuple(start_rows(services, sweep.base_id, key_id=sweep.key_id))
    done = {"status": "done", "started": started, "finished_at": services.clock.now(), "next_at": None}
    with services.store.write() as tx:
        tx.sweeps.change(sweep.id, {"lease_token": actor.lease}, **done, **FREE)


def start_rows(services: Services, base_id: str, *, key_id: str | None = None) -> list[str]:
    """Start every ready row; the ids of the runs."""
    rows = services.airtable.ready(base_id, services.clock.now())
    runs = [_start(services, base_id, row, key_id) for row in rows]
    return [run for run in runs if run is not None]


@dataclass(frozen=True, slots=True)
class Due:
    """Runs that were started, and when the next scheduled row is due."""

    runs: tuple[str, ...]
    next_at: float | None


def start_due(services: Services, base_id: str) -> Due:
    """Start every ready row whose time has come, and look ahead; one call."""
    return start_of(services, base_id, services.airtable.ready(base_id, services.clock.now() + HORIZON_S))


def start_of(services: Services, base_id: str, rows: Sequence[AirtableRow]) -> Due:
    """The same for rows that were read: those that are Ready, and due within the horizon."""
    now = services.clock.now()
    rows = [row for row in rows if row.status == READY]
    runs = [_start(services, base_id, row, None) for row in rows if (row.scheduled_for or 0.0) <= now]
    ahead = {row.record_id: row.scheduled_for for row in rows if row.scheduled_for and row.scheduled_for > now}
    _say(services, base_id, {record_id: schedule.sentence(at) for record_id, at in ahead.items()})
    return Due(tuple(run for run in runs if run is not None), min(ahead.values(), default=None))


def _say(services: Services, base_id: str, details: Mapping[str, str]) -> None:
    """Why a ready row is not started; said again only when that changes."""
    now = services.clock.now()
    with services.store.write() as tx:
        for record_id, detail in details.items():
            fields = {VideoField.STATUS_DETAIL.value: detail}
            outbox.say(tx, now, base_id, record_id, fields, within_s=outbox.MOMENT_S)


def _start(services: Services, base_id: str, row: AirtableRow, key_id: str | None) -> str | None:
    """The run of a ready row, unless `Ready` only stands there because our own word for it has not arrived yet."""
    with services.store.read() as tx:
        if outbox.is_unsaid(tx, base_id, row.record_id, VideoField.STATUS):
            return None
    request = accept.StartRequest(
        source="record", base_id=base_id, table=accept.VIDEOS, record_id=row.record_id, row=row, look=False
    )
    try:
        started = accept.start(services, request, key_id=key_id)
    except Suspended as error:
        _say(services, base_id, {row.record_id: error.marketer})
        return None
    if started.existing:
        schedule.reschedule(services, started.run_id, row.scheduled_for)
        _go_on(services, started.run_id, row)
    services.points.reach("queue.started", run=started.run_id)
    return started.run_id


def _go_on(services: Services, run_id: str, row: AirtableRow) -> None:
    """`Ready` on a row that has a run: it goes on if it has stopped, and its status is shown again in any case."""
    try:
        control.go_on(services, run_id, ROW, row)
    except (Permanent, TooMany) as error:
        logger.info("Ready of run %s: %s", run_id, error.operator)
        run_row.show_again(services, run_id, detail=error.marketer)
    else:
        run_row.show_again(services, run_id)


def give_up(services: Services, actor: Actor, sweep_id: str, error: ReelgridError) -> None:
    """The base could not be read: whoever asked reads why."""
    failed = {"status": "failed", "error": error.marketer, "finished_at": actor.now, "next_at": None}
    with services.store.write() as tx:
        tx.sweeps.change(sweep_id, {"lease_token": actor.lease}, **failed, **FREE)

"""`process-queue`: start every row of a base that is ready and whose time has come."""

from __future__ import annotations

from pipelines.domain.errors import ReelgridError
from pipelines.stages import accept
from pipelines.stages.moves import FREE, Actor
from pipelines.stages.services import Services


def start_ready(services: Services, actor: Actor, sweep_id: str) -> None:
    """Read the ready rows and start each; a row that has an active run keeps it."""
    with services.store.read() as tx:
        sweep = tx.sweeps.get(sweep_id)
    if sweep is None or sweep.status != "queued":
        return
    started = tuple(start_rows(services, sweep.base_id, key_id=sweep.key_id))
    done = {"status": "done", "started": started, "finished_at": services.clock.now(), "next_at": None}
    with services.store.write() as tx:
        tx.sweeps.change(sweep.id, {"lease_token": actor.lease}, **done, **FREE)


def start_rows(services: Services, base_id: str, *, key_id: str | None = None) -> list[str]:
    """Start every ready row; the ids of the runs."""
    runs = []
    for row in services.board.ready(base_id, services.clock.now()):
        request = accept.StartRequest(source="record", base_id=base_id, table=accept.VIDEOS, record_id=row.record_id)
        runs.append(accept.start(services, request, key_id=key_id).run_id)
        services.points.reach("queue.started", run=runs[-1])
    return runs


def give_up(services: Services, actor: Actor, sweep_id: str, error: ReelgridError) -> None:
    """The base could not be read: whoever asked reads why."""
    failed = {"status": "failed", "error": error.marketer, "finished_at": actor.now, "next_at": None}
    with services.store.write() as tx:
        tx.sweeps.change(sweep_id, {"lease_token": actor.lease}, **failed, **FREE)

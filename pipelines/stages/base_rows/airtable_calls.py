"""Calls to Airtable are events of the runs they were made for: measured, shown in the history, and kept to a budget."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.domain.lifecycle import STOPPED, RunStatus
from pipelines.domain.progress.pacing import calls_left
from pipelines.domain.records import Event, Run
from pipelines.domain.state.history import EventDetail
from pipelines.ports import Clock, Store, Tx

ENTITY = "airtable"
"""What such an event is about; `entity_id` is the base."""
MADE = "call"


@dataclass(frozen=True, slots=True)
class CallCounter:
    """Counts each request that leaves for Airtable."""

    store: Store
    clock: Clock

    def __call__(self, base_id: str, verb: str, what: str) -> None:
        """`what` is `<action>:<runs, comma-separated, or a record>`."""
        action, _, subject = what.partition(":")
        detail = EventDetail(verb=verb, what=action)
        with self.store.write() as tx:
            for run_id in self._runs(tx, base_id, subject) or [None]:
                event = Event(
                    at=self.clock.now(), entity=ENTITY, entity_id=base_id, run_id=run_id, name=MADE, detail=detail
                )
                tx.events.add(event)

    @staticmethod
    def _runs(tx: Tx, base_id: str, subject: str) -> list[str | None]:
        if subject.startswith("rec"):
            return [run.id for run in tx.runs.find(base_id=base_id, record_id=subject, order="-number", limit=1)]
        names = subject.rpartition(":")[2].split(",")
        return [name for name in names if name.startswith("run_")]


def left(tx: Tx, run: Run) -> int:
    """What the run may still spend on telling its progress, since it was started or last taken up again."""
    # The event by which the run was begun, or went on after it had stopped.
    moves = tx.events.find(run_id=run.id, entity="run", name="status", order="-id")
    began = next((move.id or 0 for move in moves if move.old is None or RunStatus(move.old) in STOPPED), 0)
    used = len(tx.events.find(run_id=run.id, entity=ENTITY, after={"id": began} if began else None))
    return calls_left(
        used,
        scenes=tx.scenes.count(run_id=run.id),
        approval=run.approval is not None,
        first_look=not tx.runs.find(base_id=run.base_id, before={"created_at": run.created_at}, limit=1),
    )


def generating_since(tx: Tx, run: Run) -> float:
    """When the run began to make its clips."""
    moves = tx.events.find(run_id=run.id, entity="run", name="status", new=RunStatus.GENERATING, order="-id", limit=1)
    return moves[0].at if moves else run.updated_at

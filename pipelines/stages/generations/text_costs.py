"""Around every question to the scene writer: an answer that is of no use is paid for all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.domain.errors import ReelgridError
from pipelines.domain.records import Run
from pipelines.stages.kernel import ledger
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record


@contextmanager
def booked(services: Services, actor: Actor, run: Run) -> Iterator[None]:
    """Count what was paid before an error (a refusal, half an answer) as the run's cost, then let the error pass."""
    try:
        yield
    except ReelgridError as error:
        if error.cost_micro:
            with services.store.write() as tx:
                ledger.spend_text(tx, services.clock.now(), run, error.cost_micro)
                record(tx, actor, "run", run.id, run.id, "paid_in_vain", cost_micro=error.cost_micro)
            error.cost_micro = 0
        raise

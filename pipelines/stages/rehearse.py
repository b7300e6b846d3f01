"""What a person's decision about a run would cost at most. Reads only."""

from __future__ import annotations

from typing import Any

from pipelines.domain.errors import InvalidOrder, NotFound
from pipelines.domain.labels import for_clip
from pipelines.domain.plan import plan_from_json
from pipelines.domain.run import Run
from pipelines.ports import Tx
from pipelines.stages import reorder
from pipelines.stages.requests import still_to_buy
from pipelines.stages.services import Services


def approval(services: Services, run_id: str) -> int:
    """Micro-dollars of all clips that approving would buy. Raises NotFound."""
    return retry(services, run_id)


def retry(services: Services, run_id: str) -> int:
    """Micro-dollars of the clips that are still missing; before the scenes are written, the quote. Raises NotFound."""
    with services.store.read() as tx:
        run = _run(tx, run_id)
        scenes = tx.scenes.find(run_id=run_id, order="number")
        if not scenes or run.plan is None:
            return run.quote_micro or 0
        return still_to_buy(tx, scenes, plan_from_json(run.plan), (run.order or {}).get("title"))


def regeneration(services: Services, run_id: str, number: int, changes: dict[str, Any]) -> int:
    """Micro-dollars of one new clip. Raises NotFound, or InvalidOrder when the model cannot make what is asked."""
    with services.store.read() as tx:
        run = _run(tx, run_id)
        found = tx.scenes.find(run_id=run_id, number=number, limit=1)
    if not found:
        raise NotFound(f"scene {number} of {run_id}", marketer=f"This run has no scene {number}.")
    scene = found[0]
    try:
        return reorder.plan(services, run, scene, changes).quote_micro
    except InvalidOrder as error:
        raise InvalidOrder(tuple(dict.fromkeys(for_clip(error.problems)))) from error


def _run(tx: Tx, run_id: str) -> Run:
    run = tx.runs.get(run_id)
    if run is None:
        raise NotFound(f"run {run_id}", marketer=f"There is no run {run_id}.")
    return run

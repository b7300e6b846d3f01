"""What a marketer can tick when a run has stopped: the sentence in the row, and the rules behind it."""

from __future__ import annotations

from enum import Enum

from pipelines.domain.lifecycle import OPEN, CutStatus, GenerationStatus, RunStatus
from pipelines.domain.records import Run
from pipelines.ports import Tx


class NextAction(Enum):
    """The way on from where a run has stopped, as the row says it."""

    AGAIN = "Tick Generate to go on: what is paid for is kept, only what is missing is made."
    SCENES = (
        "Tick Generate to try again as it is, or change Prompt in Scenes and tick Regenerate there. "
        "What is paid for is kept."
    )
    REGENERATE = "Change Prompt in Scenes and tick Regenerate there: only that scene is made again."
    DECIDE = "Open Progress Page, sign in and decide there; ticking Generate cannot decide it."
    OPERATOR = "Whoever runs this service decides how it goes on; ticking Generate cannot decide it."
    READ_AGAIN = "Change the row, then tick Generate: it is read again."
    NEW = "Change the row, then tick Generate to start again. What is paid for is kept."

    @property
    def goes_on(self) -> bool:
        """Whether `Generate` goes on with the run."""
        return self not in (NextAction.DECIDE, NextAction.OPERATOR, NextAction.REGENERATE)


def next_action(tx: Tx, run: Run) -> NextAction | None:
    """None for a run that has nothing to be mended."""
    if run.status is RunStatus.FAILED:
        return NextAction.NEW
    if run.status is not RunStatus.NEEDS_ATTENTION:
        return None
    scenes = tx.scenes.find(run_id=run.id, order="number")
    if not scenes:
        return NextAction.READ_AGAIN
    taken = {gen.scene_id for gen in tx.generations.find(run_id=run.id, status=tuple(OPEN))}
    missing = [scene for scene in scenes if scene.clip_id is None]
    if any(scene.id not in taken for scene in missing):
        return NextAction.SCENES
    if tx.generations.count(run_id=run.id, status=GenerationStatus.UNKNOWN):
        return NextAction.DECIDE if run.account_id is None else NextAction.OPERATOR
    films = tx.cuts.find(run_id=run.id, take=run.take, animatic=False, deleted_at=None)
    if not missing and films and all(cut.status is CutStatus.DELIVERED for cut in films):
        return NextAction.REGENERATE
    return NextAction.AGAIN

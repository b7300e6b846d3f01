"""Films that show the same, such as those of a run in its languages: what was seen in one is known of all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.domain.errors import Expired
from pipelines.domain.lifecycle import CutStatus
from pipelines.domain.records import Cut, Run
from pipelines.ports import Tx
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services

MOST = 48
"""So many films are remembered: twice what a run may have."""
EARLIER = 4
"""And those of so many earlier runs of the record, whose clips are reused."""


def made_before(tx: Tx, run: Run) -> list[Cut]:
    """The run's newest films of which it is known what they show."""
    cuts = tx.cuts.find(run_id=run.id, animatic=False, deleted_at=None, order="-created_at", limit=MOST)
    return [cut for cut in cuts if cut.status is not CutStatus.PLANNED and cut.verdict.pictures]


def stretches(tx: Tx, run: Run, before: Sequence[Cut]) -> Mapping[str, str]:
    """What was seen in all of them, and in the films of the record's earlier runs: their clips are reused."""
    if run.record_id is not None:
        runs = tx.runs.find(
            base_id=run.base_id, record_id=run.record_id, account_id=run.account_id, order="-number", limit=EARLIER
        )
        earlier = [one.id for one in runs if one.id != run.id]
        before = [*tx.cuts.find(run_id=earlier, animatic=False, order="-created_at", limit=MOST), *before]
    return {mark: seen for cut in before for mark, seen in cut.verdict.stretches.items()}


def twin_of(before: Sequence[Cut], cut: Cut, pictures: str) -> Cut | None:
    """A film of the same take, hook and format with the same pictures: what was made of those is also for this one."""
    return next((one for one in before if pictures and one.id != cut.id and _kin(one, cut, pictures)), None)


def _kin(one: Cut, cut: Cut, pictures: str) -> bool:
    mine = (cut.take, cut.hook, cut.format, pictures)
    return (one.take, one.hook, one.format, one.verdict.pictures) == mine


def copied(services: Services, key: str, dest: Path) -> bool:
    """A stored file again, for a film of its own: each is kept as long as its film. False where it is gone."""
    if not key:
        return False
    try:
        shutil.copyfile(scratch.local(services, key), dest)
    except (Expired, FileNotFoundError):
        return False
    return True

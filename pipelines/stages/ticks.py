"""Acting on boxes that people tick in the base, however we learn of them: push, a trigger, or the slow poll."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from pipelines.domain.board_fields import BoardTable, SceneField, VideoField
from pipelines.domain.errors import Permanent
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.run import Run
from pipelines.ports import BoardRow, BoardScene
from pipelines.stages import accept, control, outbox
from pipelines.stages.services import Services

logger = logging.getLogger(__name__)

ACTOR = "airtable"


def look(services: Services, base_id: str) -> int:
    """Read which boxes are ticked and act on each; returns how many."""
    rows, scenes = services.board.ticked(base_id)
    return act_on(services, base_id, rows, scenes)


def act_on(services: Services, base_id: str, rows: Sequence[BoardRow], scenes: Sequence[BoardScene]) -> int:
    """Each box once: it is cleared by what acts on it."""
    for row in rows:
        for tick in sorted(row.ticks):
            _guarded(services, base_id, row.record_id, tick, _ACTIONS[tick])
    for scene in scenes:
        if scene.regenerate:
            _regenerate(services, base_id, scene)
    return sum(len(row.ticks) for row in rows) + sum(scene.regenerate for scene in scenes)


def _guarded(
    services: Services, base_id: str, record_id: str, tick: str, act: Callable[[Services, str, str], None]
) -> None:
    """What is not possible right now is said in the row; the box is cleared all the same."""
    try:
        act(services, base_id, record_id)
    except Permanent as error:
        logger.info("%s of %s: %s", tick, record_id, error.operator)
        say(services, base_id, record_id, {tick: False, VideoField.STATUS_DETAIL.value: error.marketer})


def say(services: Services, base_id: str, record_id: str, fields: dict[str, object]) -> None:
    """Write into a row of `Videos` right away."""
    with services.store.write() as tx:
        run = last_run(services, base_id, record_id)
        if run is not None:
            table = BoardTable.VIDEOS
            now = services.clock.now()
            outbox.want(
                tx, now, run, base_id=base_id, table=table, record_id=record_id, fields=dict(fields), urgent=True
            )


def last_run(services: Services, base_id: str, record_id: str) -> Run | None:
    """The record's newest run."""
    with services.store.read() as tx:
        runs = tx.runs.find(base_id=base_id, record_id=record_id, order="-number", limit=1)
    return runs[0] if runs else None


def _generate(services: Services, base_id: str, record_id: str) -> None:
    request = accept.StartRequest(source="record", base_id=base_id, table=BoardTable.VIDEOS, record_id=record_id)
    accept.start(services, request)
    say(services, base_id, record_id, {VideoField.GENERATE.value: False})


def _approve(services: Services, base_id: str, record_id: str) -> None:
    run = last_run(services, base_id, record_id)
    if run is not None and run.status is RunStatus.NEEDS_APPROVAL:
        control.approve(services, run.id, ACTOR)
    say(services, base_id, record_id, {VideoField.APPROVE.value: False})


def _cancel(services: Services, base_id: str, record_id: str) -> None:
    run = last_run(services, base_id, record_id)
    if run is not None:
        control.cancel(services, run.id, ACTOR)
    say(services, base_id, record_id, {VideoField.CANCEL.value: False})


_ACTIONS: dict[str, Callable[[Services, str, str], None]] = {
    VideoField.GENERATE.value: _generate,
    VideoField.APPROVE.value: _approve,
    VideoField.CANCEL.value: _cancel,
}


def _regenerate(services: Services, base_id: str, row: BoardScene) -> None:
    """One new clip for the scene of the row, from the text that stands there now."""
    with services.store.read() as tx:
        found = [scene for scene in tx.scenes.find(key=row.key or "") if row.key]
        run = tx.runs.get(found[-1].run_id) if found else None
    if run is None or not found:
        return
    scene = found[-1]
    wishes = {"prompt": row.scene.prompt, "caption": row.scene.caption, "seconds": row.scene.seconds}
    note: dict[str, object] = {SceneField.REGENERATE.value: False, SceneField.ERROR.value: None}
    try:
        control.regenerate(services, run.id, scene.number, {k: v for k, v in wishes.items() if v is not None}, ACTOR)
    except Permanent as error:
        note[SceneField.ERROR.value] = error.marketer
    with services.store.write() as tx:
        now, table = services.clock.now(), BoardTable.SCENES
        outbox.want(tx, now, run, base_id=base_id, table=table, record_id=row.record_id, fields=note, urgent=True)

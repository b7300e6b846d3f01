"""What people changed in a base, as Airtable's webhooks tell it: acted on first, then the cursor moves on.

Acting twice on one change does no harm, so a death in between costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipelines.domain.board_fields import VIDEO_TICKS, BoardTable, SceneField, VersionField, VideoField
from pipelines.domain.errors import RecordGone, ReelgridError
from pipelines.domain.lifecycle import STOPPED, SceneStatus
from pipelines.domain.run import Scene
from pipelines.ports import BoardChange
from pipelines.stages import outbox, queue, ticks, wishes
from pipelines.stages.moves import FREE, Actor
from pipelines.stages.services import Services

logger = logging.getLogger(__name__)

_READY = "Ready"


def read_changes(services: Services, actor: Actor, base_id: str) -> None:
    """A base was pinged: read everything since the cursor, and act on it."""
    with services.store.read() as tx:
        base = tx.bases.get(base_id)
    if base is None:
        return
    webhooks = services.base_tools.webhooks
    try:
        changes = webhooks.read(base_id)
        act_on(services, base_id, changes.rows)
        webhooks.advance(base_id, changes.cursor)
    except RecordGone:
        # Airtable drops a webhook after a week of silence; what it would have told is read from the rows once.
        webhooks.register(base_id)
        ticks.look(services, base_id)
    with services.store.write() as tx:
        mine = {"lease_token": actor.lease}
        # A ping that came while we worked has made the base due anew: that stays.
        if not tx.bases.change(base_id, {**mine, "next_at": base.next_at}, next_at=None, attempts=0, **FREE):
            tx.bases.change(base_id, mine, attempts=0, **FREE)


def give_up(services: Services, actor: Actor, base_id: str, error: ReelgridError) -> None:
    """The changes cannot be read: the slow poll finds what is ticked, and the next ping tries again."""
    logger.warning("the changes of %s cannot be read: %s", base_id, error.operator)
    with services.store.write() as tx:
        tx.bases.change(base_id, {"lease_token": actor.lease}, next_at=None, attempts=0, **FREE)


def act_on(services: Services, base_id: str, changes: Sequence[BoardChange]) -> None:
    """Boxes that were ticked, rows that are ready, scenes that were edited, versions and settings."""
    for change in changes:
        if change.table == BoardTable.VIDEOS:
            for tick in sorted(change.ticks & change.changed & set(VIDEO_TICKS)):
                ticks.act(services, base_id, change.record_id, tick)
    for change in changes:
        if change.table == BoardTable.SCENES and not change.ticks:
            _mark_stale(services, change)
    if any(SceneField.REGENERATE in change.ticks for change in changes):
        ticks.act_on(services, base_id, *services.board.ticked(base_id))
    if any(VersionField.RESTORE in change.ticks for change in changes):
        ticks.restore_all(services, base_id)
    if any(change.status == _READY and change.changed & _WHEN for change in changes):
        queue.start_rows(services, base_id)
    if any(change.table == BoardTable.SETTINGS for change in changes):
        wishes.read(services, base_id)


_WHEN = {VideoField.STATUS.value, VideoField.SCHEDULED_FOR.value}


def _mark_stale(services: Services, change: BoardChange) -> None:
    """A scene whose film is made was edited: it says so, and nothing is bought unasked. Edited back, it is Done."""
    scene = ticks.scene_of(services, change.record_id, None)
    if scene is None or scene.status not in (SceneStatus.DONE, SceneStatus.STALE):
        return
    edited = _is_edited(scene, change)
    if edited is None or edited == (scene.status is SceneStatus.STALE):
        return
    with services.store.write() as tx:
        run = tx.runs.get(scene.run_id, lock=True)
        if run is None or run.status not in STOPPED:
            return
        status = SceneStatus.STALE if edited else SceneStatus.DONE
        if tx.scenes.change(scene.id, {"status": scene.status}, status=status, updated_at=services.clock.now()):
            outbox.show_scene(services, tx, run, tx.scenes.get(scene.id) or scene, urgent=True)


def _is_edited(scene: Scene, change: BoardChange) -> bool | None:
    """Whether the row says anything else than what was made; None when the change is about nothing of it."""
    made = {
        SceneField.PROMPT: scene.prompt,
        SceneField.CAPTION: scene.caption,
        SceneField.SECONDS: scene.seconds,
        SceneField.MODEL: scene.model,
        SceneField.TRANSITION: scene.transition,
        SceneField.CONTINUE: scene.continues,
    }
    if SceneField.REFERENCE_IMAGE in change.changed:
        return True
    if not change.changed & set(made):
        return None
    return any((change.fields.get(name) or None) != (value or None) for name, value in made.items())

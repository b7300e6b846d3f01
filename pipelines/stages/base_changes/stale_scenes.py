"""A scene whose text a person changed after its clip was made: shown as stale, still used, never made again unasked."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.domain.airtable.fields import AirtableTable, SceneField
from pipelines.domain.airtable.values import made_with, prompt_in_row
from pipelines.domain.lifecycle import STOPPED, SceneStatus
from pipelines.domain.records import Run, Scene
from pipelines.ports import AirtableScene, Tx
from pipelines.stages.base_changes import checkboxes
from pipelines.stages.base_rows import outbox
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import regenerate_scene

HINT = "Changed since its clip was made. Tick Regenerate for a new one; until then the film keeps the old one."


def mark(services: Services, base_id: str, rows: Sequence[AirtableScene]) -> None:
    """Say of each edited row whether its clip still shows what stands there. Draft is a person's word, and stays."""
    for row in rows:
        scene = checkboxes.scene_of(services, base_id, row.record_id, row.key)
        if scene is not None and not row.regenerate and row.status != SceneStatus.DRAFT:
            _mark(services, base_id, row, scene)


def _mark(services: Services, base_id: str, row: AirtableScene, scene: Scene) -> None:
    now = services.clock.now()
    with services.store.write() as tx:
        run = tx.runs.get(scene.run_id, lock=True)
        current = tx.scenes.get(scene.id, lock=True)
        if run is None or not _is_made(tx, run, current):
            return
        status = SceneStatus.STALE if _differs(row, run, scene) else SceneStatus.DONE
        if current is None or not tx.scenes.change(scene.id, {"status": _OTHER[status]}, status=status):
            return
        fields = {
            SceneField.STATUS.value: status.value,
            SceneField.ERROR.value: HINT if status is SceneStatus.STALE else made_with(scene),
        }
        outbox.put(
            tx, now, base_id=base_id, table=AirtableTable.SCENES, record_id=row.record_id, fields=fields, urgent=True
        )


_OTHER = {SceneStatus.STALE: SceneStatus.DONE, SceneStatus.DONE: SceneStatus.STALE}


def _is_made(tx: Tx, run: Run, scene: Scene | None) -> bool:
    """Only the newest run's scenes; while it moves or waits for approval, edits count for what comes."""
    if scene is None or scene.clip_id is None or run.status not in STOPPED:
        return False
    later = tx.runs.find(base_id=run.base_id, record_id=run.record_id, after={"number": run.number}, limit=1)
    return not later


def _differs(row: AirtableScene, run: Run, scene: Scene) -> bool:
    """Its pictures are not looked at: the link to each is another one every time."""
    said, known = row.scene, regenerate_scene.cells_of_row(run, scene)
    return (
        said.prompt not in (scene.prompt, prompt_in_row(scene))
        or (said.caption or None) != (known.caption or None)
        or (said.narration or None) != (known.narration or None)
        or (said.seconds is not None and said.seconds != known.seconds)
        or said.continues != known.continues
        or said.transition != known.transition
        or (said.model is not None and said.model != scene.model)
    )

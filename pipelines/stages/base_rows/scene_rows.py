"""The rows of a run's scenes in `Scenes`: status, cost and clip of each."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.domain.airtable.fields import AirtableTable, SceneField
from pipelines.domain.airtable.values import (
    CellFile,
    FileInCell,
    SceneFacts,
    attachments,
    files_in,
    scene_fields,
    scene_state,
)
from pipelines.domain.lifecycle import MOVING, GenerationStatus, SceneStatus
from pipelines.domain.orders.field_labels import SCENE_LABELS
from pipelines.domain.planning.hooks import further
from pipelines.domain.records import Clip, Generation, OutboxEntry, Run, Scene
from pipelines.ports import Tx
from pipelines.stages.base_rows import outbox
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import credit_book, ledger

TROUBLE_S = 15.0
"""What went wrong with a scene is in its row after this, together with what went wrong with others."""
PARKED_S = 7200.0
"""A scene's progress waits for the end of the film, where all scenes are written in one call."""

_TROUBLED = frozenset({SceneStatus.REFUSED, SceneStatus.FAILED})


def show_all(services: Services, tx: Tx, run: Run, *, urgent: bool = False, within_s: float | None = None) -> None:
    """Write the run's scenes into `Scenes`: our own by upsert on their key, a person's by their id."""
    if run.record_id is None or run.base_id is None:
        return
    bought: dict[str, list[Generation]] = {}
    for gen in tx.generations.find(run_id=run.id, order="-created_at"):
        bought.setdefault(gen.scene_id, []).append(gen)
    for scene in tx.scenes.find(run_id=run.id, order="number"):
        show(services, tx, run, scene, urgent=urgent, within_s=within_s, bought=bought.get(scene.id, []))


def show(
    services: Services,
    tx: Tx,
    run: Run,
    scene: Scene,
    *,
    urgent: bool = False,
    within_s: float | None = None,
    bought: Sequence[Generation] | None = None,
) -> None:
    """Say in a scene's row how it is: within `within_s`, else soon where something is wrong or over, and with the end
    of the film where all is well. `bought` is what was bought for it, the newest first, where that is known.
    """
    if run.record_id is None or run.base_id is None:
        return
    bought = tx.generations.find(scene_id=scene.id, order="-created_at") if bought is None else bought
    facts = _facts(services, tx, run, scene, bought)
    if scene.airtable_record_id:
        fields = scene_state(scene, facts) | {SceneField.SCENE_KEY: scene.key, SCENE_LABELS["model"]: scene.model}
        if further([scene]):
            # Its letter may have changed: where one before it was taken away.
            fields[SCENE_LABELS["hook"]] = scene.hook
    else:
        fields = scene_fields(scene, facts, record_id=run.record_id)
    clip = tx.clips.get(scene.clip_id) if scene.clip_id else None
    if clip is not None and services.policy.airtable_reaches_us:
        fields[SceneField.CLIP] = _clip_cell(tx, run, scene, clip)
    if within_s is None:
        waits = run.status in MOVING and scene.status not in _TROUBLED
        within_s = 0.0 if urgent else PARKED_S if waits else TROUBLE_S
    outbox.put(
        tx,
        services.clock.now(),
        base_id=run.base_id,
        table=AirtableTable.SCENES,
        run_id=run.id,
        record_id=scene.airtable_record_id,
        merge_key=scene.key,
        fields=fields,
        urgent=urgent,
        within_s=within_s,
    )


def _clip_cell(tx: Tx, run: Run, scene: Scene, clip: Clip) -> list[FileInCell]:
    """The clip's file, under the link that it was given by last: a new one would have it fetched once more."""
    known = entry_of(tx, run, scene)
    cell: list[FileInCell] = (known.fields.get(SceneField.CLIP) or []) if known else []
    if [key_of(file) for file in files_in(cell)] == [f"{outbox.STORED}{clip.key}"]:
        return cell
    return attachments([CellFile(url=f"{outbox.STORED}{clip.key}#0", filename=f"scene-{scene.number:02d}.mp4")])


def key_of(file: CellFile) -> str:
    """The storage key of a wanted file, with its prefix and without the mark that tells one try from another."""
    return file.url.rpartition("#")[0]


def entry_of(tx: Tx, run: Run, scene: Scene) -> OutboxEntry | None:
    """What a scene's row should say."""
    return outbox.entry_of(tx, run.base_id or "", AirtableTable.SCENES, scene.airtable_record_id, scene.key)


def _facts(services: Services, tx: Tx, run: Run, scene: Scene, generations: Sequence[Generation]) -> SceneFacts:
    clip = tx.clips.get(scene.clip_id) if scene.clip_id else None
    maker = tx.generations.get(clip.generation_id) if clip and clip.generation_id else None
    tried = [gen for gen in generations if gen.status is not GenerationStatus.CANCELLED or gen.intent_at is not None]
    jobs = (gen.provider_id for gen in (*generations, maker) if gen is not None and gen.provider_id)
    return SceneFacts(
        now=services.clock.now(),
        attempts=len(tried),
        cost_micro=_cost(tx, run, tried) if tried or clip else None,
        job_id=next(jobs, None),
        clip_url=None if clip is None else services.links.page(run_id=scene.run_id),
    )


def cost_of(tx: Tx, run: Run, scene: Scene) -> int:
    """What its clips cost, as whoever reads the row knows it."""
    return _cost(tx, run, tx.generations.find(scene_id=scene.id))


def _cost(tx: Tx, run: Run, tried: Sequence[Generation]) -> int:
    """As whoever reads the row knows it: what was charged, where that is not what it cost."""
    if run.price_micro is None:
        return sum(ledger.spent_on(tx, gen.id) for gen in tried)
    charged = credit_book.charged(tx, run.id)
    return sum(charged.get(gen.id, 0) for gen in tried)

"""What a person changed in a row of `Scenes`, as changes of the scene that is made again from it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import cast

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.errors import InvalidOrder, Problem, Retryable
from pipelines.domain.orders.field_labels import SCENE_LABELS
from pipelines.domain.orders.order import SceneChanges
from pipelines.domain.planning.plan import RowCells
from pipelines.domain.records import Run, Scene
from pipelines.domain.state.open_json import JsonObject
from pipelines.ports import AirtableScene, Tx
from pipelines.stages.base_rows import outbox
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import found_run
from pipelines.stages.orders import intake, regenerate_scene

_PROMPT, _MODEL, _SECONDS = (SCENE_LABELS[name] for name in ("prompt", "model", "seconds"))
_LATER = "cannot be fetched right now. Nothing was bought. Tick Regenerate again in a few minutes."
_EMPTIED: SceneChanges = {"caption": "", "narration": "", "references": (), "continues": False, "transition": None}


def changes_of(services: Services, base_id: str, row: AirtableScene, scene: Scene) -> tuple[SceneChanges, RowCells]:
    """The text of the row, and every other cell that does not say what it said; and what they say now. What we wrote
    there ourselves, and what was ordered elsewhere since, stays as it is. Its pictures are brought into our storage.
    Raises InvalidOrder for cells that cannot be read or used.
    """
    problems = [Problem(field, sentence) for field, sentence in row.problems]
    if "prompt" in row.blank:
        problems.append(Problem(_PROMPT, "is empty. Write what the scene shows."))
    if problems:
        raise InvalidOrder(problems)
    with services.store.read() as tx:
        run = found_run(tx, scene.run_id)
        known = outbox.entry_of(tx, base_id, AirtableTable.SCENES, row.record_id, row.key)
        written = known.sent if known else {}
        cells = _said_before(tx, run, scene, written)
    before = {**asdict(cells), "model": written.get(_MODEL, scene.model)}
    now = _says(row, _pictures(services, row, run))
    says = {**asdict(now), "model": row.scene.model}
    changed = {name: said for name, said in says.items() if name != "read" and said and said != before[name]}
    emptied = {name for name in row.blank if before.get(name) and _was_said(name, cells, written)}
    changed |= {name: value for name, value in _EMPTIED.items() if name in emptied}
    if "model" in emptied:
        changed["model"] = run.known_order.model or services.policy.default_model
    card = services.catalogue.get(changed.get("model") or scene.model)
    if "seconds" in emptied and card is not None:
        changed["seconds"] = run.known_order.clip_seconds or card.default_seconds
    return cast("SceneChanges", {"prompt": row.scene.prompt or None, **changed}), now


def _says(row: AirtableScene, pictures: tuple[str, ...]) -> RowCells:
    said = row.scene
    return RowCells(
        caption=said.caption,
        narration=said.narration,
        seconds=said.seconds or 0.0,
        references=pictures,
        continues=bool(said.continues),
        transition=said.transition,
        read=True,
    )


def _said_before(tx: Tx, run: Run, scene: Scene, written: JsonObject) -> RowCells:
    """What stood in the cells; `written` is what we put there."""
    cells = regenerate_scene.cells_of_row(run, scene)
    if cells.read or _PROMPT not in written:
        return cells
    # A row of ours never showed the pictures that its scene has from an earlier run; a person may have added others.
    planned = regenerate_scene.as_planned(run, scene)
    added = cells.references if planned is not None and planned.airtable_record_id is not None else ()
    return replace(cells, references=tuple(key for key in added if key not in _pictures_before(tx, run)))


def _pictures_before(tx: Tx, run: Run) -> set[str]:
    """All that the scenes of the run before had."""
    earlier = tx.runs.find(
        base_id=run.base_id, record_id=run.record_id, before={"number": run.number}, order="-number", limit=1
    )
    return {key for one in earlier for scene in tx.scenes.find(run_id=one.id) for key in scene.pictures}


def _was_said(name: str, cells: RowCells, written: JsonObject) -> bool:
    """Whether a cell that is empty now was not. What was never read there was in a row of ours, unless the base had no
    such column or did not take it. A scene has a model and a length even where its row names none.
    """
    if name != "model" and (cells.read or name == "references"):
        return True
    ours = name in ("model", "seconds") or _PROMPT in written
    return not ours or SCENE_LABELS[name] in written.get(outbox.SHOWN, ())


def _pictures(services: Services, row: AirtableScene, run: Run) -> tuple[str, ...]:
    """Those of the row, without those of the whole order, by their keys. Raises InvalidOrder for what is no picture,
    and while one cannot be fetched: nobody can tell then whether it is another one than before.
    """
    addresses = row.scene.references
    if not addresses:
        return ()
    try:
        brought = intake.bring_pictures(services, addresses, run, of_base=True)
    except Retryable as error:
        raise InvalidOrder([Problem("references", _LATER)]) from error
    return tuple(key for one in addresses if (key := brought[one]) not in run.known_order.references)

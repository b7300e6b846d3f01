"""What a person changed in a row of `Scenes`, as changes of the scene that is made again from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, cast

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.errors import InvalidOrder, Problem, Retryable
from pipelines.domain.orders.field_labels import SCENE_LABELS
from pipelines.domain.orders.order import SceneChanges
from pipelines.domain.records import Run, Scene
from pipelines.domain.state.open_json import JsonObject
from pipelines.ports import AirtableScene
from pipelines.stages.base_rows import outbox
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import found_run
from pipelines.stages.orders import intake, regenerate_scene

_PROMPT, _MODEL, _SECONDS = (SCENE_LABELS[name] for name in ("prompt", "model", "seconds"))
_EMPTIED: SceneChanges = {"caption": "", "narration": "", "references": (), "continues": False, "transition": None}


def changes_of(services: Services, base_id: str, row: AirtableScene, scene: Scene) -> SceneChanges:
    """The text of the row, and every other cell that does not say what it said. What we wrote there ourselves, and what
    was ordered elsewhere since, stays as it is. Its pictures are brought into our storage. Raises InvalidOrder for
    cells that cannot be read or used.
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
    before = _said_before(run, scene, written)
    says = {name: getattr(row.scene, name) for name in before} | {"references": _pictures(services, row, run)}
    changed = {name: said for name, said in says.items() if said and said != before[name]}
    emptied = {name for name in row.blank if before.get(name) and _was_said(name, written)}
    changed |= {name: value for name, value in _EMPTIED.items() if name in emptied}
    if "model" in emptied:
        changed["model"] = run.known_order.model or services.policy.default_model
    card = services.catalogue.get(changed.get("model") or scene.model)
    if "seconds" in emptied and card is not None:
        changed["seconds"] = run.known_order.clip_seconds or card.default_seconds
    return cast("SceneChanges", {"prompt": row.scene.prompt or None, **changed})


def _said_before(run: Run, scene: Scene, written: JsonObject) -> dict[str, Any]:
    """What stood in the cells, by the attributes of a scene; `written` is what we put there."""
    cells = regenerate_scene.cells_of_row(run, scene)
    if scene.settings.row_cells is None and _PROMPT in written:
        # A row of ours never showed the pictures that its scene has from an earlier run.
        cells = replace(cells, references=())
    return {**asdict(cells), "model": written.get(_MODEL, scene.model)}


def _was_said(name: str, written: Mapping[str, object]) -> bool:
    """Whether a cell that is empty now was not: each of a row of ours, unless the base did not take it. A scene has a
    model and a length even where its row names none.
    """
    if name in ("model", "seconds"):
        return SCENE_LABELS[name] in written
    return name == "references" or _PROMPT not in written or SCENE_LABELS[name] in written


def _pictures(services: Services, row: AirtableScene, run: Run) -> tuple[str, ...]:
    """Those of the row, without those of the whole order, by their keys; by their addresses, which are tried again
    before the clip is bought, while they cannot be fetched. Raises InvalidOrder for what is no picture.
    """
    addresses = row.scene.references
    if not addresses:
        return ()
    try:
        brought = intake.bring_pictures(services, addresses, run, of_base=True)
    except Retryable:
        return addresses
    return tuple(key for one in addresses if (key := brought[one]) not in run.known_order.references)

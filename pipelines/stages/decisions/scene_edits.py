"""Scenes that a person changes where they approve them: planned again, priced, and bought only as they were shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.domain.airtable.values import prompt_in_row
from pipelines.domain.errors import InvalidOrder, OverBudget, Problem
from pipelines.domain.orders.order import SceneChanges, changed
from pipelines.domain.planning.hooks import relettered
from pipelines.domain.planning.plan import Plan, PlannedScene
from pipelines.domain.records import Run, Scene
from pipelines.ports import Tx
from pipelines.stages.base_rows import scene_rows
from pipelines.stages.generations.requests import (
    must_be_quiet,
    repeats,
    scene_order,
    settings_of,
    still_to_buy,
    still_to_charge,
)
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record, touch_run
from pipelines.stages.narration import lines
from pipelines.stages.orders import plan_run
from pipelines.stages.orders.regenerate_scene import too_dear
from pipelines.stages.spending import credit_book, ledger

Edits = Mapping[int, SceneChanges]
"""By the number of a scene: what is changed of its prompt, seconds and model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedScenes:
    """All scenes of a run as they would be, and what is still to be bought for them."""

    plan: Plan
    scenes: Sequence[Scene]
    due_micro: int
    charge_micro: int
    """What an account is charged for that."""
    shown_micro: int
    """The same as the people of the run know it."""


def edited(services: Services, tx: Tx, run: Run, edits: Edits) -> EditedScenes:
    """What the edits would make. Raises InvalidOrder, naming scene and field."""
    before = tx.scenes.find(run_id=run.id, order="number")
    _must_be_editable(run, before, edits)
    order = run.known_order
    wanted = [changed(scene_order(scene, shared=order.references), edits.get(scene.number, {})) for scene in before]
    wanted, hooks = relettered(wanted)
    plan = plan_run.plan_again(services, run, replace(order, hooks=hooks), wanted)
    takes = repeats([planned.prompt or "" for planned in plan.scenes])
    scenes = [
        _as_planned(services, tx, run, scene, planned, take) if scene.number in edits else scene
        for scene, planned, take in zip(before, plan.scenes, takes, strict=True)
    ]
    then = replace(run, plan=plan)
    due, charge = still_to_buy(tx, then, scenes, plan), still_to_charge(tx, then, scenes)
    shown = due if run.price_micro is None else services.prices.whole(charge)
    return EditedScenes(plan=plan, scenes=scenes, due_micro=due, charge_micro=charge, shown_micro=shown)


def keep(services: Services, tx: Tx, who: Actor, run: Run, edits: Edits, at_most_micro: int | None) -> Run:
    """Change the scenes of a run that waits for approval, and set their money aside. Raises InvalidOrder and
    OverBudget.
    """
    found = edited(services, tx, run, edits)
    must_not_be_dearer(found.shown_micro, at_most_micro)
    for scene in found.scenes:
        if scene.number in edits:
            same = {
                name: getattr(scene, name) for name in ("prompt", "seconds", "model", "settings", "take", "references")
            }
            tx.scenes.change(scene.id, **same, updated_at=who.now)
            scene_rows.show(services, tx, run, scene)
    ledger.release(tx, who.now, run)
    ledger.hold(tx, who.now, run, found.due_micro, services.policy, settings_read=False)
    quote = ledger.of_run(tx, run.id).spent + found.due_micro
    run = touch_run(tx, who, run, plan=found.plan, quote_micro=quote)
    price = credit_book.reserve(tx, who.now, run, still_to_charge(tx, run), services.prices)
    record(tx, who, "run", run.id, run.id, "scenes_edited", count=len(edits))
    return touch_run(tx, who, run, price_micro=price)


def shown_micro(services: Services, tx: Tx, run: Run) -> int:
    """What the scenes as they are still come to, as the people of the run know it."""
    scenes = tx.scenes.find(run_id=run.id, order="number")
    if run.plan is None or not scenes:
        return (run.quote_micro if run.price_micro is None else run.price_micro) or 0
    if run.price_micro is not None:
        return services.prices.whole(still_to_charge(tx, run))
    return still_to_buy(tx, run, scenes, run.plan)


def must_not_be_dearer(shown_micro: int, at_most_micro: int | None) -> None:
    """What costs more than was agreed to is not bought. Raises OverBudget."""
    if refused := too_dear(shown_micro, at_most_micro):
        raise OverBudget(marketer=refused)


def _must_be_editable(run: Run, scenes: Sequence[Scene], edits: Edits) -> None:
    numbers = {scene.number for scene in scenes}
    problems = [Problem("scenes", f"This run has no scene {number}.") for number in edits if number not in numbers]
    if run.record_id is not None:
        problems += [
            Problem("scenes", f"The {name} of scene {number} is changed in its row of Scenes.")
            for number, changes in edits.items()
            for name in changes
            if name != "prompt"
        ]
    if problems:
        raise InvalidOrder(problems)


def _as_planned(services: Services, tx: Tx, run: Run, scene: Scene, planned: PlannedScene, take: int) -> Scene:
    """The row's own text stays a person's: it is remembered beside what is made instead."""
    card = services.catalogue_model(planned.model)
    prompt = planned.prompt or scene.prompt
    of_row = prompt_in_row(scene) if run.record_id is not None else None
    asked = scene.settings
    settings = settings_of(
        planned, card, asked.style, fresh=asked.fresh, row_prompt=None if of_row == prompt else of_row
    )
    changed = replace(
        scene,
        prompt=prompt,
        seconds=planned.seconds,
        model=planned.model,
        settings=replace(settings, quiet=must_be_quiet(run, card)),
        references=planned.references,
        take=take if prompt != scene.prompt else scene.take,
    )
    return lines.priced(services, tx, run, changed)

"""One scene ordered again: what it was, with what a person changes, as an order of its own."""

from __future__ import annotations

from dataclasses import fields, replace

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.domain.money import show, show_enough
from pipelines.domain.orders.order import MAX_SEED, SceneChanges, changed
from pipelines.domain.planning.plan import ClipSettings, Plan, PlannedScene, RowCells, SceneSettings, without_speech
from pipelines.domain.records import Run, Scene
from pipelines.ports import Tx
from pipelines.stages.films import posters
from pipelines.stages.generations.requests import alone, follows, order_of_one, scene_order
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record
from pipelines.stages.narration import lines
from pipelines.stages.orders import plan_run

CHANGEABLE = tuple(SceneChanges.__annotations__)
AGAIN = 1000
"""A scene that is made again has a take from here on."""


def plan(services: Services, tx: Tx, run: Run, scene: Scene, changes: SceneChanges) -> Plan:
    """The plan of one new clip; a line that is there already is no part of it. Raises InvalidOrder when that cannot be
    changed, or the model cannot make it.
    """
    unknown = [name for name in changes if name not in CHANGEABLE]
    if unknown:
        allowed = ", ".join(CHANGEABLE)
        raise InvalidOrder([Problem(name, f"cannot be changed; what can be is {allowed}") for name in unknown])
    order = run.known_order
    # A placeholder was only made because the scene's own model refused.
    model = run.known_plan.scenes[scene.number - 1].model if scene.attempt_level.placeholder else None
    before = scene_order(scene, model, shared=order.references)
    wish = changed(before, changes)
    if (
        scene.clip_id
        and "seed" not in changes
        and replace(wish, caption=before.caption, narration=before.narration, transition=before.transition) == before
    ):
        # The same words with the same seed are the same clip, and nobody pays for that again on purpose.
        wish = wish if wish.seed is None else replace(wish, seed=(wish.seed + 1) % (MAX_SEED + 1))
    said_anew = (wish.caption, wish.narration) != (before.caption, before.narration)
    one = order_of_one(order, wish, languages=len(order.languages) if said_anew else 1)
    made = plan_run.plan_order(services, one, [alone(wish)], follows=follows(scene))
    if made.scenes[0].continues:
        _must_have_clip_before(tx, scene)
    said = replace(scene, caption=made.scenes[0].caption, narration=made.scenes[0].narration)
    made = without_speech(made) if lines.is_bought(services, tx, run, said) else made
    # All its films are put together anew, and each may have a poster of its own.
    pictured = posters.quoted(services, order, made, run.plan or made)
    charge = services.prices.pictures(pictured.picture_micro)
    return replace(pictured, picture_charge_micro=charge)


def _must_have_clip_before(tx: Tx, scene: Scene) -> None:
    before = tx.scenes.find(run_id=scene.run_id, number=scene.number - 1)[0]
    clip = tx.clips.get(before.clip_id) if before.clip_id else None
    if clip is not None and clip.deleted_at is not None:
        gone = (
            f"The clip of scene {before.number} is not kept any more, so nothing can start from its last picture. Make "
            "that scene again first."
        )
        raise InvalidOrder([Problem("scenes[0].continues", gone)])


def cells_of_row(run: Run, scene: Scene) -> RowCells:
    """What its row said when the scene was last made from it: what it is, unless that was ordered elsewhere since; what
    was planned, where it was made again before its row was remembered.
    """
    if scene.settings.row_cells is not None:
        return scene.settings.row_cells
    planned = as_planned(run, scene)
    if planned is not None and scene.take >= AGAIN:
        scene = _back_to(scene, planned)
    now = scene_order(scene, shared=run.order.references if run.order else ())
    return RowCells(**{cell.name: getattr(now, cell.name) for cell in fields(RowCells) if cell.name != "read"})


def as_planned(run: Run, scene: Scene) -> PlannedScene | None:
    """The scene as its run was planned; None where that plan is not known."""
    scenes = run.plan.scenes if run.plan else ()
    return scenes[scene.number - 1] if scene.number <= len(scenes) else None


def _back_to(scene: Scene, planned: PlannedScene) -> Scene:
    """The scene with all that its row may say as it was planned."""
    asked = {item.name: getattr(planned.settings, item.name) for item in fields(ClipSettings)}
    return replace(
        scene,
        caption=planned.caption,
        narration=planned.narration,
        seconds=planned.seconds,
        references=planned.references,
        continues=planned.continues,
        transition=planned.transition,
        settings=SceneSettings(**asked),
    )


def shown_price(services: Services, run: Run, plan: Plan) -> int:
    """What a new clip comes to at most, as the people of its run know it."""
    return plan.quote_micro if run.price_micro is None else services.prices.whole(plan.charge_micro)


def too_dear(price_micro: int, at_most_micro: int | None) -> str | None:
    """Why a clip of this price is not bought by somebody who agreed to that one; None when it may be."""
    if at_most_micro is None or price_micro <= at_most_micro:
        return None
    return (
        f"This would now cost up to {show_enough(price_micro)}, more than the {show(at_most_micro)} you agreed to. "
        "Nothing was bought. If the new price is fine, order it again."
    )


def tell(tx: Tx, actor: Actor, scene: Scene, plan: Plan) -> None:
    """What was adapted for the new clip, for the history."""
    for note in plan.adapted:
        record(tx, actor, "scene", scene.id, scene.run_id, "note", sentence=f"Scene {scene.number}: {note}")

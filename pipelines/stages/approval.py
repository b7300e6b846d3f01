"""Before money is spent: a free animatic to look at, scenes to edit in the base, and exactly what was approved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipelines.domain.errors import InvalidOrder
from pipelines.domain.footage import Card
from pipelines.domain.keys import digest, new_id
from pipelines.domain.labels import for_row
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.order import SceneOrder, order_from_json
from pipelines.domain.plan import plan_from_json, plan_to_json
from pipelines.domain.run import Clip, Run, Scene
from pipelines.ports import BoardScene, Tx
from pipelines.stages import accept, intake, ledger, outbox, pieces, script, stitch
from pipelines.stages.fetch import footage_to_json, sha256_of
from pipelines.stages.moves import FREE, Actor, move_run, record, touch_run
from pipelines.stages.requests import still_to_buy
from pipelines.stages.services import Services


def advance(services: Services, actor: Actor, run: Run) -> None:
    """Make the animatic, then wait; once approved, take the scenes as they are now and go on."""
    if run.approval == "given":
        _go_on(services, actor, run)
    else:
        _show_animatic(services, actor, run)


def _show_animatic(services: Services, actor: Actor, run: Run) -> None:
    plan = plan_from_json(run.plan or {})
    with services.store.read() as tx:
        scenes = tx.scenes.find(run_id=run.id, order="number")
    clips = [_card_clip(services, run, scene, len(scenes)) for scene in scenes]
    cut = stitch.make_cut(services, actor, run, plan.formats[0], scenes, clips, animatic=True)
    with services.store.write() as tx:
        run = touch_run(tx, actor, run, next_at=None, **FREE)
        outbox.show_films(services, tx, run, [cut])


def _card_clip(services: Services, run: Run, scene: Scene, total: int) -> Clip:
    """A scene's card as a clip that no row of SQL knows: it is free and made again whenever wanted."""
    order = order_from_json(run.order or {})
    target = replace(pieces.target_of(run, plan_from_json(run.plan or {}).formats[0]), loudness_lufs=None)
    card = Card(
        text=scene.prompt, seconds=scene.seconds, target=target, number=scene.number, total=total, heading=order.title
    )
    mark = digest("card", repr(card))
    path = services.work / "cards" / f"{mark}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    footage = services.studio.animatic(card, path)
    sha = sha256_of(path)
    stored = services.media.put_file(path, f"cards/{mark[:2]}/{mark}-{sha[:8]}.mp4", "video/mp4")
    path.unlink()
    return Clip(
        id=new_id("clip"),
        run_id=run.id,
        scene_id=scene.id,
        fingerprint="",
        sha256=sha,
        key=stored.key,
        size=stored.size,
        model="local/animatic",
        footage=footage_to_json(footage),
    )


def _go_on(services: Services, actor: Actor, run: Run) -> None:
    """Exactly what a person left in the base is planned, quoted and generated."""
    edited = _edited(services, run)
    with services.store.write() as tx:
        run = touch_run(tx, actor, run)
        if edited is not None:
            _replan(services, tx, actor, run, edited)
            run = tx.runs.get(run.id) or run
        scenes = tx.scenes.find(run_id=run.id, order="number")
        order, plan = order_from_json(run.order or {}), plan_from_json(run.plan or {})
        due = still_to_buy(tx, scenes, plan, order.title)
        ledger.release(tx, actor.now, run)
        ledger.hold(tx, actor.now, run, due, services.policy)
        detail = "Approved. Generating the clips."
        run = move_run(tx, actor, run, RunStatus.GENERATING, next_at=actor.now, detail=detail, quote_micro=due)
        outbox.show_scenes(services, tx, run)
        outbox.show_run(services, tx, run)


def _edited(services: Services, run: Run) -> list[BoardScene] | None:
    """The scenes as the base has them now; None for a run without a base."""
    if run.record_id is None or run.base_id is None:
        return None
    row = services.board.row(run.base_id, run.table or "Videos", run.record_id)
    rows = services.board.scenes(run.base_id, row)
    with services.store.read() as tx:
        ours = {scene.key for scene in tx.scenes.find(run_id=run.id)}
    return [scene for scene in rows if scene.key in ours or scene.status == "Draft"] or None


def _replan(services: Services, tx: Tx, actor: Actor, run: Run, edited: list[BoardScene]) -> None:
    order = order_from_json(run.order or {})
    by_key = {scene.key: scene for scene in tx.scenes.find(run_id=run.id)}
    ordered = sorted(edited, key=lambda scene: scene.number if scene.number is not None else 999)
    wanted = [_as_order(scene, by_key.get(scene.key or "")) for scene in ordered]
    order, brought = intake.bring_all(services, order, wanted)
    try:
        plan = accept.plan_order(services, replace(order, adapt=True), brought)
    except InvalidOrder as error:
        raise InvalidOrder(for_row(error.problems)) from error
    for scene in by_key.values():
        tx.scenes.remove(scene.id)
    changes: dict[str, Any] = {"plan": plan_to_json(plan)}
    run = touch_run(tx, actor, run, **changes)
    script.keep_scenes(services, tx, actor, run, plan, order)
    record(tx, actor, "run", run.id, run.id, "scenes_edited", count=len(wanted))


def _as_order(row: BoardScene, ours: Scene | None) -> SceneOrder:
    references = row.scene.references or (ours.references if ours else ())
    return replace(row.scene, board_record_id=row.record_id, references=references)

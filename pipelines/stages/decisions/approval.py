"""Before money is spent: a free animatic to look at, scenes to edit in the base, and exactly what was approved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.airtable.values import prompt_in_row
from pipelines.domain.errors import InvalidOrder, OverBudget, Problem, ReelgridError
from pipelines.domain.footage import Card, Preview
from pipelines.domain.keys import digest, new_id, storage_folder
from pipelines.domain.lifecycle import RunStatus, SceneStatus
from pipelines.domain.money import show_enough
from pipelines.domain.orders.field_labels import for_row
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.planning.hooks import first_film, relettered
from pipelines.domain.planning.plan import Plan, PlannedScene
from pipelines.domain.records import Clip, Run, Scene
from pipelines.ports import AirtableScene, Tx
from pipelines.stages.base_rows import action_links, base_settings, film_row, outbox, run_row, scene_rows
from pipelines.stages.files import keep
from pipelines.stages.films import pieces, stitch
from pipelines.stages.generations import drafts
from pipelines.stages.generations.fetch import sha256_of
from pipelines.stages.generations.requests import scene_order, still_to_buy, still_to_charge
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record, touch_run, transition_run
from pipelines.stages.orders import intake, plan_run, script
from pipelines.stages.pictures import cast
from pipelines.stages.spending import credit_book, ledger, stop_switch

CAST_PAUSE_S = 2.0


def advance(services: Services, actor: Actor, run: Run) -> None:
    """Make the preview, then wait; once approved, take the scenes as they are now and go on."""
    if run.approval == "given":
        _go_on(services, actor, run)
    elif run.known_order.preview is not Preview.DRAFT:
        _show_preview(services, actor, run, {})
    elif (looks := _drafts_made(services, actor, run)) is not None:
        _show_preview(services, actor, run, looks)


def _drafts_made(services: Services, actor: Actor, run: Run) -> dict[str, Clip] | None:
    """The drafts of the scenes that have one, once all have come to an end; None while the run waits for one, or for
    the pictures of the cast, which a draft shows as its clip will. Once approved, none is ordered any more.
    """
    with services.store.write() as tx:
        run = touch_run(tx, actor, run)
        scenes = tx.scenes.find(run_id=run.id, order="number")
        approved = tx.events.count(run_id=run.id, entity="run", name=ledger.APPROVED)
        if approved or not drafts.wanted(tx, run, scenes):
            return {}
        if cast.waits(tx, services, actor, run):
            touch_run(tx, actor, run, next_at=actor.now + CAST_PAUSE_S, **FREE)
            return None
        scenes = cast.give(services, tx, run, scenes)
        drafts.order(services, tx, actor, run, scenes)
        if drafts.being_made(tx, run):
            run_row.show(services, tx, touch_run(tx, actor, run, next_at=None, **FREE))
            return None
        # What a draft was to cost that did not come, or was there already, is not asked for.
        record(tx, actor, "run", run.id, run.id, ledger.DRAFTS_SHOWN)
        due = still_to_buy(tx, run, scenes, run.known_plan)
        ledger.hold_no_more(tx, actor.now, run, due)
        price = credit_book.reserve(tx, actor.now, run, still_to_charge(tx, run), services.prices)
        touch_run(tx, actor, run, quote_micro=due + ledger.of_run(tx, run.id).spent, price_micro=price)
        return drafts.shown(services, tx, run, scenes)


def _show_preview(services: Services, actor: Actor, run: Run, looks: Mapping[str, Clip]) -> None:
    plan = run.known_plan
    with services.store.read() as tx:
        scenes = first_film(tx.scenes.find(run_id=run.id, order="number"))
    clips = {scene.id: looks.get(scene.id) or _card_clip(services, run, scene, len(scenes)) for scene in scenes}
    cut = stitch.make_cut(services, actor, run, plan.formats[0], scenes, clips, animatic=True)
    with services.store.write() as tx:
        current = tx.runs.get(run.id, lock=True)
        # Somebody may have approved while the preview was being made.
        again = actor.now if current is not None and current.approval == "given" else None
        told = {"detail": drafts.LOOK if looks else drafts.LOOK_AT_CARDS} if run.detail == drafts.MAKING else {}
        run = touch_run(tx, actor, run, next_at=again, **told, **FREE)
        film_row.show(services, tx, run, [cut])


def _card_clip(services: Services, run: Run, scene: Scene, total: int) -> Clip:
    """A scene's card as a clip that no row of SQL knows: it is free and made again whenever wanted."""
    order = run.known_order
    target = replace(pieces.target_of(run, run.known_plan.formats[0]), loudness_lufs=None)
    card = Card(
        text=scene.prompt, seconds=scene.seconds, target=target, number=scene.number, total=total, heading=order.title
    )
    mark = digest("card", repr(card))
    with scratch.draft(services, "cards", f"{mark}.mp4") as path:
        footage = services.editor.animatic(card, path)
        sha, folder = sha256_of(path), storage_folder("cards", run.account_id)
        stored = keep.keep(services, run.id, path, f"{folder}/{mark[:2]}/{mark}-{sha[:8]}.mp4", "video/mp4")
    return Clip(
        id=new_id("clip"),
        run_id=run.id,
        scene_id=scene.id,
        fingerprint="",
        sha256=sha,
        key=stored.key,
        size=stored.size,
        model="local/animatic",
        footage=footage,
    )


def _go_on(services: Services, actor: Actor, run: Run) -> None:
    """Exactly what a person left in the base is planned, quoted and generated."""
    base_settings.refresh(services, run.base_id)
    base_settings.must_not_be_stopped(services, run.base_id, run.account_id)
    plan = _plan_as_edited(services, run)
    with services.store.write() as tx:
        stop_switch.must_be_off(tx, run.base_id, run.account_id)
        run = touch_run(tx, actor, run, error=None)
        if plan is not None:
            run = _replace_scenes(services, tx, actor, run, plan)
        scenes = tx.scenes.find(run_id=run.id, order="number")
        drafts.withdraw(tx, actor, run)
        due = still_to_buy(tx, run, scenes, run.known_plan)
        ledger.release(tx, actor.now, run)
        own = ledger.of_run(tx, run.id)
        dearer = action_links.is_dearer(tx, run, own.committed + own.spent + due, still_to_charge(tx, run))
        if dearer:
            run = replace(run, ceiling_micro=None)
        ledger.hold(tx, actor.now, run, due, services.policy)
        price = credit_book.reserve(tx, actor.now, run, still_to_charge(tx, run), services.prices)
        quote = due + own.spent + drafts.committed(tx, run)
        run = (_ask_again if dearer else _start)(tx, actor, run, quote, price)
        scene_rows.show_all(services, tx, run, within_s=None if plan is None else outbox.SOON_S)
        run_row.show(services, tx, run, urgent=True)


def _start(tx: Tx, actor: Actor, run: Run, quote: int, price: int | None) -> Run:
    detail = "Approved. Generating the clips."
    agreed = {"quote_micro": quote, "price_micro": price}
    return transition_run(tx, actor, run, RunStatus.GENERATING, next_at=actor.now, detail=detail, **agreed)


def _ask_again(tx: Tx, actor: Actor, run: Run, quote: int, price: int | None) -> Run:
    """Whoever approved did so for a price, and the scenes were changed since: they are asked for what it costs now."""
    record(tx, actor, "run", run.id, run.id, action_links.DEARER, price_micro=quote)
    cost = show_enough(quote if price is None else price)
    error = f"The scenes have changed and cost up to {cost} now, more than was approved. Please decide again."
    return touch_run(
        tx,
        actor,
        run,
        approval="asked",
        ceiling_micro=None,
        next_at=None,
        quote_micro=quote,
        price_micro=price,
        detail="",
        error=error,
        **FREE,
    )


def _plan_as_edited(services: Services, run: Run) -> Plan | None:
    """A new plan of the scenes as the base has them now; None when nobody changed anything. Raises InvalidOrder."""
    if run.record_id is None or run.base_id is None:
        return None
    with services.store.read() as tx:
        ours = tx.scenes.find(run_id=run.id, order="number")
    rows = _left_in_base(services, run, run.base_id, run.record_id, ours)
    order = run.known_order
    wanted, problems = _wanted(rows, ours, order)
    wanted, hooks = relettered(wanted)
    if problems:
        raise InvalidOrder(problems)
    try:
        order, brought = intake.bring_all(services, order, wanted, run_id=run.id, account_id=run.account_id)
        plan = plan_run.plan_again(services, run, replace(order, hooks=hooks), brought)
    except InvalidOrder as error:
        raise InvalidOrder(for_row(error.problems)) from error
    old = run.known_plan
    return plan if _shots(plan) != _shots(old) else None


def _left_in_base(
    services: Services, run: Run, base_id: str, record_id: str, ours: Sequence[Scene]
) -> list[AirtableScene]:
    """One call tells them. Where none is left that was there, the record may be gone: its row decides."""
    written = [scene.airtable_record_id for scene in ours if scene.airtable_record_id]
    prefix = ours[0].key.rpartition("-")[0] + "-" if ours else f"{record_id}-r{run.number}-"
    rows = services.airtable.film_scenes(base_id, record_id, prefix, written)
    if rows is not None and (rows or not written):
        return rows
    row = services.airtable.row(base_id, run.table or AirtableTable.VIDEOS, record_id)
    return services.airtable.scenes(base_id, row)


def _shots(plan: Plan) -> list[PlannedScene]:
    """A price list that was edited meanwhile changes nothing that was planned."""
    return [replace(scene, airtable_record_id=None, charge_micro=0, draft_charge_micro=0) for scene in plan.scenes]


def _wanted(
    rows: Sequence[AirtableScene], ours: Sequence[Scene], order: Order
) -> tuple[list[SceneOrder], tuple[Problem, ...]]:
    """The rows of this run and new ones, in the base's order. A scene that has not reached the base yet stays; one that
    was there and is not any more was deleted.
    """
    by_key = {scene.key: scene for scene in ours}
    present = [row for row in rows if row.key in by_key or (row.status == SceneStatus.DRAFT and not row.key)]
    unwritten = [
        scene for scene in ours if scene.airtable_record_id is None and scene.key not in {r.key for r in present}
    ]
    placed = [
        (float("inf") if row.number is None else float(row.number), _as_order(row, by_key.get(row.key or ""), order))
        for row in present
    ]
    placed += [(float(scene.number), scene_order(scene, shared=order.references)) for scene in unwritten]
    wanted = [scene for _, scene in sorted(placed, key=lambda one: one[0])]
    return wanted, plan_run.scene_problems(present)


def _as_order(row: AirtableScene, ours: Scene | None, order: Order) -> SceneOrder:
    """Pictures that we know already need not be fetched again, unless the row has some of its own now. A prompt that
    was given on the run's page counts, unless the row's has been changed since.
    """
    known = scene_order(ours, shared=order.references).references if ours else ()
    given_elsewhere = ours is not None and row.scene.prompt == prompt_in_row(ours)
    prompt = ours.prompt if ours is not None and given_elsewhere else row.scene.prompt
    return replace(row.scene, prompt=prompt, airtable_record_id=row.record_id, references=row.scene.references or known)


def _replace_scenes(services: Services, tx: Tx, actor: Actor, run: Run, plan: Plan) -> Run:
    old = tx.scenes.find(run_id=run.id)
    in_rows = {scene.prompt: scene.settings.row_prompt for scene in old if scene.settings.row_prompt}
    styled = any(scene.settings.style for scene in old)
    for scene in old:
        tx.scenes.remove(scene.id)
    run = touch_run(tx, actor, run, plan=plan)
    style = run.known_order.style_notes if styled else None
    for scene in script.keep_scenes(services, tx, actor, run, plan, style=style):
        if scene.prompt in in_rows:
            tx.scenes.change(scene.id, settings=replace(scene.settings, row_prompt=in_rows[scene.prompt]))
    record(tx, actor, "run", run.id, run.id, "scenes_edited", count=len(plan.scenes))
    return run


def give_up(services: Services, actor: Actor, run: Run, error: ReelgridError) -> bool:
    """What a person can mend in the base goes back to them, and the run waits on; False when it cannot be mended."""
    if not isinstance(error, InvalidOrder | OverBudget):
        return False
    again = {"approval": "asked", "detail": "Please change what is named, then approve again.", "next_at": None}
    with services.store.write() as tx:
        run = touch_run(tx, actor, run, error=error.marketer, **again, **FREE)
        run_row.show(services, tx, run, urgent=True)
    return True

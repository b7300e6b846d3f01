"""One scene made again, in a run that has stopped."""

from __future__ import annotations

from dataclasses import replace

from pipelines.domain.airtable.values import prompt_in_row
from pipelines.domain.errors import NotAllowed, NotFound, OverBudget
from pipelines.domain.lifecycle import (
    OPEN,
    RunStatus,
    SceneStatus,
)
from pipelines.domain.orders.order import SceneChanges, searchable
from pipelines.domain.planning.plan import Plan, RowCells
from pipelines.domain.records import Run, Scene
from pipelines.domain.state.attempts import AttemptLevel
from pipelines.ports import AirtableRow, Tx
from pipelines.stages.base_rows import outbox, run_row, scene_rows
from pipelines.stages.commerce import accounts
from pipelines.stages.decisions.control import must_be_alone, with_max_cost
from pipelines.stages.generations.requests import must_be_quiet, settings_of, still_to_charge
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import (
    ROW,
    Actor,
    found_run,
    record,
    transition_run,
    was_decided,
)
from pipelines.stages.narration import lines
from pipelines.stages.orders import account_turn, regenerate_scene
from pipelines.stages.spending import credit_book, ledger

_R = RunStatus


def regenerate(
    services: Services,
    run_id: str,
    number: int,
    changes: SceneChanges,
    actor: str,
    *,
    at_most_micro: int | None = None,
    press: str | None = None,
    row: RowCells | None = None,
    video: AirtableRow | None = None,
) -> Run:
    """One new clip for one scene, then a new cut; the others are reused. `changes`: see `regenerate_scene`. What would
    cost more than `at_most_micro`, the price that was shown, is not bought; nor anything twice for the same `press`.
    `row`: what its row in the base says, where it is ordered there, and `video` that of its film.

    Raises NotAllowed, NotFound, InvalidOrder, OverBudget, TooMany.
    """
    now = services.clock.now()
    who = Actor(actor, now)
    with services.store.write() as tx:
        account_turn.serialise_of(tx, run_id)
        run = found_run(tx, run_id, lock=True)
        if was_decided(tx, run.id, press):
            return run
        scene = _scene_to_make_again(services, tx, run, number)
        run = with_max_cost(tx, run, video)
        plan = _order_again(services, tx, who, run, scene, changes, row)
        shown = regenerate_scene.shown_price(services, run, plan)
        if refused := regenerate_scene.too_dear(shown, at_most_micro):
            raise OverBudget(marketer=refused)
        # A new decision: what was agreed to before does not bound it.
        run = replace(run, ceiling_micro=None)
        ledger.hold(tx, now, run, plan.quote_micro, services.policy, settings_read=False)
        run = _with_pictures(tx, run, plan)
        quote = ledger.of_run(tx, run.id).spent + plan.quote_micro
        price = credit_book.reserve(tx, now, run, still_to_charge(tx, run), services.prices)
        run = transition_run(
            tx,
            who,
            run,
            _R.GENERATING,
            take=run.take + 1,
            detail=f"Making scene {number} again.",
            error=None,
            ceiling_micro=None,
            finished_at=None,
            next_at=now,
            quote_micro=quote,
            price_micro=price,
        )
        scene_rows.show(services, tx, run, tx.scenes.get(scene.id) or scene, within_s=outbox.SOON_S)
        run_row.show(services, tx, run, urgent=True, within_s=outbox.MOMENT_S)
        return run


def _scene_to_make_again(services: Services, tx: Tx, run: Run, number: int) -> Scene:
    """Raises NotAllowed, NotFound and TooMany where it cannot be made again now."""
    accounts.must_be_active(tx, run.account_id)
    if run.status not in (_R.DONE, _R.NEEDS_ATTENTION, _R.FAILED, _R.CANCELLED):
        raise NotAllowed(marketer=f"Wait until this run has stopped; it is {run.status.value}.")
    found = tx.scenes.find(run_id=run.id, number=number)
    if not found:
        raise NotFound(f"scene {number} of {run.id}", marketer=f"This run has no scene {number}.")
    must_be_alone(tx, run)
    if tx.generations.count(scene_id=found[0].id, status=tuple(OPEN)):
        raise NotAllowed(
            marketer=f"Scene {number} is still being made, or its payment is in doubt. "
            "Wait for it, or decide on the run's page first."
        )
    if (refusal := account_turn.refusal_to_make_again(tx, run, services.policy)) is not None:
        raise refusal
    return found[0]


def _with_pictures(tx: Tx, run: Run, more: Plan) -> Run:
    """What its pictures may cost grows with each take."""
    if more.picture_model is None or run.plan is None:
        return run
    plan = replace(
        run.known_plan,
        picture_model=more.picture_model,
        picture_micro=run.known_plan.picture_micro + more.picture_micro,
        picture_charge_micro=run.known_plan.picture_charge_micro + more.picture_charge_micro,
    )
    tx.runs.change(run.id, plan=plan)
    return replace(run, plan=plan)


def _order_again(
    services: Services, tx: Tx, who: Actor, run: Run, scene: Scene, changes: SceneChanges, row: RowCells | None
) -> Plan:
    """Change the scene and forget its clip (which is kept); the plan of the new one."""
    plan = regenerate_scene.plan(services, tx, run, scene, changes)
    planned = plan.scenes[0]
    text_of_row = _text_of_row(scene, changes, from_row=who.name == ROW)
    card = services.catalogue_model(planned.model)
    settings = settings_of(planned, card, scene.settings.style, row_prompt=text_of_row)
    if row is None and scene.airtable_record_id is not None:
        row = regenerate_scene.cells_of_row(run, scene)
    settings = replace(
        settings,
        row_cells=row,
        quiet=must_be_quiet(run, card),
        own_resolution=changes.get("resolution") or scene.settings.own_resolution,
        own_shape=changes.get("aspect_ratio") or scene.settings.own_shape,
    )
    said = replace(
        scene, caption=planned.caption, narration=planned.narration, seconds=planned.seconds, settings=settings
    )
    takes = [clip.fingerprint for clip in tx.clips.find(run_id=run.id, scene_id=scene.id)]
    tx.scenes.change(
        scene.id,
        prompt=planned.prompt or scene.prompt,
        caption=planned.caption,
        narration=planned.narration,
        words=searchable(planned.prompt or scene.prompt, planned.caption, planned.narration),
        sound=None,
        translations={language: replace(words, sound=None) for language, words in scene.translations.items()},
        seconds=planned.seconds,
        model=planned.model,
        settings=lines.priced(services, tx, run, said).settings,
        references=planned.references,
        continues=planned.continues,
        transition=planned.transition,
        take=scene.take + regenerate_scene.AGAIN + len(takes),
        clip_id=None,
        status=SceneStatus.QUEUED,
        error=None,
        attempt_level=AttemptLevel(forgiven=tx.generations.count(scene_id=scene.id)),
        updated_at=who.now,
    )
    if planned.continues and not scene.continues:
        _have_last_picture(tx, scene, who.now)
    given = tuple(sorted(changes))
    record(tx, who, "scene", scene.id, run.id, "regenerate", number=scene.number, changes=given)
    regenerate_scene.tell(tx, who, scene, plan)
    return plan


def _have_last_picture(tx: Tx, scene: Scene, now: float) -> None:
    """Of the clip before, from which the scene is to start: nobody needed it until now."""
    before = tx.scenes.find(run_id=scene.run_id, number=scene.number - 1)[0]
    clip = tx.clips.get(before.clip_id) if before.clip_id else None
    if clip is not None and clip.last_frame is None:
        tx.clips.change(clip.id, next_at=now)


def _text_of_row(scene: Scene, changes: SceneChanges, *, from_row: bool) -> str | None:
    """A prompt that is given elsewhere leaves the row's own text alone; the row says what was made (`made_with`)."""
    text = None if from_row and changes.get("prompt") else prompt_in_row(scene)
    return None if text == (changes.get("prompt") or scene.prompt) else text

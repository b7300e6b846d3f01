"""What a person may do to a run: approve, cancel, retry, order one scene again, settle money in doubt, stop all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipelines.domain.airtable.values import prompt_in_row
from pipelines.domain.errors import Expired, InvalidOrder, NotAllowed, NotFound, OverBudget, Problem
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import (
    ACTIVE,
    CANCELLABLE,
    OPEN,
    RETRYABLE_RUNS,
    GenerationStatus,
    RunStatus,
    SceneStatus,
)
from pipelines.domain.orders.order import SceneChanges, searchable
from pipelines.domain.planning.plan import Plan
from pipelines.domain.records import Generation, Run, Scene
from pipelines.domain.state.attempts import AttemptLevel
from pipelines.ports import Tx
from pipelines.stages.base_rows import next_action, outbox, run_row, scene_rows
from pipelines.stages.commerce import accounts
from pipelines.stages.decisions import scene_edits
from pipelines.stages.generations.requests import must_be_quiet, settings_of, still_to_buy, still_to_charge
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import (
    ROW,
    Actor,
    found_run,
    record,
    touch_run,
    transition_generation,
    transition_run,
)
from pipelines.stages.narration import lines
from pipelines.stages.orders import account_turn, regenerate_scene
from pipelines.stages.spending import credit_book, ledger, stop_switch

_R, _G = RunStatus, GenerationStatus


def approve(
    services: Services,
    run_id: str,
    actor: str,
    *,
    edits: scene_edits.Edits | None = None,
    at_most_micro: int | None = None,
) -> Run:
    """Go on with the scenes as they are, or as `edits` change them, by number; for no more than `at_most_micro`, the
    price that was shown. Twice is once. Raises NotAllowed, NotFound, InvalidOrder, OverBudget,
    TooMany.
    """
    who = Actor(actor, services.clock.now())
    with services.store.write() as tx:
        account_turn.serialise_of(tx, run_id)
        run = found_run(tx, run_id, lock=True)
        if run.status is _R.NEEDS_APPROVAL and run.approval != "given":
            accounts.must_be_active(tx, run.account_id)
            if edits:
                run = scene_edits.keep(services, tx, who, run, edits, at_most_micro)
            elif at_most_micro is not None:
                scene_edits.must_not_be_dearer(scene_edits.shown_micro(services, tx, run), at_most_micro)
        return approve_within(services, tx, who, run)


def approve_within(services: Services, tx: Tx, who: Actor, run: Run, ceiling_micro: int | None = None) -> Run:
    """The same in a transaction that has locked the run, and before it the turns of its account. Given a ceiling, the
    run may cost so much in all, and asks again where it would cost more.
    """
    if run.approval == "given":
        return run
    accounts.must_be_active(tx, run.account_id)
    if run.status is not _R.NEEDS_APPROVAL:
        raise NotAllowed(
            marketer=f"This run does not wait for approval; it is {run.status.value}. There is nothing to approve."
        )
    _must_have_its_turn(services, tx, run)
    record(tx, who, "run", run.id, run.id, "approved")
    given = {"approval": "given", "ceiling_micro": ceiling_micro}
    run = touch_run(tx, who, run, **given, next_at=who.now, detail="Approved.")
    # The step that follows says in the same call that the clips are being made.
    run_row.show(services, tx, run, urgent=True, within_s=outbox.SOON_S, extra={"Approve": False})
    return run


def cancel(services: Services, run_id: str, actor: str) -> Run:
    """Stop what can be stopped; what is paid for is kept, and what is being made is still fetched."""
    who = Actor(actor, services.clock.now())
    with services.store.write() as tx:
        return cancel_within(services, tx, who, found_run(tx, run_id, lock=True))


def cancel_within(services: Services, tx: Tx, who: Actor, run: Run) -> Run:
    """The same in a transaction that has locked the run."""
    if run.status is _R.CANCELLED:
        return run
    if run.status not in CANCELLABLE:
        raise NotAllowed(marketer=f"This run is over; it is {run.status.value}. There is nothing to cancel.")
    for gen in tx.generations.find(run_id=run.id, status=_G.PLANNED):
        ledger.free(tx, who.now, run, transition_generation(tx, who, gen, _G.CANCELLED))
    detail = "Cancelled. Clips that are paid for are kept."
    run = transition_run(tx, who, run, _R.CANCELLED, detail=detail, finished_at=who.now)
    ledger.release(tx, who.now, run)
    run_row.show(services, tx, run, urgent=True, extra={"Cancel": False})
    return run


def retry(services: Services, run_id: str, actor: str) -> Run:
    """Go on where it stopped: every paid clip is kept, only what is missing is bought. Raises OverBudget, TooMany."""
    who = Actor(actor, services.clock.now())
    with services.store.write() as tx:
        account_turn.serialise_of(tx, run_id)
        return retry_within(services, tx, who, found_run(tx, run_id, lock=True))


def retry_within(services: Services, tx: Tx, who: Actor, run: Run, ceiling_micro: int | None = None) -> Run:
    """The same in a transaction that has locked the run, and before it the turns of its account. Given a ceiling, the
    run may cost so much in all.
    """
    accounts.must_be_active(tx, run.account_id)
    if run.status not in RETRYABLE_RUNS:
        raise NotAllowed(
            marketer=f"Only a run that stopped can be retried; this one is {run.status.value}, so wait for it."
        )
    must_be_alone(tx, run)
    _must_have_its_turn(services, tx, run)
    return _retry(services, tx, who, run, ceiling_micro)


def _must_have_its_turn(services: Services, tx: Tx, run: Run) -> None:
    if (refusal := account_turn.refusal_of(tx, run, services.policy)) is not None:
        raise refusal


def go_on(services: Services, run_id: str, actor: str) -> None:
    """What `Generate` or `Ready` mean for a row that has a run: one that needs attention is retried, if that can help;
    any other is left alone. Raises NotAllowed with what helps instead, OverBudget and TooMany.
    """
    with services.store.read() as tx:
        run = tx.runs.get(run_id)
        way = next_action.next_action(tx, run) if run else None
    if run is None or run.status is not _R.NEEDS_ATTENTION or way is None:
        return
    if not way.goes_on:
        raise NotAllowed(marketer=way.value)
    retry(services, run_id, actor)


def must_be_alone(tx: Tx, run: Run) -> None:
    """Two runs of one row at once would write over each other."""
    if run.record_id is None:
        return
    tx.serialise(f"record:{run.base_id}:{run.record_id}")
    for other in tx.runs.find(status=tuple(ACTIVE), base_id=run.base_id, record_id=run.record_id):
        if other.id != run.id:
            raise NotAllowed(
                marketer=f"Run {other.number} of this row is not over yet; it is {other.status.value}. "
                "Wait for it, or cancel it first."
            )


def _retry(services: Services, tx: Tx, who: Actor, run: Run, ceiling_micro: int | None = None) -> Run:
    record(tx, who, "run", run.id, run.id, "retried")
    run = replace(run, ceiling_micro=ceiling_micro)
    scenes = tx.scenes.find(run_id=run.id, order="number")
    again: dict[str, Any] = {"error": None, "next_at": who.now, "finished_at": None, "ceiling_micro": ceiling_micro}
    if not scenes:
        # Somebody may have mended the row: it is read once more.
        order = run.order if run.record_id is None or run.plan is not None else None
        run = transition_run(
            tx, who, run, _R.QUEUED, detail="Trying again.", approval=None, turn=None, order=order, **again
        )
    elif run.approval == "asked":
        run = transition_run(tx, who, run, _R.NEEDS_APPROVAL, **again)
        _hold_missing(services, tx, run, scenes, who.now)
    else:
        _forgive(tx, scenes)
        _hold_missing(services, tx, run, scenes, who.now)
        run = transition_run(tx, who, run, _R.GENERATING, detail="Going on where it stopped.", **again)
        _wake_planned(tx, run, who.now)
    run_row.show(services, tx, run, urgent=True, within_s=outbox.MOMENT_S)
    return run


def _forgive(tx: Tx, scenes: list[Scene]) -> None:
    """Failures before now do not count on the ladder any more; refused scenes are tried again as they are."""
    for scene in scenes:
        if scene.clip_id is None:
            fresh = replace(scene.attempt_level, forgiven=tx.generations.count(scene_id=scene.id))
            tx.scenes.change(scene.id, attempt_level=fresh, status=SceneStatus.QUEUED, error=None)


def _hold_missing(services: Services, tx: Tx, run: Run, scenes: list[Scene], now: float) -> None:
    """A request asks no base: its Day Budget is left to the worker, who reads it before anything is bought."""
    has_open = {gen.scene_id for gen in tx.generations.find(run_id=run.id, status=tuple(OPEN))}
    missing = [scene for scene in scenes if scene.clip_id is None and scene.id not in has_open]
    due = still_to_buy(tx, run, missing, run.known_plan)
    due += sum(one.settings.speech_micro for one in scenes if not one.is_said and one not in missing)
    ledger.hold(tx, now, run, max(0, due - ledger.held(tx, run)), services.policy, settings_read=False)
    price = credit_book.reserve(tx, now, run, still_to_charge(tx, run), services.prices)
    if price is not None:
        tx.runs.change(run.id, price_micro=price)


def _wake_planned(tx: Tx, run: Run, now: float) -> None:
    for gen in tx.generations.find(run_id=run.id, status=(_G.PLANNED, _G.SUCCEEDED)):
        tx.generations.change(gen.id, next_at=now)


def regenerate(
    services: Services,
    run_id: str,
    number: int,
    changes: SceneChanges,
    actor: str,
    *,
    at_most_micro: int | None = None,
    press: str | None = None,
) -> Run:
    """One new clip for one scene, then a new cut; the others are reused. `changes`: see `regenerate_scene`. What would
    cost more than `at_most_micro`, the price that was shown, is not bought; nor anything twice for the same `press`.

    Raises NotAllowed, NotFound, InvalidOrder, OverBudget, TooMany.
    """
    now = services.clock.now()
    who = Actor(actor, now)
    with services.store.write() as tx:
        account_turn.serialise_of(tx, run_id)
        run = found_run(tx, run_id, lock=True)
        if _was_done(tx, run, press):
            return run
        scene = _scene_to_make_again(services, tx, run, number)
        plan = _order_again(services, tx, who, run, scene, changes, press)
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


def _was_done(tx: Tx, run: Run, press: str | None) -> bool:
    """Whether a request whose answer got lost has had a scene of the run made again."""
    again = tx.events.find(run_id=run.id, name="regenerate") if press is not None else ()
    return any(event.detail.press == press for event in again)


def _order_again(
    services: Services, tx: Tx, who: Actor, run: Run, scene: Scene, changes: SceneChanges, press: str | None
) -> Plan:
    """Change the scene and forget its clip (which is kept); the plan of the new one."""
    plan = regenerate_scene.plan(services, tx, run, scene, changes)
    planned = plan.scenes[0]
    text_of_row = _text_of_row(scene, changes, from_row=who.name == ROW)
    card = services.catalogue_model(planned.model)
    settings = settings_of(planned, card, scene.settings.style, row_prompt=text_of_row)
    settings = replace(settings, quiet=must_be_quiet(run, card))
    said = replace(scene, caption=planned.caption, narration=planned.narration, settings=settings)
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
        take=scene.take + 1000 + len(takes),
        clip_id=None,
        status=SceneStatus.QUEUED,
        error=None,
        attempt_level=AttemptLevel(forgiven=tx.generations.count(scene_id=scene.id)),
        updated_at=who.now,
    )
    told: dict[str, Any] = {"number": scene.number, "changes": tuple(sorted(changes)), "press": press}
    record(tx, who, "scene", scene.id, run.id, "regenerate", **told)
    regenerate_scene.tell(tx, who, scene, plan)
    return plan


def _text_of_row(scene: Scene, changes: SceneChanges, *, from_row: bool) -> str | None:
    """A prompt that is given elsewhere leaves the row's own text alone; the row says what was made (`made_with`)."""
    text = None if from_row and changes.get("prompt") else prompt_in_row(scene)
    return None if text == (changes.get("prompt") or scene.prompt) else text


def decide(services: Services, generation_id: str, choice: str, actor: str) -> Run:
    """Settle money in doubt: `wait` a little longer, `write_off` and buy again, or `cancel` the run.

    Raises NotFound, InvalidOrder, NotAllowed, and OverBudget when buying again does not fit (nothing changes then).
    """
    who = Actor(actor, services.clock.now())
    if choice not in CHOICES:
        raise InvalidOrder([Problem("choice", f"is one of {', '.join(CHOICES)}")])
    with services.store.read() as tx:
        found = tx.generations.get(generation_id)
    if found is None:
        raise NotFound(f"generation {generation_id}", marketer="There is no such generation.")
    with services.store.write() as tx:
        run = found_run(tx, found.run_id, lock=True)
        gen = tx.generations.get(generation_id, lock=True) or found
        if gen.status is not _G.UNKNOWN:
            raise NotAllowed(marketer=f"Nothing is in doubt here any more: the generation is {gen.status.value}.")
        record(tx, who, "generation", gen.id, run.id, "decided", choice=choice)
        return _DECISIONS[choice](services, tx, who, run, gen)


def name_job(services: Services, generation_id: str, job_id: str, actor: str) -> Run:
    """A person has found at the provider which job a request in doubt became, where nothing of ours can look it up.
    Believed like a callback: the provider, asked with our key, must know it, and no other generation may have it.

    Raises NotFound, NotAllowed, and what the provider answers.
    """
    with services.store.read() as tx:
        found = tx.generations.get(generation_id)
    if found is None:
        raise NotFound(f"generation {generation_id}", marketer=f"There is no generation {generation_id}.")
    try:
        services.providers.get(found.provider).poll(job_id, found.request)
    except Expired as error:
        raise NotAllowed(
            error.operator, marketer=f"{found.provider} does not know {job_id}, or not any more."
        ) from error
    who = Actor(actor, services.clock.now())
    with services.store.write() as tx:
        run = found_run(tx, found.run_id, lock=True)
        gen = tx.generations.get(generation_id, lock=True) or found
        if gen.status is not _G.UNKNOWN:
            raise NotAllowed(marketer=f"Nothing is in doubt here any more: the generation is {gen.status.value}.")
        if tx.generations.count(provider=gen.provider, provider_id=job_key(job_id)):
            raise NotAllowed(marketer=f"{job_id} is the job of another generation.")
        record(tx, who, "generation", gen.id, run.id, "decided", choice="adopt")
        tx.generations.change(gen.id, result=replace(gen.result, called_back=job_id), next_at=who.now)
        return touch_run(tx, who, run, detail="The clip was found at its provider and is fetched.")


def _wait(services: Services, tx: Tx, who: Actor, run: Run, gen: Generation) -> Run:
    """The run goes on waiting; if nothing turns up, it asks again."""
    tx.generations.change(gen.id, next_at=who.now)
    detail = "Looking once more for the clip."
    if run.status is _R.NEEDS_ATTENTION:
        run = transition_run(tx, who, run, _R.GENERATING, detail=detail, error=None, finished_at=None)
        _wake_planned(tx, run, who.now)
        run_row.show(services, tx, run, urgent=True)
        return run
    return touch_run(tx, who, run, detail=detail)


def _write_off(services: Services, tx: Tx, who: Actor, run: Run, gen: Generation) -> Run:
    """It counts as spent; should the clip turn up after all, it is taken and not paid again."""
    ledger.write_off(tx, who.now, run, transition_generation(tx, who, gen, _G.ABANDONED))
    if run.status in RETRYABLE_RUNS:
        return _retry(services, tx, who, run)
    if run.status is not _R.GENERATING:
        run_row.show_late_cost(tx, who.now, run)
        return run
    run = touch_run(tx, who, run, ceiling_micro=None)
    _forgive(tx, tx.scenes.find(id=gen.scene_id))
    _hold_missing(services, tx, run, tx.scenes.find(run_id=run.id, order="number"), who.now)
    return touch_run(tx, who, run, next_at=who.now)


def _write_off_and_cancel(services: Services, tx: Tx, who: Actor, run: Run, gen: Generation) -> Run:
    ledger.write_off(tx, who.now, run, transition_generation(tx, who, gen, _G.ABANDONED))
    if run.status in CANCELLABLE:
        return cancel_within(services, tx, who, run)
    run_row.show_late_cost(tx, who.now, run)
    return run


_DECISIONS: dict[str, Callable[[Services, Tx, Actor, Run, Generation], Run]] = {
    "wait": _wait,
    "write_off": _write_off,
    "cancel": _write_off_and_cancel,
}
CHOICES = tuple(_DECISIONS)


def set_stop(services: Services, *, on: bool, reason: str, actor: str) -> None:
    """The Stop switch for all new spending."""
    with services.store.write() as tx:
        stop_switch.set_switch(tx, on=on, now=services.clock.now(), reason=reason, actor=actor)
        record(tx, Actor(actor, services.clock.now()), "switch", "stop", None, "stop", on=on, reason=reason)

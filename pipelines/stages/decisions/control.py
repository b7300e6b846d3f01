"""What a person may do to a run: approve, cancel, retry; and stop all."""

from __future__ import annotations

from dataclasses import replace

from pipelines.domain.errors import NotAllowed
from pipelines.domain.lifecycle import (
    ACTIVE,
    CANCELLABLE,
    OPEN,
    RETRYABLE_RUNS,
    GenerationStatus,
    RunStatus,
    SceneStatus,
)
from pipelines.domain.records import Run, Scene
from pipelines.ports import AirtableRow, Tx
from pipelines.stages.base_rows import next_action, outbox, run_row
from pipelines.stages.commerce import accounts
from pipelines.stages.decisions import scene_edits
from pipelines.stages.generations.requests import still_to_buy, still_to_charge
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import (
    Actor,
    found_run,
    record,
    touch_run,
    transition_generation,
    transition_run,
    was_decided,
)
from pipelines.stages.orders import account_turn
from pipelines.stages.spending import credit_book, ledger, stop_switch

_R, _G = RunStatus, GenerationStatus


def approve(
    services: Services,
    run_id: str,
    actor: str,
    *,
    edits: scene_edits.Edits | None = None,
    at_most_micro: int | None = None,
    press: str | None = None,
    row: AirtableRow | None = None,
) -> Run:
    """Go on with the scenes as they are, or as `edits` change them, by number; for no more than `at_most_micro`, the
    price that was shown. Twice is once, and whatever came of it since where it is the same `press`, as of all that is
    decided here. `row`: as it is now, where it is decided there. Raises NotAllowed, NotFound, InvalidOrder, OverBudget,
    TooMany.
    """
    who = Actor(actor, services.clock.now())
    with services.store.write() as tx:
        account_turn.serialise_of(tx, run_id)
        run = found_run(tx, run_id, lock=True)
        if was_decided(tx, run.id, press):
            return run
        if run.status is _R.NEEDS_APPROVAL and run.approval != "given":
            accounts.must_be_active(tx, run.account_id)
            run = with_max_cost(tx, run, row)
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


def cancel(services: Services, run_id: str, actor: str, *, press: str | None = None) -> Run:
    """Stop what can be stopped; what is paid for is kept, and what is being made is still fetched."""
    who = Actor(actor, services.clock.now())
    with services.store.write() as tx:
        run = found_run(tx, run_id, lock=True)
        return run if was_decided(tx, run.id, press) else cancel_within(services, tx, who, run)


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


def retry(
    services: Services, run_id: str, actor: str, *, press: str | None = None, row: AirtableRow | None = None
) -> Run:
    """Go on where it stopped: every paid clip is kept, only what is missing is bought. `row`: as it is now, where that
    is told there. Raises OverBudget, TooMany.
    """
    who = Actor(actor, services.clock.now())
    with services.store.write() as tx:
        account_turn.serialise_of(tx, run_id)
        run = found_run(tx, run_id, lock=True)
        if was_decided(tx, run.id, press):
            return run
        return retry_within(services, tx, who, with_max_cost(tx, run, row))


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
    return resume(services, tx, who, run, ceiling_micro)


def _must_have_its_turn(services: Services, tx: Tx, run: Run) -> None:
    if (refusal := account_turn.refusal_of(tx, run, services.policy)) is not None:
        raise refusal


def go_on(services: Services, run_id: str, actor: str, row: AirtableRow) -> None:
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
    retry(services, run_id, actor, row=row)


def with_max_cost(tx: Tx, run: Run, row: AirtableRow | None) -> Run:
    """A locked run that is told in the base to go on, which may cost what its row's Max Cost says by now, more or
    less. One that cannot be read changes nothing.
    """
    if row is None or run.order is None:
        return run
    wish, order = row.order.max_cost_micro, run.order
    unread = wish is None and "max_cost_micro" in row.given
    if unread or order.max_cost_micro == wish:
        return run
    order = replace(order, max_cost_micro=wish)
    tx.runs.change(run.id, order=order)
    return replace(run, order=order)


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


def resume(services: Services, tx: Tx, who: Actor, run: Run, ceiling_micro: int | None = None) -> Run:
    """Go on with a locked run that has stopped and may go on."""
    record(tx, who, "run", run.id, run.id, "retried")
    run = replace(run, ceiling_micro=ceiling_micro)
    scenes = tx.scenes.find(run_id=run.id, order="number")
    again = {"error": None, "next_at": who.now, "finished_at": None, "ceiling_micro": ceiling_micro}
    if not scenes:
        # Somebody may have mended the row: it is read once more.
        order = run.order if run.record_id is None or run.plan is not None else None
        run = transition_run(
            tx, who, run, _R.QUEUED, detail="Trying again.", approval=None, turn=None, order=order, **again
        )
    elif run.approval == "asked":
        # What is refused leaves it as it was, of which the refusal speaks.
        former, run = run, transition_run(tx, who, run, _R.NEEDS_APPROVAL, **again)
        hold_missing(services, tx, former, scenes, who.now)
    else:
        forgive(tx, scenes)
        hold_missing(services, tx, run, scenes, who.now)
        run = transition_run(tx, who, run, _R.GENERATING, detail="Going on where it stopped.", **again)
        wake_planned(tx, run, who.now)
    run_row.show(services, tx, run, urgent=True, within_s=outbox.MOMENT_S)
    return run


def forgive(tx: Tx, scenes: list[Scene]) -> None:
    """Failures before now do not count on the ladder any more; refused scenes are tried again as they are."""
    for scene in scenes:
        if scene.clip_id is None:
            fresh = replace(scene.attempt_level, forgiven=tx.generations.count(scene_id=scene.id))
            tx.scenes.change(scene.id, attempt_level=fresh, status=SceneStatus.QUEUED, error=None)


def hold_missing(services: Services, tx: Tx, run: Run, scenes: list[Scene], now: float) -> None:
    """Set aside what the scenes without a clip may cost. A request asks no base: its Day Budget is left to the worker,
    who reads it before anything is bought.
    """
    has_open = {gen.scene_id for gen in tx.generations.find(run_id=run.id, status=tuple(OPEN))}
    missing = [scene for scene in scenes if scene.clip_id is None and scene.id not in has_open]
    due = still_to_buy(tx, run, missing, run.known_plan)
    due += sum(one.settings.speech_micro for one in scenes if not one.is_said and one not in missing)
    ledger.hold(tx, now, run, max(0, due - ledger.held(tx, run)), services.policy, settings_read=False)
    price = credit_book.reserve(tx, now, run, still_to_charge(tx, run), services.prices)
    if price is not None:
        tx.runs.change(run.id, price_micro=price)


def wake_planned(tx: Tx, run: Run, now: float) -> None:
    """What was about to be sent, or to be fetched, is due now."""
    for gen in tx.generations.find(run_id=run.id, status=(_G.PLANNED, _G.SUCCEEDED)):
        tx.generations.change(gen.id, next_at=now)


def set_stop(services: Services, *, on: bool, reason: str, actor: str, press: str | None = None) -> None:
    """The Stop switch for all new spending."""
    with services.store.write() as tx:
        if was_decided(tx, "stop", press):
            return
        stop_switch.set_switch(tx, on=on, now=services.clock.now(), reason=reason, actor=actor)
        record(tx, Actor(actor, services.clock.now()), "switch", "stop", None, "stop", on=on, reason=reason)

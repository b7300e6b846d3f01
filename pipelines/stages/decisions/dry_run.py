"""What a person's decision about a run would cost at most, and what stands against it. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.domain.errors import InvalidOrder, NotFound, Problem, TooMany
from pipelines.domain.lifecycle import OPEN, GenerationStatus, RunStatus
from pipelines.domain.orders.field_labels import for_scene
from pipelines.domain.orders.order import SceneChanges
from pipelines.domain.planning.plan import Plan
from pipelines.domain.records import Run, Scene
from pipelines.ports import Tx
from pipelines.stages.decisions import scene_edits
from pipelines.stages.generations.requests import still_to_buy, still_to_charge
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import found_run
from pipelines.stages.orders import account_turn, regenerate_scene
from pipelines.stages.spending import caps, credit_book, ledger


@dataclass(frozen=True, slots=True)
class DecisionPreview:
    """What a decision would buy, for how many micro-dollars at most, and why it would be refused."""

    run_id: str
    price_micro: int
    plan: Plan | None
    problems: tuple[Problem, ...] = ()
    terms: credit_book.Terms | None = None
    """For an account that pays in credits."""
    shown_micro: int = 0
    """Of going on and of a new clip: the price as the people of the run know it, which they agree to."""


def going_on(services: Services, run_id: str, ceiling_micro: int | None = None) -> DecisionPreview:
    """Of approving or retrying: all missing clips; before the scenes are written, the quote. Raises NotFound."""
    with services.store.read() as tx:
        run = found_run(tx, run_id)
        price = _missing(tx, run, None)
        preview = _priced(
            services, tx, replace(run, ceiling_micro=ceiling_micro), price, _plan_of(run), _to_charge(tx, run)
        )
        terms = preview.terms if run.price_micro is not None else None
        preview = replace(preview, shown_micro=price if terms is None else terms.price_micro)
        return _in_turn(preview, account_turn.refusal_of(tx, run, services.policy))


def approving(
    services: Services, run_id: str, edits: scene_edits.Edits, at_most_micro: int | None = None
) -> DecisionPreview:
    """Of approving a run with its scenes as `edits` change them. Raises NotFound, InvalidOrder."""
    with services.store.read() as tx:
        run = found_run(tx, run_id)
        if run.plan is None or run.status is not RunStatus.NEEDS_APPROVAL:
            return DecisionPreview(run_id, 0, _plan_of(run))
        found = scene_edits.edited(services, tx, run, edits)
        alone = replace(run, ceiling_micro=None)
        preview = _priced(services, tx, alone, found.due_micro, found.plan, found.charge_micro)
        refused = regenerate_scene.too_dear(found.shown_micro, at_most_micro)
        problems = (Problem("max_cost_usd", refused),) if refused else preview.problems
        preview = replace(preview, shown_micro=found.shown_micro, problems=problems)
        return _in_turn(preview, account_turn.refusal_of(tx, run, services.policy))


def cancelling(services: Services, run_id: str) -> DecisionPreview:
    """Nothing is bought. Raises NotFound."""
    with services.store.read() as tx:
        return DecisionPreview(run_id, 0, _plan_of(found_run(tx, run_id)))


def regeneration(
    services: Services, run_id: str, number: int, changes: SceneChanges, *, at_most_micro: int | None = None
) -> DecisionPreview:
    """Of one new clip. Raises NotFound, or InvalidOrder when the model cannot make what is asked."""
    with services.store.read() as tx:
        run = found_run(tx, run_id)
        found = tx.scenes.find(run_id=run_id, number=number, limit=1)
        if not found:
            raise NotFound(f"scene {number} of {run_id}", marketer=f"This run has no scene {number}.")
        try:
            plan = regenerate_scene.plan(services, tx, run, found[0], changes)
        except InvalidOrder as error:
            raise InvalidOrder(tuple(dict.fromkeys(for_scene(error.problems)))) from error
        # Its clip and its line of before, if they are missing, are not made any more.
        due = _to_charge(tx, run, without=found[0]) + plan.charge_micro
        preview = _priced(services, tx, replace(run, ceiling_micro=None), plan.quote_micro, plan, due)
        if preview.terms is not None:
            price = services.prices.whole(plan.charge_micro)
            own = replace(preview.terms, price_micro=price, credits=price // services.prices.credit_micro)
            preview = replace(preview, terms=own)
        shown = regenerate_scene.shown_price(services, run, plan)
        preview = replace(preview, shown_micro=shown)
        preview = _in_turn(preview, account_turn.refusal_to_make_again(tx, run, services.policy))
        refused = regenerate_scene.too_dear(shown, at_most_micro)
        return replace(preview, problems=(Problem("max_cost_usd", refused),)) if refused else preview


def _in_turn(preview: DecisionPreview, refusal: TooMany | None) -> DecisionPreview:
    """With what stands against it beside money: too much is being made for its account."""
    if refusal is None:
        return preview
    return replace(preview, problems=(*preview.problems, Problem("", refusal.marketer)))


def regeneration_prices(services: Services, run_id: str, models: Sequence[str]) -> dict[int, dict[str, int]]:
    """What a new clip of each scene would cost at most with each of the models that can make it, in micro-dollars; by
    the scene's number.
    """
    with services.store.read() as tx:
        run = found_run(tx, run_id)
        scenes = tx.scenes.find(run_id=run_id, order="number") if run.order and run.plan else []
        return {
            scene.number: {
                model: price for model in models if (price := _price_with(services, tx, run, scene, model)) is not None
            }
            for scene in scenes
        }


def _price_with(services: Services, tx: Tx, run: Run, scene: Scene, model: str) -> int | None:
    try:
        plan = regenerate_scene.plan(services, tx, run, scene, {"model": model})
    except InvalidOrder:
        return None
    return regenerate_scene.shown_price(services, run, plan)


def decision(services: Services, generation_id: str, choice: str) -> DecisionPreview:
    """Of money in doubt: only writing it off buys anything. Raises NotFound."""
    with services.store.read() as tx:
        gen = tx.generations.get(generation_id)
        if gen is None:
            raise NotFound(f"generation {generation_id}", marketer="There is no such generation.")
        run = found_run(tx, gen.run_id)
        if gen.status is not GenerationStatus.UNKNOWN:
            settled = Problem("choice", f"Nothing is in doubt here any more: the generation is {gen.status.value}.")
            return DecisionPreview(run.id, 0, _plan_of(run), (settled,))
        price = _missing(tx, run, gen.scene_id) if choice == "write_off" else 0
        return _priced(services, tx, replace(run, ceiling_micro=None), price, _plan_of(run), 0)


def _missing(tx: Tx, run: Run, doubtful: str | None) -> int:
    """Micro-dollars of the scenes without a clip or one on its way, which that of the `doubtful` scene is not."""
    scenes = tx.scenes.find(run_id=run.id, order="number")
    if not scenes or run.plan is None:
        return run.quote_micro or 0
    on_its_way = {gen.scene_id for gen in tx.generations.find(run_id=run.id, status=tuple(OPEN))} - {doubtful}
    missing = [scene for scene in scenes if scene.id not in on_its_way]
    return still_to_buy(tx, run, missing, run.plan)


def _to_charge(tx: Tx, run: Run, *, without: Scene | None = None) -> int:
    """What an account would still be charged; before the scenes are written, for all of it."""
    if run.plan is None:
        return 0
    return still_to_charge(tx, run, without=without) if tx.scenes.count(run_id=run.id) else run.plan.charge_micro


def _priced(services: Services, tx: Tx, run: Run, price: int, plan: Plan | None, charge: int) -> DecisionPreview:
    """What the run has set aside already need not be found again."""
    now = services.clock.now()
    amount = max(0, price - ledger.held(tx, run))
    refused = caps.refusal(tx, now, run, amount, services.policy, settings_read=False)
    problems = (Problem("max_cost_usd", refused),) if refused and amount else ()
    terms = credit_book.terms_of(tx, now, services.prices, run, charge)
    if terms is not None and terms.refusal is not None:
        problems = (*problems, Problem("credits", terms.refusal.marketer))
    return DecisionPreview(run.id, price, plan, problems, terms)


def _plan_of(run: Run) -> Plan | None:
    return run.plan or None

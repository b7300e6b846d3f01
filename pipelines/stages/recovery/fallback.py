"""Another model where one is at fault: which could take a scene over, at what price, and when it may by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipelines.domain.errors import InvalidOrder
from pipelines.domain.lifecycle import OPEN, GenerationStatus, RunStatus, SceneStatus
from pipelines.domain.money import show
from pipelines.domain.planning.plan import Plan, PlannedScene
from pipelines.domain.records import Generation, Run, Scene
from pipelines.ports import Tx
from pipelines.stages.generations.requests import alone, follows, order_of_one, scene_order
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, transition_generation, wake_run
from pipelines.stages.orders import plan_run
from pipelines.stages.spending import circuit_breaker, ledger


@dataclass(frozen=True, slots=True)
class Others:
    """Fallback models for one scene, in the operator's order: those within what the run holds, and dearer ones with
    what the run's people would pay for them, in micro-dollars.
    """

    affordable: tuple[str, ...] = ()
    dearer: tuple[tuple[str, int], ...] = ()

    def advice(self) -> str:
        """What a person may do about the dearer ones; empty where there are none."""
        if not self.dearer:
            return ""
        model, price = self.dearer[0]
        return f" {model} could make it for {show(price)}, more than is set aside: choose it here and regenerate."


def others_for(services: Services, tx: Tx, run: Run, scene: Scene, now: float, *, freed: int = 0) -> Others:
    """Models of FALLBACK_MODELS that are set up, well, and can make this scene. `freed`: what a present purchase of the
    scene would give back.
    """
    plans = _plans(services, tx, run, scene, now)
    spare = ledger.held(tx, run) + freed - _promised(tx, run, scene) if plans else 0
    affordable = tuple(model for model, one in plans if one.price_micro <= spare)
    sold = run.price_micro is not None
    dearer = ((model, one.charge_micro if sold else one.price_micro) for model, one in plans if one.price_micro > spare)
    return Others(affordable, tuple(dearer))


def _plans(services: Services, tx: Tx, run: Run, scene: Scene, now: float) -> list[tuple[str, PlannedScene]]:
    found = []
    for model in services.policy.fallback_models:
        card = services.catalogue.get(model)
        if card is None or model == scene.model or not services.providers.configured(card.provider):
            continue
        if scene.continues and not card.image_to_video:
            continue
        plan = None if circuit_breaker.is_open(tx, model, now) else replan(services, run, scene, model)
        if plan is not None:
            found.append((model, plan.scenes[0]))
    return found


def _promised(tx: Tx, run: Run, scene: Scene) -> int:
    """What the run's other scenes will still take out of its hold: those that wait for the one before."""
    others = [other for other in tx.scenes.find(run_id=run.id, clip_id=None) if other.id != scene.id]
    waiting = [
        other
        for other in others
        if other.status is not SceneStatus.FAILED and not tx.generations.count(scene_id=other.id, status=tuple(OPEN))
    ]
    return sum(other.settings.price_micro for other in waiting)


def replan(services: Services, run: Run, scene: Scene, model: str) -> Plan | None:
    """The same scene alone, fitted to another model, or None where it does not fit."""
    order = run.known_order
    one = scene_order(scene, model, shared=order.references)
    try:
        return plan_run.plan_order(services, order_of_one(order, one), [alone(one)], follows=follows(scene))
    except InvalidOrder:
        return None


def step_aside(services: Services, actor: Actor, gen: Generation) -> bool:
    """Withdraw a purchase that would wait for a broken model while another may take over: the run chooses again.

    Not where an earlier try of it was only found missing in a list: should it turn up after all, it is wanted.
    """
    with services.store.read() as tx:
        if not circuit_breaker.is_open(tx, gen.model, services.clock.now()):
            return False
    with services.store.write() as tx:
        now = services.clock.now()
        run, scene = tx.runs.get(gen.run_id, lock=True), tx.scenes.get(gen.scene_id)
        if run is None or scene is None or run.status is not RunStatus.GENERATING or scene.model != gen.model:
            return False
        if tx.events.count(entity_id=gen.id, name="not_taken"):
            return False
        if not others_for(services, tx, run, scene, now, freed=gen.reserve_micro).affordable:
            return False
        ledger.free(tx, now, run, transition_generation(tx, replace(actor, now=now), gen, GenerationStatus.CANCELLED))
        wake_run(tx, run.id, now)
    return True

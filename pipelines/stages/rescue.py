"""The refusal ladder and the fallback, rung by rung: one scene's trouble never costs its siblings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pipelines.domain.errors import InvalidOrder, ReelgridError, Retryable
from pipelines.domain.ladder import Rung, Step, next_step
from pipelines.domain.lifecycle import GenerationStatus, Reason, SceneStatus
from pipelines.domain.order import order_from_json
from pipelines.domain.plan import PlannedScene
from pipelines.domain.run import Generation, Run, Scene
from pipelines.ports import Tx
from pipelines.stages import accept, breaker, ledger, outbox
from pipelines.stages.moves import Actor, record
from pipelines.stages.requests import scene_order, settings_of
from pipelines.stages.services import Services
from pipelines.stages.submit import pictures_of, submission_of

PLACEHOLDER_MODEL = "local/animatic"
_GONE = (GenerationStatus.FAILED, GenerationStatus.ABANDONED)


def next_rung(services: Services, tx: Tx, actor: Actor, run: Run, scene: Scene, tries: list[Generation]) -> Scene:
    """The scene as it should be tried now; unchanged when nothing failed, Failed when a person is needed."""
    forgiven = int(scene.rung.get("forgiven", 0))
    failures = [gen for gen in tries if gen.status in _GONE and gen.attempt > forgiven]
    if not failures:
        return scene
    allowed = order_from_json(run.order or {}).allow_rewrite
    step = next_step(
        failures,
        services.card(failures[-1].model),
        can_rewrite=allowed and bool(scene.rung.get("softened")) and not scene.rung.get("rewritten"),
        fallbacks=_usable(services, tx, actor, run, scene),
    )
    return _Climb(services, tx, actor, run, scene, step, failures[-1]).go()


def _usable(services: Services, tx: Tx, actor: Actor, run: Run, scene: Scene) -> list[str]:
    """Fallback models that are set up, not broken, and within what the run still holds."""
    usable = []
    for model in services.policy.fallback_models:
        card = services.catalogue.get(model)
        if card is None or not services.providers.configured(card.provider) or breaker.is_open(tx, model, actor.now):
            continue
        planned = replan(services, run, scene, model)
        if planned is not None and planned.price_micro <= ledger.held(tx, run):
            usable.append(model)
    return usable


def replan(services: Services, run: Run, scene: Scene, model: str) -> PlannedScene | None:
    """The same scene fitted to another model, or None where it does not fit."""
    order = order_from_json(run.order or {})
    one = scene_order(scene, model, shared=order.references)
    try:
        plan = accept.plan_order(services, replace(order, adapt=True, model=model, scenes=(one,)), [one])
    except InvalidOrder:
        return None
    return plan.scenes[0]


@dataclass(frozen=True, slots=True)
class _Climb:
    """One rung, taken in the fan-out's transaction."""

    services: Services
    tx: Tx
    actor: Actor
    run: Run
    scene: Scene
    step: Step
    last: Generation

    def go(self) -> Scene:
        """The scene after the rung."""
        if self.step.rung is Rung.AGAIN:
            return self._change()
        if self.step.rung is Rung.REWRITE:
            softened = self.scene.rung["softened"]
            return self._change(prompt=softened, rung={**self.scene.rung, "rewritten": self.scene.prompt})
        if self.step.rung is Rung.OTHER_MODEL and self.step.model:
            return self._switch(self.step.model)
        if self.step.rung is Rung.PLACEHOLDER:
            return self._switch(PLACEHOLDER_MODEL, rung={**self.scene.rung, "placeholder": refusal_of(self.scene)})
        return self._change(status=SceneStatus.FAILED, error=self._why())

    def _why(self) -> str:
        if self.last.reason == Reason.QUOTA.value:
            return "The account at the video service is out of credit. Ask your operator, then retry."
        if self.last.reason == Reason.INVALID.value:
            return f"The video service did not accept this scene: {self.last.error or 'no reason given'}."
        if self.last.status is GenerationStatus.ABANDONED:
            return "The video service did not finish this scene in time; it may still be charged. Retry it if you like."
        return "The video service failed on this scene again and again. Retry later or choose another model."

    def _switch(self, model: str, **changes: Any) -> Scene:
        planned = replan(self.services, self.run, self.scene, model)
        if planned is None:
            return self._change(status=SceneStatus.FAILED, error=self._why())
        settings = settings_of(planned, self.services.card(model), self.scene.settings.get("style"))
        return self._change(model=model, settings=settings, references=planned.references, **changes)

    def _change(self, **changes: Any) -> Scene:
        self.tx.scenes.change(self.scene.id, updated_at=self.actor.now, **changes)
        detail = {"rung": self.step.rung.value, "model": self.step.model, "after": self.last.reason}
        record(self.tx, self.actor, "scene", self.scene.id, self.run.id, "ladder", generation=self.last.id, **detail)
        scene = self.tx.scenes.get(self.scene.id) or self.scene
        outbox.show_scene(self.services, self.tx, self.run, scene)
        return scene


def refusal_of(scene: Scene) -> str:
    """What the marketer reads about a refused scene: why, and what could be tried."""
    culprit = scene.rung.get("culprit")
    why = f"The video service refused this scene: {culprit}." if culprit else "The video service refused this scene."
    softer = scene.rung.get("softened")
    advice = f" Suggested prompt: {softer}" if softer else " Change its prompt and regenerate it."
    return why + advice


def explain_refusals(services: Services, actor: Actor, run: Run) -> None:
    """Before the fan-out: name the culprit of each new refusal, and have a softer prompt at hand."""
    with services.store.read() as tx:
        scenes = tx.scenes.find(run_id=run.id, clip_id=None, order="number")
        refused = [(scene, last) for scene in scenes if (last := _unexplained(tx, scene)) is not None]
    for scene, last in refused:
        _explain(services, actor, run, scene, last)


def _unexplained(tx: Tx, scene: Scene) -> Generation | None:
    generations = tx.generations.find(scene_id=scene.id, order="-created_at", limit=1)
    last = generations[0] if generations else None
    if last is None or last.reason != Reason.REFUSED.value or scene.rung.get("explained") == last.id:
        return None
    return last


def _explain(services: Services, actor: Actor, run: Run, scene: Scene, last: Generation) -> None:
    rung: dict[str, Any] = {**scene.rung, "explained": last.id}
    cost = 0
    try:
        submission = submission_of(services, last)
        pictures = [submission.inputs[key] for key in pictures_of(submission.request)]
        rung["culprit"] = services.moderator.culprit(scene.prompt, pictures)
        if not rung.get("softened"):
            script = services.writer.soften(scene.prompt, rung["culprit"] or last.error or "refused")
            rung["softened"], cost = script.scenes[0].prompt, script.cost_micro
    except Retryable:
        raise
    except ReelgridError as error:
        rung["note"] = error.operator
    with services.store.write() as tx:
        ledger.spend_text(tx, actor.now, run, cost)
        tx.scenes.change(scene.id, {"clip_id": None}, rung=rung, updated_at=actor.now)
        record(
            tx, actor, "scene", scene.id, run.id, "explained", culprit=rung.get("culprit"), softer=rung.get("softened")
        )

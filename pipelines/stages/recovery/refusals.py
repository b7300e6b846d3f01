"""The refusal ladder and the fallback, rung by rung: one scene's trouble never costs its siblings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pipelines.domain.errors import ReelgridError, Retryable
from pipelines.domain.lifecycle import GenerationStatus, Reason, SceneStatus
from pipelines.domain.orders.order import searchable
from pipelines.domain.records import Generation, Run, Scene
from pipelines.domain.recovery.refusal_ladder import AttemptKind, Step, next_step
from pipelines.ports import Tx
from pipelines.stages.base_rows import scene_rows
from pipelines.stages.generations import text_requests
from pipelines.stages.generations.requests import must_be_quiet, settings_of
from pipelines.stages.generations.submit import pictures_of, submission_of
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record
from pipelines.stages.orders import brands, regenerate_scene
from pipelines.stages.recovery.fallback import Others, others_for, replan
from pipelines.stages.spending import circuit_breaker, ledger

PLACEHOLDER_MODEL = "local/animatic"
_GONE = (GenerationStatus.FAILED, GenerationStatus.ABANDONED)


def next_attempt(services: Services, tx: Tx, actor: Actor, run: Run, scene: Scene, tries: list[Generation]) -> Scene:
    """The scene as it should be tried now; unchanged when nothing failed, Failed when a person is needed."""
    failures = _failures(scene, tries)
    if not failures:
        return scene
    others = others_for(services, tx, run, scene, actor.now)
    step = _step(services, run, scene, failures, others, rewrite=scene.attempt_level.softened is not None)
    return _Recovery(services, tx, actor, run, scene, step, others, failures[-1]).go()


def around_broken(services: Services, tx: Tx, actor: Actor, run: Run, scene: Scene) -> Scene:
    """The scene with another model while the circuit of its own is open, if one may take over."""
    if not circuit_breaker.is_open(tx, scene.model, actor.now):
        return scene
    others = others_for(services, tx, run, scene, actor.now)
    if not others.affordable:
        return scene
    step = Step(AttemptKind.OTHER_MODEL, others.affordable[0])
    return _Recovery(services, tx, actor, run, scene, step, others, None).go()


def _failures(scene: Scene, tries: list[Generation]) -> list[Generation]:
    """Where only its draft was not taken any more, a clip was not tried yet."""
    forgiven = scene.attempt_level.forgiven
    gone = [gen for gen in tries if gen.status in _GONE and gen.attempt > forgiven]
    return [gen for gen in gone if not (gen.request.draft_job and gen.reason is Reason.INVALID)]


def _step(
    services: Services, run: Run, scene: Scene, failures: list[Generation], others: Others, *, rewrite: bool
) -> Step:
    """`rewrite`: a softened prompt is at hand, or could be had."""
    allowed = run.known_order.allow_rewrite and not scene.attempt_level.rewritten
    card = services.catalogue_model(failures[-1].model)
    return next_step(failures, card, can_rewrite=rewrite and allowed, fallbacks=others.affordable)


@dataclass(frozen=True, slots=True)
class _Recovery:
    """One rung, taken in the fan-out's transaction. `last` failed; None when a model is left before it is tried."""

    services: Services
    tx: Tx
    actor: Actor
    run: Run
    scene: Scene
    step: Step
    others: Others
    last: Generation | None

    def go(self) -> Scene:
        """The scene after the rung."""
        if self.step.attempt_level is AttemptKind.AGAIN:
            return self._change()
        softened = self.scene.attempt_level.softened
        if self.step.attempt_level is AttemptKind.REWRITE and softened is not None:
            level = replace(self.scene.attempt_level, rewritten=self.scene.prompt)
            words = searchable(softened, self.scene.caption, self.scene.narration)
            return self._change(prompt=softened, words=words, attempt_level=level)
        if self.step.attempt_level is AttemptKind.OTHER_MODEL and self.step.model:
            return self._switch(self.step.model)
        if self.step.attempt_level is AttemptKind.PLACEHOLDER:
            sentence = refusal_of(self.scene) + self.others.advice()
            return self._switch(
                PLACEHOLDER_MODEL, attempt_level=replace(self.scene.attempt_level, placeholder=sentence)
            )
        return self._change(status=SceneStatus.FAILED, error=self._why())

    def _why(self) -> str:
        if self.last is None or self.last.status is GenerationStatus.ABANDONED:
            return "The video service did not finish this scene in time; it may still be charged. Retry it if you like."
        if self.last.reason == Reason.QUOTA:
            why = "The account at the video service is out of credit. Ask your operator, then retry."
        elif self.last.reason == Reason.EXPIRED and self.last.cost_micro:
            why = "The video service no longer has this clip, and it counts as paid. Retry to have it made again."
        elif self.last.reason == Reason.INVALID:
            why = f"The video service did not accept this scene: {self.last.error or 'no reason given'}."
        else:
            why = "The video service failed on this scene again and again. Retry later or choose another model."
        return why + self.others.advice()

    def _switch(self, model: str, **changes: Any) -> Scene:
        plan = replan(self.services, self.run, self.scene, model)
        if plan is None:
            return self._change(status=SceneStatus.FAILED, error=self._why())
        planned = plan.scenes[0]
        before = self.scene.settings
        card = self.services.catalogue_model(model)
        settings = settings_of(planned, card, before.style, row_prompt=before.row_prompt)
        # Whatever another model costs: what was agreed is charged.
        settings = replace(settings, own_resolution=before.own_resolution, own_shape=before.own_shape)
        settings = replace(settings, charge_micro=before.charge_micro, quiet=must_be_quiet(self.run, card))
        # Its line is said all the same.
        settings = replace(settings, speech_micro=before.speech_micro, speech_charge_micro=before.speech_charge_micro)
        settings = replace(settings, said=before.said, row_cells=before.row_cells)
        scene = self._change(model=model, settings=settings, references=planned.references, **changes)
        regenerate_scene.tell(self.tx, self.actor, scene, plan)
        return scene

    def _change(self, **changes: Any) -> Scene:
        self.tx.scenes.change(self.scene.id, updated_at=self.actor.now, **changes)
        scene = self.tx.scenes.get(self.scene.id) or self.scene
        self._record(scene)
        scene_rows.show(self.services, self.tx, self.run, scene)
        return scene

    def _record(self, scene: Scene) -> None:
        """For the history: what is tried now, after what, and what the try before and this one cost."""
        tried = self.last
        record(
            self.tx,
            self.actor,
            "scene",
            scene.id,
            self.run.id,
            "ladder",
            rung=self.step.attempt_level.value,
            model=self.step.model,
            after=tried.reason if tried else "circuit open",
            generation=tried.id if tried else None,
            cost_micro=(tried.cost_micro or 0) if tried else 0,
            price_micro=0 if self.step.attempt_level is AttemptKind.ASK else scene.settings.price_micro,
        )


def refusal_of(scene: Scene) -> str:
    """What the marketer reads about a refused scene: why, and what could be tried."""
    culprit = scene.attempt_level.culprit
    why = f"The video service refused this scene: {culprit}." if culprit else "The video service refused this scene."
    softer = scene.attempt_level.softened
    advice = f" Suggested prompt: {softer}" if softer else " Change its prompt and regenerate it."
    return why + advice


def explain_refusals(
    services: Services, actor: Actor, run: Run, missing: Sequence[tuple[Scene, Sequence[Generation]]]
) -> None:
    """Before the fan-out: name the culprit of each new refusal, and have a softer prompt at hand where it is needed.
    `missing` are the scenes without a clip, each with what was tried for it, the last try last.
    """
    for scene, tried in missing:
        last = tried[-1] if tried else None
        if last is not None and last.reason == Reason.REFUSED and scene.attempt_level.explained != last.id:
            _explain(services, actor, run, scene, last)


def _explain(services: Services, actor: Actor, run: Run, scene: Scene, last: Generation) -> None:
    level = replace(scene.attempt_level, explained=last.id)
    question, cost = text_requests.question_of(run, "soften", last.id), 0
    try:
        submission = submission_of(services, last)
        pictures = [submission.inputs[key] for key in pictures_of(submission.request)]
        level = replace(level, culprit=services.moderator.culprit(scene.prompt, pictures))
        if _softer_is_needed(services, actor, run, scene):
            why = level.culprit or last.error or "refused"
            ask = partial(services.writer.soften, scene.prompt, why)
            script = text_requests.answered(services, actor, run, question, ask)
            softer, cost = script.scenes[0].prompt, script.cost_micro
            if word := brands.banned_word_of(run.known_order, script):
                level = replace(level, note=f"the softer prompt has “{word}”, which the brand does not allow")
            else:
                level = replace(level, softened=softer)
    except Retryable:
        raise
    except ReelgridError as error:
        level = replace(level, note=error.operator)
    with services.store.write() as tx:
        text_requests.used(tx, question)
        tx.scenes.change(scene.id, {"clip_id": None}, attempt_level=level, updated_at=actor.now)
        record(
            tx,
            actor,
            "scene",
            scene.id,
            run.id,
            "explained",
            culprit=level.culprit,
            softer=level.softened,
            cost_micro=cost,
        )


def _softer_is_needed(services: Services, actor: Actor, run: Run, scene: Scene) -> bool:
    """A softer prompt is either the next try, for which money is set aside, or what the marketer reads at the end, for
    which the scene's own money is left. It is never bought with the money of a clip.
    """
    with services.store.read() as tx:
        tries = [
            gen
            for gen in tx.generations.find(scene_id=scene.id, order="attempt")
            if gen.request.card.take == scene.take
        ]
        failures, others = _failures(scene, tries), others_for(services, tx, run, scene, actor.now)
        if scene.attempt_level.softened or not failures:
            return False
        attempt_level = _step(services, run, scene, failures, others, rewrite=True).attempt_level
        needed = scene.settings.price_micro if attempt_level is AttemptKind.REWRITE else 0
        left = ledger.held(tx, run) - needed
    return (
        attempt_level in (AttemptKind.REWRITE, AttemptKind.PLACEHOLDER)
        and services.writer.quote_softening_micro(scene.prompt) <= left
    )

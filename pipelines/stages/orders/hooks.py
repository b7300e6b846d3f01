"""Further openings of a film, written for the scenes that it has: where there are fewer than asked, it says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from pipelines.domain.errors import Refused
from pipelines.domain.orders.order import HOOK_LETTERS
from pipelines.domain.planning.hooks import differing, first_film, further
from pipelines.domain.planning.narration import most_words
from pipelines.domain.planning.plan import Plan, PlannedScene
from pipelines.domain.planning.script import SceneText, Script
from pipelines.domain.records import Run
from pipelines.ports import Brief, HookBrief
from pipelines.stages.generations import text_requests
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record, touch_run
from pipelines.stages.orders import brands
from pipelines.stages.spending import credit_book


def brief_of(services: Services, run: Run, plan: Plan) -> Brief:
    """What the writer is told of the film, whichever of its scenes are asked for."""
    order, scenes = run.known_order, first_film(plan.scenes)
    return Brief(
        master_prompt=order.master_prompt or "",
        scenes=len(scenes),
        seconds=round(fmean(scene.seconds for scene in scenes), 2),
        aspect_ratio=order.aspect_ratio,
        style_notes=brands.notes_for_writer(order),
        title=order.title,
        narration_words=most_words(min(scene.seconds for scene in scenes)) if order.voiceover else None,
        max_prompt=min(services.catalogue_model(scene.model).max_prompt for scene in plan.scenes),
        run_id=run.id,
    )


def write(services: Services, actor: Actor, run: Run, plan: Plan) -> tuple[Run, Plan]:
    """Have the missing hooks written; the film is made with those that differ, and all that is asked afterwards knows
    how many there are.
    """
    film, there = first_film(plan.scenes), [scene for scene in further(plan.scenes) if scene.prompt is not None]
    missing = len(plan.hooks) - 1 - len(there)
    brief = HookBrief(brief=brief_of(services, run, plan), scenes=tuple(_text(scene) for scene in film), count=missing)
    question = text_requests.question_of(run, "hooks", brief)
    script = text_requests.answered(services, actor, run, question, lambda: _asked(services, brief))
    known = [_text(scene) for scene in there]
    allowed = [scene for scene in script.scenes if not brands.banned_word_of(run.known_order, Script(scenes=(scene,)))]
    found = differing(brief.scenes, known, allowed)[:missing]
    notes = (
        script.notes if len(found) == missing else (*script.notes, _fewer(len(plan.hooks), 1 + len(there) + len(found)))
    )
    plan = _with(plan, film, there, found)
    plan = replace(plan, warnings=(*plan.warnings, *notes))
    services.points.reach("script.written", run=run.id)
    with services.store.write() as tx:
        text_requests.used(tx, question)
        if plan.hook_text_micro == plan.text_micro:
            credit_book.capture(tx, actor.now, run, plan.text_charge_micro)
        record(tx, actor, "run", run.id, run.id, "written", by=script.writer, notes=notes)
        order = replace(run.known_order, hooks=len(plan.hooks))
        return touch_run(tx, actor, run, plan=plan, order=order), plan


def _asked(services: Services, brief: HookBrief) -> Script:
    """No film fails for a hook: where the writer declines, there is none. What it was paid stays paid."""
    try:
        return services.writer.write_hooks(brief)
    except Refused as error:
        return Script(scenes=(), writer="", cost_micro=error.cost_micro, notes=())


def _text(scene: PlannedScene) -> SceneText:
    return SceneText(prompt=scene.prompt or "", caption=scene.caption)


def _with(plan: Plan, film: Sequence[PlannedScene], there: Sequence[PlannedScene], found: Sequence[SceneText]) -> Plan:
    """The plan with the hooks that there are, lettered one after the other."""
    blank = [scene for scene in further(plan.scenes) if scene.prompt is None]
    pairs = zip(blank, found, strict=False)
    opened = [*there, *(replace(scene, prompt=text.prompt, caption=text.caption) for scene, text in pairs)]
    opened.sort(key=lambda scene: scene.hook)
    lettered = [
        replace(scene, number=number, hook=letter)
        for number, letter, scene in zip(
            range(len(film) + 1, len(film) + len(opened) + 1), HOOK_LETTERS[1:], opened, strict=False
        )
    ]
    first = film[0] if opened else replace(film[0], hook="")
    return replace(plan, scenes=(first, *film[1:], *lettered))


def _fewer(asked: int, made: int) -> str:
    films = "is 1 film" if made == 1 else f"are {made} films"
    return (
        f"{asked} hooks were asked for. {made} could be written that differ enough, so there {films}. Say more in "
        "Master Prompt, or write a hook yourself in Scenes."
    )

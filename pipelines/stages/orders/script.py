"""Scenes: written by the writer, by a person, or taken over from the run before; then approved, or generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

from pipelines.domain.brands.banned_words import banned_in
from pipelines.domain.errors import Permanent
from pipelines.domain.footage import Consistency
from pipelines.domain.keys import new_id, scene_key
from pipelines.domain.lifecycle import RunStatus, SceneStatus
from pipelines.domain.orders.order import HOOK_LETTERS, Order, SceneOrder, searchable
from pipelines.domain.planning import post
from pipelines.domain.planning.cast import CastMember, coming_back, seen_in
from pipelines.domain.planning.hooks import FIRST, differing, first_film, further
from pipelines.domain.planning.narration import most_words
from pipelines.domain.planning.plan import Plan, PlannedScene
from pipelines.domain.planning.script import SceneText, Script
from pipelines.domain.records import Run, Scene
from pipelines.ports import Brief, HookBrief, Tx
from pipelines.stages.base_rows import base_settings, outbox, run_row, scene_rows
from pipelines.stages.generations import drafts, text_requests
from pipelines.stages.generations.requests import (
    made_quiet,
    must_be_quiet,
    repeats,
    scene_order,
    settings_of,
    still_to_buy,
    still_to_charge,
)
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record, touch_run, transition_run
from pipelines.stages.languages import translations
from pipelines.stages.narration import lines
from pipelines.stages.orders import brands
from pipelines.stages.pictures import cast
from pipelines.stages.spending import credit_book, ledger, stop_switch


def write(services: Services, actor: Actor, run: Run) -> None:
    """Have the master prompt written, then set the money for its scenes aside. What was written is kept and booked
    before that: words cost money too, and are not paid again where the hold has to wait or is refused.
    """
    _must_be_allowed(services, run)
    plan = run.known_plan
    style = run.known_order.style_notes if plan.styled else None
    if plan.scenes[0].prompt is None:
        run, plan = _written(services, actor, run, plan)
        _must_be_allowed(services, run)
    if any(scene.prompt is None for scene in plan.scenes):
        run, plan = _with_hooks_written(services, actor, run, plan)
        _must_be_allowed(services, run)
    if plan.seeks_cast:
        run, plan = _with_cast_found(services, actor, run, plan)
        _must_be_allowed(services, run)
    with services.store.write() as tx:
        enter(services, tx, actor, run, plan, style=style)
    services.points.reach("script.committed", run=run.id)


def _must_be_allowed(services: Services, run: Run) -> None:
    base_settings.refresh(services, run.base_id)
    with services.store.read() as tx:
        stop_switch.must_be_off(tx, run.base_id, run.account_id)


def _written(services: Services, actor: Actor, run: Run, plan: Plan) -> tuple[Run, Plan]:
    order, brief = run.known_order, _brief_of(services, run, plan)
    questions = [text_requests.question_of(run, "write", brief)]
    script = text_requests.answered(services, actor, run, questions[0], lambda: services.writer.write(brief))
    if brands.banned_word_of(order, script):
        again = brands.second_brief(brief)
        questions.append(text_requests.question_of(run, "write", again))
        script = text_requests.answered(services, actor, run, questions[1], lambda: services.writer.write(again))
        if word := brands.banned_word_of(order, script):
            raise brands.refusal(run, word)
    services.points.reach("script.written", run=run.id)
    texts = zip(first_film(plan.scenes), script.scenes, strict=True)
    written = tuple(
        replace(scene, prompt=text.prompt, caption=text.caption, narration=text.narration) for scene, text in texts
    )
    plan = replace(plan, scenes=(*written, *further(plan.scenes)), warnings=(*plan.warnings, *script.notes))
    plan = with_post(order, cast.written(services, order, plan, script.cast), script.post_text)
    with services.store.write() as tx:
        for question in questions:
            text_requests.used(tx, question)
        credit_book.capture(tx, actor.now, run, plan.text_charge_micro)
        record(tx, actor, "run", run.id, run.id, "written", by=script.writer, notes=script.notes)
        return touch_run(tx, actor, run, plan=plan), plan


def with_post(order: Order, plan: Plan, text: str) -> Plan:
    """The plan with what is posted with its films: this text, else what they show and say."""
    film = first_film(plan.scenes)
    if not order.pack or film[0].prompt is None:
        return plan
    return replace(plan, post_text=post.shortened(text) or post.of_scenes(order.title, film))


def post_written(order: Order, plan: Plan) -> str:
    """What the writer wrote to be posted; empty where that follows from the scenes."""
    return "" if plan.post_text == post.of_scenes(order.title, first_film(plan.scenes)) else plan.post_text


def _brief_of(services: Services, run: Run, plan: Plan) -> Brief:
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
        cast=order.consistency is Consistency.PICTURES,
        post=bool(order.pack),
        max_prompt=min(services.catalogue_model(scene.model).max_prompt for scene in plan.scenes),
        run_id=run.id,
    )


def _with_hooks_written(services: Services, actor: Actor, run: Run, plan: Plan) -> tuple[Run, Plan]:
    """Have the missing hooks written; the film is made with those that differ, and all that is asked afterwards knows
    how many there are.
    """
    film, there = first_film(plan.scenes), [scene for scene in further(plan.scenes) if scene.prompt is not None]
    missing = len(plan.hooks) - 1 - len(there)
    brief = HookBrief(brief=_brief_of(services, run, plan), scenes=tuple(_text(scene) for scene in film), count=missing)
    question = text_requests.question_of(run, "hooks", brief)
    ask = partial(services.writer.write_hooks, brief)
    script = text_requests.answered(services, actor, run, question, lambda: _asked(ask))
    known = [_text(scene) for scene in there]
    allowed = [scene for scene in script.scenes if not brands.banned_word_of(run.known_order, Script(scenes=(scene,)))]
    found = differing(brief.scenes, known, allowed)[:missing]
    notes = (
        script.notes if len(found) == missing else (*script.notes, _fewer(len(plan.hooks), 1 + len(there) + len(found)))
    )
    plan = _with_hooks(plan, film, there, found)
    plan = replace(plan, warnings=(*plan.warnings, *notes))
    services.points.reach("script.written", run=run.id)
    with services.store.write() as tx:
        text_requests.used(tx, question)
        if script.scenes and plan.hook_text_micro + plan.cast_text_micro == plan.text_micro:
            credit_book.capture(tx, actor.now, run, plan.text_charge_micro)
        record(tx, actor, "run", run.id, run.id, "written", by=script.writer, notes=notes)
        order = replace(run.known_order, hooks=len(plan.hooks))
        return touch_run(tx, actor, run, plan=plan, order=order), plan


def _with_cast_found(services: Services, actor: Actor, run: Run, plan: Plan) -> tuple[Run, Plan]:
    """Have it said who comes back in scenes that people wrote; their words stay as they are."""
    prompts = [scene.prompt or "" for scene in first_film(plan.scenes)]
    question = text_requests.question_of(run, "cast", prompts)
    ask = partial(services.writer.find_cast, prompts)
    script = text_requests.answered(services, actor, run, question, lambda: _asked(ask))
    members = coming_back(script.cast, prompts)
    plan = replace(plan, seeks_cast=False, warnings=(*plan.warnings, *script.notes))
    plan = cast.written(services, run.known_order, plan, members)
    services.points.reach("script.written", run=run.id)
    with services.store.write() as tx:
        text_requests.used(tx, question)
        if script.writer and plan.cast_text_micro == plan.text_micro:
            credit_book.capture(tx, actor.now, run, plan.text_charge_micro)
        found = ", ".join(one.token for one in members) or "nobody"
        record(tx, actor, "run", run.id, run.id, "note", sentence=f"Looked for who comes back: {found}.")
        return touch_run(tx, actor, run, plan=plan), plan


def known_cast(tx: Tx, run: Run, scenes: Sequence[SceneOrder]) -> tuple[CastMember, ...]:
    """Who came back in the record's last run, as far as its scenes still name them: others would look different, and
    every clip with them.
    """
    earlier = None if run.fresh else _last_scenes(tx, run)[0]
    known = earlier.plan.cast if earlier is not None and earlier.plan is not None else ()
    return tuple(one for one in known if any(seen_in(scene.prompt, [one]) for scene in scenes))


def _asked(ask: Callable[[], Script]) -> Script:
    """No film fails for a hook, or for its cast: where the writer declines, or cannot be had, there is none, and the
    row says why. What it was paid stays paid.
    """
    try:
        return ask()
    except Permanent as error:
        return Script(scenes=(), writer="", cost_micro=error.cost_micro, notes=(error.marketer,))


def _text(scene: PlannedScene) -> SceneText:
    return SceneText(prompt=scene.prompt or "", caption=scene.caption)


def _with_hooks(
    plan: Plan, film: Sequence[PlannedScene], there: Sequence[PlannedScene], found: Sequence[SceneText]
) -> Plan:
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


def enter(services: Services, tx: Tx, actor: Actor, run: Run, plan: Plan, *, style: str | None) -> None:
    """All prompts are known: keep the scenes, set aside what they cost, then ask for approval or start generating.
    `style` goes with each prompt, unless the writer has worked it in.
    """
    if plan.further_languages:
        plan = translations.remembered(run, plan, _last_scenes(tx, run)[0])
    run = replace(run, plan=plan)
    scenes = keep_scenes(services, tx, actor, run, plan, style=style)
    for note in (*plan.adapted, *plan.warnings):
        record(tx, actor, "run", run.id, run.id, "note", sentence=note)
    due = still_to_buy(tx, run, scenes, plan)
    ledger.release(tx, actor.now, run)
    # What the cast costs is a hold of its own, and so are drafts: they may be bought before anybody approves the clips.
    drafted = drafts.wanted(tx, run, scenes)
    of_cast, of_drafts = min(due, plan.cast_micro), ledger.drafts_left(tx, run, drafted)[0]
    # Before the holds: what they refuse tells no Cost to whoever is known to pay a Price.
    price = credit_book.reserve(tx, actor.now, run, still_to_charge(tx, run), services.prices)
    run = replace(run, price_micro=price)
    ledger.hold(tx, actor.now, run, due - of_cast - of_drafts, services.policy)
    for part in filter(None, (of_cast, of_drafts)):
        ledger.hold(tx, actor.now, run, part, services.policy)
    agreed = {"plan": plan, "quote_micro": due + ledger.of_run(tx, run.id).spent, "price_micro": price}
    threshold = services.policy.approval_above_micro
    asks = run.known_order.ask_first or (threshold is not None and (threshold == 0 or due > threshold))
    if (asks or drafted) and run.approval != "given":
        detail = drafts.MAKING if drafted else drafts.LOOK_AT_CARDS
        run = transition_run(
            tx,
            actor,
            run,
            RunStatus.NEEDS_APPROVAL,
            approval="asked",
            detail=detail,
            next_at=actor.now,
            **agreed,
        )
    else:
        detail = "Generating the clips."
        run = transition_run(tx, actor, run, RunStatus.GENERATING, next_at=actor.now, detail=detail, **agreed)
    cast.order_sheets(services, tx, actor, run)
    scene_rows.show_all(services, tx, run, urgent=True, within_s=outbox.SOON_S)
    run_row.show(services, tx, run)


def keep_scenes(services: Services, tx: Tx, actor: Actor, run: Run, plan: Plan, *, style: str | None) -> list[Scene]:
    """Insert the plan's scenes, each with the take that tells it from equal ones."""
    scenes = _scenes_of(services, tx, actor.now, run, plan, style=style)
    for scene in scenes:
        tx.scenes.add(scene)
    return scenes


def due_at_least(services: Services, tx: Tx, order: Order, plan: Plan) -> int:
    """Micro-dollars that will at least be set aside when an order without a row begins: for one that is still to be
    written all that is quoted, else what of its scenes is not there yet. A scene with pictures, which are not fetched
    yet, may be there, and so may all scenes of a brand's row, which is not read yet.
    """
    if plan.seeks_cast or any(scene.prompt is None for scene in plan.scenes):
        return plan.quote_micro
    if order.brand_row is not None:
        return 0
    run = Run(id="run_ordered", status=RunStatus.QUEUED, source="rest", fresh=order.fresh, order=order, plan=plan)
    run = replace(run, account_id=tx.account_id)
    scenes = _scenes_of(services, tx, services.clock.now(), run, plan, style=order.style_notes)
    known = [scene for scene in scenes if order.fresh or not _has_pictures(scene)]
    return still_to_buy(tx, run, known, plan)


def _has_pictures(scene: Scene) -> bool:
    return any((*scene.references, scene.settings.first_frame, scene.settings.last_frame))


def _scenes_of(services: Services, tx: Tx, now: float, run: Run, plan: Plan, *, style: str | None) -> list[Scene]:
    before = _last_scenes(tx, run)[1]
    takes = _takes(before, [planned.prompt or "" for planned in plan.scenes])
    owner, unsaid_charge = run.record_id or run.id, plan.speech_charge_micro
    scenes = []
    for planned, take in zip(plan.scenes, takes, strict=True):
        scene = Scene(
            id=new_id("scn"),
            run_id=run.id,
            number=planned.number,
            key=_key(owner, run.number, planned),
            prompt=planned.prompt or "",
            caption=planned.caption,
            narration=planned.narration,
            seconds=planned.seconds,
            model=planned.model,
            settings=settings_of(
                planned, services.catalogue_model(planned.model), style, fresh=run.id if run.fresh else None
            ),
            references=planned.references,
            continues=planned.continues,
            transition=planned.transition,
            take=take,
            hook=planned.hook,
            words=searchable(planned.prompt, planned.caption, planned.narration),
            airtable_record_id=planned.airtable_record_id,
            status=SceneStatus.QUEUED,
            updated_at=now,
        )
        if must_be_quiet(run, services.catalogue_model(planned.model)):
            scene = made_quiet(tx, run, scene, len(first_film(plan.scenes)))
        scene = replace(scene, translations=translations.known_words(run.known_order, plan, scene, before))
        scene = lines.priced(services, tx, run, scene, at_most=unsaid_charge)
        unsaid_charge -= scene.settings.speech_charge_micro
        scenes.append(scene)
    return scenes


def _key(owner: str, run_number: int, planned: PlannedScene) -> str:
    """A further hook stands beside the first scene, whatever its number."""
    if planned.hook in ("", FIRST):
        return scene_key(owner, run_number, planned.number)
    return f"{scene_key(owner, run_number, 1)}-{planned.hook}"


def _takes(before: Sequence[Scene], prompts: Sequence[str]) -> list[int]:
    """Equal prompts are told apart by counting; one that was ordered again in the run before keeps that take, whose
    clip is the one that somebody wanted.
    """
    counts = repeats([scene.prompt for scene in before])
    known = {(scene.prompt, count): scene.take for scene, count in zip(before, counts, strict=True)}
    return [known.get(key, key[1]) for key in zip(prompts, repeats(prompts), strict=True)]


def _last_scenes(tx: Tx, run: Run) -> tuple[Run | None, list[Scene]]:
    """The record's newest earlier run that has scenes."""
    if run.record_id is None:
        return None, []
    before = {"number": run.number}
    for earlier in tx.runs.find(order="-number", before=before, base_id=run.base_id, record_id=run.record_id):
        scenes = tx.scenes.find(run_id=earlier.id, order="number")
        if scenes:
            return earlier, scenes
    return None, []


def with_settings_of_row(tx: Tx, run: Run, scenes: Sequence[SceneOrder], usual_model: str) -> list[SceneOrder]:
    """What no row can say and an API call said of a scene of the run before goes with it as long as its words and its
    model stay: otherwise its clip would be bought again.
    """
    earlier, kept = _last_scenes(tx, run)
    old_order = (earlier.order if earlier else None) or Order()
    before = [_of_its_own(scene_order(scene), old_order) for scene in kept]
    known = dict(zip(_places(before), before, strict=True))
    pairs = [(scene, known.get(place)) for scene, place in zip(scenes, _places(scenes), strict=True)]
    return [
        replace(scene, seed=old.seed, negative_prompt=old.negative_prompt)
        if old and old.model == (scene.model or usual_model)
        else scene
        for scene, old in pairs
    ]


def _of_its_own(scene: SceneOrder, order: Order) -> SceneOrder:
    """A scene of an earlier run without what it had from its whole order, which may say something else today."""
    return replace(
        scene,
        seed=None if scene.seed == order.seed else scene.seed,
        negative_prompt=None if scene.negative_prompt == order.negative_prompt else scene.negative_prompt,
        first_frame=None if scene.first_frame == order.first_frame else scene.first_frame,
        last_frame=None if scene.last_frame == order.last_frame else scene.last_frame,
    )


def _places(scenes: Sequence[SceneOrder]) -> list[tuple[str, int]]:
    """Each prompt with how often it came before."""
    prompts = [scene.prompt for scene in scenes]
    return list(zip(prompts, repeats(prompts), strict=True))


@dataclass(frozen=True, slots=True)
class Inherited:
    """Scenes of an earlier run; `style` says whether the style note goes with each of their prompts."""

    scenes: list[SceneOrder]
    style: bool
    cast: tuple[CastMember, ...] = ()
    post_text: str = ""


def inherited(tx: Tx, run: Run, order: Order, default_model: str) -> Inherited | None:
    """The scenes of the record's last run when the same text asked for them: they need not be written again,
    and their clips are there. None when anything that the writer reads has changed, or `fresh` was asked.
    """
    if run.fresh or order.scenes:
        return None
    earlier, scenes = _last_scenes(tx, run)
    if earlier is None or earlier.order is None or earlier.plan is None:
        return None
    old, model = earlier.order, earlier.plan.model
    banned = order.brand.banned if order.brand else ()
    if order.consistency is Consistency.PICTURES and old.consistency is Consistency.WORDS:
        # Who comes back is still to be said, and every clip will be shown it.
        return None
    if not _same_brief(old, order) or any(
        banned_in(f"{scene.prompt}\n{scene.caption}\n{scene.narration}", banned) for scene in scenes
    ):
        return None
    same = model == (order.model or default_model)
    orders = [
        _again(scene, old, model)
        if same
        else SceneOrder(prompt=scene.prompt, caption=scene.caption, narration=scene.narration, hook=scene.hook or None)
        for scene in scenes
    ]
    return Inherited(
        orders, any(scene.settings.style for scene in scenes), earlier.plan.cast, post_written(old, earlier.plan)
    )


def _same_brief(old: Order, new: Order) -> bool:
    def read_by_writer(order: Order) -> tuple[object, ...]:
        lengths = (order.scene_count, order.clip_seconds, order.film_seconds)
        return (order.master_prompt, order.style_notes, order.title, *lengths)

    return not old.scenes and read_by_writer(old) == read_by_writer(new)


def _again(scene: Scene, order: Order, usual_model: str) -> SceneOrder:
    """The scene as it became: with the model it was moved to, unless that only made a placeholder."""
    moved = scene.model != usual_model and not scene.attempt_level.placeholder
    again = _of_its_own(scene_order(scene, shared=order.references), order)
    return replace(again, model=scene.model if moved else None, airtable_record_id=None)

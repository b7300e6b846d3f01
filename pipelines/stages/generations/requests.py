"""What is bought for a scene, and the fingerprint that makes two purchases the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.footage import Consistency, PosterStyle, Preview, Transition
from pipelines.domain.keys import digest, idempotency_key, new_id, new_token
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.planning.hooks import first_film
from pipelines.domain.planning.plan import ClipSettings, LeftOut, Plan, PlannedScene, SceneSettings
from pipelines.domain.planning.translation import missing_lines
from pipelines.domain.records import Clip, Generation, Run, Scene
from pipelines.domain.state.generation import GenerationRequest, ScenePlace
from pipelines.ports import Tx
from pipelines.stages.spending import credit_book, ledger

NO_SPEECH = "No dialogue, no voice-over, no singing; ambient sound only."


def scene_order(scene: Scene, model: str | None = None, *, shared: Sequence[str] = ()) -> SceneOrder:
    """A scene that exists, as an order of its own, for planning it again. `shared` are the pictures of its whole
    order, which come along anyway.
    """
    asked, left_out = scene.settings, scene.settings.left_out or LeftOut()
    first = left_out.first_frame or asked.first_frame if scene.must_start else None
    return SceneOrder(
        prompt=scene.prompt,
        caption=scene.caption,
        narration=scene.narration,
        seconds=scene.seconds,
        model=model or scene.model,
        references=tuple(picture for picture in scene.pictures if picture not in shared),
        continues=scene.continues,
        transition=Transition(scene.transition) if scene.transition else None,
        first_frame=first,
        last_frame=left_out.last_frame or asked.last_frame,
        seed=asked.seed if left_out.seed is None else left_out.seed,
        negative_prompt=left_out.negative_prompt or asked.negative_prompt,
        resolution=asked.own_resolution,
        aspect_ratio=asked.own_shape,
        airtable_record_id=scene.airtable_record_id,
        hook=scene.hook or None,
    )


def order_of_one(order: Order, scene: SceneOrder, *, languages: int = 1) -> Order:
    """An order for one scene that exists, to be fitted to its model: the scene has all that it took from the whole
    order, or lost it on purpose. Its words are there in all languages, unless so many are said.
    """
    alone = dataclasses.replace(order, adapt=True, model=scene.model, scenes=(scene,), hooks=1, formats=(), pack=())
    alone = dataclasses.replace(alone, poster_style=PosterStyle.FRAME, consistency=Consistency.WORDS)
    alone = dataclasses.replace(alone, preview=Preview.ANIMATIC)
    resolution, shape = scene.resolution or order.resolution, scene.aspect_ratio or order.aspect_ratio
    alone = dataclasses.replace(alone, resolution=resolution, aspect_ratio=shape)
    alone = dataclasses.replace(alone, languages=order.languages[:languages])
    return dataclasses.replace(alone, seed=None, negative_prompt=None, first_frame=None, last_frame=None)


def alone(scene: SceneOrder) -> SceneOrder:
    """A scene that is planned by itself, whichever film it opens."""
    return dataclasses.replace(scene, hook=None)


def follows(scene: Scene) -> bool:
    """Whether there is a scene before it in its film."""
    return scene.number > 1 and not scene.hook


def request_for(scene: Scene, total: int, title: str | None, *, first_frame: str | None = None) -> GenerationRequest:
    """The request for a scene; `first_frame` replaces the ordered one where a scene continues the one before."""
    asked = scene.settings
    notes = (asked.style and f"Style: {asked.style}", asked.cast_note, NO_SPEECH if asked.quiet else None)
    return GenerationRequest(
        model=scene.model,
        prompt=_with_notes(scene.prompt, asked.max_prompt, *notes),
        seconds=asked.buy_seconds,
        width=asked.width,
        height=asked.height,
        aspect_ratio=asked.aspect_ratio,
        resolution=asked.resolution,
        fps=asked.fps,
        audio=asked.audio,
        seed=asked.seed,
        negative_prompt=asked.negative_prompt,
        first_frame=first_frame or asked.first_frame,
        last_frame=asked.last_frame,
        references=(*scene.references, *asked.cast),
        # Each hook is the first scene of its film.
        card=ScenePlace(number=1 if scene.hook else scene.number, total=total, heading=title, take=scene.take),
    )


def _with_notes(prompt: str, limit: int, *notes: str | None) -> str:
    """With what goes with it, as far as the model takes so much."""
    for note in notes:
        if note and _fits(prompt, note, limit):
            prompt = f"{prompt}\n\n{note}"
    return prompt


def _fits(prompt: str, note: str, limit: int) -> bool:
    return not limit or len(f"{prompt}\n\n{note}") <= limit


def must_be_quiet(run: Run, card: CatalogueModel) -> bool:
    """Whether nobody in a clip that this model makes for the run may speak, because a narrator does."""
    return run.known_order.voiceover and card.audio and not card.free


def made_quiet(tx: Tx, run: Run, scene: Scene, total: int) -> Scene:
    """The scene of a film with a narrator, whose model makes sound: nobody else is to speak. A clip that is there
    already is taken as it is, because ticking Voiceover buys no clip anew.
    """
    if cached_clip(tx, scene, _mark(run, scene, total)):
        return scene
    return dataclasses.replace(scene, settings=dataclasses.replace(scene.settings, quiet=True))


def style_left_out(plan: Plan, cards: Mapping[str, CatalogueModel], style: str | None) -> tuple[str, ...]:
    """Said of scenes whose prompt leaves no room for the style note that would go with it."""
    full = [
        f"Scene {scene.number}: the style notes do not fit beside the prompt, because {scene.model} takes at most "
        f"{cards[scene.model].max_prompt} characters. They are left out."
        for scene in plan.scenes
        if style and scene.prompt and not _fits(scene.prompt, f"Style: {style}", cards[scene.model].max_prompt)
    ]
    return tuple(full)


def not_set_up(plan: Plan, configured: Callable[[str], bool]) -> tuple[str, ...]:
    """Said of models that have a price, but of whose provider the key is missing."""
    models = dict.fromkeys(scene.model for scene in plan.scenes)
    away = (model for model in models if not configured(model.partition("/")[0]))
    return tuple(f"{model} is not set up here, so nothing can be made with it. Ask your operator." for model in away)


def fingerprint(request: GenerationRequest, take: int, account_id: str | None) -> str:
    """The same model, prompt, settings, references and seed are one purchase of one account; `take` tells wanted
    repeats apart. What another account bought is never found: not even that it did. A clip is the same with or
    without a draft that it was made from.
    """
    bought = dataclasses.asdict(request)
    del bought["draft_job"], bought["draft_charge_micro"]
    if not request.draft:
        del bought["draft"]
    if not request.model.startswith("local/"):
        del bought["card"]
    return digest("clip", bought, take, *((account_id,) if account_id else ()))


def generation_of(
    card: CatalogueModel, run: Run, scene_id: str, request: GenerationRequest, mark: str, now: float, **more: Any
) -> Generation:
    """A purchase that is planned."""
    gen_id = new_id("gen")
    return Generation(
        id=gen_id,
        run_id=run.id,
        scene_id=scene_id,
        status=GenerationStatus.PLANNED,
        provider=card.provider,
        model=card.id,
        request=request,
        idem_key=idempotency_key(gen_id, 1),
        callback_token=new_token(),
        fingerprint=mark,
        next_at=now,
        created_at=now,
        updated_at=now,
        **more,
    )


def is_late_draft(run: Run, gen: Generation) -> bool:
    """Whether it is a draft that would come after the approval."""
    waits = run.status is RunStatus.NEEDS_APPROVAL and run.approval != "given"
    return gen.request.draft and not waits


def settings_of(
    planned: PlannedScene,
    card: CatalogueModel,
    style: str | None,
    *,
    fresh: str | None = None,
    row_prompt: str | None = None,
) -> SceneSettings:
    """What a scene remembers of its plan beside the prompt."""
    return SceneSettings(
        **{asked.name: getattr(planned.settings, asked.name) for asked in dataclasses.fields(ClipSettings)},
        buy_seconds=planned.buy_seconds,
        max_prompt=card.max_prompt,
        price_micro=planned.price_micro,
        charge_micro=planned.charge_micro,
        softening_micro=planned.softening_micro,
        draft_micro=planned.draft_micro,
        draft_charge_micro=planned.draft_charge_micro,
        style=style,
        fresh=fresh,
        row_prompt=row_prompt,
    )


def repeats(prompts: Sequence[str]) -> list[int]:
    """For each prompt how often it came before: two equal scenes of one film are two clips."""
    return [prompts[:index].count(prompt) for index, prompt in enumerate(prompts)]


class Shared(TypedDict, total=False):
    """Columns of clips and generations that may serve a scene."""

    fingerprint: str
    run_id: str


def shared_with(scene: Scene, mark: str) -> Shared:
    """Which clips and generations may serve this scene, as columns of both tables: the same purchase by the same owner
    (`fingerprint`). `fresh` runs share only with themselves.
    """
    own: Shared = {"run_id": scene.run_id} if scene.settings.fresh else {}
    return {"fingerprint": mark, **own}


def cached_clip(tx: Tx, scene: Scene, mark: str) -> Clip | None:
    """The newest clip that was bought with this fingerprint and is still ours."""
    shared = shared_with(scene, mark)
    found = tx.clips.find(order="-created_at", limit=1, deleted_at=None, placeholder=False, **shared)
    return found[0] if found else None


def still_to_buy(tx: Tx, run: Run, scenes: Sequence[Scene], plan: Plan) -> int:
    """Micro-dollars for the scenes whose clip is not there yet. One that continues another is counted in full, and so
    is one that is being bought for somebody else: that purchase may still fail, and this one must then be paid for.
    """
    missing = without_clip(tx, run, scenes, len(first_film(plan.scenes)))
    lines = sum(scene.settings.speech_micro for scene in scenes if not scene.is_said)
    beside = lines + plan.translation_due(_untranslated(tx, run, plan))[0] + ledger.pictures_left(tx, run)[0]
    beside += ledger.drafts_left(tx, run, missing)[0]
    return beside + sum(scene.settings.price_micro + scene.settings.softening_micro for scene in missing)


def still_to_charge(tx: Tx, run: Run, scenes: Sequence[Scene] | None = None, *, without: Scene | None = None) -> int:
    """What the run's account is charged for the clips and lines that it has not got yet; `without` that scene. `scenes`
    are those that it has, unless they are to be others.
    """
    scenes = tx.scenes.find(run_id=run.id) if scenes is None else scenes
    total = len(first_film(scenes))
    scenes = [scene for scene in scenes if without is None or scene.id != without.id]
    missing = without_clip(tx, run, scenes, total)
    lines = sum(scene.settings.speech_charge_micro for scene in scenes if not scene.is_said)
    words = run.plan.translation_due(_untranslated(tx, run, run.plan))[1] if run.plan else 0
    beside = words + lines + ledger.pictures_left(tx, run)[1]
    beside += ledger.drafts_left(tx, run, missing)[1] + credit_book.open_drafts(tx, run)
    return beside + sum(scene.settings.charge_micro for scene in missing)


def _untranslated(tx: Tx, run: Run, plan: Plan) -> int:
    """How many languages have words that are not there yet."""
    scenes = tx.scenes.find(run_id=run.id) if plan.further_languages else []
    missing = (
        missing_lines(run.known_order, plan.card_texts, plan.post_text, scenes, one) for one in plan.further_languages
    )
    return sum(map(bool, missing))


def without_clip(tx: Tx, run: Run, scenes: Sequence[Scene], total: int) -> list[Scene]:
    """Those of the scenes whose clip is not there, in a film of so many. For one that goes on from another it is not
    known before that is made.
    """
    return [
        scene
        for scene in scenes
        if scene.clip_id is None and (scene.continues or not cached_clip(tx, scene, _mark(run, scene, total)))
    ]


def _mark(run: Run, scene: Scene, total: int) -> str:
    return fingerprint(request_for(scene, total, run.known_order.title), scene.take, run.account_id)

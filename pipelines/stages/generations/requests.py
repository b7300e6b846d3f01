"""What is bought for a scene, and the fingerprint that makes two purchases the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.footage import Transition
from pipelines.domain.keys import digest
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.planning.plan import Plan, PlannedScene
from pipelines.domain.records import Clip, Generation, Scene
from pipelines.ports import GenerationRequest, Tx

_SENT = (
    "width",
    "height",
    "aspect_ratio",
    "resolution",
    "fps",
    "audio",
    "seed",
    "negative_prompt",
    "first_frame",
    "last_frame",
)


def scene_order(scene: Scene, model: str | None = None, *, shared: Sequence[str] = ()) -> SceneOrder:
    """A scene that exists, as an order of its own, for planning it again. `shared` are the pictures of its whole
    order, which come along anyway.
    """
    left_out = scene.settings.get("left_out", {})
    ordered = {**scene.settings, **left_out}
    must_start = scene.settings.get("must_start") or "first_frame" in left_out
    start, first = (None, ordered.get("first_frame")) if must_start else (ordered.get("first_frame"), None)
    pictures = (start, *scene.references, *left_out.get("references", ()))
    return SceneOrder(
        prompt=scene.prompt,
        caption=scene.caption,
        seconds=scene.seconds,
        model=model or scene.model,
        references=tuple(picture for picture in pictures if picture and picture not in shared),
        continues=scene.continues,
        transition=Transition(scene.transition) if scene.transition else None,
        first_frame=first,
        last_frame=ordered.get("last_frame"),
        seed=ordered.get("seed"),
        negative_prompt=ordered.get("negative_prompt"),
        airtable_record_id=scene.airtable_record_id,
    )


def order_of_one(order: Order, scene: SceneOrder) -> Order:
    """An order for one scene that exists, to be fitted to its model: the scene has all that it took from the whole
    order, or lost it on purpose.
    """
    alone = dataclasses.replace(order, adapt=True, model=scene.model, scenes=(scene,))
    return dataclasses.replace(alone, seed=None, negative_prompt=None, first_frame=None, last_frame=None)


def request_for(scene: Scene, total: int, title: str | None, *, first_frame: str | None = None) -> GenerationRequest:
    """The request for a scene; `first_frame` replaces the ordered one where a scene continues the one before."""
    settings: dict[str, Any] = {name: scene.settings.get(name) for name in _SENT}
    settings["first_frame"] = first_frame or settings["first_frame"]
    return GenerationRequest(
        model=scene.model,
        prompt=_with_style(scene),
        seconds=scene.settings["buy_seconds"],
        references=scene.references,
        card={"number": scene.number, "total": total, "heading": title, "take": scene.take},
        **settings,
    )


def _with_style(scene: Scene) -> str:
    return _styled(scene.prompt, scene.settings.get("style"), int(scene.settings.get("max_prompt") or 0))


def _styled(prompt: str, style: str | None, limit: int) -> str:
    text = f"{prompt}\n\nStyle: {style}" if style else prompt
    return text if not limit or len(text) <= limit else prompt


def style_left_out(plan: Plan, cards: Mapping[str, CatalogueModel], style: str | None) -> tuple[str, ...]:
    """Said of scenes whose prompt leaves no room for the style note that would go with it."""
    full = [
        f"Scene {scene.number}: the style notes do not fit beside the prompt, because {scene.model} takes at most "
        f"{cards[scene.model].max_prompt} characters. They are left out."
        for scene in plan.scenes
        if style and scene.prompt and _styled(scene.prompt, style, cards[scene.model].max_prompt) == scene.prompt
    ]
    return tuple(full)


def not_set_up(plan: Plan, configured: Callable[[str], bool]) -> tuple[str, ...]:
    """Said of models that have a price, but of whose provider the key is missing."""
    models = dict.fromkeys(scene.model for scene in plan.scenes)
    away = (model for model in models if not configured(model.partition("/")[0]))
    return tuple(f"{model} is not set up here, so nothing can be made with it. Ask your operator." for model in away)


def take_of(gen: Generation) -> int | None:
    """Which take of its scene a generation was bought for."""
    take: int | None = gen.request.get("card", {}).get("take")
    return take


def request_to_json(request: GenerationRequest) -> dict[str, Any]:
    """For the generation's row."""
    return dataclasses.asdict(request)


def request_from_json(data: dict[str, Any]) -> GenerationRequest:
    """The inverse of `request_to_json`."""
    return GenerationRequest(**{**data, "references": tuple(data["references"])})


def fingerprint(request: GenerationRequest, take: int) -> str:
    """The same model, prompt, settings, references and seed are one purchase; `take` tells wanted repeats apart."""
    bought = dataclasses.asdict(request)
    if not request.model.startswith("local/"):
        del bought["card"]
    return digest("clip", bought, take)


def settings_of(planned: PlannedScene, card: CatalogueModel, style: str | None) -> dict[str, Any]:
    """What a scene remembers of its plan beside the prompt."""
    prices = {"price_micro": planned.price_micro, "softening_micro": planned.softening_micro}
    more = {"buy_seconds": planned.buy_seconds, "max_prompt": card.max_prompt, **prices}
    return {**planned.settings, **more, "style": style}


def repeats(prompts: Sequence[str]) -> list[int]:
    """For each prompt how often it came before: two equal scenes of one film are two clips."""
    return [prompts[:index].count(prompt) for index, prompt in enumerate(prompts)]


def shared_with(scene: Scene, mark: str) -> dict[str, Any]:
    """Which clips and generations may serve this scene, as columns of both tables: the same purchase by the same owner.
    `fresh` runs share only with themselves. All runs are the operator's; whoever else may own one is told apart here.
    """
    own = {"run_id": scene.run_id} if scene.settings.get("fresh") else {}
    return {"fingerprint": mark, **own}


def cached_clip(tx: Tx, scene: Scene, mark: str) -> Clip | None:
    """The newest clip that was bought with this fingerprint and is still ours."""
    shared = shared_with(scene, mark)
    found = tx.clips.find(order="-created_at", limit=1, deleted_at=None, placeholder=False, **shared)
    return found[0] if found else None


def still_to_buy(tx: Tx, scenes: Sequence[Scene], plan: Plan, title: str | None) -> int:
    """Micro-dollars for the scenes whose clip is not there yet. One that continues another is counted in full, and so
    is one that is being bought for somebody else: that purchase may still fail, and this one must then be paid for.
    """
    amount = 0
    for scene in scenes:
        request = request_for(scene, len(plan.scenes), title)
        if scene.clip_id is None and (scene.continues or not cached_clip(tx, scene, fingerprint(request, scene.take))):
            amount += int(scene.settings["price_micro"]) + int(scene.settings.get("softening_micro", 0))
    return amount

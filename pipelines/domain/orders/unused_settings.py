"""Wishes of an order that have nothing to work on: said, so that nobody waits for what cannot come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.domain.footage import LOGO_OPACITY, Captions, Corner, PosterStyle, Transition
from pipelines.domain.orders.checks import is_blank
from pipelines.domain.orders.order import DEFAULT_SCENES, Order, SceneOrder, poster_title

_NO_CAPTIONS = "No captions were made, because no scene has a text for them: a prompt is not one."
_ADD_CAPTIONS = (
    "Write a Caption into the rows of Scenes, set their Status to Draft and start again; the clips are kept."
)


def missing_captions(order: Order, captions: Sequence[str | None]) -> str | None:
    """What to do where captions were asked for and no scene has any; `captions` are those of all scenes."""
    if order.captions is Captions.NONE or any(caption and not is_blank(caption) for caption in captions):
        return None
    return f"{_NO_CAPTIONS} {_ADD_CAPTIONS}"


def shown_text(order: Order, narration: str | None, caption: str | None) -> str | None:
    """What captions show of a scene: its caption, or what a narrator says, word by word."""
    return (narration or caption) if order.voiceover and order.captions is Captions.KARAOKE else caption


def unmet(order: Order, scenes: Sequence[SceneOrder] | None, *, inherited: bool = False) -> tuple[str, ...]:
    """A sentence for each; `scenes` is None while they are still to be written. `inherited`: the Master Prompt was
    written into them for an earlier run.
    """
    given = scenes is not None and not inherited
    return (
        *(_about_captions(order, scenes) if scenes else ()),
        *(_about_texts(order, scenes) if scenes and given else ()),
        *_about_looks(order, scenes),
        *_about_transitions(order, scenes or ()),
    )


def _about_captions(order: Order, scenes: Sequence[SceneOrder]) -> Iterator[str]:
    shown = [shown_text(order, scene.narration, scene.caption) for scene in scenes]
    without = missing_captions(order, shown)
    if without and order.hooks == 1:
        yield without
    elif order.captions is not Captions.NONE:
        bare = [str(at) for at, text in enumerate(shown, start=1) if is_blank(text or "")]
        if bare:
            yield f"No caption is shown in scene {', '.join(bare)}, which has no text for it."


def _about_texts(order: Order, scenes: Sequence[SceneOrder]) -> Iterator[str]:
    if order.master_prompt:
        yield "The scenes are given one by one, so Master Prompt was not used."
    if order.film_seconds is not None and any(scene.seconds is not None for scene in scenes):
        yield "Film Seconds was not used, because scenes have lengths of their own."
    if order.clip_seconds is not None and all(scene.seconds is not None for scene in scenes):
        yield "Clip Seconds was not used, because every scene has a length of its own."
    if order.scene_count not in {0, DEFAULT_SCENES, len(scenes)}:
        yield f"Scene Count {order.scene_count} was not used: {len(scenes)} scenes are given one by one."


def _about_looks(order: Order, scenes: Sequence[SceneOrder] | None) -> Iterator[str]:
    if order.logo is None and (order.logo_position is not Corner.TOP_RIGHT or order.logo_opacity != LOGO_OPACITY):
        yield "Logo Position and Logo Opacity were not used, because there is no Logo."
    if order.poster_style is PosterStyle.TITLE and not poster_title(order):
        yield "Poster Style Title was not used, because the video has no Title: its best frame stands for it."
    alone = len(scenes) == 1 if scenes else order.scene_count == 1
    fades = order.transition is Transition.FADE_BLACK
    if alone and order.transition is not Transition.CUT and not fades and not (order.title_card or order.end_card):
        yield f"The transition {order.transition.value} was not used: a film of one scene has nothing to go over to."


def _about_transitions(order: Order, scenes: Sequence[SceneOrder]) -> Iterator[str]:
    kinds = {order.transition, *(scene.transition for scene in scenes)} - {None, Transition.CUT}
    if not kinds and order.transition_seconds != Order().transition_seconds:
        yield "Transition Seconds was not used: one clip follows the other by a cut. Choose a Transition as well."
    first = scenes[0].transition if scenes else None
    if first in {Transition.CROSSFADE, Transition.DIP_WHITE} and not order.title_card:
        yield f"The transition {first.value} into scene 1 was not used: nothing comes before it."

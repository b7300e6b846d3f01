"""What can be wrong with an order or a model before they are brought together. Every check returns all it finds."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlsplit

from pipelines.domain.brands.banned_words import banned_in
from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import Problem
from pipelines.domain.footage import PosterStyle, Transition
from pipelines.domain.orders.brand import Brand
from pipelines.domain.orders.fit import either
from pipelines.domain.orders.order import (
    ASPECT_RATIOS,
    MAX_PROMPT,
    MAX_SCENES,
    MAX_SEED,
    MAX_TRANSITION_S,
    MIN_TRANSITION_S,
    RESOLUTIONS,
    Order,
    SceneOrder,
)

SUNSET_WARNING = timedelta(days=30)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Usable:
    """Whether a model may be ordered today: `refusal` says why not, `warning` that it soon may not."""

    refusal: str | None = None
    warning: str | None = None


def check_order(order: Order, scenes: Sequence[SceneOrder] | None, cards: Sequence[CatalogueModel]) -> list[Problem]:
    """Everything wrong with the order whatever the model; `cards` only widen what shapes and resolutions are known."""
    return [
        *(_scene_list(scenes) if scenes is not None else _prompt_and_count(order)),
        *_shapes(order, cards),
        *_lengths(order, scenes or ()),
        *_seeds(order, scenes or ()),
        *_amounts(order),
    ]


def _prompt_and_count(order: Order) -> Iterator[Problem]:
    text = order.master_prompt or ""
    if is_blank(text):
        yield Problem("master_prompt", f"is empty. Write what the video should show, in 1 to {MAX_PROMPT} characters.")
    elif len(text) > MAX_PROMPT:
        yield Problem("master_prompt", f"has {len(text)} characters; at most {MAX_PROMPT} are allowed.")
    if not 1 <= order.scene_count <= MAX_SCENES:
        yield Problem("scene_count", f"must be a whole number from 1 to {MAX_SCENES}, not {order.scene_count}.")


def _scene_list(scenes: Sequence[SceneOrder]) -> Iterator[Problem]:
    if not 1 <= len(scenes) <= MAX_SCENES:
        yield Problem("scenes", f"must be 1 to {MAX_SCENES} scenes, not {len(scenes)}.")
    for index, scene in enumerate(scenes):
        if is_blank(scene.prompt):
            yield Problem(f"scenes[{index}].prompt", "is empty. Write what this scene shows.")
        elif len(scene.prompt) > MAX_PROMPT:
            yield Problem(
                f"scenes[{index}].prompt", f"has {len(scene.prompt)} characters; at most {MAX_PROMPT} are allowed."
            )


def banned_problems(order: Order, scenes: Sequence[SceneOrder]) -> Iterator[Problem]:
    """Words of people that the order's brand does not allow."""
    banned = order.brand.banned if order.brand else ()
    if order.brand is None or not banned:
        return
    for field, text in _spoken(order, order.brand, scenes):
        if word := banned_in(text, banned):
            why = f"which {order.brand.called} does not allow"
            yield Problem(field, f"has “{word}”, {why}. Say it another way, or take the word off its Banned Words.")


def _spoken(order: Order, brand: Brand, scenes: Sequence[SceneOrder]) -> Iterator[tuple[str, str | None]]:
    yield "brand.intro" if "title_card" in brand.lent else "title_card", order.title_card
    yield "brand.outro" if "end_card" in brand.lent else "end_card", order.end_card
    yield "title", order.title if order.pack or order.poster_style is not PosterStyle.FRAME else None
    yield "brand.legal_line", brand.legal_line
    yield "brand.look", brand.look
    for index, scene in enumerate(scenes):
        yield f"scenes[{index}].prompt", scene.prompt
        yield f"scenes[{index}].caption", scene.caption
        yield f"scenes[{index}].narration", scene.narration


def is_blank(text: str) -> bool:
    """Whether there is nothing to read in it: only spaces, controls and marks that nobody sees."""
    return not any(unicodedata.category(character)[0] in "LNPS" for character in text)


def known_shapes(cards: Sequence[CatalogueModel]) -> tuple[str, ...]:
    """The aspect ratios an order may name."""
    offered = (offer.aspect_ratio for card in cards for offer in card.offers)
    return tuple(dict.fromkeys((*ASPECT_RATIOS, *offered)))


def known_resolutions(cards: Sequence[CatalogueModel]) -> tuple[str, ...]:
    """The resolutions an order may name."""
    offered = (offer.resolution for card in cards for offer in card.offers)
    return tuple(dict.fromkeys((*RESOLUTIONS, *offered)))


def _shapes(order: Order, cards: Sequence[CatalogueModel]) -> Iterator[Problem]:
    shapes, resolutions = known_shapes(cards), known_resolutions(cards)
    if order.aspect_ratio not in shapes:
        yield Problem("aspect_ratio", f"must be {either(shapes)}, not {order.aspect_ratio!r}.")
    for shape in order.formats:
        if shape not in shapes:
            yield Problem("formats", f"may hold {either(shapes)}, not {shape!r}.")
    if order.resolution not in resolutions:
        yield Problem("resolution", f"must be {either(resolutions)}, not {order.resolution!r}.")


def is_length(seconds: float) -> bool:
    """Whether this can be the length of something, in seconds."""
    return math.isfinite(seconds) and seconds > 0


def shares_film(order: Order, scenes: Sequence[SceneOrder]) -> bool:
    """Whether scenes (none: they are still to be written) share the length of the film: no one has its own."""
    return order.film_seconds is not None and all(scene.seconds is None for scene in scenes)


def _lengths(order: Order, scenes: Sequence[SceneOrder]) -> Iterator[Problem]:
    if order.clip_seconds is not None and not is_length(order.clip_seconds):
        yield Problem("clip_seconds", f"must be a number of seconds above 0, not {order.clip_seconds:g}.")
    if order.film_seconds is not None and not is_length(order.film_seconds):
        yield Problem("film_seconds", f"must be a number of seconds above 0, not {order.film_seconds:g}.")
    if order.film_seconds is not None and order.clip_seconds is not None and shares_film(order, scenes):
        yield Problem(
            "film_seconds", "cannot go with clip_seconds. Say how long the film is, or how long each clip is."
        )
    for index, scene in enumerate(scenes):
        if scene.seconds is not None and not is_length(scene.seconds):
            yield Problem(f"scenes[{index}].seconds", f"must be a number of seconds above 0, not {scene.seconds:g}.")
    moving = order.transition != Transition.CUT or any(s.transition not in {None, Transition.CUT} for s in scenes)
    if moving and not MIN_TRANSITION_S <= order.transition_seconds <= MAX_TRANSITION_S:
        yield Problem(
            "transition_seconds",
            f"must be {MIN_TRANSITION_S:g} to {MAX_TRANSITION_S:g} seconds, not {order.transition_seconds:g}.",
        )


def _seeds(order: Order, scenes: Sequence[SceneOrder]) -> Iterator[Problem]:
    named = [("seed", order.seed), *((f"scenes[{index}].seed", scene.seed) for index, scene in enumerate(scenes))]
    for field, seed in named:
        if seed is not None and not 0 <= seed <= MAX_SEED:
            yield Problem(field, f"must be a whole number from 0 to {MAX_SEED}, not {seed}.")


def _amounts(order: Order) -> Iterator[Problem]:
    if order.max_cost_micro is not None and order.max_cost_micro < 0:
        yield Problem("max_cost_usd", "must be 0 or more dollars.")


def usable(card: CatalogueModel, *, today: date, origins: Mapping[str, str]) -> Usable:
    """Whether the model can be ordered: it has a price, and its vendor still runs it where we would send the order.

    A sunset with a `vendor_origin` binds only while the provider's configured address, in `origins`, is that
    origin; a provider missing there is taken to be at its vendor's.
    """
    if not card.offers:
        return Usable(refusal=f"{card.id} has no price in the catalogue, so it is not offered.")
    if card.sunset is None or _lives_elsewhere(card, origins):
        return Usable()
    instead = f" Use {card.successor} instead." if card.successor else ""
    if card.sunset <= today:
        return Usable(refusal=f"{card.id} was switched off by its vendor on {card.sunset.isoformat()}.{instead}")
    if card.sunset - today <= SUNSET_WARNING:
        return Usable(warning=f"{card.id} will be switched off by its vendor on {card.sunset.isoformat()}.{instead}")
    return Usable()


def _lives_elsewhere(card: CatalogueModel, origins: Mapping[str, str]) -> bool:
    configured = origins.get(card.provider)
    if card.vendor_origin is None or configured is None:
        return False
    return _origin(configured) != _origin(card.vendor_origin)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)

"""How the length of a whole film is shared among its scenes: bought in the lengths that a model makes, as few seconds
as will do, and trimmed to the frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import Problem
from pipelines.domain.footage import Transition
from pipelines.domain.orders.fit import lengths_in_words, same_length
from pipelines.domain.orders.order import DEFAULT_SCENES, MAX_SCENES, Order

SHORTEST_S = 0.5
"""No scene is shown for less."""
_NEAR = 2
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Share:
    """One scene's part of a film: what is shown and what is bought for it, in seconds."""

    seconds: float
    buy_seconds: float


def counted(order: Order, catalogue: Mapping[str, CatalogueModel], default_model: str) -> Order:
    """The order with a number of scenes, where it only tells how long the film is: as many as make each about as long
    as the model's usual clip.
    """
    if order.scene_count or order.film_seconds is None:
        return order
    card = catalogue.get(order.model or default_model)
    if card is None or not math.isfinite(order.film_seconds):
        return replace(order, scene_count=DEFAULT_SCENES)
    usual = round(order.film_seconds / card.default_seconds)
    return replace(order, scene_count=_nearest_count(order, card, min(max(1, usual), MAX_SCENES)))


def _nearest_count(order: Order, card: CatalogueModel, usual: int) -> int:
    """The number near `usual` that wastes fewest seconds; a higher one where clips cannot be long enough."""
    _, longest = _bounds(card)
    enough = [n for n in range(1, MAX_SCENES + 1) if n * longest >= _needed(order, n) - 10**-_DIGITS]
    near = [n for n in enough if abs(n - usual) <= _NEAR] or enough[:1]
    wasted = {n: sum(_buy(card, n, _needed(order, n)) or ()) - _needed(order, n) for n in near}
    return min(near, key=lambda n: (round(wasted[n], _DIGITS), abs(n - usual)), default=MAX_SCENES)


def shares(order: Order, card: CatalogueModel) -> tuple[list[Share], list[Problem]]:
    """What each scene of an order with `film_seconds` gets, or what is wrong with that; both empty without any."""
    if order.film_seconds is None or not order.film_seconds > 0 or not 1 <= order.scene_count <= MAX_SCENES:
        return [], []
    count, needed = order.scene_count, _needed(order, order.scene_count)
    if needed < count * SHORTEST_S:
        scenes = "1 scene" if count == 1 else f"{count} scenes"
        return [], [Problem("film_seconds", f"is too short for {scenes}: {SHORTEST_S:g} seconds each at least.")]
    bought = _buy(card, count, needed)
    if bought is None:
        return [], [Problem("film_seconds", _too_long(order, card))]
    if not order.adapt and not same_length(sum(bought), needed):
        return [], [Problem("film_seconds", _does_not_add_up(order, card, sum(bought)))]
    return _trimmed(bought, needed, card.fps), []


def _needed(order: Order, count: int) -> float:
    """Seconds of all scenes together; a crossfade shows the end of one and the beginning of the next at once."""
    overlap = order.transition_seconds if order.transition is Transition.CROSSFADE else 0.0
    return (order.film_seconds or 0.0) + (count - 1) * overlap


def _bounds(card: CatalogueModel) -> tuple[float, float]:
    lengths = card.durations or (card.min_seconds, card.max_seconds)
    return min(lengths), max(lengths)


def _buy(card: CatalogueModel, count: int, needed: float) -> list[float] | None:
    """Lengths that the model makes, longest first: the smallest sum that is enough, as even as can be. None when even
    the longest clips are too short together.
    """
    shortest, longest = _bounds(card)
    if count * longest < needed - 10**-_DIGITS:
        return None
    if card.durations:
        return _of_choices(sorted(card.durations), count, needed)
    steps = max(0, math.ceil((needed - count * shortest) / card.step_seconds - 10**-_DIGITS))
    each, more = divmod(steps, count)
    lengths = [shortest + (each + (index < more)) * card.step_seconds for index in range(count)]
    return [round(min(length, longest), _DIGITS) for length in lengths]


def _of_choices(choices: Sequence[float], count: int, needed: float) -> list[float]:
    """By dynamic programming over the sums that 1, 2, … clips can have, each with its most even combination."""
    best: dict[float, tuple[float, tuple[float, ...]]] = {0.0: (0.0, ())}
    for _ in range(count):
        grown: dict[float, tuple[float, tuple[float, ...]]] = {}
        for total, (squares, lengths) in best.items():
            for length in choices:
                key, found = round(total + length, _DIGITS), (squares + length**2, (*lengths, length))
                if key not in grown or found[0] < grown[key][0]:
                    grown[key] = found
        best = grown
    total = min(total for total in best if total >= needed - 10**-_DIGITS)
    return sorted(best[total][1], reverse=True)


def _trimmed(bought: Sequence[float], needed: float, fps: float) -> list[Share]:
    """Every scene gives up the same part, in whole frames; together they are `needed` long."""
    if same_length(sum(bought), needed):
        return [Share(length, length) for length in bought]
    part = needed / sum(bought)
    found, made, shown = [], 0.0, 0
    for length in bought:
        made += length * part
        frames = round(made * fps) - shown
        shown += frames
        found.append(Share(min(length, round(frames / fps, _DIGITS)), length))
    return found


def _too_long(order: Order, card: CatalogueModel) -> str:
    _, longest = _bounds(card)
    most = order.scene_count * longest - (_needed(order, order.scene_count) - (order.film_seconds or 0.0))
    scenes = "one scene is" if order.scene_count == 1 else f"{order.scene_count} scenes are"
    instead = "more scenes" if order.scene_count < MAX_SCENES else "a shorter film"
    return f"is {order.film_seconds:g}, and {scenes} at most {most:g} seconds with {card.id}. Ask for {instead}."


def _does_not_add_up(order: Order, card: CatalogueModel, total: float) -> str:
    film = total - (_needed(order, order.scene_count) - (order.film_seconds or 0.0))
    return (
        f"{card.id} makes clips of {lengths_in_words(card)}: with {order.scene_count} of them the film can be "
        f"{film:g} seconds long, not {order.film_seconds:g}. With adapt, they are made and trimmed."
    )

"""One scene of an order brought to one model: what is bought for it, what was adapted, and what cannot be done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.domain.catalogue import CatalogueModel, Offer
from pipelines.domain.errors import Problem
from pipelines.domain.footage import Fit
from pipelines.domain.orders.checks import is_length, known_resolutions, known_shapes
from pipelines.domain.orders.fit import buy_seconds, either, lengths_in_words, nearest_offer, same_length
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.planning.film_length import Share
from pipelines.domain.planning.plan import LeftOut

_FITTED = {Fit.CROP: "cropped", Fit.BLUR: "fitted over a blurred background", Fit.LETTERBOX: "fitted with black bars"}


@dataclass(slots=True, kw_only=True)
class Fitted:
    """What became of a scene. Complete only when `problems` is empty."""

    number: int
    scene: SceneOrder | None
    seconds: float = 0.0
    buy_seconds: float = 0.0
    frame: Offer | None = None
    first_frame: str | None = None
    must_start: bool = False
    """Whether `first_frame` was ordered as such, and is no reference."""
    last_frame: str | None = None
    references: tuple[str, ...] = ()
    continues: bool = False
    seed: int | None = None
    negative_prompt: str | None = None
    left_out: LeftOut | None = None
    adapted: list[tuple[int, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        self.adapted.append((self.number, sentence))

    def problem(self, name: str, message: str) -> None:
        self.problems.append(Problem(name, message))

    def own(self, name: str) -> str:
        """The REST name of a field of this scene."""
        return f"scenes[{self.number - 1}].{name}"


def fit_scene(
    order: Order,
    scene: SceneOrder | None,
    index: int,
    card: CatalogueModel,
    share: Share | None = None,
    *,
    follows: bool,
) -> Fitted:
    """Scene `index` (from 0) on the model of `card`; `share` is its part of a film whose whole length was ordered, and
    `follows` says whether there is a scene before it.
    """
    fitted = Fitted(number=index + 1, scene=scene)
    _fit_prompt(fitted, card)
    if share is not None:
        _take_share(fitted, order, card, share)
    else:
        _fit_length(fitted, order, card)
    _fit_frame(fitted, order, card)
    _fit_continuity(fitted, order, card, follows=follows)
    fitted.first_frame = _if_able(fitted, order, card, "first_frame", able=card.image_to_video)
    fitted.must_start = fitted.first_frame is not None
    _fit_pictures(fitted, order, card)
    fitted.last_frame = _if_able(fitted, order, card, "last_frame", able=card.first_last_frame)
    _fit_last_frame(fitted, order, card)
    fitted.seed = _if_able(fitted, order, card, "seed", able=card.seed)
    fitted.negative_prompt = _if_able(fitted, order, card, "negative_prompt", able=card.negative_prompt)
    _fit_negative_prompt(fitted, order, card)
    return fitted


def _fit_prompt(fitted: Fitted, card: CatalogueModel) -> None:
    length = len(fitted.scene.prompt) if fitted.scene else 0
    if length > card.max_prompt:
        fitted.problem(fitted.own("prompt"), f"has {length} characters; {card.id} takes at most {card.max_prompt}.")


def _fit_length(fitted: Fitted, order: Order, card: CatalogueModel) -> None:
    of_scene = fitted.scene.seconds if fitted.scene else None
    name = fitted.own("seconds") if of_scene is not None else "clip_seconds"
    asked = of_scene if of_scene is not None else order.clip_seconds
    asked = card.default_seconds if asked is None else asked
    if not is_length(asked):
        return
    bought = buy_seconds(card, asked)
    makes = f"{card.id} makes clips of {lengths_in_words(card)}"
    if bought is None:
        fitted.problem(name, f"{makes}, not {asked:g}.")
        return
    if not same_length(bought, asked):
        if not order.adapt:
            fitted.problem(name, f"{makes}, not {asked:g}. With adapt, {bought:g} seconds are made and trimmed.")
            return
        fitted.note(f"{bought:g} seconds are made and trimmed to {asked:g}, because {makes}.")
    fitted.seconds, fitted.buy_seconds = asked, bought


def _take_share(fitted: Fitted, order: Order, card: CatalogueModel, share: Share) -> None:
    fitted.seconds, fitted.buy_seconds = share.seconds, share.buy_seconds
    if not same_length(share.seconds, share.buy_seconds):
        makes = f"{card.id} makes clips of {lengths_in_words(card)}"
        fitted.note(f"The clips are trimmed to a film of {order.film_seconds:g} seconds, because {makes}.")


def _fit_frame(fitted: Fitted, order: Order, card: CatalogueModel) -> None:
    if order.aspect_ratio not in known_shapes([card]) or order.resolution not in known_resolutions([card]):
        return
    frame = nearest_offer(card, order.aspect_ratio, order.resolution)
    if frame is None:
        offered = list(dict.fromkeys(offer.resolution for offer in card.offers))
        if offered:
            fitted.problem("resolution", f"{card.id} offers {either(offered)}, not {order.resolution}.")
        shapes = list(dict.fromkeys(offer.aspect_ratio for offer in card.offers))
        if shapes and order.aspect_ratio not in shapes and not order.adapt:
            fitted.problem("aspect_ratio", f"{card.id} offers {either(shapes)}, not {order.aspect_ratio}.")
        return
    if frame.aspect_ratio != order.aspect_ratio:
        _other_shape(fitted, order, card, frame)
    if frame.resolution != order.resolution:
        _other_resolution(fitted, order, card, frame)
    fitted.frame = frame


def _other_shape(fitted: Fitted, order: Order, card: CatalogueModel, frame: Offer) -> None:
    shapes = list(dict.fromkeys(offer.aspect_ratio for offer in card.offers))
    if not order.adapt:
        how = f"With adapt, {frame.aspect_ratio} is made and {_FITTED[order.fit]}."
        fitted.problem("aspect_ratio", f"{card.id} offers {either(shapes)}, not {order.aspect_ratio}. {how}")
        return
    fitted.note(
        f"The picture is made in {frame.aspect_ratio} and {_FITTED[order.fit]} to {order.aspect_ratio}, "
        f"because {card.id} offers {either(shapes)}."
    )


def _other_resolution(fitted: Fitted, order: Order, card: CatalogueModel, frame: Offer) -> None:
    offered = [offer.resolution for offer in card.offers if offer.aspect_ratio == frame.aspect_ratio]
    if not order.adapt:
        how = f"With adapt, {frame.resolution} is made."
        fitted.problem("resolution", f"{card.id} offers {either(offered)}, not {order.resolution}. {how}")
        return
    fitted.note(
        f"The picture is made in {frame.resolution} instead of {order.resolution}, "
        f"because {card.id} offers {either(offered)}."
    )


def _fit_pictures(fitted: Fitted, order: Order, card: CatalogueModel) -> None:
    """A scene's own picture is what the model starts from, if it can; all others are references to look at."""
    own = fitted.scene.references if fitted.scene else ()
    pictures = list(dict.fromkeys((*own, *order.references)))
    starts = card.image_to_video and not fitted.continues and not fitted.must_start
    either = card.frames_or_references and card.max_references > 0
    if either and starts and len(own) > 1 and not _said(fitted, order, "last_frame")[0]:
        starts = False
        _all_to_refer_to(fitted, order, card)
    if pictures and starts and (own or not card.max_references):
        fitted.first_frame = pictures.pop(0)
    framed = fitted.continues or (either and fitted.first_frame is not None)
    if len(pictures) <= (0 if either and framed else card.max_references):
        fitted.references = tuple(pictures)
        return
    can, left = _pictures_in_words(card, starts=starts), tuple(one for one in own if one != fitted.first_frame)
    # A draft shows no pictures, and a scene that starts from a picture carries the look of that on.
    if order.adapt and (card.free or (framed and not left)):
        fitted.note(f"The reference images are not used, because {card.id} {can}.")
        if left:
            fitted.left_out = replace(fitted.left_out or LeftOut(), references=left)
    else:
        name = fitted.own("references") if left else "references"
        fitted.problem(name, f"{card.id} {can}. Remove some or choose another model.")


def _all_to_refer_to(fitted: Fitted, order: Order, card: CatalogueModel) -> None:
    """Several pictures of a scene are all given where one to start from would shut the others out."""
    can = _pictures_in_words(card, starts=False)
    if order.adapt:
        fitted.note(f"Where a scene has several pictures all are references, because {card.id} {can}.")
    else:
        fitted.problem(fitted.own("references"), f"{card.id} {can}. With adapt, all are references.")


def _pictures_in_words(card: CatalogueModel, *, starts: bool) -> str:
    if card.frames_or_references and card.max_references:
        return f"takes either a picture to start from or at most {card.max_references} reference images a scene"
    most = card.max_references + (1 if starts else 0)
    if most:
        return f"takes at most {most} reference image{'s' if most > 1 else ''} a scene"
    if card.image_to_video:
        return "takes no reference image beside the picture that a scene continues from"
    return "takes no reference images"


def _fit_continuity(fitted: Fitted, order: Order, card: CatalogueModel, *, follows: bool) -> None:
    """A draft that costs nothing may leave out what it cannot show; a paid clip may not."""
    if not (fitted.scene and fitted.scene.continues):
        return
    if not follows:
        why = "There is no scene before the first one to continue from."
    elif not card.image_to_video:
        why = f"{card.id} cannot start from the last picture of the scene before."
    else:
        fitted.continues = True
        return
    if order.adapt and (card.free or not follows):
        fitted.note(why)
    else:
        fitted.problem(fitted.own("continues"), why)


def _if_able(fitted: Fitted, order: Order, card: CatalogueModel, name: str, *, able: bool) -> Any:
    """What the scene, or else the order, says under this name; None where the model cannot follow it."""
    wanted, field_name = _said(fitted, order, name)
    if wanted in (None, "") or able:
        return wanted if wanted != "" else None
    words = name.replace("_", " ")
    if order.adapt and card.free:
        fitted.note(f"The {words} is not used, because {card.id} takes none.")
        fitted.left_out = replace(fitted.left_out or LeftOut(), **{name: wanted})
    else:
        fitted.problem(field_name, f"{card.id} takes no {words}. Leave it out or choose another model.")
    return None


def _said(fitted: Fitted, order: Order, name: str) -> tuple[Any, str]:
    """A wish with the field that its author wrote it into."""
    own = getattr(fitted.scene, name, None)
    return (getattr(order, name), name) if own is None else (own, fitted.own(name))


def _fit_negative_prompt(fitted: Fitted, order: Order, card: CatalogueModel) -> None:
    length = len(fitted.negative_prompt or "")
    if length > card.max_prompt:
        name = _said(fitted, order, "negative_prompt")[1]
        fitted.problem(name, f"has {length} characters; {card.id} takes at most {card.max_prompt}.")


def _fit_last_frame(fitted: Fitted, order: Order, card: CatalogueModel) -> None:
    """The way to a picture starts from one, and may be bound to be short."""
    if fitted.last_frame is None:
        return
    name, longest, asked = _said(fitted, order, "last_frame")[1], card.last_frame_max_seconds, fitted.buy_seconds
    if not (fitted.first_frame or fitted.continues):
        start = "tick Continue in its row of Scenes" if fitted.number > 1 else "give First Frame, too"
        fitted.problem(name, f"needs a picture from which scene {fitted.number} starts as well: {start}.")
    if longest is not None and asked > longest:
        is_too_long = f"scene {fitted.number} has {asked:g}"
        fitted.problem(name, f"needs a clip of at most {longest:g} seconds on {card.id}; {is_too_long}.")

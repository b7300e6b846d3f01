"""From an order and a catalogue to a plan. One function plans, and refuses with every problem of the order."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType

from pipelines.domain.catalogue import CatalogueModel, Offer
from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.domain.orders.checks import check_order, is_blank, shares_film, usable
from pipelines.domain.orders.fit import either, film_size
from pipelines.domain.orders.order import DEFAULT_SCENES, HOOK_LETTERS, MAX_SCENES, Order, SceneOrder
from pipelines.domain.orders.platforms import shapes_of
from pipelines.domain.planning.film_length import Share, counted, shares
from pipelines.domain.planning.fit_scene import Fitted, fit_scene
from pipelines.domain.planning.hooks import FIRST, further, parted, too_many
from pipelines.domain.planning.plan import ClipSettings, Plan, PlannedScene, quote_lines

NO_ORIGINS: Mapping[str, str] = MappingProxyType({})
MAX_CUTS = 24
MAX_NAMED = 8
"""How many models a message lists before it refers to the catalogue."""


def make_plan(
    order: Order,
    catalogue: Mapping[str, CatalogueModel],
    *,
    default_model: str,
    scenes: Sequence[SceneOrder] | None = None,
    text_micro: int = 0,
    hook_text_micro: int = 0,
    softening_micro: Sequence[int] = (),
    today: date,
    origins: Mapping[str, str] = NO_ORIGINS,
    follows: bool = False,
    max_cuts: int = MAX_CUTS,
) -> Plan:
    """The plan of an order. `scenes` (else the order's own) are written already; without any, `scene_count` scenes
    wait for the writer, who may cost `text_micro`, of that `hook_text_micro` for further hooks; `softening_micro` is
    what rewording each of them may cost, hooks last. `origins` maps a provider to its configured base URL. `follows`:
    the first of the scenes has one before it.

    Raises InvalidOrder with every problem, each under its REST field name (`domain.labels` has the row's names).
    """
    order = counted(order, catalogue, default_model)
    written, hooks = parted_scenes(order, scenes)
    choices, problems = _choose_models(order, written, catalogue, default_model)
    verdicts = {card.id: usable(card, today=today, origins=origins) for card in choices if card}
    problems += [
        Problem(_model_field(written, index), refusal)
        for index, card in enumerate(choices)
        if card and (refusal := verdicts[card.id].refusal)
    ]
    cards = [card for card in choices if card]
    problems += check_order(order, written, cards)
    fitted, unfit = _fit(order, written, choices, follows=follows)
    problems += unfit
    opened, unopened = _openings(order, hooks, choices, fitted, catalogue)
    languages = max(1, len(set(order.languages)))
    problems += [*unopened, *too_many(order.hooks, len(shapes_wanted(order)), languages, max_cuts)]
    if problems:
        raise InvalidOrder(tuple(dict.fromkeys(problems)))
    model = order.model or default_model
    warnings = tuple(verdict.warning for verdict in verdicts.values() if verdict.warning)
    cards += [card for card, _ in opened]
    every = [*fitted, *(one for _, one in opened)]
    plan = _compose(order, model, cards, every, (text_micro, hook_text_micro), softening_micro)
    return dataclasses.replace(plan, warnings=warnings)


def parted_scenes(
    order: Order, scenes: Sequence[SceneOrder] | None
) -> tuple[list[SceneOrder] | None, dict[str, SceneOrder]]:
    """What is written already: the scenes of the first film (None: none of them), and further hooks by letter."""
    written = scenes if scenes is not None else (order.scenes or None)
    return (None, {}) if written is None else parted(written, order.hooks)


def shapes_wanted(order: Order) -> tuple[str, ...]:
    """The formats of an order, its own first."""
    return tuple(dict.fromkeys((order.aspect_ratio, *order.formats, *shapes_of(order.pack))))


def _openings(
    order: Order,
    hooks: Mapping[str, SceneOrder],
    choices: Sequence[CatalogueModel | None],
    fitted: Sequence[Fitted],
    catalogue: Mapping[str, CatalogueModel],
) -> tuple[list[tuple[CatalogueModel, Fitted]], list[Problem]]:
    """The opening scene of each further hook: like the first scene, unless it is written and says otherwise."""
    first = choices[0]
    if first is None:
        return [], []
    opened, problems = [], []
    for index, letter in enumerate(HOOK_LETTERS[1 : order.hooks], start=len(choices)):
        written = hooks.get(letter)
        card = catalogue.get((written.model if written else None) or first.id)
        if card is None:
            problems.append(
                Problem(f"scenes[{index}].model", _unknown_model(str(written and written.model), catalogue))
            )
            continue
        opened.append((card, _opening(order, written, index, card, fitted[0], len(choices))))
        problems += opened[-1][1].problems if written else []
    return opened, problems


def _opening(
    order: Order, written: SceneOrder | None, index: int, card: CatalogueModel, first: Fitted, count: int
) -> Fitted:
    if written is None:
        adapted = [(index + 1, sentence) for _, sentence in first.adapted]
        return dataclasses.replace(first, number=index + 1, scene=None, adapted=adapted, continues=False)
    alone = _with_frames(order, 0, count)
    opening = fit_scene(alone, dataclasses.replace(written, hook=None), index, card, follows=False)
    if is_blank(written.prompt):
        opening.problem(opening.own("prompt"), "is empty. Write what this scene shows.")
    if written.seconds is None:
        opening.seconds, opening.buy_seconds = first.seconds, first.buy_seconds
    return opening


def _fit(
    order: Order, written: Sequence[SceneOrder] | None, choices: Sequence[CatalogueModel | None], *, follows: bool
) -> tuple[list[Fitted], list[Problem]]:
    """Every scene on its model, and what cannot be done."""
    parts, problems = _shares(order, written, choices)
    fitted = [
        fit_scene(
            _with_frames(order, at, len(choices)),
            written[at] if written else None,
            at,
            card,
            parts[at] if parts else None,
            follows=follows or at > 0,
        )
        for at, card in enumerate(choices)
        if card
    ]
    return fitted, problems + [problem for one in fitted for problem in one.problems]


def _shares(
    order: Order, written: Sequence[SceneOrder] | None, choices: Sequence[CatalogueModel | None]
) -> tuple[list[Share], list[Problem]]:
    """What each scene gets of the length of the film, where one model makes all and none has a length of its own."""
    model = choices[0]
    if model is None or any(other is not model for other in choices) or not shares_film(order, written or ()):
        return [], []
    return shares(order if written is None else dataclasses.replace(order, scene_count=len(written)), model)


def _with_frames(order: Order, at: int, count: int) -> Order:
    """As it is for one scene: the film's first frame is the first scene's, its last frame the last one's."""
    first = order.first_frame if at == 0 else None
    last = order.last_frame if at == count - 1 else None
    return dataclasses.replace(order, first_frame=first, last_frame=last)


def _choose_models(
    order: Order, written: Sequence[SceneOrder] | None, catalogue: Mapping[str, CatalogueModel], default_model: str
) -> tuple[list[CatalogueModel | None], list[Problem]]:
    """The card of each scene, None where there is none."""
    count = len(written) if written is not None else order.scene_count
    # A wrong count is one problem; the rest of the order is still checked, on as many scenes as there may be.
    count = count if 1 <= count <= MAX_SCENES else (min(count, MAX_SCENES) if written else DEFAULT_SCENES)
    names = [(written[index].model if written else None) or order.model or default_model for index in range(count)]
    problems = [
        Problem(_model_field(written, index), _unknown_model(name, catalogue))
        for index, name in enumerate(names)
        if name not in catalogue
    ]
    if order.model and order.model not in catalogue:
        problems.append(Problem("model", _unknown_model(order.model, catalogue)))
    return [catalogue.get(name) for name in names], problems


def _model_field(written: Sequence[SceneOrder] | None, index: int) -> str:
    return f"scenes[{index}].model" if written and written[index].model else "model"


def _unknown_model(name: str, catalogue: Mapping[str, CatalogueModel]) -> str:
    provider = name.partition("/")[0]
    alike = [known for known, card in catalogue.items() if card.provider == provider] or list(catalogue)
    named = alike[:MAX_NAMED]
    more = ["another of the catalogue"] if len(named) < len(catalogue) else []
    return f"{name!r} is not in the catalogue. Choose {either([*named, *more])}."


def _compose(
    order: Order,
    model: str,
    cards: Sequence[CatalogueModel],
    fitted: Sequence[Fitted],
    words_micro: tuple[int, int],
    softening_micro: Sequence[int],
) -> Plan:
    softening = softening_micro or [0] * len(cards)
    text_micro, hook_text_micro = words_micro
    hooks = _letters(order.hooks, len(cards))
    scenes = tuple(
        dataclasses.replace(_planned(number, card, one, 0 if card.free else soft), hook=hook)
        for number, (card, one, soft, hook) in enumerate(zip(cards, fitted, softening, hooks, strict=True), start=1)
    )
    lead, frame = _lead(cards, fitted)
    same_shape = frame.aspect_ratio == order.aspect_ratio
    width, height = (frame.width, frame.height) if same_shape else film_size(order.aspect_ratio, frame.resolution)
    return Plan(
        model=model,
        scenes=scenes,
        width=width,
        height=height,
        fps=lead.fps,
        formats=shapes_wanted(order),
        resolution=frame.resolution,
        quote_micro=sum(scene.price_micro + scene.softening_micro for scene in scenes) + text_micro,
        text_micro=text_micro,
        hook_text_micro=hook_text_micro,
        adapted=(*_numbered((note for one in fitted for note in one.adapted), len(scenes)), *_seams(scenes)),
        lines=_quoted(scenes, text_micro, hook_text_micro),
    )


def _seams(scenes: Sequence[PlannedScene]) -> tuple[str, ...]:
    """Said where what follows the hooks goes on from one of them."""
    if not further(scenes) or not scenes[1].continues:
        return ()
    return ("Scene 2 goes on from the last picture of hook a: after the other hooks it is a cut.",)


def _letters(hooks: int, count: int) -> list[str]:
    """The letters of so many scenes, of which those of further hooks come last."""
    if hooks == 1:
        return [""] * count
    return [FIRST, *[""] * (count - hooks), *HOOK_LETTERS[1:hooks]]


def _lead(cards: Sequence[CatalogueModel], fitted: Sequence[Fitted]) -> tuple[CatalogueModel, Offer]:
    """The model that makes most scenes decides the film's frame, so that fewest clips must be converted."""
    frames = [(card, one.frame) for card, one in zip(cards, fitted, strict=True) if one.frame]
    often = Counter(card.id for card, _ in frames)
    return max(frames, key=lambda pair: often[pair[0].id])


def _planned(number: int, card: CatalogueModel, fitted: Fitted, softening_micro: int) -> PlannedScene:
    frame, scene = fitted.frame, fitted.scene
    assert frame is not None, "only an order without problems is composed"  # noqa: S101 — narrows for the type checker
    settings = ClipSettings(
        width=frame.width,
        height=frame.height,
        aspect_ratio=frame.aspect_ratio,
        resolution=frame.resolution,
        fps=card.fps,
        audio=card.audio,
        seed=fitted.seed,
        negative_prompt=fitted.negative_prompt,
        first_frame=fitted.first_frame,
        last_frame=fitted.last_frame,
        must_start=fitted.must_start,
        left_out=fitted.left_out,
    )
    return PlannedScene(
        number=number,
        prompt=scene.prompt if scene else None,
        seconds=fitted.seconds,
        buy_seconds=fitted.buy_seconds,
        model=card.id,
        settings=settings,
        price_micro=card.clip_price(frame.resolution, fitted.buy_seconds),
        softening_micro=softening_micro,
        caption=scene.caption if scene else None,
        narration=scene.narration if scene else None,
        references=fitted.references,
        continues=fitted.continues,
        transition=scene.transition.value if scene and scene.transition else None,
        airtable_record_id=scene.airtable_record_id if scene else None,
    )


def _numbered(notes: Iterable[tuple[int, str]], count: int) -> list[str]:
    """One sentence per change, with the scenes it is about unless it is about all of them."""
    about: dict[str, list[int]] = {}
    for number, sentence in notes:
        about.setdefault(sentence, []).append(number)
    return [
        sentence
        if len(numbers) == count
        else f"{'Scene' if len(numbers) == 1 else 'Scenes'} {', '.join(map(str, numbers))}: {sentence}"
        for sentence, numbers in about.items()
    ]


def _quoted(scenes: Sequence[PlannedScene], text_micro: int, hook_text_micro: int) -> tuple[tuple[str, int], ...]:
    lines = quote_lines(scenes, [scene.price_micro for scene in scenes], text_micro - hook_text_micro)
    lines = (*lines, ("Hook writing", hook_text_micro)) if hook_text_micro else lines
    softer = sum(scene.softening_micro for scene in scenes)
    return (*lines, ("Softer wordings", softer)) if softer else lines

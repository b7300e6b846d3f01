"""What holds for every plan, whatever is ordered from whatever model."""

from __future__ import annotations

import dataclasses
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from pipelines.database.codec import decode, encode
from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import InvalidOrder
from pipelines.domain.orders.fit import buy_seconds, film_size, lines, nearest_shape, ratio
from pipelines.domain.orders.order import ASPECT_RATIOS, RESOLUTIONS, Order
from pipelines.domain.planning.film_length import SHORTEST_S, counted, shares
from pipelines.domain.planning.make_plan import make_plan
from pipelines.domain.planning.plan import Plan
from pipelines.providers import load_catalogue

TODAY = date(2026, 11, 20)
CATALOGUE = load_catalogue()
ELSEWHERE = {"sora": "http://127.0.0.1:1/v1"}

seconds = st.one_of(st.none(), st.floats(0.1, 70).map(lambda value: round(value, 2)))
orders = st.builds(
    Order,
    master_prompt=st.just("A day at the sea"),
    scene_count=st.integers(1, 50),
    clip_seconds=seconds,
    aspect_ratio=st.sampled_from(ASPECT_RATIOS),
    resolution=st.sampled_from(RESOLUTIONS),
    formats=st.lists(st.sampled_from(ASPECT_RATIOS), max_size=3).map(tuple),
    model=st.sampled_from(sorted(CATALOGUE)),
    adapt=st.booleans(),
)


@given(orders)
def test_a_plan_buys_at_least_what_was_asked_only_what_is_offered_and_says_every_change(order: Order) -> None:
    try:
        plan = make_plan(order, CATALOGUE, default_model="local/animatic", today=TODAY, origins=ELSEWHERE)
    except InvalidOrder:
        return
    card = CATALOGUE[order.model or ""]
    frames = {(offer.aspect_ratio, offer.resolution, offer.width, offer.height) for offer in card.offers}
    for scene in plan.scenes:
        s = scene.settings
        assert (s.aspect_ratio, s.resolution, s.width, s.height) in frames
        assert scene.buy_seconds >= scene.seconds - 1e-6
        assert scene.seconds == (order.clip_seconds or card.default_seconds)
        assert buy_seconds(card, scene.buy_seconds) == scene.buy_seconds
        assert lines(s.resolution) >= lines(order.resolution)
        assert scene.price_micro == card.clip_price(s.resolution, scene.buy_seconds)
    assert plan.quote_micro == sum(scene.price_micro for scene in plan.scenes) == sum(a for _, a in plan.lines)
    assert (plan.quote_micro == 0) is card.free
    first = plan.scenes[0]
    exact = (
        first.buy_seconds == first.seconds
        and first.settings.aspect_ratio == order.aspect_ratio
        and first.settings.resolution == order.resolution
    )
    assert exact is (plan.adapted == ())
    assert exact or order.adapt
    assert (plan.width % 2, plan.height % 2) == (0, 0)
    assert decode(Plan, encode(Plan, plan)) == plan


@given(
    st.sampled_from(sorted(CATALOGUE)).map(CATALOGUE.__getitem__),
    st.floats(0.5, 300).map(lambda value: round(value, 2)),
    st.integers(0, 50),
)
def test_a_film_is_as_long_as_was_asked_and_no_scene_could_be_bought_shorter(
    card: CatalogueModel, film: float, count: int
) -> None:
    order = counted(Order(model=card.id, film_seconds=film, scene_count=count, adapt=True), CATALOGUE, card.id)
    found, problems = shares(order, card)
    longest = max(card.durations or (card.max_seconds,))
    assert bool(problems) is not (order.scene_count * SHORTEST_S <= film <= order.scene_count * longest + 1e-6)
    if problems:
        return
    assert len(found) == order.scene_count
    assert abs(sum(share.seconds for share in found) - film) <= (1 + len(found) / 2) / card.fps
    shorter = [d for d in card.durations if d < found[0].buy_seconds]
    step = found[0].buy_seconds - max(shorter, default=0) if card.durations else card.step_seconds
    for share in found:
        assert 0 < share.seconds <= share.buy_seconds
        assert buy_seconds(card, share.buy_seconds) == share.buy_seconds
    if found[0].buy_seconds > min(card.durations or (card.min_seconds,)):
        assert sum(share.buy_seconds for share in found) - step < film


@given(orders)
def test_adapting_never_refuses_what_is_possible_without(order: Order) -> None:
    def possible(adapt: bool) -> bool:
        asked = dataclasses.replace(order, adapt=adapt)
        try:
            make_plan(asked, CATALOGUE, default_model="local/animatic", today=TODAY, origins=ELSEWHERE)
        except InvalidOrder:
            return False
        return True

    assert possible(adapt=True) or not possible(adapt=False)


@given(st.sampled_from(sorted(CATALOGUE)).map(CATALOGUE.__getitem__), st.floats(0.01, 100))
def test_the_length_bought_is_the_shortest_that_is_long_enough(card: CatalogueModel, asked: float) -> None:
    bought = buy_seconds(card, asked)
    if bought is None:
        assert asked > max(card.durations or (card.max_seconds,)) - card.step_seconds
        return
    assert bought >= asked - 1e-6
    shorter = [d for d in card.durations if d < bought] or [bought - card.step_seconds] * (not card.durations)
    assert all(one < asked or one < card.min_seconds for one in shorter)


@given(st.sampled_from(ASPECT_RATIOS), st.lists(st.sampled_from(ASPECT_RATIOS), min_size=1, unique=True))
def test_the_nearest_shape_keeps_at_least_as_much_of_the_picture_as_any_other(asked: str, offered: list[str]) -> None:
    def kept(shape: str) -> float:
        return float(min(ratio(shape) / ratio(asked), ratio(asked) / ratio(shape)))

    assert kept(nearest_shape(asked, offered)) == max(kept(shape) for shape in offered)


@given(st.sampled_from(ASPECT_RATIOS), st.sampled_from([*RESOLUTIONS, "360p", "4k"]))
def test_a_film_is_even_and_of_its_shape(shape: str, resolution: str) -> None:
    width, height = film_size(shape, resolution)
    assert width % 2 == height % 2 == 0
    assert min(width, height) == lines(resolution)
    assert abs(width / height - float(ratio(shape))) < 0.01

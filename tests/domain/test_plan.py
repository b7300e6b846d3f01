"""From an order to a plan: what fits, what is adapted and said, what is refused and why."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from typing import Any

import pytest

from pipelines.database.codec import decode, encode
from pipelines.domain.errors import InvalidOrder
from pipelines.domain.footage import Fit, Transition
from pipelines.domain.orders.field_labels import for_clip, for_row
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.planning.plan import ClipSettings, Plan, format_size
from tests.domain.plan_fixtures import STEPPED, TODAY, order, plan_for, problems_of


def test_an_order_without_wishes_gets_four_scenes_of_the_models_default_in_720p_landscape() -> None:
    plan = plan_for(order())
    assert [(scene.number, scene.prompt, scene.seconds, scene.buy_seconds) for scene in plan.scenes] == [
        (number, None, 4, 4) for number in (1, 2, 3, 4)
    ]
    assert (plan.width, plan.height, plan.fps, plan.formats) == (1280, 720, 24, ("16:9",))
    assert (plan.quote_micro, plan.lines) == (1_600_000, (("4 × 4 s of acme/stepped at 720p", 1_600_000),))
    assert plan.adapted == plan.warnings == ()


def test_the_settings_of_a_scene_are_named_as_the_request_names_them() -> None:
    assert plan_for(order()).scenes[0].settings == ClipSettings(
        width=1280,
        height=720,
        aspect_ratio="16:9",
        resolution="720p",
        fps=24.0,
        audio=False,
    )


def test_writing_is_a_line_of_the_quote() -> None:
    plan = plan_for(order(scene_count=1), text_micro=1_234)
    assert plan.quote_micro == 400_000 + 1_234
    assert plan.lines[-1] == ("Scene writing", 1_234)


def test_a_length_between_two_is_refused_with_the_lengths_there_are() -> None:
    assert problems_of(order(clip_seconds=10)) == {
        "clip_seconds": "acme/stepped makes clips of 4, 8 or 12 seconds, not 10. "
        "With adapt, 12 seconds are made and trimmed."
    }


def test_with_adapt_a_length_goes_up_is_trimmed_and_paid_in_full() -> None:
    plan = plan_for(order(clip_seconds=10, adapt=True))
    assert {(scene.seconds, scene.buy_seconds, scene.price_micro) for scene in plan.scenes} == {(10, 12, 1_200_000)}
    assert plan.adapted == (
        "12 seconds are made and trimmed to 10, because acme/stepped makes clips of 4, 8 or 12 seconds.",
    )


@pytest.mark.parametrize(("asked", "bought"), [(1, 3), (3, 3), (7.5, 8), (14.01, 15), (15, 15)])
def test_a_model_of_any_length_goes_up_to_its_next_step(asked: float, bought: float) -> None:
    plan = plan_for(order(clip_seconds=asked, model="acme/ranged", resolution="1080p", adapt=True))
    assert plan.scenes[0].buy_seconds == bought


@pytest.mark.parametrize(("model", "seconds"), [("acme/stepped", 12.5), ("acme/ranged", 15.5)])
def test_a_length_above_what_the_model_makes_is_refused_even_with_adapt(model: str, seconds: float) -> None:
    assert "clip_seconds" in problems_of(order(clip_seconds=seconds, model=model, adapt=True))


def lengths_of(**fields: Any) -> list[tuple[float, float]]:
    return [(scene.seconds, scene.buy_seconds) for scene in plan_for(order(**fields)).scenes]


@pytest.mark.parametrize(
    ("model", "film", "count", "bought"),
    [
        ("acme/stepped", 20, 0, [4] * 5),
        ("acme/stepped", 20, 4, [8, 4, 4, 4]),
        ("acme/stepped", 32, 4, [8] * 4),
        ("acme/stepped", 12, 1, [12]),
        ("acme/ranged", 30, 0, [5] * 6),
        ("acme/ranged", 31, 4, [8, 8, 8, 7]),
        ("acme/ranged", 2, 0, [3]),
        ("acme/stepped", 600, 0, [12] * 50),
    ],
)
def test_the_length_of_a_film_is_shared_among_scenes_in_lengths_that_the_model_makes(
    model: str, film: float, count: int, bought: list[float]
) -> None:
    wish = {"model": model, "resolution": "1080p" if model == "acme/ranged" else "720p", "scene_count": count}
    shares = lengths_of(film_seconds=film, adapt=film == 2, **wish)
    assert [buy for _, buy in shares] == bought
    assert sum(seconds for seconds, _ in shares) == film


def test_with_adapt_a_film_is_trimmed_to_its_length_by_the_frame_and_nothing_is_bought_beyond_need() -> None:
    plan = plan_for(order(film_seconds=30, scene_count=0, adapt=True))
    assert [scene.buy_seconds for scene in plan.scenes] == [4] * 8
    assert sum(scene.seconds for scene in plan.scenes) == pytest.approx(30)
    assert all((scene.seconds * 24) == pytest.approx(round(scene.seconds * 24), abs=1e-4) for scene in plan.scenes)
    assert plan.adapted == (
        "The clips are trimmed to a film of 30 seconds, because acme/stepped makes clips of 4, 8 or 12 seconds.",
    )


def test_a_film_that_no_clips_add_up_to_is_refused_with_the_length_that_they_do() -> None:
    assert problems_of(order(film_seconds=30, scene_count=4)) == {
        "film_seconds": "acme/stepped makes clips of 4, 8 or 12 seconds: with 4 of them the film can be 32 seconds "
        "long, not 30. With adapt, they are made and trimmed."
    }


def test_a_film_too_long_for_its_scenes_says_how_long_they_can_be() -> None:
    assert problems_of(order(film_seconds=50, scene_count=4, adapt=True)) == {
        "film_seconds": "is 50, and 4 scenes are at most 48 seconds with acme/stepped. Ask for more scenes."
    }
    assert "a shorter film" in problems_of(order(film_seconds=601, scene_count=0))["film_seconds"]


def test_a_film_has_one_length_and_not_two() -> None:
    assert "cannot go with clip_seconds" in problems_of(order(film_seconds=20, clip_seconds=4))["film_seconds"]
    assert "above 0" in problems_of(order(film_seconds=0, scene_count=0))["film_seconds"]


def test_crossfades_take_nothing_from_the_length_of_a_film() -> None:
    wish = {"scene_count": 3, "transition": Transition.CROSSFADE, "transition_seconds": 1.0}
    assert lengths_of(film_seconds=10, **wish) == [(4, 4)] * 3


def test_a_scene_that_a_person_wrote_takes_no_part_of_a_films_length() -> None:
    plan = plan_for(order(film_seconds=60, scenes=(SceneOrder(prompt="A wave", seconds=8),)))
    assert [scene.buy_seconds for scene in plan.scenes] == [8]


def test_a_resolution_goes_up_and_never_down() -> None:
    plan = plan_for(order(resolution="480p", adapt=True))
    assert (plan.resolution, plan.width, plan.height) == ("720p", 1280, 720)
    assert plan.adapted == ("The picture is made in 720p instead of 480p, because acme/stepped offers 720p.",)
    assert problems_of(order(resolution="1080p", adapt=True)) == {"resolution": "acme/stepped offers 720p, not 1080p."}
    assert "offers 720p, not 480p" in problems_of(order(resolution="480p"))["resolution"]


def test_a_resolution_without_a_price_is_not_offered() -> None:
    assert problems_of(order(model="acme/ranged", resolution="4k")) == {
        "resolution": "must be 480p, 720p or 1080p, not '4k'."
    }


def test_a_model_without_any_price_is_refused_and_never_free() -> None:
    unpriced = dataclasses.replace(STEPPED, id="acme/unpriced", prices={})
    assert "has no price" in problems_of(order(model="acme/unpriced"), unpriced)["model"]


@pytest.mark.parametrize(
    ("shape", "fit", "made", "size", "word"),
    [
        ("4:5", Fit.CROP, "9:16", (720, 900), "cropped"),
        ("1:1", Fit.BLUR, "16:9", (720, 720), "blurred"),
        ("1:1", Fit.LETTERBOX, "16:9", (720, 720), "black bars"),
    ],
)
def test_another_shape_is_made_from_the_nearest_one_by_the_chosen_fit(
    shape: str, fit: Fit, made: str, size: tuple[int, int], word: str
) -> None:
    plan = plan_for(order(aspect_ratio=shape, fit=fit, adapt=True))
    assert (plan.scenes[0].settings.aspect_ratio, (plan.width, plan.height)) == (made, size)
    assert word in plan.adapted[0]
    assert "offers 16:9 or 9:16, not" in problems_of(order(aspect_ratio=shape))["aspect_ratio"]


def test_the_film_has_the_models_own_frame_where_the_shape_is_the_models() -> None:
    plan = plan_for(order(model="acme/ranged", resolution="480p"))
    assert (plan.width, plan.height) == (864, 496)


def test_further_formats_are_cut_from_the_same_clips_and_cost_nothing() -> None:
    plan = plan_for(order(formats=("9:16", "16:9", "4:5")))
    assert plan.formats == ("16:9", "9:16", "4:5")
    assert [format_size(plan, shape) for shape in plan.formats] == [(1280, 720), (720, 1280), (720, 900)]
    assert plan.quote_micro == plan_for(order()).quote_micro


def test_a_price_per_clip_comes_on_top_of_the_seconds() -> None:
    plan = plan_for(order(model="acme/ranged", resolution="1080p", scene_count=2))
    assert plan.quote_micro == 2 * (5 * 104_300 + 20_000)


SUNSET = dataclasses.replace(
    STEPPED,
    id="acme/old",
    sunset=date(2026, 9, 24),
    successor="acme/ranged",
    vendor_origin="https://api.acme.com",
)


@pytest.mark.parametrize("origins", [{}, {"acme": "https://api.acme.com/v1"}, {"acme": "https://API.acme.com:443"}])
def test_a_model_past_its_sunset_is_refused_at_its_vendor_with_the_successor_named(origins: dict[str, str]) -> None:
    message = problems_of(order(model="acme/old"), SUNSET, origins=origins)["model"]
    assert "2026-09-24" in message
    assert "Use acme/ranged instead" in message


@pytest.mark.parametrize("origin", ["http://127.0.0.1:9/v1", "https://gateway.example/v1", "http://api.acme.com/v1"])
def test_the_same_model_lives_on_at_any_other_server(origin: str) -> None:
    assert plan_for(order(model="acme/old"), SUNSET, origins={"acme": origin}).warnings == ()


@pytest.mark.parametrize(("days", "warns"), [(1, True), (30, True), (31, False)])
def test_a_sunset_within_30_days_is_a_warning(days: int, warns: bool) -> None:
    card = dataclasses.replace(SUNSET, sunset=TODAY + timedelta(days=days))
    assert bool(plan_for(order(model="acme/old"), card).warnings) is warns


def test_the_day_of_the_sunset_is_too_late() -> None:
    card = dataclasses.replace(SUNSET, sunset=TODAY)
    assert "model" in problems_of(order(model="acme/old"), card)


def test_a_scenes_own_picture_is_where_it_starts_and_the_others_are_references() -> None:
    scenes = (SceneOrder(prompt="a", references=("own",)), SceneOrder(prompt="b"))
    plan = plan_for(Order(scenes=scenes, references=("brand",), model="acme/ranged", resolution="1080p"))
    assert [(s.settings.first_frame, s.references) for s in plan.scenes] == [("own", ("brand",)), (None, ("brand",))]


def test_on_a_model_without_references_a_shared_picture_is_where_scenes_start() -> None:
    plan = plan_for(order(references=("brand",)))
    assert {(s.settings.first_frame, s.references) for s in plan.scenes} == {("brand", ())}


def test_more_pictures_than_a_paid_model_takes_are_refused_and_a_free_draft_says_it_ignores_them() -> None:
    assert "at most 1 reference image" in problems_of(order(references=("a", "b"), adapt=True))["references"]
    plan = plan_for(order(references=("a",), model="local/draft", adapt=True))
    assert plan.adapted == ("The reference images are not used, because local/draft takes no reference images.",)
    assert "references" in problems_of(order(references=("a",), model="local/draft"))


def test_a_scene_that_continues_starts_from_the_one_before() -> None:
    scenes = (SceneOrder(prompt="a"), SceneOrder(prompt="b", continues=True))
    plan = plan_for(Order(scenes=scenes, references=("brand",), adapt=True))
    assert [scene.continues for scene in plan.scenes] == [False, True]
    assert [scene.settings.first_frame for scene in plan.scenes] == ["brand", None]


def test_continuing_is_refused_where_it_cannot_be() -> None:
    first = (SceneOrder(prompt="a", continues=True),)
    assert "no scene before" in problems_of(Order(scenes=first))["scenes[0].continues"]
    assert plan_for(Order(scenes=first, adapt=True)).scenes[0].continues is False
    blind = dataclasses.replace(STEPPED, image_to_video=False)
    second = (SceneOrder(prompt="a"), SceneOrder(prompt="b", continues=True))
    assert "scenes[1].continues" in problems_of(Order(scenes=second, adapt=True), blind)


def test_the_film_takes_the_frame_of_the_model_that_makes_most_scenes() -> None:
    scenes = (SceneOrder(prompt="a", model="acme/ranged"), SceneOrder(prompt="b"), SceneOrder(prompt="c"))
    plan = plan_for(Order(scenes=scenes, adapt=True))
    assert (plan.width, plan.height, plan.model) == (1280, 720, "acme/stepped")


def test_a_plan_survives_json() -> None:
    scenes = (SceneOrder(prompt="a", references=("own",)), SceneOrder(prompt="b", continues=True))
    plan = plan_for(Order(scenes=scenes, clip_seconds=5, adapt=True), text_micro=5)
    assert decode(Plan, encode(Plan, plan)) == plan


def test_a_row_reads_its_own_field_names_and_a_clip_order_its_own() -> None:
    with pytest.raises(InvalidOrder) as caught:
        plan_for(Order(scenes=(SceneOrder(prompt=" "),), clip_seconds=5, max_cost_micro=-1))
    assert [problem.field for problem in for_row(caught.value.problems)] == [
        "Scene 1 Prompt",
        "Max Cost",
        "Clip Seconds",
    ]
    assert [problem.field for problem in for_clip(caught.value.problems)] == ["prompt", "max_cost_usd", "seconds"]

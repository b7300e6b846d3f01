"""Wishes that only some models can follow: a seed, what should not be seen, where a film starts and ends."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipelines.database.codec import decode, encode
from pipelines.domain.orders.order import MAX_SEED, Order, SceneOrder
from pipelines.domain.planning.plan import LeftOut, Plan
from tests.domain.plan_fixtures import STEPPED, order, plan_for, problems_of

ABLE = dataclasses.replace(STEPPED, id="acme/able", seed=True, negative_prompt=True)
FRAMED = dataclasses.replace(
    STEPPED, id="acme/framed", first_last_frame=True, last_frame_max_seconds=8, max_references=1
)


def asked(**changes: Any) -> Order:
    return order(model="acme/able", scene_count=2, **changes)


def test_what_the_order_says_goes_with_every_scene() -> None:
    plan = plan_for(asked(seed=7, negative_prompt="people"), ABLE)
    assert [(s.settings.seed, s.settings.negative_prompt) for s in plan.scenes] == [(7, "people")] * 2
    assert plan.adapted == ()


def test_a_scene_has_its_own_and_an_empty_one_is_none() -> None:
    scenes = (
        SceneOrder(prompt="a", seed=0, negative_prompt=""),
        SceneOrder(prompt="b", negative_prompt="rain"),
    )
    plan = plan_for(asked(seed=7, negative_prompt="people", scenes=scenes), ABLE)
    assert [(s.settings.seed, s.settings.negative_prompt) for s in plan.scenes] == [(0, None), (7, "rain")]


@pytest.mark.parametrize("adapt", [False, True])
def test_a_paid_model_that_cannot_is_refused_by_the_field_that_said_it(adapt: bool) -> None:
    """Leaving it out would make something else than what was ordered, so `adapt` does not help."""
    found = problems_of(order(seed=7, negative_prompt="people", adapt=adapt))
    assert found == {
        "seed": "acme/stepped takes no seed. Leave it out or choose another model.",
        "negative_prompt": "acme/stepped takes no negative prompt. Leave it out or choose another model.",
    }
    scenes = (SceneOrder(prompt="a"), SceneOrder(prompt="b", seed=7))
    assert set(problems_of(Order(scenes=scenes, adapt=adapt))) == {"scenes[1].seed"}


def test_a_free_draft_leaves_it_out_and_says_so() -> None:
    plan = plan_for(order(seed=7, negative_prompt="people", model="local/draft", adapt=True))
    assert plan.adapted == (
        "The seed is not used, because local/draft takes none.",
        "The negative prompt is not used, because local/draft takes none.",
    )
    assert plan.scenes[0].settings.left_out == LeftOut(seed=7, negative_prompt="people")
    assert set(problems_of(order(seed=7, model="local/draft"))) == {"seed"}


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_is_a_number_that_every_vendor_can_hold(seed: int) -> None:
    assert str(MAX_SEED) in problems_of(asked(seed=seed), ABLE)["seed"]
    assert set(problems_of(asked(scenes=(SceneOrder(prompt="a", seed=seed),)), ABLE)) == {"scenes[0].seed"}


def test_a_negative_prompt_is_no_longer_than_a_prompt() -> None:
    assert "at most 100" in problems_of(asked(negative_prompt="x" * 101), ABLE)["negative_prompt"]


def test_the_seeds_of_a_plan_and_an_order_survive_json() -> None:
    scenes = (SceneOrder(prompt="a", seed=1), SceneOrder(prompt="b", model="local/draft", references=("own",)))
    wanted = asked(seed=7, negative_prompt="people", scenes=scenes, adapt=True)
    plan = plan_for(wanted, ABLE)
    assert decode(Plan, encode(Plan, plan)) == plan
    assert decode(Order, encode(Order, wanted)) == wanted


def framed(scene_count: int = 2, **changes: Any) -> Order:
    return order(model="acme/framed", scene_count=scene_count, **changes)


def frames(asked_for: Order, **options: Any) -> list[tuple[str | None, str | None, tuple[str, ...]]]:
    plan = plan_for(asked_for, FRAMED, **options)
    return [(s.settings.first_frame, s.settings.last_frame, s.references) for s in plan.scenes]


def test_a_film_starts_from_its_first_frame_and_looks_at_its_references() -> None:
    assert frames(framed(first_frame="dawn", references=("brand",))) == [
        ("dawn", None, ("brand",)),
        (None, None, ("brand",)),
    ]


def test_a_film_ends_on_its_last_frame_where_its_last_scene_starts_from_a_picture_too() -> None:
    assert frames(framed(first_frame="dawn", last_frame="dusk", scene_count=1)) == [("dawn", "dusk", ())]
    scenes = (SceneOrder(prompt="a"), SceneOrder(prompt="b", references=("noon",)))
    assert frames(framed(last_frame="dusk", scenes=scenes)) == [(None, None, ()), ("noon", "dusk", ())]
    scenes = (SceneOrder(prompt="a"), SceneOrder(prompt="b", continues=True))
    assert frames(framed(last_frame="dusk", scenes=scenes)) == [(None, None, ()), (None, "dusk", ())]
    found = problems_of(framed(first_frame="dawn", last_frame="dusk"), FRAMED)
    assert found == {
        "last_frame": "needs a picture from which scene 2 starts as well: tick Continue in its row of Scenes."
    }


def test_the_way_between_two_pictures_may_have_to_be_short() -> None:
    two = framed(first_frame="dawn", last_frame="dusk", scene_count=1, clip_seconds=12)
    assert problems_of(two, FRAMED) == {
        "last_frame": "needs a clip of at most 8 seconds on acme/framed; scene 1 has 12."
    }


def test_a_scene_has_frames_of_its_own() -> None:
    scenes = (SceneOrder(prompt="a", first_frame="own", references=("look",), last_frame="end"),)
    assert frames(framed(scenes=scenes, first_frame="dawn")) == [("own", "end", ("look",))]


def test_frames_that_a_paid_model_cannot_keep_are_refused_and_a_free_draft_says_it_ignores_them() -> None:
    blind = dataclasses.replace(STEPPED, image_to_video=False)
    both = order(first_frame="dawn", last_frame="dusk", scene_count=1, adapt=True)
    assert set(problems_of(both, blind)) == {"first_frame", "last_frame"}
    draft = plan_for(dataclasses.replace(both, model="local/draft"))
    assert draft.adapted == (
        "The first frame is not used, because local/draft takes none.",
        "The last frame is not used, because local/draft takes none.",
    )
    assert draft.scenes[0].settings.left_out == LeftOut(first_frame="dawn", last_frame="dusk")


def test_a_scene_that_follows_another_may_go_on_from_it_when_it_is_planned_alone() -> None:
    scenes = (SceneOrder(prompt="b", continues=True, last_frame="dusk"),)
    assert frames(framed(scenes=scenes), follows=True) == [(None, "dusk", ())]
    assert set(problems_of(framed(scenes=scenes), FRAMED)) == {"scenes[0].continues", "scenes[0].last_frame"}


EITHER = dataclasses.replace(
    STEPPED, id="acme/either", frames_or_references=True, max_references=2, first_last_frame=True
)


def pictures_of(asked_for: Order) -> list[tuple[str | None, tuple[str, ...]]]:
    return [(s.settings.first_frame, s.references) for s in plan_for(asked_for, EITHER).scenes]


def either(*scenes: SceneOrder, **changes: Any) -> Order:
    return order(model="acme/either", scenes=scenes, adapt=True, **changes)


def test_a_model_that_takes_either_is_never_given_both() -> None:
    own, several = SceneOrder(prompt="a", references=("own",)), SceneOrder(prompt="b", references=("x", "y"))
    goes_on = SceneOrder(prompt="c", continues=True)
    assert pictures_of(either(own, several)) == [("own", ()), (None, ("x", "y"))]
    assert pictures_of(either(SceneOrder(prompt="a"), references=("brand",))) == [(None, ("brand",))]
    assert pictures_of(either(own, goes_on, references=("brand",))) == [("own", ()), (None, ())]
    assert pictures_of(either(SceneOrder(prompt="a"), first_frame="dawn", references=("brand",))) == [("dawn", ())]
    plan = plan_for(either(own, several, references=()), EITHER)
    can = "takes either a picture to start from or at most 2 reference images a scene"
    assert plan.adapted == (
        f"Scene 2: Where a scene has several pictures all are references, because acme/either {can}.",
    )


def test_what_takes_either_is_refused_both_where_nothing_may_be_adapted_or_a_picture_of_a_scene_would_be_lost() -> None:
    own = SceneOrder(prompt="a", references=("own",))
    takes = "acme/either takes either a picture to start from or at most 2 reference images a scene."
    strict = dataclasses.replace(either(own, references=("brand",)), adapt=False)
    assert problems_of(strict, EITHER) == {"references": f"{takes} Remove some or choose another model."}
    framed_too = either(SceneOrder(prompt="a", first_frame="dawn", references=("own",)))
    assert set(problems_of(framed_too, EITHER)) == {"scenes[0].references"}
    three = either(SceneOrder(prompt="a", references=("x", "y", "z")))
    assert set(problems_of(three, EITHER)) == {"scenes[0].references"}

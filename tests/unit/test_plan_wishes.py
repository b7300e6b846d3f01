"""Wishes that only some models can follow: a seed, and what should not be seen."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from pipelines.domain.order import MAX_SEED, Order, SceneOrder, order_from_json, order_to_json
from pipelines.domain.plan import plan_from_json, plan_to_json
from tests.unit.plan_house import STEPPED, order, plan_for, problems_of

ABLE = dataclasses.replace(STEPPED, id="acme/able", seed=True, negative_prompt=True)


def asked(**fields: Any) -> Order:
    return order(model="acme/able", scene_count=2, **fields)


def test_what_the_order_says_goes_with_every_scene() -> None:
    plan = plan_for(asked(seed=7, negative_prompt="people"), ABLE)
    assert [(s.settings["seed"], s.settings["negative_prompt"]) for s in plan.scenes] == [(7, "people")] * 2
    assert plan.adapted == ()


def test_a_scene_has_its_own_and_an_empty_one_is_none() -> None:
    scenes = (
        SceneOrder(prompt="a", seed=0, negative_prompt=""),
        SceneOrder(prompt="b", negative_prompt="rain"),
    )
    plan = plan_for(asked(seed=7, negative_prompt="people", scenes=scenes), ABLE)
    assert [(s.settings["seed"], s.settings["negative_prompt"]) for s in plan.scenes] == [(0, None), (7, "rain")]


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
    assert plan.scenes[0].settings["left_out"] == {"seed": 7, "negative_prompt": "people"}
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
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan
    assert order_from_json(json.loads(json.dumps(order_to_json(wanted)))) == wanted

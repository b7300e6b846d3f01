"""An order is checked before it is planned: everything wrong with it is named, in the words of who wrote it."""

from __future__ import annotations

import pytest

from pipelines.domain.footage import Transition
from pipelines.domain.orders.order import Order, SceneOrder
from tests.domain.plan_fixtures import order, plan_for, problems_of


def test_every_problem_is_named_at_once() -> None:
    asked = Order(
        master_prompt=" ",
        scene_count=1000,
        clip_seconds=5,
        aspect_ratio="3:2",
        formats=("2:1",),
        resolution="huge",
        max_cost_micro=-1,
        transition=Transition.CROSSFADE,
        transition_seconds=0,
    )
    assert set(problems_of(asked)) == {
        "master_prompt",
        "scene_count",
        "clip_seconds",
        "aspect_ratio",
        "formats",
        "resolution",
        "max_cost_usd",
        "transition_seconds",
    }


@pytest.mark.parametrize("count", [0, -1, 51, 1000])
def test_a_scene_count_outside_1_to_50_is_refused(count: int) -> None:
    assert problems_of(order(scene_count=count)) == {
        "scene_count": f"must be a whole number from 1 to 50, not {count}."
    }


@pytest.mark.parametrize("prompt", [None, "", " \n\t", "\u200b\x07", "x" * 32_001])
def test_a_master_prompt_is_1_to_32000_characters(prompt: str | None) -> None:
    assert "32000" in problems_of(order(master_prompt=prompt))["master_prompt"]


@pytest.mark.parametrize("seconds", [0.0, -4.0, float("nan"), float("inf")])
def test_a_length_must_be_a_length(seconds: float) -> None:
    assert "above 0" in problems_of(order(clip_seconds=seconds, adapt=True))["clip_seconds"]


def test_written_scenes_need_no_master_prompt_and_keep_what_their_author_said() -> None:
    scenes = (
        SceneOrder(prompt="Dawn", caption="Morning", seconds=8, airtable_record_id="rec1"),
        SceneOrder(prompt="Dusk", model="acme/ranged", seconds=4, transition=Transition.FADE_BLACK),
    )
    plan = plan_for(Order(scenes=scenes, resolution="720p", adapt=True))
    first, second = plan.scenes
    assert (first.prompt, first.caption, first.airtable_record_id, first.seconds) == ("Dawn", "Morning", "rec1", 8)
    assert (second.model, second.transition, second.settings.resolution) == ("acme/ranged", "Fade Black", "1080p")
    assert plan.adapted == (
        "Scene 2: The picture is made in 1080p instead of 720p, because acme/ranged offers 480p or 1080p.",
    )


def test_scenes_from_the_writer_replace_the_orders_own() -> None:
    plan = plan_for(order(scene_count=9), scenes=[SceneOrder(prompt="One"), SceneOrder(prompt="Two")])
    assert [scene.prompt for scene in plan.scenes] == ["One", "Two"]


def test_problems_of_a_scene_are_named_by_its_place() -> None:
    scenes = (
        SceneOrder(prompt="fine"),
        SceneOrder(prompt="x" * 101),
        SceneOrder(prompt=" ", seconds=5, model="acme/none", references=("a",)),
        SceneOrder(prompt="fine", seconds=5),
    )
    found = problems_of(Order(scenes=scenes))
    assert set(found) == {"scenes[1].prompt", "scenes[2].prompt", "scenes[2].model", "scenes[3].seconds"}
    assert found["scenes[1].prompt"] == "has 101 characters; acme/stepped takes at most 100."


def test_no_scenes_at_all_and_too_many_are_refused() -> None:
    assert "not 0" in problems_of(order(), scenes=[])["scenes"]
    assert "not 51" in problems_of(order(), scenes=[SceneOrder(prompt="x")] * 51)["scenes"]


def test_an_unknown_model_is_answered_with_those_of_its_provider() -> None:
    found = problems_of(order(model="acme/dream"))
    assert found == {
        "model": "'acme/dream' is not in the catalogue. Choose acme/stepped, acme/ranged or another of the catalogue."
    }


@pytest.mark.parametrize("prompt", ["🦊🌊", "?", "7", "雨", "नदी"])
def test_whatever_can_be_read_is_a_prompt(prompt: str) -> None:
    assert plan_for(order(master_prompt=prompt)).quote_micro > 0
    assert plan_for(Order(scenes=(SceneOrder(prompt=prompt),))).quote_micro > 0

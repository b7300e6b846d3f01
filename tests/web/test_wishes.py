"""A seed, what should not be seen, and frames, as fields of the requests that make something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.orders.order import MAX_SEED
from tests.web.web_fixtures import OUTSIDE, WebHarness

ROUTES = [
    ("/api/process-master-prompt", {"master_prompt": "A day at the sea"}),
    ("/api/generate-video", {"prompt": "A fox"}),
    ("/api/estimate", {"prompt": "A fox"}),
    ("/api/runs/run_finished/scenes/1/regenerate", {}),
]
VEO = "veo/veo-3.1-fast-generate-001"
every_route = pytest.mark.parametrize(("path", "body"), ROUTES)


@pytest.fixture
def vertex(tmp_path: Path) -> Iterator[WebHarness]:
    """With a project at Google, whose models take both."""
    with WebHarness(tmp_path, OUTSIDE | {"GOOGLE_CLOUD_PROJECT": "p"}) as made:
        made.finished()
        yield made


def problems(answer: Any) -> list[str]:
    return [problem["field"] for problem in answer.json.get("errors") or answer.json["problems"]]


@every_route
@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 1.5, "7", True, 10**30])
def test_what_is_no_seed_is_refused_by_name(vertex: WebHarness, path: str, body: dict[str, Any], seed: Any) -> None:
    answer = vertex.post(path, {**body, "seed": seed})
    assert (answer.status_code, problems(answer)) == (422, ["seed"])


@every_route
@pytest.mark.parametrize("text", ["x" * 4001, 7, ["people"]])
def test_what_is_no_negative_prompt_is_refused_by_name(
    vertex: WebHarness, path: str, body: dict[str, Any], text: Any
) -> None:
    answer = vertex.post(path, {**body, "negative_prompt": text})
    assert (answer.status_code, problems(answer)) == (422, ["negative_prompt"])


@every_route
def test_a_model_that_cannot_follow_them_is_said_before_anything_is_bought(
    vertex: WebHarness, path: str, body: dict[str, Any]
) -> None:
    wishes = {"model": "veo/veo-3.1-lite-generate-001", "seed": 7, "negative_prompt": "people"}
    answer = vertex.post(path, {**body, **wishes})
    assert problems(answer) == ["seed", "negative_prompt"]
    assert vertex.runs() == [vertex.run("run_finished")]


@pytest.mark.parametrize(("path", "body"), ROUTES[:2])
def test_they_are_part_of_the_order(vertex: WebHarness, path: str, body: dict[str, Any]) -> None:
    answer = vertex.post(path, {**body, "model": VEO, "seed": 7, "negative_prompt": " people "})
    assert answer.status_code == 202, answer.json
    plan = vertex.run(answer.json["run_id"]).plan
    assert plan
    assert {(s.settings.seed, s.settings.negative_prompt) for s in plan.scenes} == {(7, "people")}


def test_a_scene_made_again_takes_them_and_shows_them(vertex: WebHarness) -> None:
    path = "/api/runs/run_finished/scenes/1/regenerate"
    body = {"model": VEO, "seed": 7, "negative_prompt": "people"}
    scene = vertex.post(path, body).json["scenes"][0]
    assert (scene["model"], scene["seed"], scene["negative_prompt"]) == (VEO, 7, "people")


@pytest.mark.parametrize("none", [None, "", "  "])
def test_an_empty_negative_prompt_is_none(vertex: WebHarness, none: str | None) -> None:
    body = {"prompt": "A fox", "model": "veo/veo-3.1-lite-generate-001", "negative_prompt": none, "seed": None}
    assert vertex.post("/api/estimate", body).json["problems"] == []


@pytest.mark.parametrize(("path", "body"), ROUTES[:3])
@pytest.mark.parametrize("url", ["ftp://x/a.png", "file:///etc/passwd", "", 7, "x" * 3000])
def test_a_frame_is_an_address_or_refused_by_name(
    vertex: WebHarness, path: str, body: dict[str, Any], url: Any
) -> None:
    answer = vertex.post(path, {**body, "last_frame": url})
    assert (answer.status_code, problems(answer)) == (422, ["last_frame"])


def test_a_clip_goes_from_one_picture_to_another(vertex: WebHarness) -> None:
    body = {"prompt": "A fox", "model": VEO, "last_frame": "https://pictures.test/dusk.png"}
    assert problems(vertex.post("/api/generate-video", body)) == ["last_frame"]
    answer = vertex.post("/api/generate-video", {**body, "image_url": "https://pictures.test/dawn.png"})
    assert answer.status_code == 202, answer.json
    plan = vertex.run(answer.json["run_id"]).plan
    assert plan
    assert plan.scenes[0].settings.last_frame == body["last_frame"]


def test_a_film_starts_from_a_picture(vertex: WebHarness) -> None:
    body = {"master_prompt": "A day at the sea", "model": VEO, "first_frame": "https://pictures.test/dawn.png"}
    answer = vertex.post("/api/process-master-prompt", body)
    assert answer.status_code == 202, answer.json
    plan = vertex.run(answer.json["run_id"]).plan
    assert plan
    assert [scene.settings.first_frame for scene in plan.scenes] == [body["first_frame"], None, None, None]


def test_the_catalogue_says_how_long_the_way_between_two_pictures_may_be(vertex: WebHarness) -> None:
    models = {model["id"]: model for model in vertex.get("/api/models").json["models"]}
    assert models["omni/gemini-omni-1.2-flash"]["last_frame_max_seconds"] == 10
    assert models[VEO]["last_frame_max_seconds"] is None


def test_an_estimate_warns_of_a_model_that_is_not_set_up(vertex: WebHarness) -> None:
    """It has a price all the same."""
    body = {"prompt": "A fox", "model": "omni/gemini-omni-1.2-flash"}
    found = vertex.post("/api/estimate", body).json
    assert found["quote_usd"] > 0
    assert found["warnings"] == [
        "omni/gemini-omni-1.2-flash is not set up here, so nothing can be made with it. Ask your operator."
    ]
    assert vertex.post("/api/estimate", {**body, "model": VEO}).json["warnings"] == []

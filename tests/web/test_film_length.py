"""A film can be ordered by its length: the scenes are planned from it, and quoted as planned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.web_fixtures import NOBODY, OUTSIDE, WebHarness

FILM = {"master_prompt": "A day at the sea", "model": "sora/sora-2", "film_seconds": 30}


@pytest.fixture
def house_of_sora(tmp_path: Path) -> Iterator[WebHarness]:
    """With a server of the /v1/videos protocol, where Sora 2 lives on."""
    with WebHarness(tmp_path, OUTSIDE | {"SORA_BASE_URL": f"{NOBODY}/v1"}) as made:
        yield made


def estimate(harness: WebHarness, **changes: object) -> dict[str, Any]:
    answer = harness.post("/api/estimate", {**FILM, **changes})
    assert answer.status_code == 200, answer.json
    found: dict[str, Any] = answer.json
    return found


def test_thirty_seconds_on_a_model_of_4_8_or_12_are_eight_scenes_that_are_trimmed(house_of_sora: WebHarness) -> None:
    found = estimate(house_of_sora, adapt=True)
    assert (found["ok"], found["quote_usd"], found["plan"]["seconds"]) == (True, 3.2, 30)
    assert [scene["seconds"] for scene in found["plan"]["scenes"]] == [3.75] * 8
    assert found["plan"]["lines"][0]["label"] == "8 × 4 s of sora/sora-2 at 720p"
    assert "trimmed to a film of 30 seconds" in found["plan"]["adapted"][0]


def test_without_adapt_the_answer_names_the_length_that_would_do(house_of_sora: WebHarness) -> None:
    found = estimate(house_of_sora)
    assert [problem["field"] for problem in found["problems"]] == ["film_seconds"]
    assert "32 seconds long, not 30" in found["problems"][0]["message"]
    assert estimate(house_of_sora, film_seconds=32)["ok"] is True


def test_the_number_of_scenes_can_be_said_as_well(house_of_sora: WebHarness) -> None:
    found = estimate(house_of_sora, film_seconds=20, scene_count=4)
    assert [scene["seconds"] for scene in found["plan"]["scenes"]] == [8, 4, 4, 4]


def test_a_film_that_is_no_length_or_has_two_is_refused_by_field(house_of_sora: WebHarness) -> None:
    assert house_of_sora.post("/api/process-master-prompt", {**FILM, "film_seconds": 0}).status_code == 422
    answer = house_of_sora.post("/api/process-master-prompt", {**FILM, "clip_seconds": 4})
    assert answer.status_code == 422
    assert {problem["field"] for problem in answer.json["errors"]} == {"film_seconds"}

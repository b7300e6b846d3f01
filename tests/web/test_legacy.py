"""Orders in the words of earlier systems mean the same, and are answered in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from tests.web.web_fixtures import OUTSIDE, SORA, WebHarness
from webapp.api.legacy.answers import LegacyAccepted, state_of

PROMPT = "A fox at dawn."
FIRST, SECOND = "https://pictures.example.com/a.png", "https://pictures.example.com/b.png"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WebHarness]:
    """With a vendor that takes pictures."""
    with WebHarness(tmp_path, {**OUTSIDE, **SORA}) as made:
        yield made


def ordered(harness: WebHarness, body: dict[str, Any], route: str = "generate-video") -> tuple[Order, Any]:
    answer = harness.post(f"/api/{route}", body)
    assert answer.status_code == 202, answer.json
    order = harness.run(answer.json["run_id"]).order
    assert order
    return order, answer.json


@pytest.mark.parametrize(
    ("old", "ours"),
    [
        ({"aspect_ratio": "portrait"}, {"aspect_ratio": "9:16"}),
        ({"aspect_ratio": "landscape", "quality": "hd"}, {"aspect_ratio": "16:9", "resolution": "1080p"}),
        ({"n_frames": "10"}, {"seconds": 10.0}),
        ({"n_frames": 15, "remove_watermark": True}, {"seconds": 15}),
        ({"image_urls": [FIRST]}, {"image_url": FIRST}),
        (
            {"type": "text-to-video", "options": {"n_frames": "10", "quality": "standard"}},
            {"seconds": 10.0, "resolution": "720p"},
        ),
        ({"type": "image_to_video", "options": {"image_urls": [FIRST]}}, {"image_url": FIRST}),
    ],
)
def test_legacy_fields_order_the_same(harness: WebHarness, old: dict[str, Any], ours: dict[str, Any]) -> None:
    # Animatics take no pictures.
    usual = {"model": "sora/sora-2" if "image_url" in ours else "local/animatic", "prompt": PROMPT}
    theirs, answer = ordered(harness, {**usual, **old})
    mine, plain = ordered(harness, {**usual, **ours})
    assert theirs == mine
    said = LegacyAccepted.model_validate(answer)
    assert (said.state, said.task_id, said.generationId) == ("pending", said.run_id, said.run_id)
    assert (said.estimated_time > 0, said.credits_estimated) == (True, None)
    assert said.warnings == (["remove_watermark means nothing here."] if "remove_watermark" in old else [])
    assert "task_id" not in plain
    quoted = harness.post("/api/estimate", {**usual, **old}).json
    assert quoted == harness.post("/api/estimate", {**usual, **ours}).json


def test_a_film_and_several_pictures(harness: WebHarness) -> None:
    film, answer = ordered(
        harness, {"master_prompt": PROMPT, "n_frames": "10", "aspect_ratio": "portrait"}, "process-master-prompt"
    )
    assert (film.clip_seconds, film.aspect_ratio, answer["state"]) == (10.0, "9:16", "pending")
    several = harness.post(
        "/api/estimate", {"prompt": PROMPT, "image_urls": [FIRST, SECOND], "model": "local/animatic"}
    )
    same = harness.post(
        "/api/estimate", {"prompt": PROMPT, "image_url": FIRST, "references": [SECOND], "model": "local/animatic"}
    )
    assert several.json == same.json


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"quality": "best"}, {"quality"}),
        ({"quality": "hd", "resolution": "720p"}, {"quality"}),
        ({"n_frames": "many"}, {"seconds"}),
        ({"n_frames": "10", "seconds": 4}, {"n_frames"}),
        ({"image_urls": []}, {"image_urls"}),
        ({"type": "image-to-video"}, {"image_url"}),
        ({"type": "video-to-text", "options": []}, {"type", "options"}),
        ({"options": {"prompt": "Another."}}, {"options.prompt"}),
        ({"aspect_ratio": "round"}, {"aspect_ratio"}),
    ],
)
def test_what_is_wrong_is_named(harness: WebHarness, body: dict[str, Any], wrong: set[str]) -> None:
    answer = harness.post("/api/generate-video", {"prompt": PROMPT, **body})
    assert answer.status_code == 422
    assert {problem["field"] for problem in answer.json["errors"]} == wrong


def test_every_status_has_an_old_word() -> None:
    words = {state_of(status) for status in RunStatus}
    assert words == {"pending", "processing", "success", "fail"}
    assert state_of(RunStatus.NEEDS_ATTENTION) == "processing"

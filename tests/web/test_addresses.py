"""Every address that an order can carry is looked at where the order is given: a 4xx that names the field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.web_fixtures import WebHarness

FILM, CLIP = {"master_prompt": "A day at the sea"}, {"prompt": "A fox"}
CARRIED = [
    *((FILM, name) for name in ("first_frame", "last_frame", "logo", "music", "references")),
    *((CLIP, name) for name in ("image_url", "last_frame")),
]
ADDRESSES = [
    "http://127.0.0.1/a.png",
    "http://169.254.169.254/",
    "http://localhost/",
    "http://2130706433/",
    "http://[64:ff9b::7f00:1]/a.png",
    "http://a:b@127.0.0.1/",
    "http://cdn.example/a.png",
    "https://127.0.0.1/a.png",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/a.png",
    "https://127。0。0。1/",
    "https://app.localhost/",
    "https://redis.railway.internal:6379/",
    "https://metadata.google.internal/",
    "https://a:b@cdn.example/a.png",
    "https://127.0.0.1\\@cdn.example/",
    "https://127.0.0.1.nip.io/",
    "https://metadata.goog/",
]


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHarness]:
    folder: Path = tmp_path_factory.mktemp("addresses")
    with WebHarness(folder) as made:
        yield made


def routes(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    own = "/api/generate-video" if "prompt" in body else "/api/process-master-prompt"
    return [(own, body), (own, {**body, "dry_run": True}), ("/api/estimate", body)]


@pytest.mark.parametrize("url", ADDRESSES)
@pytest.mark.parametrize(("body", "name"), CARRIED, ids=[name for _, name in CARRIED])
def test_an_address_that_must_not_be_asked_is_refused_by_name(
    harness: WebHarness, body: dict[str, Any], name: str, url: str
) -> None:
    carried, field = ([url], f"{name}[0]") if name == "references" else (url, name)
    for path, order in routes(body):
        answer = harness.post(path, {**order, name: carried})
        assert (answer.status_code, [problem["field"] for problem in answer.json["errors"]]) == (422, [field]), path
    assert harness.runs() == []


def test_a_prompt_is_ordered_as_it_was_written(harness: WebHarness) -> None:
    for prompt in ("Wide shot – a harbour at dawn", "24. Dezember – Heiligabend", "1. Advent", "- 5 °C outside"):
        answer = harness.post("/api/generate-video", {"prompt": prompt})
        assert answer.status_code == 202
        plan = harness.run(answer.json["run_id"]).plan
        assert plan
        assert [scene.prompt for scene in plan.scenes] == [prompt]

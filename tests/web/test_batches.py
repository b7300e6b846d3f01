"""Many orders in one request: all or none, or those that can be; told once when all of it is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.customers.notices import NoticeType
from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.decisions import control
from pipelines.stages.kernel.transitions import Actor, transition_run
from tests.web.web_fixtures import OUTSIDE, SORA, WebHarness

CLIP = {"prompt": "A fox at dawn.", "model": "local/animatic"}
FILM = {"master_prompt": "A fox at dawn.", "model": "local/animatic", "scene_count": 2}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[WebHarness]:
    with WebHarness(tmp_path, {**OUTSIDE, "MAX_COST_PER_RUN_USD": "0.5", **SORA}) as made:
        yield made


def named(answer: Any) -> list[str]:
    return [one["field"] for one in answer.get_json()["errors"]]


def ended(harness: WebHarness, run_id: str, status: RunStatus) -> None:
    with harness.store.write() as tx:
        transition_run(tx, Actor("test", harness.clock.now()), harness.run(run_id), status)


def told(harness: WebHarness) -> list[Any]:
    with harness.store.read() as tx:
        return [one for one in tx.notices.find() if one.type == NoticeType.BATCH_DONE]


def test_a_hundred_orders_are_started_together(shop: WebHarness) -> None:
    items = [{**(CLIP if n % 2 else FILM), "custom_id": f"film-{n}"} for n in range(100)]
    answer = shop.post("/api/batches", {"items": items, "metadata": {"campaign": "autumn"}})
    assert answer.status_code == 202, answer.get_data(as_text=True)
    batch = answer.json
    assert (batch["total"], batch["started"], batch["counts"]) == (100, 100, {"queued": 100})
    assert [one["custom_id"] for one in batch["runs"]] == [f"film-{n}" for n in range(100)]
    assert {run.batch_id for run in shop.runs()} == {batch["batch_id"]}
    assert shop.get(f"/api/batches/{batch['batch_id']}").json == batch
    assert shop.get(f"/api/runs/{batch['runs'][3]['run_id']}").json["batch_id"] == batch["batch_id"]
    (listed,) = shop.get("/api/batches").json["batches"]
    assert (listed["batch_id"], listed["metadata"]) == (batch["batch_id"], {"campaign": "autumn"})
    assert shop.post("/api/batches", {"items": [*items, CLIP]}).status_code == 422


def test_one_bad_order_stops_all_and_every_problem_is_named(shop: WebHarness) -> None:
    dear = {"prompt": "A fox.", "model": "sora/sora-2", "seconds": 12}
    items = [
        CLIP,
        {**CLIP, "prompt": " "},
        {**CLIP, "custom_id": "a"},
        {**CLIP, "custom_id": "a"},
        {**CLIP, "secnds": 4},
        {**CLIP, "webhook_url": "https://127.0.0.1/x"},
        {**CLIP, "dry_run": True},
        {**CLIP, "model": "acme/unknown"},
        dear,
        {},
    ]
    answer = shop.post("/api/batches", {"items": items})
    assert answer.status_code == 422
    assert named(answer) == [
        "items[1].prompt",
        "items[3].custom_id",
        "items[4].secnds",
        "items[5].webhook_url",
        "items[6].dry_run",
        "items[7].model",
        "items[8].max_cost_usd",
        "items[9].master_prompt",
    ]
    assert not shop.runs()
    rehearsed = shop.post("/api/batches", {"items": items, "dry_run": True}).json
    assert (rehearsed["ok"], len(rehearsed["problems"]), shop.runs()) == (False, 8, [])
    skipping = shop.post("/api/batches", {"items": items, "on_error": "skip"}).json
    assert (skipping["total"], skipping["started"]) == (10, 2)
    assert [one["field"] for one in skipping["problems"]] == named(answer)
    assert [one["item"] for one in skipping["runs"] if one["run_id"]] == [0, 2]
    assert shop.post("/api/batches", {"items": items[3:5], "on_error": "skip"}).json["started"] == 1
    assert shop.post("/api/batches", {"items": [items[4]], "on_error": "skip"}).status_code == 422


def test_a_limit_that_is_reached_halfway_starts_nothing(shop: WebHarness) -> None:
    shop.clock.stop()
    for _ in range(2):
        assert shop.post("/api/batches", {"items": [CLIP] * 100}).status_code == 202
    assert shop.post("/api/batches", {"items": [CLIP] * 50}).status_code == 202
    answer = shop.post("/api/batches", {"items": [CLIP] * 100})
    assert answer.status_code == 429
    assert len(shop.runs()) == 250
    assert len(shop.get("/api/batches").json["batches"]) == 3


def test_the_same_request_again_is_the_same_batch(shop: WebHarness) -> None:
    body = {"items": [CLIP, FILM]}
    first, second = (shop.post("/api/batches", body, headers={"Idempotency-Key": "b-1"}) for _ in range(2))
    assert (first.json, second.headers["Idempotent-Replayed"]) == (second.json, "true")
    assert len(shop.runs()) == 2
    assert shop.post("/api/batches", {"items": [CLIP]}, headers={"Idempotency-Key": "b-1"}).status_code == 422


def test_the_end_is_told_once(shop: WebHarness) -> None:
    shop.post("/api/webhooks", {"url": "https://hooks.ada.example/x", "events": ["batch.done"]})
    body = {"items": [CLIP, CLIP, FILM], "webhook_url": "https://hooks.ada.example/batch", "metadata": {"a": "b"}}
    batch = shop.post("/api/batches", body).json
    first, second, third = (one["run_id"] for one in batch["runs"])
    ended(shop, first, RunStatus.NEEDS_ATTENTION)
    ended(shop, second, RunStatus.FAILED)
    assert not told(shop)
    ended(shop, third, RunStatus.CANCELLED)
    seen = shop.get(f"/api/batches/{batch['batch_id']}").json
    assert seen["counts"] == {"needs_attention": 1, "failed": 1, "cancelled": 1}
    assert seen["finished_at"]
    to_endpoint, to_own = sorted(told(shop), key=lambda one: one.endpoint_id is None)
    assert (to_endpoint.endpoint_id is None, to_own.endpoint_id) == (False, None)
    facts = to_own.facts
    assert facts.counts == {"needs_attention": 1, "failed": 1, "cancelled": 1, "done": 0}
    assert (facts.batch_id, facts.metadata) == (batch["batch_id"], {"a": "b"})
    control.retry(shop.services, first, "ann")
    control.cancel(shop.services, first, "ann")
    assert len(told(shop)) == 2


def test_a_batch_is_cancelled_where_it_is_not_over(shop: WebHarness) -> None:
    batch = shop.post("/api/batches", {"items": [CLIP] * 3}).json
    ended(shop, batch["runs"][0]["run_id"], RunStatus.FAILED)
    tried = shop.post(f"/api/batches/{batch['batch_id']}/cancel", {"dry_run": True})
    assert "cancelled" not in tried.json["counts"]
    answer = shop.post(f"/api/batches/{batch['batch_id']}/cancel")
    assert answer.json["counts"] == {"failed": 1, "cancelled": 2}
    assert shop.post(f"/api/batches/{batch['batch_id']}/cancel").json["counts"] == answer.json["counts"]


def test_what_waits_is_cancelled_before_what_is_made_which_would_make_room_for_it(shop: WebHarness) -> None:
    batch = shop.post("/api/batches", {"items": [CLIP] * 3}).json
    made = batch["runs"][0]["run_id"]
    ended(shop, made, RunStatus.WRITING)
    shop.post(f"/api/batches/{batch['batch_id']}/cancel")
    with shop.store.read() as tx:
        order = [event.run_id for event in tx.events.find(order="id", name="status", new="cancelled")]
    assert (len(order), order[-1]) == (3, made)


def test_an_order_of_a_batch_may_be_in_the_words_of_earlier_systems(shop: WebHarness) -> None:
    legacy = {"prompt": CLIP["prompt"], "model": CLIP["model"], "type": "text-to-video"}
    items = [{**legacy, "options": {"n_frames": "10", "aspect_ratio": "portrait"}}, {**legacy, "quality": "best"}]
    started = shop.post("/api/batches", {"items": items, "on_error": "skip"}).json
    assert [one["field"] for one in started["problems"]] == ["items[1].quality"]
    order = shop.run(started["runs"][0]["run_id"]).order
    assert order
    assert (order.clip_seconds, order.aspect_ratio) == (10.0, "9:16")


def test_a_batch_may_be_larger_than_another_request(shop: WebHarness) -> None:
    items = [{**FILM, "master_prompt": "A fox. " * 1000} for _ in range(100)]
    assert len(json.dumps({"items": items})) > 700_000
    assert shop.post("/api/batches", {"items": items}).status_code == 202
    assert shop.post("/api/batches", {"items": [{**FILM, "style_notes": "x" * 1_100_000}]}).status_code == 413


def streamed(answer: Any) -> tuple[list[int], list[Any], list[Any]]:
    """The ids and data of what happened, and what the batch was after it."""
    ids, happened, batches = [], [], []
    for block in answer.get_data(as_text=True).split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines.get("event") == "batch":
            batches.append(json.loads(lines["data"]))
        elif "data" in lines:
            ids.append(int(lines["id"]))
            happened.append(json.loads(lines["data"]))
    return ids, happened, batches


def test_a_batch_is_followed_until_all_of_it_is_over(shop: WebHarness) -> None:
    """Held while a run goes on; after the last event there is nothing to come again for."""
    items = [{**CLIP, "custom_id": name} for name in ("fox", "owl")]
    batch = shop.post("/api/batches", {"items": items}).json
    address = f"/api/batches/{batch['batch_id']}/events"
    first, second = (one["run_id"] for one in batch["runs"])
    held = shop.get(address)
    pieces = held.iter_encoded()
    assert next(pieces).startswith(b"retry: 3000")
    assert b'"custom_id": "owl"' in next(pieces)
    ended(shop, first, RunStatus.CANCELLED)
    told = next(piece for piece in pieces if b"cancelled" in piece)
    assert b'"counts": {"cancelled": 1, "queued": 1}' in told or b'"queued": 1' in told
    ended(shop, second, RunStatus.FAILED)
    rest = b"".join(pieces)
    assert b'"new": "failed"' in rest
    held.close()
    ids, happened, batches = streamed(shop.get(address))
    assert [(one["custom_id"], one["new"]) for one in happened] == [
        *(("fox", "queued"), ("owl", "queued"), ("fox", "cancelled"), ("owl", "failed")),
    ]
    assert batches[-1]["counts"] == {"cancelled": 1, "failed": 1}
    after = shop.get(address, headers={"Last-Event-ID": str(ids[1])})
    assert [one["new"] for one in streamed(after)[1]] == ["cancelled", "failed"]
    assert shop.get(address, headers={"Last-Event-ID": str(ids[-1])}).status_code == 204
    assert shop.get("/api/batches/bat_unknown/events").status_code == 404

"""Orders that come as signed messages, and word of a video that is only ever a reason to ask."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import AccountStatus, Run
from pipelines.stages.commerce import accounts
from tests.web.two_accounts import customer
from tests.web.web_fixtures import BEARER, WebHarness
from webapp.access import keys

CLIP = {"prompt": "A fox at dawn.", "model": "local/animatic", "custom_id": "film-8"}


def start(harness: WebHarness, found: Any, body: Any, id: str = "order-8", **headers: str) -> Any:
    """As a program with the secret sends it."""
    text, now = json.dumps(body), datetime.now(UTC)
    signed = {
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(found["start_secret"]).sign(id, now, text),
    }
    path = found["start_url"].removeprefix("https://films.example.com")
    return harness.client.post(path, data=text, headers={**signed, **headers}, content_type="application/json")


def secrets(harness: WebHarness, headers: dict[str, str]) -> Any:
    return harness.client.get("/api/webhooks/secret", headers=headers).get_json()


def test_a_signed_message_orders_once_with_the_rights_of_its_key(harness: WebHarness) -> None:
    ada = customer(harness, "ada")
    found = secrets(harness, ada.headers)
    first, second = (start(harness, found, CLIP) for _ in range(2))
    assert (first.status_code, first.json) == (202, second.json)
    (run,) = harness.runs()
    assert (run.id, run.account_id, run.key_id) == (first.json["run_id"], ada.account_id, ada.key_id)
    assert run.custom_id == "film-8"
    assert start(harness, found, {**CLIP, "prompt": "A cat."}).status_code == 422
    wrong = start(harness, found, {"master_prompt": "A fox.", "secnds": 4}, "order-9")
    assert wrong.json["errors"][0]["field"] == "secnds"
    assert start(harness, found, {**CLIP, "webhook_url": "https://127.0.0.1/"}, "order-10").status_code == 422
    assert start(harness, found, {"record_id": "recA1b2C3d4E5f6G7"}, "order-11").status_code == 422
    accounts.set_status(harness.services, ada.account_id, AccountStatus.SUSPENDED)
    assert start(harness, found, CLIP, "order-12").status_code == 403
    assert len(harness.runs()) == 1
    assert start(harness, secrets(harness, BEARER), CLIP).status_code == 202
    assert {run.account_id for run in harness.runs()} == {ada.account_id, None}


def test_it_may_be_in_the_words_of_an_earlier_system_and_is_answered_in_them(harness: WebHarness) -> None:
    found = secrets(harness, BEARER)
    legacy = {"model": "local/animatic", "prompt": "A fox.", "type": "text-to-video", "options": {"n_frames": "10"}}
    told = start(harness, found, legacy)
    assert (told.status_code, told.json["task_id"], told.json["state"]) == (202, told.json["run_id"], "pending")
    order = harness.run(told.json["run_id"]).order
    assert order
    assert order.clip_seconds == 10.0
    assert start(harness, found, {**legacy, "options": {"quality": "best"}}, "order-9").status_code == 422


def test_it_ends_with_its_key(harness: WebHarness) -> None:
    ada = customer(harness, "ada")
    found = secrets(harness, ada.headers)
    with harness.app.app_context():
        keys.revoke(ada.key_id)
    assert start(harness, found, CLIP).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-signature": "v1,Zm9yZ2Vk"},
        {"webhook-timestamp": "1"},
        {"webhook-id": "another"},
        {"webhook-signature": ""},
    ],
)
def test_what_is_not_signed_so_is_refused(harness: WebHarness, headers: dict[str, str]) -> None:
    found = secrets(harness, BEARER)
    assert start(harness, found, CLIP, **headers).status_code == 401
    unknown = {**found, "start_url": found["start_url"].rpartition("/")[0] + "/0123456789ab"}
    assert start(harness, unknown, CLIP).status_code == 401
    assert not harness.runs()


def test_a_key_that_only_looks_has_no_such_secret(harness: WebHarness) -> None:
    ada = customer(harness, "ada", "read", "manage")
    found = secrets(harness, ada.headers)
    assert (found["start_url"], found["start_secret"]) == (None, None)


def test_word_of_a_video_wakes_the_poll_and_nothing_else(harness: WebHarness) -> None:
    now = harness.clock.now()
    order = Order(master_prompt="A fox")
    harness.put(
        Run(id="run_a", status=RunStatus.GENERATING, source="rest", order=order, created_at=now, updated_at=now)
    )
    harness.put(harness.scene("run_a"), harness.generation("run_a", next_at=now + 500))
    said = {"videoId": "video_1", "videoUrl": "http://169.254.169.254/film.mp4", "status": "completed"}
    for _ in range(2):
        answer = harness.client.post("/api/webhook/video/token-1", json=said)
        assert answer.status_code == 200
    with harness.store.read() as tx:
        (gen,), inbox = tx.generations.find(), tx.inbox.find()
    assert gen.next_at is not None
    assert gen.next_at < now + 60
    assert (gen.status, gen.result.url, len(inbox)) == ("running", None, 1)
    assert "169.254" not in repr(inbox)
    assert harness.client.post("/api/webhook/video/token-1", json={**said, "videoId": "another"}).status_code == 404
    assert harness.client.post("/api/webhook/video/unknown", json=said).status_code == 404
    assert harness.client.post("/api/webhook/video/token-1", data="no").status_code == 400

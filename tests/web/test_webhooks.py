"""Inbound webhooks: believed when signed, remembered once, and never more than a hint."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.records import Base, Generation, Run
from pipelines.domain.state.base import BaseState, Hook
from pipelines.sandbox.vendors.kernel.delivery import standard_webhook
from pipelines.security import sealing
from pipelines.security.secret_keys import SecretKeys
from tests.web.web_fixtures import BASE, OUTSIDE, WebHarness

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
ROUTER, KIE = "openrouter-secret", "kie-secret"
MAC = base64.b64encode(b"m" * 32).decode()


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WebHarness]:
    secrets = {
        "OPENAI_WEBHOOK_SECRET": SECRET,
        "GEMINI_WEBHOOK_SECRET": SECRET,
        "OPENROUTER_WEBHOOK_SECRET": ROUTER,
        "KIE_WEBHOOK_HMAC_KEY": KIE,
    }
    with WebHarness(tmp_path, OUTSIDE | secrets) as made:
        made.put(Run(id="run_1", status=RunStatus.GENERATING, source="rest"), made.scene("run_1"))
        yield made


def waiting(harness: WebHarness, provider: str, **changes: Any) -> None:
    harness.put(harness.generation("run_1", provider=provider, next_at=9e9, **changes))


def generation(harness: WebHarness) -> Generation:
    with harness.store.read() as tx:
        found = tx.generations.get("gen_1")
    assert found
    return found


def woken(harness: WebHarness) -> bool:
    return (generation(harness).next_at or 0.0) < 8e9


def standard(
    harness: WebHarness, body: bytes, *, id: str = "msg_1", secret: str = SECRET, age: float = 0.0
) -> dict[str, str]:
    at = int(harness.clock.now() - age)
    return {**standard_webhook(id, secret)(body, at), "Content-Type": "application/json"}


def deliveries(harness: WebHarness) -> int:
    with harness.store.read() as tx:
        return int(tx.inbox.count())


@pytest.mark.parametrize(("route", "provider"), [("openai", "sora"), ("gemini", "omni")])
def test_a_signed_standard_webhook_makes_its_generation_due(harness: WebHarness, route: str, provider: str) -> None:
    """Once: the repeat is answered with 200 and does nothing."""
    waiting(harness, provider)
    body = json.dumps({"type": "video.completed", "data": {"id": "video_1"}}).encode()
    headers = standard(harness, body)
    assert harness.client.post(f"/api/webhook/{route}", data=body, headers=headers).status_code == 200
    assert woken(harness)
    harness.change("generations", "gen_1", next_at=9e9)
    assert harness.client.post(f"/api/webhook/{route}", data=body, headers=headers).status_code == 200
    assert not woken(harness)
    assert deliveries(harness) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "garbage"},
        {"webhook-signature": "v1,ümlaut"},
        {"webhook-signature": None},
        {"webhook-id": None},
        {"webhook-timestamp": "12345"},
        {"webhook-timestamp": "1_7"},
        {"webhook-timestamp": None},
    ],
)
def test_a_forged_or_stale_webhook_is_401_and_changes_nothing(
    harness: WebHarness, spoil: dict[str, str | None]
) -> None:
    """And the sender learns no more than that."""
    waiting(harness, "sora")
    body = b'{"type": "video.completed", "data": {"id": "video_1"}}'
    headers = {name: value for name, value in {**standard(harness, body), **spoil}.items() if value is not None}
    answer = harness.client.post("/api/webhook/openai", data=body, headers=headers)
    assert answer.status_code == 401
    assert not woken(harness)
    assert deliveries(harness) == 0


def test_a_changed_body_is_not_believed(harness: WebHarness) -> None:
    """The signature covers the raw bytes."""
    waiting(harness, "sora")
    headers = standard(harness, b'{"data": {"id": "video_2"}}')
    answer = harness.client.post("/api/webhook/openai", data=b'{"data": {"id": "video_1"}}', headers=headers)
    assert answer.status_code == 401


def test_a_replay_after_five_minutes_is_refused(harness: WebHarness) -> None:
    """By its timestamp, whatever was remembered."""
    body = b'{"data": {"id": "video_1"}}'
    headers = standard(harness, body, age=301)
    assert harness.client.post("/api/webhook/openai", data=body, headers=headers).status_code == 401


def test_a_signed_webhook_about_nothing_of_ours_is_answered_and_forgotten(harness: WebHarness) -> None:
    """The account may be shared with other programs."""
    waiting(harness, "sora")
    for body in (b'{"data": {"id": "video_other"}}', b'{"data": "x"}', b"{}", b'{"data": {"id": 7}}'):
        headers = standard(harness, body, id=hashlib.sha256(body).hexdigest())
        assert harness.client.post("/api/webhook/openai", data=body, headers=headers).status_code == 200
    assert not woken(harness)
    signed_rubbish = b"\xff not json"
    headers = standard(harness, signed_rubbish, id="msg_r")
    assert harness.client.post("/api/webhook/openai", data=signed_rubbish, headers=headers).status_code == 400


def test_without_a_secret_nothing_is_believed(tmp_path: Path) -> None:
    """An unsigned door would let anybody knock our polling about."""
    with WebHarness(tmp_path) as harness:
        body = b'{"data": {"id": "video_1"}}'
        assert harness.client.post("/api/webhook/openai", data=body, headers=standard(harness, body)).status_code == 401


def kie_headers(harness: WebHarness, task_id: str) -> dict[str, str]:
    at = str(int(harness.clock.now()))
    mac = hmac.digest(KIE.encode(), f"{task_id}.{at}".encode(), "sha256")
    return {"X-Webhook-Timestamp": at, "X-Webhook-Signature": base64.b64encode(mac).decode()}


@pytest.mark.parametrize(
    "body", [{"data": {"taskId": "task_1"}}, {"taskId": "task_1"}, {"data": {"task_id": "task_1"}}]
)
def test_a_kie_callback_needs_token_signature_and_task(harness: WebHarness, body: dict[str, Any]) -> None:
    """Whichever field carries the id."""
    waiting(harness, "kie", provider_id="task_1")
    assert (
        harness.client.post("/api/webhook/kie/token-1", json=body, headers=kie_headers(harness, "x")).status_code == 401
    )
    assert (
        harness.client.post("/api/webhook/kie/token-2", json=body, headers=kie_headers(harness, "task_1")).status_code
        == 404
    )
    assert not woken(harness)
    assert (
        harness.client.post("/api/webhook/kie/token-1", json=body, headers=kie_headers(harness, "task_1")).status_code
        == 200
    )
    assert woken(harness)


def test_a_kie_callback_that_contradicts_itself_is_refused(harness: WebHarness) -> None:
    """Two ids, or the id of another task."""
    waiting(harness, "kie", provider_id="task_1")
    twice = {"taskId": "task_1", "data": {"task_id": "task_2"}}
    assert (
        harness.client.post("/api/webhook/kie/token-1", json=twice, headers=kie_headers(harness, "task_1")).status_code
        == 400
    )
    other = {"taskId": "task_2"}
    assert (
        harness.client.post("/api/webhook/kie/token-1", json=other, headers=kie_headers(harness, "task_2")).status_code
        == 404
    )
    assert not woken(harness)


def test_an_openrouter_callback_is_signed_over_its_body(harness: WebHarness) -> None:
    """`t=…,v1=…`."""
    waiting(harness, "openrouter", provider_id="job_1")
    body = json.dumps({"type": "video.generation.completed", "data": {"id": "job_1"}}).encode()
    at = int(harness.clock.now())
    mac = hmac.digest(ROUTER.encode(), f"{at},".encode() + body, "sha256").hex()
    path = "/api/webhook/openrouter/token-1"
    assert (
        harness.client.post(path, data=body, headers={"X-OpenRouter-Signature": f"t={at},v1={'0' * 64}"}).status_code
        == 401
    )
    assert harness.client.post(path, data=body).status_code == 401
    assert not woken(harness)
    good = {"X-OpenRouter-Signature": f"t={at},v1={mac}", "X-OpenRouter-Idempotency-Key": "job_1-completed"}
    assert harness.client.post(path, data=body, headers=good).status_code == 200
    assert woken(harness)


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("sora", {"id": "video_9"}),
        ("sora", {"task_id": "video_9", "status": "SUCCESS"}),
        ("sora", {"code": 200, "data": {"taskId": "video_9", "status": "done"}}),
        ("sora", {"event": "video.completed", "video": {"id": "video_9", "status": "completed"}}),
        ("omni", {"type": "interaction.completed", "data": {"id": "video_9"}}),
    ],
)
def test_a_callback_with_our_token_names_the_job_of_a_request_whose_answer_was_lost(
    harness: WebHarness, provider: str, body: dict[str, Any]
) -> None:
    """The token was made for exactly this request; the job is ours when its provider has been asked."""
    waiting(harness, provider, status=GenerationStatus.UNKNOWN, provider_id=None)
    assert harness.client.post(f"/api/webhook/{provider}/guess", json=body).status_code == 404
    assert harness.client.post(f"/api/webhook/{provider}/token-1", json=body).status_code == 200
    found = generation(harness)
    assert (found.status, found.provider_id) == (GenerationStatus.UNKNOWN, None)
    assert (found.result.called_back, woken(harness)) == ("video_9", True)


def test_a_token_of_one_provider_opens_nothing_at_another(harness: WebHarness) -> None:
    """Each callback address belongs to one provider."""
    waiting(harness, "openrouter")
    assert harness.client.post("/api/webhook/sora/token-1", json={"id": "video_1"}).status_code == 404


def airtable(harness: WebHarness, *, webhook: str = "ach1", key: str = MAC, base: str = BASE) -> Any:
    body = json.dumps({"base": {"id": base}, "webhook": {"id": webhook}, "timestamp": "2026-11-20T10:00:00Z"}).encode()
    mac = hmac.digest(base64.b64decode(key), body, "sha256").hex()
    headers = {"X-Airtable-Content-MAC": f"hmac-sha256={mac}"}
    return harness.client.post("/api/webhook/airtable", data=body, headers=headers)


def test_a_ping_of_airtable_makes_its_base_due(harness: WebHarness) -> None:
    """Answered with an empty body; a repeat does nothing; a forged one is refused."""
    hook = Hook(
        id="ach1",
        url=f"{OUTSIDE['PUBLIC_URL']}/api/webhook/airtable",
        secret=sealing.seal(SecretKeys(OUTSIDE["SECRET_KEY"]), MAC),
        cursor=1,
        expires_at=time.time() + 86_400,
        renewed_at=time.time(),
    )
    with harness.store.write() as tx:
        tx.bases.add(Base(id=BASE, state=BaseState(webhook=hook)))

    def due() -> float | None:
        with harness.store.read() as tx:
            base = tx.bases.get(BASE)
        assert base
        return base.next_at

    assert airtable(harness, key=base64.b64encode(b"x" * 32).decode()).status_code == 401
    assert airtable(harness, webhook="ach2").status_code == 401
    assert airtable(harness, base="appA1b2C3d4E5f6G7").status_code == 401
    assert due() is None
    answer = airtable(harness)
    assert (answer.status_code, answer.data) == (204, b"")
    assert due() is not None
    harness.change("bases", BASE, next_at=None)
    assert airtable(harness).status_code == 204
    assert due() is None


@pytest.mark.parametrize("route", ["openai", "gemini", "kie/t", "openrouter/t", "sora/t", "omni/t", "airtable"])
@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"null", b'{"a":', b"x" * 300_000], ids=lambda body: f"{len(body)} bytes"
)
def test_no_body_makes_a_webhook_fail_with_500(harness: WebHarness, route: str, body: bytes) -> None:
    """Whatever arrives, signed or not."""
    answer = harness.client.post(f"/api/webhook/{route}", data=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500

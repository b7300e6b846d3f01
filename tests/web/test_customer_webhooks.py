"""Customers' webhooks from the address that is given to the message that arrives, over real HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from pipelines.domain.customers.notices import USUAL, NoticeType
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import LotKind
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.ports import Message, SendOutcome
from pipelines.sandbox.app import Sandbox
from pipelines.security import sealing
from pipelines.security.secret_keys import SecretKeys
from pipelines.settings import Origin
from pipelines.stages.decisions import control
from pipelines.stages.notices.send import Notifier
from pipelines.stages.spending import credit_lots
from pipelines.webhook_sender import WebhookSender
from tests.web.two_accounts import customer
from tests.web.web_fixtures import BEARER, OUTSIDE, WebHarness

ADDRESS = "https://hooks.ada.example/reelgrid"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Iterator[WebHarness]:
    """A deployment whose operator has a receiver on this machine."""
    with WebHarness(tmp_path, {**OUTSIDE, "WEBHOOK_ORIGINS": sandbox.url}) as made:
        yield made


def add(harness: WebHarness, url: str, **more: Any) -> dict[str, Any]:
    answer = harness.post("/api/webhooks", {"url": url, **more})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return dict(answer.json)


def ordered(harness: WebHarness, **told: Any) -> str:
    answer = harness.post("/api/generate-video", {"prompt": "A fox at dawn.", "model": "local/animatic", **told})
    assert answer.status_code == 202, answer.get_data(as_text=True)
    return str(answer.json["run_id"])


def send(harness: WebHarness) -> None:
    Notifier(harness.services).send_due()


def received(sandbox: Sandbox, endpoint_or_run: str) -> list[dict[str, Any]]:
    """What came about it, the oldest first."""
    every = httpx.get(f"{sandbox.url}/hooks.json", timeout=60.0).json()
    return [one for one in every[::-1] if endpoint_or_run in one["body"]]


def verified(secret: str, one: dict[str, Any]) -> dict[str, Any]:
    return dict(Webhook(secret).verify(one["body"].encode(), one["headers"]))


def notices(harness: WebHarness, endpoint_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = harness.get(f"/api/webhooks/{endpoint_id}/notices", query_string=query)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return list(answer.json["notices"])


def test_a_message_arrives_signed_and_both_secrets_count_while_they_change(shop: WebHarness, sandbox: Sandbox) -> None:
    made = add(shop, f"{sandbox.url}/hooks/ok?token=abc", description="ours")
    assert made["url"] == f"{sandbox.url}/hooks/ok?…"
    assert made["events"] == [kind.value for kind in USUAL]
    run_id = ordered(shop, custom_id="film-7", metadata={"a": "b"})
    send(shop)
    (first,) = received(sandbox, run_id)
    said = verified(made["secret"], first)
    assert (said["type"], said["data"]["custom_id"], said["data"]["metadata"]) == ("run.queued", "film-7", {"a": "b"})
    assert said["data"]["status_url"] == f"https://films.example.com/api/runs/{run_id}"
    assert shop.get(f"/api/runs/{run_id}").json["custom_id"] == "film-7"
    rotated = shop.post(f"/api/webhooks/{made['endpoint_id']}/rotate", {"hours": 1}).json
    control.cancel(shop.services, run_id, "ann")
    send(shop)
    _, second = received(sandbox, run_id)
    for secret in (made["secret"], rotated["secret"]):
        assert verified(secret, second)["type"] == "run.cancelled"
    listed = notices(shop, made["endpoint_id"])
    assert [(one["type"], one["status"]) for one in listed] == [
        ("run.cancelled", "delivered"),
        ("run.queued", "delivered"),
    ]
    assert [one["code"] for one in listed[0]["attempts"]] == [200]
    shown = json.dumps([shop.get("/api/webhooks").json, listed])
    assert "whsec_" not in shown
    assert "token=abc" not in shown


def test_a_customer_is_told_the_price_of_a_run_and_the_operator_of_none(shop: WebHarness, sandbox: Sandbox) -> None:
    ada = customer(shop, "ada")
    with shop.store.write() as tx:
        credit_lots.grant(tx, 0.0, ada.account_id, 1_000_000, kind=LotKind.PAID, source="INV-1", expires_at=None)
    address = {"url": f"{sandbox.url}/hooks/ok"}
    made: Any = shop.client.post("/api/webhooks", json=address, headers=ada.headers).json
    ours = add(shop, address["url"])
    body = {"prompt": "A fox at dawn.", "model": "local/animatic"}
    sold: Any = shop.client.post("/api/generate-video", json=body, headers=ada.headers).json
    shop.change("runs", sold["run_id"], price_micro=210_000)
    control.cancel(shop.services, sold["run_id"], "ada")
    control.cancel(shop.services, unsold := ordered(shop), "ann")
    send(shop)
    first, last = (verified(made["secret"], one)["data"] for one in received(sandbox, sold["run_id"]))
    assert [(one["price_usd"], one["credits"]) for one in (first, last)] == [(0.0, 0.0), (0.21, 21.0)]
    (*_, free) = (verified(ours["secret"], one)["data"] for one in received(sandbox, unsold))
    assert (free["price_usd"], free["credits"]) == (None, None)


def test_the_address_of_an_order_hears_how_it_ended(shop: WebHarness, sandbox: Sandbox) -> None:
    secret = shop.get("/api/webhooks/secret").json["secret"]
    run_id = ordered(shop, webhook_url=f"{sandbox.url}/hooks/ok")
    send(shop)
    assert not received(sandbox, run_id)
    control.cancel(shop.services, run_id, "ann")
    send(shop)
    (one,) = received(sandbox, run_id)
    assert verified(secret, one)["data"]["status"] == RunStatus.CANCELLED
    ada = customer(shop, "ada")
    assert shop.client.get("/api/webhooks/secret", headers=ada.headers).get_json()["secret"] != secret


@pytest.mark.parametrize("behaviour", ["500", "redirect", "429"])
def test_what_is_not_a_2xx_is_tried_again_and_a_redirect_is_not_followed(
    shop: WebHarness, sandbox: Sandbox, behaviour: str
) -> None:
    made = add(shop, f"{sandbox.url}/hooks/{behaviour}")
    tested = shop.post(f"/api/webhooks/{made['endpoint_id']}/test").json
    send(shop)
    (row,) = notices(shop, made["endpoint_id"], status="waiting")
    assert (row["notice_id"], len(row["attempts"])) == (tested["notice_id"], 1)
    assert len(received(sandbox, made["endpoint_id"])) == 1
    shop.clock.shift += 90
    send(shop)
    first, second = received(sandbox, made["endpoint_id"])
    assert (first["headers"]["webhook-id"], first["body"]) == (second["headers"]["webhook-id"], second["body"])


def test_410_switches_off_and_resend_and_recover_bring_it_again(shop: WebHarness, sandbox: Sandbox) -> None:
    made = add(shop, f"{sandbox.url}/hooks/410")
    path = f"/api/webhooks/{made['endpoint_id']}"
    notice_id = shop.post(f"{path}/test").json["notice_id"]
    send(shop)
    (listed,) = shop.get("/api/webhooks").json["endpoints"]
    assert (listed["enabled"], listed["disabled_reason"]) == (False, "gone")
    for refused in (f"{path}/test", f"/api/notices/{notice_id}/resend"):
        assert shop.post(refused).status_code == 409
    changed = shop.client.patch(path, json={"url": f"{sandbox.url}/hooks/ok", "enabled": True}, headers=BEARER)
    assert changed.get_json()["enabled"]
    assert shop.post(f"{path}/recover", {"since": "yesterday"}).status_code == 422
    assert shop.post(f"{path}/recover", {"since": "2026-01-01T00:00:00Z"}).json == {"recovered": 1, "more": False}
    send(shop)
    assert shop.post(f"/api/notices/{notice_id}/resend").status_code == 202
    send(shop)
    came = received(sandbox, made["endpoint_id"])
    assert [one["behaviour"] for one in came] == ["410", "ok", "ok"]
    assert {one["headers"]["webhook-id"] for one in came} == {notice_id}
    assert shop.client.delete(path, headers=BEARER).json == {"endpoint_id": made["endpoint_id"], "deleted": True}
    assert shop.client.delete(path, headers=BEARER).status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.ada.example/x",
        "https://user:password@hooks.ada.example/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://0x7f.1/x",
        "https://169.254.169.254/latest/meta-data/",
        "https://metadata.internal/x",
        "https://10.0.0.1.nip.io/x",
        "ftp://hooks.ada.example/x",
        "https://hooks.ada.example:0/x",
        "no address",
    ],
)
def test_an_address_that_leads_inside_is_refused_by_name(harness: WebHarness, url: str) -> None:
    for path, field, body in (
        ("/api/webhooks", "url", {"url": url}),
        ("/api/generate-video", "webhook_url", {"prompt": "A fox.", "model": "local/animatic", "webhook_url": url}),
    ):
        answer = harness.post(path, body)
        assert answer.status_code == 422
        assert [one["field"] for one in answer.json["errors"]] == [field]
    assert not harness.runs()


def test_where_an_address_leads_is_looked_at_at_each_attempt(harness: WebHarness, sandbox: Sandbox) -> None:
    """The row says an address that was outside when it was given."""
    made = add(harness, ADDRESS)
    with harness.store.write() as tx:
        (row,) = tx.endpoints.find()
        inside = sealing.seal(SecretKeys("a secret key for tests only"), f"{sandbox.url}/hooks/ok")
        tx.endpoints.change(row.id, address=SealedAddress(sealed=inside))
    harness.post(f"/api/webhooks/{made['endpoint_id']}/test")
    send(harness)
    (notice,) = notices(harness, made["endpoint_id"])
    assert [(one["code"], one["outcome"]) for one in notice["attempts"]] == [
        (None, "the address leads inside, where nothing is sent")
    ]
    assert not received(sandbox, made["endpoint_id"])


def test_ten_are_enough(harness: WebHarness) -> None:
    for _ in range(10):
        add(harness, ADDRESS)
    assert harness.post("/api/webhooks", {"url": ADDRESS}).status_code == 409


def test_what_is_wrong_is_named(harness: WebHarness) -> None:
    answer = harness.post("/api/webhooks", {"url": ADDRESS, "events": ["run.done", "run.started"], "format": "xml"})
    assert {one["field"] for one in answer.json["errors"]} == {"events[1]", "format"}
    body = {"prompt": "A fox.", "model": "local/animatic", "metadata": {"a": "b"}}
    assert harness.post("/api/generate-video", {**body, "custom_id": "\n"}).json["errors"][0]["field"] == "custom_id"
    large = {f"name{n}": "é" * 500 for n in range(20)}
    assert harness.post("/api/generate-video", {**body, "metadata": large}).json["errors"][0]["field"] == "metadata"


def test_the_address_of_slack_and_airtable_is_not_shown(harness: WebHarness) -> None:
    made = add(harness, "https://hooks.slack.example/services/T0/B0/very-secret", format="slack")
    assert made["url"] == "https://hooks.slack.example/…"
    assert NoticeType.RUN_PROGRESS not in made["events"]


def _outcome(answer: Callable[[socket.socket], object], total_s: float) -> tuple[SendOutcome, float]:
    """One attempt at a server that speaks the wire by itself; what came of it, and how long it took."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                answer(peer)

        threading.Thread(target=serve, daemon=True).start()
        keys = SecretKeys("a secret key for tests only")
        origin = f"http://127.0.0.1:{port}"
        sender = WebhookSender(lambda: keys, [Origin.of(origin)], total_s)
        began = time.monotonic()
        address = SealedAddress(sealed=sealing.seal(keys, origin))
        outcome = sender.send(Message(id="msg_1", body=b"{}", address=address), 0)
        return outcome, time.monotonic() - began


def _drip(head: bytes) -> Callable[[socket.socket], object]:
    def answer(peer: socket.socket) -> None:
        try:
            for byte in head:
                peer.sendall(bytes([byte]))
                time.sleep(0.05)
            while True:
                peer.sendall(b"x" * 1000)
        except OSError:
            return

    return answer


def test_an_answer_that_drips_or_never_ends_costs_no_more_than_its_time() -> None:
    outcome, took = _outcome(_drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100), 0.4)
    assert (outcome.arrived, outcome.words) == (False, "no answer within 0.4 s")
    assert took < 1.0
    outcome, took = _outcome(_drip(b"HTTP/1.1 200 OK\r\n\r\n"), 5.0)
    assert (outcome.arrived, outcome.code) == (True, 200)
    assert took < 2.0
    outcome, _ = _outcome(lambda peer: peer.sendall(b"hello\r\n\r\n"), 5.0)
    assert not outcome.arrived
    outcome, _ = _outcome(lambda peer: peer.close(), 5.0)
    assert not outcome.arrived

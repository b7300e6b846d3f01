"""How often one may ask, and what answers say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.settings import SettingsError, load_settings, values
from tests.web.test_orders_by_webhook import secrets, start
from tests.web.two_accounts import customer
from tests.web.web_fixtures import BEARER, OUTSIDE, WebHarness

FREE = {"prompt": "A fox at dawn.", "model": "local/animatic"}


def refused(answer: Any, limit: str) -> None:
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert (answer.json["code"], answer.json["violated"]) == ("rate_limited", [limit])


def test_an_account_looks_so_often_a_minute_with_all_its_keys_and_agents(tmp_path: Path) -> None:
    with WebHarness(tmp_path, {**OUTSIDE, "ACCOUNT_READS_PER_MINUTE": "4"}) as harness:
        harness.clock.stop()
        first, second = customer(harness, "first"), customer(harness, "second")
        told = [harness.client.get("/api/models", headers=first.headers) for _ in range(3)]
        assert [answer.headers["RateLimit-Policy"] for answer in told] == ['"read";q=4;w=60'] * 3
        assert [answer.headers["RateLimit"] for answer in told] == [
            *('"read";r=3;t=15', '"read";r=2;t=30', '"read";r=1;t=45'),
        ]
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert harness.client.post("/mcp", json=message, headers=first.headers).status_code == 200
        refused(over := harness.client.get("/api/runs", headers=first.headers), "read")
        assert over.headers["RateLimit"] == '"read";r=0;t=60'
        assert harness.client.post("/api/generate-video", json=FREE, headers=first.headers).status_code == 202
        assert harness.client.get("/api/runs", headers=second.headers).status_code == 200
        harness.clock.shift += 15
        assert harness.client.get("/api/runs", headers=first.headers).status_code == 200
        refused(harness.client.get("/api/runs", headers=first.headers), "read")
        operators = [harness.get("/api/models") for _ in range(8)]
        assert {answer.status_code for answer in operators} == {200}
        assert "RateLimit" not in operators[-1].headers


def test_what_is_quoted_counts_as_a_look(tmp_path: Path) -> None:
    """Also as a rehearsal of an order."""
    with WebHarness(tmp_path, {**OUTSIDE, "ACCOUNT_READS_PER_MINUTE": "3"}) as harness:
        harness.clock.stop()
        who = customer(harness, "ada")

        def ask(path: str, body: Any) -> Any:
            return harness.client.post(path, json=body, headers=who.headers)

        rehearsal = {**FREE, "dry_run": True}
        asked = [("/api/estimate", FREE), ("/api/generate-video", rehearsal)]
        asked.append(("/api/batches", {"items": [FREE], "dry_run": True}))
        assert [ask(path, body).status_code for path, body in asked] == [200, 200, 200]
        for path, body in asked:
            refused(ask(path, body), "read")
        assert ask("/api/generate-video", FREE).status_code == 202


def test_programs_of_an_account_send_so_many_webhooks_a_minute(tmp_path: Path) -> None:
    with WebHarness(tmp_path, {**OUTSIDE, "ACCOUNT_WEBHOOKS_PER_MINUTE": "2"}) as harness:
        harness.clock.stop()
        first, second = customer(harness, "first"), customer(harness, "second")
        found, other = secrets(harness, first.headers), secrets(harness, second.headers)
        assert [start(harness, found, FREE, f"order-{n}").status_code for n in range(2)] == [202, 202]
        refused(over := start(harness, found, FREE, "order-2"), "webhook")
        assert over.headers["RateLimit-Policy"] == '"webhook";q=2;w=60'
        run = harness.runs()[0]
        gen = harness.generation(run.id, callback_token="a-token", provider="kie")
        harness.put(harness.scene(run.id), gen)
        refused(harness.client.post("/api/webhook/video/a-token", json={"status": "done"}), "webhook")
        assert start(harness, other, FREE, "order-0").status_code == 202
        operators = secrets(harness, BEARER)
        assert [start(harness, operators, FREE, f"order-{n}").status_code for n in range(4)] == [202] * 4
        assert len(harness.runs()) == 7


def test_a_start_says_how_many_are_left(harness: WebHarness) -> None:
    """One that finds its run counts towards nothing."""
    harness.clock.stop()
    starts = [harness.post("/api/generate-video", FREE) for _ in range(2)]
    assert [answer.headers["RateLimit"] for answer in starts] == ['"start";r=299;t=1', '"start";r=298;t=1']
    assert starts[0].headers["RateLimit-Policy"] == '"start";q=300;w=75'
    harness.change("rate_limits", "start:env-tester", next_free_at=harness.clock.now() + 75.0)
    refused(over := harness.post("/api/generate-video", FREE), "start")
    assert over.headers["RateLimit-Policy"] == '"start";q=300;w=75'
    assert over.headers["RateLimit"] == '"start";r=0;t=1'
    assert "RateLimit" not in harness.post("/api/generate-video", {**FREE, "dry_run": True}).headers


def test_an_account_may_have_so_many_waiting(tmp_path: Path) -> None:
    """Of a batch all are counted; what was started finds its answer, and others order as before."""
    few = {"ACCOUNT_RUNS_IN_FLIGHT": "1", "ACCOUNT_BACKLOG": "3"}
    with WebHarness(tmp_path, {**OUTSIDE, **few}) as harness:
        first, second = customer(harness, "first"), customer(harness, "second")
        once = {**first.headers, "Idempotency-Key": "one"}
        assert harness.client.post("/api/generate-video", json=FREE, headers=once).status_code == 202
        three = {"items": [FREE] * 3}
        over: Any = harness.client.post("/api/batches", json=three, headers=first.headers)
        assert over.status_code == 429
        assert (over.json["code"], over.json["violated"]) == ("too_many_in_flight", ["backlog"])
        assert "films are ordered and not begun" in over.json["detail"]
        told = [over.headers[name] for name in ("RateLimit-Policy", "RateLimit", "Retry-After")]
        assert told == ['"backlog";q=3', '"backlog";r=0;t=60', "60"]
        assert len(harness.runs()) == 1
        assert harness.client.post("/api/batches", json={"items": [FREE] * 2}, headers=first.headers).status_code == 202
        mine: Any = harness.client.get("/api/account", headers=first.headers).json
        assert (mine["runs_in_flight"], mine["runs_waiting"]) == (0, 3)
        assert (mine["limits"]["runs_in_flight"], mine["limits"]["backlog"]) == (1, 3)
        question: Any = harness.client.post("/api/estimate", json=FREE, headers=first.headers).json
        assert (question["ok"], question["problems"][0]["field"]) == (False, "")
        assert harness.client.post("/api/generate-video", json=FREE, headers=once).status_code == 202
        assert harness.client.post("/api/generate-video", json=FREE, headers=second.headers).status_code == 202
        assert harness.post("/api/generate-video", FREE).status_code == 202


def test_a_guessed_key_is_told_which_limit_it_reached(harness: WebHarness) -> None:
    for _ in range(20):
        assert harness.client.get("/api/runs", headers={"Authorization": "Bearer guess"}).status_code == 401
    refused(harness.client.get("/api/runs", headers={"Authorization": "Bearer guess"}), "guess")


def test_webhooks_come_from_where_the_operator_says(tmp_path: Path) -> None:
    """Of the senders that are named; by the address that the proxy tells."""
    allowed = "kie:203.0.113.0/24,kie:2001:db8::/32,airtable:198.51.100.7,stripe:198.51.100.8"
    stripe = {"STRIPE_PAYMENT_LINK": "https://buy.stripe.com/test_7", "STRIPE_WEBHOOK_SECRET": "whsec_of_this_test"}
    environ = {**OUTSIDE, **stripe, "WEBHOOK_ALLOW_FROM": allowed, "TRUSTED_PROXIES": "1"}
    with WebHarness(tmp_path, environ) as harness:

        def called(path: str, address: str) -> int:
            sent = {"X-Forwarded-For": address, **BEARER}
            return int(harness.client.post(f"/api/webhook/{path}", json={}, headers=sent).status_code)

        for path in ("kie/token", "airtable", "stripe"):
            assert called(path, "192.0.2.1") == 403
        for address in ("203.0.113.77", "::ffff:203.0.113.77", "2001:db8::1"):
            assert called("kie/token", address) != 403
        assert called("airtable", "198.51.100.7") != 403
        assert called("stripe", "198.51.100.8") == 401
        assert called("openai", "192.0.2.1") != 403
        providers = {card.provider for card in harness.services.catalogue.values()} - {"local"}
        assert set(values.SENDERS) == {*providers, "airtable", "openai", "gemini", "start", "video", "stripe"}


@pytest.mark.parametrize("text", ["kei:203.0.113.0/24", "kie:203.0.113.5/24", "203.0.113.0/24", "kie"])
def test_a_sender_that_cannot_be_meant_does_not_start(tmp_path: Path, text: str) -> None:
    """It would protect nothing."""
    with pytest.raises(SettingsError) as error:
        load_settings({**OUTSIDE, "WEBHOOK_ALLOW_FROM": text}, tmp_path)
    assert [name for name, _ in error.value.problems] == ["WEBHOOK_ALLOW_FROM"]

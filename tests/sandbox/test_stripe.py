"""The sandbox's Payment Link, at a product that takes payments, over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from werkzeug.serving import make_server

from pipelines.sandbox.app import Sandbox
from pipelines.sandbox.stripe import SECRET, WAYS
from pipelines.stages.spending import credit_lots
from tests.web.two_accounts import customer
from tests.web.web_fixtures import OUTSIDE, WebHarness


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.mark.logs_errors
def test_each_way_to_pay_gives_what_was_paid_once(tmp_path: Path, sandbox: Sandbox) -> None:
    stripe = {"STRIPE_PAYMENT_LINK": f"{sandbox.url}/stripe/pay", "STRIPE_WEBHOOK_SECRET": SECRET}
    with WebHarness(tmp_path, {**OUTSIDE, **stripe}) as shop, httpx.Client(timeout=20.0, trust_env=False) as client:
        who = customer(shop, "ada")
        server = make_server("127.0.0.1", 0, shop.app, threaded=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

        def available() -> int:
            with shop.store.read() as tx:
                return credit_lots.funds(tx, who.account_id, shop.clock.now()).available_micro // 10_000

        def post(path: str, **body: Any) -> Any:
            return client.post(f"{sandbox.url}/stripe/{path}", json=body).json()

        try:
            post("endpoint", url=f"http://127.0.0.1:{server.server_port}/api/webhook/stripe")
            link = shop.client.get("/api/account", headers=who.headers).get_json()["top_up_url"]
            assert 'value="acc_ada"' in client.get(link).text
            got: dict[str, int] = {}
            for how in WAYS:
                before = available()
                paid = post("pay", client_reference_id="acc_ada", usd=2, how=how)
                assert {event["status"] for event in paid["events"]} == {200}
                got[how] = available() - before
            assert got == {"paid": 200, "twice": 200, "later": 200, "reordered": 200, "euro": 0, "nobody": 0}
            paid = post("pay", client_reference_id="acc_ada", usd=2)
            assert post("give-back", payment=paid["payment"], usd=0.5)["status"] == 200
            assert post("give-back", payment=paid["payment"], usd=2, dispute=True)["status"] == 200
            assert available() == 800
        finally:
            server.shutdown()
            server.server_close()

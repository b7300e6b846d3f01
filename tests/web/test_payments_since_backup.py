"""The database is lost and its backup brought back: payments that came in meanwhile are found again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.database.backup import back_up, restore
from pipelines.sandbox.app import Sandbox
from pipelines.sandbox.stripe import API_KEY, SECRET
from pipelines.stages.generations.restored import LOOK_S
from pipelines.stages.spending import credit_lots
from tests.web.test_pay_per_call import Shop, environ
from tests.web.two_accounts import customer
from tests.web.web_fixtures import OUTSIDE, WebHarness
from webapp.commands.selling import since_backup


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


class Loss:
    """A deployment on a database that will be lost."""

    def __init__(self, harness: WebHarness) -> None:
        self.harness, self.saved = harness, harness.folder / "saved.db"
        back_up(f"sqlite:///{harness.folder / 'var' / 'reelgrid.db'}", self.saved)

    def happens(self, **changed: str) -> None:
        url = f"sqlite:///{self.harness.folder / 'back.db'}"
        restore(self.saved, url, self.harness.clock.now())
        self.harness.start({**self.harness.environ, "DATABASE_URL": url, **changed})

    def recover(self) -> dict[str, Any]:
        told = self.harness.app.test_cli_runner().invoke(args=["recover", "--json"])
        assert told.exit_code == 0, told.output
        return dict(json.loads(told.stdout))

    def said(self) -> str:
        return self.harness.app.test_cli_runner().invoke(args=["recover"]).output


def stripe(sandbox: Sandbox, path: str, **body: Any) -> dict[str, Any]:
    """What happens at Stripe; nobody hears of it, because the deployment is down."""
    return dict(httpx.post(f"{sandbox.url}/stripe/{path}", json=body, timeout=20).json())


@pytest.mark.logs_errors
def test_what_was_bought_and_paid_back_at_stripe_is_booked_again_once(tmp_path: Path, sandbox: Sandbox) -> None:
    keys = {"STRIPE_PAYMENT_LINK": f"{sandbox.url}/stripe/pay", "STRIPE_WEBHOOK_SECRET": SECRET}
    stripe(sandbox, "endpoint", url="http://127.0.0.1:9/gone", secret=SECRET, page=2)
    with WebHarness(tmp_path, {**OUTSIDE, **keys, "STRIPE_BASE_URL": f"{sandbox.url}/stripe"}) as harness:
        who, loss = customer(harness, "ada"), Loss(harness)

        def available() -> int:
            with harness.store.read() as tx:
                return credit_lots.funds(tx, who.account_id, harness.clock.now()).available_micro // 10_000

        bought = stripe(sandbox, "pay", client_reference_id=who.account_id, usd=5)
        stripe(sandbox, "pay", client_reference_id=who.account_id, usd=3, how="twice")
        stripe(sandbox, "give-back", payment=bought["payment"], usd=2)
        stripe(sandbox, "pay", client_reference_id="acc_of_nobody", usd=1)
        loss.happens()
        assert available() == 0
        assert "payments at Stripe are not looked for. Set STRIPE_API_KEY" in loss.said()

        harness.start({**harness.environ, "DATABASE_URL": harness.settings.database_url, "STRIPE_API_KEY": "sk_wrong"})
        assert "Stripe refuses STRIPE_API_KEY" in loss.said()
        harness.start({**harness.environ, "DATABASE_URL": harness.settings.database_url, "STRIPE_API_KEY": API_KEY})
        found = loss.recover()["payments"]
        assert found["booked"] == 6
        assert available() == 500 + 300 - 200
        assert loss.recover()["payments"]["booked"] == 0
        assert available() == 600
        with harness.store.write() as tx:
            tx.inbox.remove_some(100, before={"at": harness.clock.now() + 1.0})
        harness.clock.shift = LOOK_S + 60.0
        assert loss.recover()["payments"]["booked"] == 0, "whatever was decided since is not decided again"


@pytest.mark.slow
def test_a_payment_on_the_chain_that_nothing_here_knows_is_told_until_it_is_settled(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    with WebHarness(tmp_path, environ(sandbox)) as harness:
        shop = Shop(harness, sandbox)
        assert shop.post(headers=shop.signed()).status_code == 202
        known = {payment.tx_hash for payment in shop.payments()}
        loss = Loss(harness)
        assert shop.post(headers=shop.signed()).status_code == 202
        (lost,) = {payment.tx_hash for payment in shop.payments()} - known
        loss.happens()
        (told,) = loss.recover()["payments"]["unknown"]
        assert told == {"payer": shop.wallet.address, "usd": 0.4, "transaction": lost}
        assert f"flask credits grant ACCOUNT CREDITS --source x402:{lost}" in loss.said().replace("\n", " ")
        who = customer(harness, "ada")
        words = ("credits", "grant", who.account_id, "40", "--source", f"x402:{lost}")
        assert harness.app.test_cli_runner().invoke(args=words).exit_code == 0
        assert loss.recover()["payments"]["unknown"] == []
        # A database without any event is of the beginning of time; the chain is not read from there.
        with harness.app.app_context():
            assert since_backup.lost_money(harness.services, 0.0, harness.clock.now()).unknown == ()
        shop.next_fault("rpc_down")
        assert "the chain answered 503" in loss.said()

"""One call bought over x402: the stock client, a facilitator that checks real signatures, a chain to look at."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from x402 import x402ClientSync
from x402.http.utils import decode_payment_response_header
from x402.http.x402_http_client import x402HTTPClientSync
from x402.schemas import PaymentRequirements
from x402.schemas.errors import NoMatchingRequirementsError

from pipelines.domain.errors import NotAllowed
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import AccountStatus, Kind, Payment, PaymentStatus
from pipelines.domain.recovery.crash_points import CRASH_POINTS
from pipelines.payments import build_payments
from pipelines.ports import Payments
from pipelines.sandbox.app import Sandbox
from pipelines.sandbox.x402.signatures import Wallet, authorization_hash, signer_of
from pipelines.settings import SettingsError, load_settings
from pipelines.settings.networks import TOKENS
from pipelines.stages.commerce import payments
from pipelines.stages.decisions import control
from pipelines.stages.kernel.transitions import Actor
from pipelines.stages.scheduler import steps
from pipelines.stages.spending import credit_book, stop_switch
from tests.web.web_fixtures import BEARER, OUTSIDE, SORA, WebHarness
from tools.demo.wallet import WalletScheme
from tools.stack import until

ROOT = Path(__file__).resolve().parents[2]
PATH = "/api/generate-video"
BODY = {"prompt": "A fox at dawn", "model": "sora/sora-2", "seconds": 4}
PRICE = 400_000
NAME = {"Idempotency-Key": "an-order-nobody-can-guess"}
ETH_ACCOUNT = (
    "0x6119a8493cb0ebef42e5c21f7ed1410530247a2a11565eaf01adc539dd0033a0"
    "22fe9459c4fd4bc2bd166b402235fd1bc9c35796e6784ba3a6bded8f04c567f61c"
)
PAY_TO = f"0x{'12' * 20}"


class Shop:
    """A deployment that takes payments, and a customer with a wallet."""

    def __init__(self, harness: WebHarness, sandbox: Sandbox) -> None:
        self.harness, self.sandbox, self.wallet = harness, sandbox, Wallet()
        self._before = self.next_fault()

    def post(self, body: Any = None, headers: Mapping[str, str] | None = None, path: str = PATH) -> Any:
        return self.harness.client.post(path, json=body or BODY, headers=headers)

    def sign(self, refusal: Any) -> dict[str, str]:
        client = x402ClientSync()
        client.register("eip155:*", WalletScheme(self.wallet))
        url = f"https://films.example.com{PATH}"
        headers, _ = x402HTTPClientSync(client).handle_402_response(dict(refusal.headers), refusal.data, url)
        return dict(headers)

    def signed(self, body: Any = None) -> dict[str, str]:
        return self.sign(self.post(body))

    def next_fault(self, *names: str) -> int:
        """How many transfers there were."""
        answer = httpx.post(f"{self.sandbox.url}/x402/_control", json={"next": names}, timeout=60.0)
        assert answer.json()["next"] == list(names)
        return int(answer.json()["transfers"])

    @property
    def transfers(self) -> int:
        return self.next_fault() - self._before

    def payments(self) -> list[Payment]:
        with self.harness.store.read() as tx:
            return tx.payments.find(order="created_at")

    def pump(self) -> Payment:
        """As the pump does with whatever is due."""
        core = self.harness.services
        for id_, _ in core.store.due(Kind.PAYMENT, core.clock.now(), 10):
            assert steps.step(core, Kind.PAYMENT, id_)
        (payment,) = self.payments()
        return payment

    def stop(self) -> None:
        with self.harness.store.write() as tx:
            stop_switch.set_switch(tx, on=True, now=self.harness.clock.now(), reason="tea", actor="tester")

    def available(self, token: str) -> int:
        answer: Any = self.harness.client.get("/api/credits", headers=bearer(token))
        return int(answer.json["available_credits"])


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def environ(sandbox: Sandbox, **more: str) -> dict[str, str]:
    x402 = {"X402_PAY_TO": PAY_TO, "X402_FACILITATOR_URL": f"{sandbox.url}/x402"}
    return {**OUTSIDE, **SORA, **x402, "X402_RPC_URL": f"{sandbox.url}/x402/chain", **more}


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Iterator[Shop]:
    with WebHarness(tmp_path, environ(sandbox)) as harness:
        yield Shop(harness, sandbox)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def problem(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.json
    return str(answer.json["detail"])


def test_a_signature_of_another_implementation_is_known() -> None:
    """Key 1, signed by eth-account 0.14."""
    signed = {"from": Wallet(1).address, "to": f"0x{'11' * 20}", "value": "350000"}
    signed |= {"validAfter": "0", "validBefore": "99", "nonce": f"0x{'ab' * 32}"}
    assert Wallet(1).address == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
    asset = TOKENS["eip155:84532"].asset
    digest = authorization_hash(signed, name="USDC", version="2", chain=84532, asset=asset)
    assert signer_of(digest, ETH_ACCOUNT) == Wallet(1).address


def test_the_stock_client_buys_a_film(shop: Shop) -> None:
    assert "PAYMENT-SIGNATURE" in shop.harness.client.get("/llms.txt").get_data(as_text=True)
    refusal = shop.post()
    assert "0.40" in problem(refusal, 402)
    assert refusal.json["code"] == "payment_required"
    assert refusal.headers["WWW-Authenticate"].startswith("Bearer")
    assert refusal.headers["Cache-Control"] == "no-store"
    terms = json.loads(base64.b64decode(refusal.headers["PAYMENT-REQUIRED"]))["accepts"]
    assert [(one["scheme"], one["amount"], one["payTo"]) for one in terms] == [("exact", str(PRICE), PAY_TO)]
    assert terms[0]["extra"] == {"name": "USDC", "version": "2", "paymentFlow": "upfront"}
    page = (ROOT / "docs" / "how-to" / "x402.md").read_text("utf-8")
    shown = json.loads(page.partition("```json\n")[2].partition("```")[0])
    told = json.loads(base64.b64decode(refusal.headers["PAYMENT-REQUIRED"]))
    assert shown == {name: value for name, value in told.items() if name != "extensions"}
    assert shop.harness.runs() == []

    signed = shop.sign(refusal)
    done = shop.post(headers=signed)
    assert done.status_code == 202, done.json
    receipt = decode_payment_response_header(done.headers["PAYMENT-RESPONSE"])
    assert (receipt.success, receipt.payer, receipt.network) == (True, shop.wallet.address, "eip155:84532")
    (payment,) = shop.payments()
    assert (payment.status, payment.tx_hash, payment.amount_micro) == ("paid", receipt.transaction, PRICE)
    run = shop.harness.run(done.json["run_id"])
    assert (run.status, run.account_id, run.price_micro) == (RunStatus.QUEUED, payment.account_id, PRICE)
    seen: Any = shop.harness.client.get(f"/api/runs/{run.id}", headers=bearer(done.json["access_token"]))
    assert (seen.status_code, seen.json["run_id"]) == (200, run.id)
    assert shop.available(done.json["access_token"]) == 0
    with shop.harness.store.read() as tx:
        (lot,) = tx.lots.find(account_id=payment.account_id)
        assert (lot.granted_micro, lot.reserved_micro) == (PRICE, PRICE)
        assert not credit_book.audit(tx, everything=True).problems


def test_a_payment_buys_what_it_was_signed_for_and_no_more(shop: Shop) -> None:
    signed = shop.signed()
    first = shop.post(headers=signed)
    again = shop.post(headers=signed)
    assert (again.status_code, again.json["run_id"]) == (202, first.json["run_id"])
    assert again.headers["Idempotent-Replayed"] == "true"
    # What was signed is public by now: whoever repeats it learns no token and no film.
    assert (again.json["access_token"], again.json["page_url"]) == (None, None)
    problem(shop.post({**BODY, "prompt": "A cat at dusk"}, signed), 409)
    dearer = shop.signed()
    assert "not for these terms" in problem(shop.post({**BODY, "seconds": 12}, dearer), 402)
    other = json.loads(base64.b64decode(dearer["PAYMENT-SIGNATURE"]))
    other["payload"]["authorization"]["nonce"] = f"0x{'0' * 64}"
    tampered = {"PAYMENT-SIGNATURE": base64.b64encode(json.dumps(other).encode()).decode()}
    answer = shop.post(headers=tampered)
    assert "invalid_exact_evm_payload_signature" in problem(answer, 402)
    assert "PAYMENT-REQUIRED" in answer.headers
    assert [one.status for one in shop.payments()] == ["paid", "failed"]
    assert (shop.transfers, len(shop.harness.runs())) == (1, 1)


def test_the_same_name_is_the_same_purchase_whatever_is_signed_anew(shop: Shop) -> None:
    first = shop.post(headers={**shop.signed(), **NAME})
    fresh = shop.post(headers={**shop.signed(), **NAME})
    assert fresh.json == {**first.json, "existing": True}
    assert fresh.json["access_token"]
    # A name that can be guessed keeps from paying twice, and opens nothing.
    short = {"Idempotency-Key": "1"}
    one, two = (shop.post({**BODY, "prompt": "An owl"}, {**shop.signed(), **short}) for _ in range(2))
    assert (one.json["run_id"], two.json["access_token"]) == (two.json["run_id"], None)
    problem(shop.post({**BODY, "prompt": "A cat"}, {**shop.signed(), **NAME}), 409)
    shop.wallet = Wallet()
    stranger = shop.post(headers={**shop.signed(), **NAME})
    assert stranger.json["run_id"] != first.json["run_id"]
    assert shop.transfers == 3
    # Also while spending is stopped: what was paid is told, and nothing else is taken.
    late = {**shop.signed(), **NAME}
    shop.stop()
    assert shop.post(headers=late).json["run_id"] == stranger.json["run_id"]
    problem(shop.post({**BODY, "prompt": "A dog"}), 503)
    assert shop.transfers == 3


@pytest.mark.parametrize("header", ["%%%", "e30=", base64.b64encode(b'{"x402Version":1}').decode(), "W10=", "bnVsbA=="])
def test_what_is_no_payment_is_400(shop: Shop, header: str) -> None:
    for name in ("PAYMENT-SIGNATURE", "X-PAYMENT"):
        assert "sign a new one" in problem(shop.post(headers={name: header}), 400)
    assert shop.payments() == []


def test_what_cannot_be_made_costs_nothing(shop: Shop) -> None:
    signed = shop.signed()
    problem(shop.post({"prompt": ""}, signed), 422)
    problem(shop.post({**BODY, "model": "local/animatic"}, signed), 422)
    problem(shop.post({**BODY, "model": "veo/veo-3.1-fast-generate-001", "seconds": 8}, signed), 422)
    problem(shop.post({**BODY, "max_cost_usd": 0.1}, signed), 402)
    problem(shop.post({**BODY, "dry_run": True}, signed), 401)
    problem(shop.post({"record_id": "recA1b2C3d4E5f6G7"}, signed, "/api/process-master-prompt"), 401)
    problem(shop.post({"record_id": "recA1b2C3d4E5f6G7"}, signed, "/api/process-record"), 401)
    problem(shop.post(headers={**signed, "Authorization": "Bearer wrong"}), 401)
    shop.stop()
    problem(shop.post(headers=signed), 503)
    assert (shop.transfers, shop.payments()) == (0, [])


def test_an_order_in_legacy_words_is_answered_in_them(shop: Shop) -> None:
    legacy = {"model": BODY["model"], "prompt": "A fox", "type": "text-to-video", "options": {"n_frames": "4"}}
    done = shop.post(legacy, {**shop.signed(legacy), **NAME})
    assert done.status_code == 202, done.json
    run_id = done.json["run_id"]
    assert [done.json[name] for name in ("task_id", "taskId", "generationId", "state")] == [*[run_id] * 3, "pending"]
    assert (done.json["credits_estimated"], bool(done.json["access_token"])) == (PRICE // 10_000, True)
    shop.harness.change("runs", run_id, status=RunStatus.FAILED, error="It did not work out.")
    polled: Any = shop.harness.client.get(f"/api/runs/{run_id}?poll=true", headers=bearer(done.json["access_token"]))
    assert [polled.json[name] for name in ("task_id", "state", "failMsg")] == [run_id, "fail", "It did not work out."]


def test_what_the_operators_list_forbids_costs_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    (tmp_path / "words.txt").write_text("acme cola\n")
    with WebHarness(tmp_path, environ(sandbox, MODERATION_WORDS="words.txt")) as harness:
        shop = Shop(harness, sandbox)
        signed = shop.signed()
        assert "acme cola" in problem(shop.post({**BODY, "prompt": "Drink Acme Cola"}, signed), 422)
        assert (shop.transfers, shop.payments()) == (0, [])
        assert shop.post(headers=signed).status_code == 202


def test_what_could_be_used_for_ever_is_not_taken(shop: Shop) -> None:
    """The chain would be asked about it for ever."""
    signed = shop.signed()
    payload = json.loads(base64.b64decode(signed["PAYMENT-SIGNATURE"]))
    payload["payload"]["authorization"]["validBefore"] = "99999999999"
    late = {"PAYMENT-SIGNATURE": base64.b64encode(json.dumps(payload).encode()).decode()}
    assert "longer than an hour" in problem(shop.post(headers=late), 402)
    assert (shop.transfers, shop.payments()) == (0, [])


def test_whoever_has_a_key_pays_nothing(shop: Shop) -> None:
    assert shop.post(headers={**BEARER, **shop.signed()}).status_code == 202
    assert shop.transfers == 0


def test_eight_at_once_are_one_purchase(shop: Shop) -> None:
    signed = shop.signed()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(shop.post(headers=signed).status_code)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 202 in answers
    assert set(answers) <= {202, 409, 503}
    assert (shop.transfers, len(shop.harness.runs()), len(shop.payments())) == (1, 1, 1)


def test_a_lost_answer_is_found_on_the_chain_and_started_by_the_next_request(shop: Shop) -> None:
    """As well where the process was killed between the money and the commit: the row is the same."""
    shop.next_fault("lost")
    signed = {**shop.signed(), **NAME}
    assert "you will not pay twice" in problem(shop.post(headers=signed), 504)
    assert shop.payments()[0].status is PaymentStatus.SETTLING
    problem(shop.post(headers=signed), 409)
    # A new signature under the same name does not pay again while nobody knows.
    shop.harness.clock.shift = 21.0
    problem(shop.post(headers={**shop.signed(), **NAME}), 504)
    # Nor does settling again tell: the nonce is used, by whomever.
    problem(shop.post(headers=signed), 504)
    found = shop.pump()
    assert (found.status, len(shop.harness.runs())) == (PaymentStatus.PAID, 0)
    done = shop.post(headers=signed)
    assert (done.status_code, done.json["run_id"]) == (202, found.run_id)
    assert shop.available(done.json["access_token"]) == 0
    assert (shop.transfers, len(shop.harness.runs())) == (1, 1)


class Died(BaseException):
    """Nobody catches the end of a process."""


class Death:
    """The one point at which the process ends, once."""

    def __init__(self, point: str) -> None:
        self.point, self.died = point, False

    def reach(self, name: str, **_: str) -> None:
        if name == self.point and not self.died:
            self.died = True
            raise Died


@pytest.mark.parametrize("point", [point for point in CRASH_POINTS if point.startswith("payment.")])
def test_a_death_at_each_point_ends_in_one_run_that_was_paid_for_once(
    tmp_path: Path, sandbox: Sandbox, point: str
) -> None:
    death = Death(point)
    with WebHarness(tmp_path, environ(sandbox), points=death) as harness:
        shop = Shop(harness, sandbox)
        signed = {**shop.signed(), **NAME}
        if point == "payment.found":
            shop.next_fault("lost")
            problem(shop.post(headers=signed), 504)
        with pytest.raises(Died):
            shop.pump() if point == "payment.found" else shop.post(headers=signed)
        assert death.died
        answer = shop.post(headers=signed)
        for _ in range(3):
            if answer.status_code == 202:
                break
            harness.clock.shift += 70.0
            shop.pump()
            answer = shop.post(headers=signed)
        assert (answer.status_code, shop.transfers, len(harness.runs())) == (202, 1, 1)
        (payment,) = shop.payments()
        assert (payment.status, payment.run_id) == (PaymentStatus.PAID, answer.json["run_id"])
        with harness.store.read() as tx:
            assert not credit_book.audit(tx, everything=True).problems


def test_a_request_that_died_before_the_money_moved_is_repeated(shop: Shop) -> None:
    shop.next_fault("500")
    signed = {**shop.signed(), **NAME}
    problem(shop.post(headers=signed), 504)
    assert shop.pump().status is PaymentStatus.SETTLING
    shop.harness.clock.shift = 21.0
    done = shop.post(headers=signed)
    assert (done.status_code, shop.transfers) == (202, 1)
    assert done.json["access_token"]


def test_what_never_moved_is_given_up_once_it_cannot_move(shop: Shop) -> None:
    shop.next_fault("500")
    signed = shop.signed()
    problem(shop.post(headers=signed), 504)
    shop.harness.clock.shift = 300.0 + payments.LATE_S + 60.0
    assert shop.pump().status is PaymentStatus.FAILED
    problem(shop.post(headers=signed), 402)
    assert shop.harness.runs() == []


def test_what_the_payer_cancelled_has_failed(shop: Shop) -> None:
    shop.next_fault("cancelled")
    problem(shop.post(headers=shop.signed()), 504)
    assert shop.pump().status is PaymentStatus.FAILED


def test_an_empty_wallet_is_told_and_may_sign_anew(shop: Shop) -> None:
    shop.next_fault("poor")
    signed = shop.signed()
    assert "insufficient_funds" in problem(shop.post(headers={**signed, **NAME}), 402)
    problem(shop.post(headers={**signed, **NAME}), 402)
    assert shop.post(headers={**shop.signed(), **NAME}).status_code == 202


def test_money_that_was_used_before_we_asked_is_another_purchase(shop: Shop) -> None:
    """Whoever reads a payment to our wallet off the chain cannot make it theirs."""
    signed = shop.signed()
    payload = json.loads(base64.b64decode(signed["PAYMENT-SIGNATURE"]))
    body = {"paymentPayload": payload, "paymentRequirements": payload["accepted"]}
    assert httpx.post(f"{shop.sandbox.url}/x402/settle", json=body, timeout=60.0).json()["success"]
    shop.harness.clock.shift = payments.EARLY_S + 5.0
    problem(shop.post(headers=signed), 504)
    shop.harness.clock.shift = 300.0 + payments.LATE_S + 60.0
    assert shop.pump().status is PaymentStatus.FAILED


@pytest.mark.logs_errors
@pytest.mark.parametrize("lie", ["no_hash", "other_payer", "other_network"])
def test_a_success_that_does_not_fit_is_decided_by_a_person(tmp_path: Path, sandbox: Sandbox, lie: str) -> None:
    with WebHarness(tmp_path, environ(sandbox, X402_RPC_URL="")) as harness:
        shop = Shop(harness, sandbox)
        shop.next_fault(lie)
        signed = {**shop.signed(), **NAME}
        problem(shop.post(headers=signed), 504)
        doubt = shop.pump()
        assert (doubt.status, doubt.lot_id) == (PaymentStatus.IN_DOUBT, None)
        cli = harness.app.test_cli_runner()
        assert "flask payments list --status in_doubt" in (ROOT / "docs" / "how-to" / "x402.md").read_text("utf-8")
        listed = cli.invoke(args=["payments", "list", "--status", "in_doubt", "--json"])
        assert [one["payment_id"] for one in json.loads(listed.output)] == [doubt.id]
        decided = cli.invoke(args=["payments", "decide", doubt.id, "--paid", f"0x{'a' * 64}", "--json"])
        assert json.loads(decided.output)["status"] == "paid"
        assert cli.invoke(args=["payments", "decide", doubt.id, "--failed"]).exit_code == 1
        done = shop.post(headers=signed)
        assert (done.status_code, len(harness.runs())) == (202, 1)
        told = cli.invoke(args=["payments", "token", doubt.id])
        assert told.output.strip() == done.json["access_token"]


@pytest.mark.slow
def test_a_facilitator_that_hangs_holds_up_nobody_else(shop: Shop) -> None:
    shop.next_fault("slow")
    signed, answers = shop.signed(), list[int]()
    buyer = threading.Thread(target=lambda: answers.append(shop.post(headers=signed).status_code))
    buyer.start()
    until(lambda: shop.payments() != [], "the payment to be written down")
    assert shop.harness.client.get("/health").status_code == 200
    assert shop.harness.get("/api/runs").status_code == 200
    assert answers == [], "the buyer still waits"
    buyer.join()
    assert answers == [504]


@pytest.mark.logs_errors
def test_a_chain_that_is_away_ends_in_doubt(shop: Shop) -> None:
    shop.next_fault("500", "rpc_down")
    problem(shop.post(headers=shop.signed()), 504)
    assert (shop.pump().status, shop.payments()[0].attempts) == (PaymentStatus.SETTLING, 1)
    core, payment = shop.harness.services, shop.payments()[0]
    payments.give_up(core, Actor("worker", core.clock.now()), payment.id, NotAllowed("the chain is away"))
    assert shop.payments()[0].status is PaymentStatus.IN_DOUBT


def test_a_film_that_failed_leaves_its_credits_to_who_paid(shop: Shop) -> None:
    done = shop.post(headers=shop.signed())
    token = done.json["access_token"]
    control.cancel(shop.harness.services, done.json["run_id"], actor="tester")
    assert shop.available(token) == PRICE // 10_000
    again = shop.harness.client.post(PATH, json=BODY, headers=bearer(token))
    assert again.status_code == 202
    assert shop.available(token) == 0
    problem(shop.harness.client.post(PATH, json=BODY, headers=bearer(token)), 402)
    used: Any = shop.harness.client.get("/api/usage?by=account", headers=bearer(token))
    assert {row["account_id"] for row in used.json["rows"]} <= {shop.harness.run(done.json["run_id"]).account_id}
    for path in ("/api/keys", f"/api/runs/{'run_' + '0' * 20}"):
        assert shop.harness.client.get(path, headers=bearer(token)).status_code in {403, 404, 422}


def test_money_that_arrived_is_told_where_its_run_cannot_start(shop: Shop) -> None:
    shop.next_fault("lost")
    signed = {**shop.signed(), **NAME}
    problem(shop.post(headers=signed), 504)
    paid = shop.pump()
    shop.harness.change("accounts", paid.account_id, status=AccountStatus.SUSPENDED)
    refused = shop.post(headers=signed)
    assert "kept as credits" in problem(refused, 403)
    assert refused.json["access_token"]
    assert shop.harness.runs() == []


def test_nothing_that_was_signed_is_written_anywhere(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    signed = shop.signed()
    done = shop.post(headers=signed)
    signature = json.loads(base64.b64decode(signed["PAYMENT-SIGNATURE"]))["payload"]["signature"]
    kept = b"".join(path.read_bytes() for path in (shop.harness.folder / "var").glob("reelgrid.db*"))
    for secret in (signature, signed["PAYMENT-SIGNATURE"], done.json["access_token"]):
        assert secret.encode() not in kept
        assert secret not in caplog.text


def test_a_token_outlives_a_rotation_of_the_secret_key(shop: Shop) -> None:
    headers = {**shop.signed(), **NAME}
    first = shop.post(headers=headers)
    former = {"SECRET_KEY": "another key for tests only", "SECRET_KEY_FALLBACKS": OUTSIDE["SECRET_KEY"]}
    shop.harness.start({**shop.harness.environ, **former})
    assert shop.post(headers=headers).json["access_token"] == first.json["access_token"]


def test_the_stock_client_pays_no_more_than_a_dollar_unless_told(shop: Shop) -> None:
    with pytest.raises(NoMatchingRequirementsError, match="spend_controls"):
        shop.signed({**BODY, "seconds": 12})


def test_without_a_wallet_nothing_is_different(tmp_path: Path) -> None:
    with WebHarness(tmp_path, {**OUTSIDE, **SORA}) as harness:
        answer = harness.client.post(PATH, json=BODY, headers={"PAYMENT-SIGNATURE": "e30="})
        assert answer.status_code == 401
        assert "PAYMENT-REQUIRED" not in answer.headers
        assert harness.services.payments == Payments()


@pytest.mark.parametrize("kind", ["ed25519", "ec"])
def test_the_facilitator_is_shown_the_operators_key(kind: str, tmp_path: Path) -> None:
    """A token for this one request, which its key has signed; and X402_ASSET is what is asked for."""
    if kind == "ec":
        secret: Any = ec.generate_private_key(ec.SECP256R1())
        pem = secret.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
        text = pem.replace("\n", "\\n")
    else:
        secret = Ed25519PrivateKey.generate()
        raw = secret.private_bytes_raw() + secret.public_key().public_bytes_raw()
        text = base64.b64encode(raw).decode()
    seen: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(self.headers["Authorization"])
            self.send_response(503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """It is quiet."""

    with HTTPServer(("127.0.0.1", 0), Listening) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asset = f"0x{'ab' * 20}"
        url = f"http://127.0.0.1:{server.server_port}/platform/v2/x402"
        x402 = {"X402_PAY_TO": PAY_TO, "X402_FACILITATOR_URL": url, "X402_ASSET": asset}
        cdp = {"CDP_API_KEY_ID": "organizations/o/apiKeys/k", "CDP_API_KEY_SECRET": text}
        with WebHarness(tmp_path, {**OUTSIDE, **SORA, **x402, **cdp}) as harness:
            refusal: Any = harness.client.post(PATH, json=BODY)
            terms = json.loads(base64.b64decode(refusal.headers["PAYMENT-REQUIRED"]))["accepts"][0]
            assert terms["asset"] == asset
            signed = {
                "accepted": terms,
                "payload": WalletScheme(Wallet()).create_payment_payload(PaymentRequirements.model_validate(terms)),
            }
            header = base64.b64encode(json.dumps({"x402Version": 2, **signed}).encode()).decode()
            assert harness.client.post(PATH, json=BODY, headers={"PAYMENT-SIGNATURE": header}).status_code == 504
        server.shutdown()
    bearer_, _, token = seen[0].partition(" ")
    claims = jwt.decode(token, secret.public_key(), algorithms=["EdDSA", "ES256"], audience="cdp_service")
    assert (bearer_, claims["sub"], claims["iss"]) == ("Bearer", "organizations/o/apiKeys/k", "cdp")
    assert claims["uris"] == [f"POST 127.0.0.1:{server.server_port}/platform/v2/x402/settle"]
    assert claims["exp"] - claims["nbf"] == 120


def test_a_key_that_is_none_does_not_start(tmp_path: Path) -> None:
    x402 = {"X402_PAY_TO": PAY_TO, "CDP_API_KEY_ID": "k"}
    with pytest.raises(SettingsError, match="CDP_API_KEY_SECRET"):
        load_settings({**OUTSIDE, **x402}, tmp_path)
    with pytest.raises(SettingsError, match="copy all of it"):
        build_payments(load_settings({**OUTSIDE, **x402, "CDP_API_KEY_SECRET": "bm8="}, tmp_path))

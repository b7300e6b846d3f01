"""Credits over HTTP: what an account learns of prices, what it is refused with, and what Stripe's events do."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.records import AccountStatus
from pipelines.settings import SettingsError
from pipelines.settings.price_list import below_cost, load_price_list
from pipelines.stages.commerce import top_ups
from pipelines.stages.spending import credit_book, credit_lots
from tests.web.test_commands import told
from tests.web.two_accounts import Customer, customer, signed_in
from tests.web.web_fixtures import BEARER, OUTSIDE, SORA, WebHarness

SECRET, LINK = "whsec_of_this_test_only", "https://buy.stripe.com/test_7"
LIST = """
[[rules]]
model = "sora/*"
from = "text"
per_clip_usd = 0.104
per_second_usd = 0.025
[[rules]]
model = "sora/*"
from = "image"
per_clip_usd = 0.3
"""
CLIP = {"prompt": "A fox at dawn.", "model": "sora/sora-2", "seconds": 4}
"""Costs $0.40, and is sold for $0.204: 21 credits."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[WebHarness]:
    """A deployment that sells at prices of its own, and takes payments."""
    (tmp_path / "prices.toml").write_text(LIST)
    stripe = {"STRIPE_PAYMENT_LINK": LINK, "STRIPE_WEBHOOK_SECRET": SECRET}
    with WebHarness(tmp_path, {**OUTSIDE, **SORA, **stripe, "PRICE_LIST": "prices.toml"}) as made:
        yield made


def ask(harness: WebHarness, who: Customer, path: str, body: Any = None) -> Any:
    method = "GET" if body is None else "POST"
    return harness.client.open(path, method=method, json=body, headers=who.headers)


def give(harness: WebHarness, who: Customer, credits: int, source: str = "INV-1") -> None:
    made = told(harness, "credits", "grant", who.account_id, str(credits), "--source", source)
    assert made["granted_credits"] == credits


def test_who_has_no_credits_is_told_what_can_be_ordered_before_anything_is_quoted(shop: WebHarness) -> None:
    who = customer(shop, "ada")
    browser = signed_in(shop, who)
    sentence = "There are no credits left, so only what costs nothing can be ordered."
    page = browser.get("/new")
    assert sentence in page.text
    assert f'href="{LINK}' in page.text
    assert sentence in browser.get("/account").text
    wish = {
        "kind": "idea",
        "master_prompt": "A fox.",
        "scene_count": "2",
        "do": "start",
        "most": "9",
        "once": "a-press",
    }
    assert browser.post("/new", data={**wish, "model": "sora/sora-2"}).status_code == 422
    assert browser.post("/new", data={**wish, "model": "local/animatic"}).status_code == 303
    give(shop, who, 30)
    assert sentence not in browser.get("/new").text


def test_an_account_sees_prices_and_the_operator_costs(shop: WebHarness) -> None:
    who = customer(shop, "ada")
    give(shop, who, 30)
    quote = ask(shop, who, "/api/estimate", CLIP).json
    assert (quote["price_usd"], quote["credits"], quote["enough"], quote["ok"]) == (0.21, 21, True, True)
    assert (quote["quote_usd"], quote["plan"]["scenes"][0]["price_usd"]) == (0.21, 0.204)
    assert quote["plan"]["lines"] == [{"label": "1 × 4 s of sora/sora-2 at 720p", "usd": 0.204}]
    operator = shop.post("/api/estimate", CLIP).json
    assert (operator["quote_usd"], operator["price_usd"], operator["credits"]) == (0.4, None, None)

    started = ask(shop, who, "/api/generate-video", CLIP)
    assert (started.status_code, started.json["credits"], started.json["quote_usd"]) == (202, 21, 0.21)
    legacy = ask(shop, who, "/api/generate-video", {**CLIP, "remove_watermark": True})
    assert (legacy.status_code, legacy.json.get("code")) == (402, "insufficient_credits")
    shop.change("runs", started.json["run_id"], status=RunStatus.NEEDS_ATTENTION)
    polled = ask(shop, who, f"/api/runs/{started.json['run_id']}?poll=true").json
    assert polled["credits"] == {"consumed": 0.0, "remaining": 9.0}
    assert shop.get(f"/api/runs/{started.json['run_id']}?poll=true").json["credits"] is None
    shop.change("runs", started.json["run_id"], status=RunStatus.QUEUED)
    shown = ask(shop, who, f"/api/runs/{started.json['run_id']}").json
    assert (shown["quote_usd"], shown["held_usd"], shown["cost_usd"]) == (0.21, 0.21, 0.0)
    assert shop.get(f"/api/runs/{started.json['run_id']}").json["quote_usd"] == 0.4

    def sora(headers: dict[str, str]) -> Any:
        answer: Any = shop.client.get("/api/models", headers=headers)
        models = answer.json["models"]
        return next(model for model in models if model["id"] == "sora/sora-2")

    mine, ours = sora(who.headers), sora(BEARER)
    assert (mine["price_usd_per_second"], mine["price_usd_per_clip"]) == ({"720p": 0.025}, {"720p": 0.104})
    assert (mine["from_image_usd_per_second"], mine["from_image_usd_per_clip"]) == ({}, {"720p": 0.3})
    assert (ours["price_usd_per_second"], ours["price_usd_per_clip"]) == ({"720p": 0.1}, {})


def test_what_a_provider_says_of_money_is_told_to_the_operator_only(shop: WebHarness) -> None:
    """Its own words about a request, and what the catalogue notes of its prices; also to agents."""
    who = customer(shop, "ada")
    give(shop, who, 30)
    run_id = ask(shop, who, "/api/generate-video", CLIP).json["run_id"]
    said = "insufficient_quota: needs $0.40, the balance is $0.12"
    shop.put(shop.scene(run_id), shop.generation(run_id, status=GenerationStatus.FAILED, error=said))
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    arguments = {"get_run": {"run_id": run_id}, "list_models": {}}
    told = [ask(shop, who, "/mcp", {**call, "params": {"name": n, "arguments": a}}) for n, a in arguments.items()]
    told += [ask(shop, who, path) for path in (f"/api/runs/{run_id}", f"/api/runs/{run_id}/scenes", "/api/models")]
    assert {answer.status_code for answer in told} == {200}
    for answer in told:
        assert not re.search(r"\$|insufficient_quota", answer.get_data(as_text=True))
    assert said in shop.get(f"/api/runs/{run_id}").get_data(as_text=True)
    assert "$17.50 per million" in shop.get("/api/models").get_data(as_text=True)


def test_too_little_is_402_with_all_that_a_program_needs(shop: WebHarness) -> None:
    who = customer(shop, "ada")
    give(shop, who, 20)
    assert ask(shop, who, "/api/estimate", CLIP).json["enough"] is False
    same = {"headers": {**who.headers, "Idempotency-Key": "one"}, "json": CLIP}
    assert shop.client.post("/api/generate-video", **same).status_code == 402
    refused = ask(shop, who, "/api/generate-video", CLIP)
    assert (refused.status_code, refused.mimetype) == (402, "application/problem+json")
    detail = "This needs 21 credits; 20 are available. Nothing was bought. Top up, then start or retry it."
    assert refused.json == {
        "type": "https://films.example.com/docs/problems#insufficient-credits",
        "title": "Payment Required",
        "status": 402,
        "detail": detail,
        "instance": "/api/generate-video",
        "errors": [{"field": "credits", "message": detail}],
        "code": "insufficient_credits",
        "required_credits": 21,
        "available_credits": 20,
        "missing_credits": 1,
        "price_usd": 0.21,
        "top_up_url": f"{LINK}?client_reference_id=acc_ada",
    }
    assert shop.runs() == []
    low = ask(shop, who, "/api/generate-video", {**CLIP, "max_cost_usd": 0.2})
    assert (low.status_code, low.json["code"], "required_credits" in low.json) == (402, "over_budget", False)
    assert "$0.21" in low.json["detail"]
    assert "0.4" not in low.get_data(as_text=True)
    shop.change("accounts", who.account_id, run_cap_micro=300_000)
    give(shop, who, 5, "INV-2")
    # What was refused for want of credits is not refused for ever under its Idempotency-Key.
    shop.change("accounts", who.account_id, run_cap_micro=None)
    assert shop.client.post("/api/generate-video", **same).status_code == 202
    shop.change("accounts", who.account_id, run_cap_micro=300_000)
    capped = ask(shop, who, "/api/generate-video", CLIP)
    assert (capped.status_code, capped.json["code"], "$" in capped.json["detail"]) == (402, "over_budget", False)


def test_a_limit_below_the_balance_answers_the_order_with_402(shop: WebHarness) -> None:
    """Of the key or of the account, for a day: an order that could not go on is not begun. A clip costs $0.40."""
    who = customer(shop, "ada")
    give(shop, who, 100)
    shop.change("accounts", who.account_id, run_cap_micro=800_000)
    for table, row in (("keys", who.key_id), ("accounts", who.account_id)):
        shop.change(table, row, day_cap_micro=500_000)
        assert ask(shop, who, "/api/batches", {"items": [CLIP, CLIP], "dry_run": True}).json["ok"] is False
        for path, body in (("/api/batches", {"items": [CLIP, CLIP]}), ("/api/generate-video", {**CLIP, "seconds": 8})):
            estimated = ask(shop, who, "/api/estimate", body) if path == "/api/generate-video" else None
            assert estimated is None or [one["field"] for one in estimated.json["problems"]] == ["max_cost_usd"]
            refused = ask(shop, who, path, body)
            assert (refused.status_code, refused.json["code"], "$" in refused.json["detail"]) == (
                402,
                "over_budget",
                False,
            )
        assert (shop.runs(), ask(shop, who, "/api/credits").json["reserved_credits"]) == ([], 0.0)
        shop.change(table, row, day_cap_micro=None)
    shop.change("keys", who.key_id, day_cap_micro=400_000)
    assert ask(shop, who, "/api/generate-video", CLIP).status_code == 202
    shop.change("keys", who.key_id, day_cap_micro=None)
    # Each of them is within the account's limit for one run, and together they are no run.
    assert ask(shop, who, "/api/batches", {"items": [CLIP] * 3}).status_code == 202


def test_without_credits_only_what_costs_nothing_can_be_ordered_as_the_page_says(shop: WebHarness) -> None:
    who = customer(shop, "ada")
    page = signed_in(shop, who).get("/account").text
    assert "There are no credits left, so only what costs nothing can be ordered." in page
    assert ask(shop, who, "/api/generate-video", CLIP).status_code == 402
    free = ask(shop, who, "/api/generate-video", {**CLIP, "model": "local/animatic"})
    assert (free.status_code, free.json["quote_usd"]) == (202, 0.0)


def test_no_refusal_tells_what_the_operator_pays(shop: WebHarness) -> None:
    """Also before the first top-up: a published list is enough to be sold to. A clip costs $0.40."""
    who = customer(shop, "ada")
    told(shop, "projects", "budget", "Spring", "0.10", "--account", who.account_id)
    shop.change("accounts", who.account_id, day_cap_micro=100_000)
    order = {**CLIP, "project": "Spring"}
    for path, body in (
        ("/api/estimate", order),
        ("/api/generate-video", order),
        ("/api/batches", {"items": [order]}),
        ("/api/generate-video", CLIP),
    ):
        answer = ask(shop, who, path, body)
        assert answer.status_code in {200, 402}
        assert not re.search(r"\$?0\.(4|1)0?\b", answer.get_data(as_text=True)), answer.get_data(as_text=True)
    form = {"kind": "scenes", "scene": CLIP["prompt"], "model": CLIP["model"], "clip_seconds": "4", "do": "quote"}
    page = signed_in(shop, who).post("/new/quote", data=form).get_data(as_text=True)
    assert "$0.21" in page
    assert "$0.40" not in page


def test_what_is_sold_by_the_clip_can_be_chosen_on_the_page_for_what_it_says(shop: WebHarness, tmp_path: Path) -> None:
    """As earlier systems sold: so much a video, however long it is."""
    (tmp_path / "prices.toml").write_text('[[rules]]\nmodel = "sora/*"\nper_clip_usd = 3.5\n')
    shop.start(shop.environ)
    who = customer(shop, "ada")
    give(shop, who, 400)
    page = signed_in(shop, who).get("/new").text
    assert 'value="sora/sora-2"' in page
    assert "$3.50 a clip (720p)" in page
    assert ask(shop, who, "/api/generate-video", CLIP).json["credits"] == 350


def test_a_batch_is_admitted_with_credits_for_all_of_it_or_not_at_all(shop: WebHarness) -> None:
    who = customer(shop, "ada")
    give(shop, who, 41)
    batch = {"items": [CLIP, CLIP]}
    rehearsed = ask(shop, who, "/api/batches", {**batch, "dry_run": True}).json
    assert [rehearsed[name] for name in ("quote_usd", "price_usd", "credits", "enough", "ok")] == [
        *(0.42, 0.42, 42, False, False),
    ]
    assert [one["field"] for one in rehearsed["problems"]] == ["credits"]
    ours = shop.post("/api/batches", {**batch, "dry_run": True}).json
    assert (ours["quote_usd"], ours["price_usd"], ours["enough"], ours["ok"]) == (0.8, None, None, True)
    refused = ask(shop, who, "/api/batches", batch)
    assert (refused.status_code, refused.json["required_credits"], shop.runs()) == (402, 42, [])
    give(shop, who, 1, "INV-2")
    assert ask(shop, who, "/api/batches", batch).status_code == 202
    assert (len(shop.runs()), ask(shop, who, "/api/credits").json["available_credits"]) == (2, 0)


def test_what_there_is_and_how_it_moved(shop: WebHarness) -> None:
    who = customer(shop, "ada")
    give(shop, who, 50)
    told(shop, "credits", "grant", who.account_id, "50", "--source", "INV-1")
    started = ask(shop, who, "/api/generate-video", CLIP)
    assert started.status_code == 202
    mine = ask(shop, who, "/api/credits").json
    assert (mine["pays_in_credits"], mine["available_credits"], mine["reserved_credits"]) == (True, 29, 21.0)
    assert [(lot["kind"], lot["source"], lot["granted_credits"]) for lot in mine["lots"]] == [("paid", "INV-1", 50)]
    account = ask(shop, who, "/api/account").json
    assert (account["credits"], account["top_up_url"]) == (29, f"{LINK}?client_reference_id=acc_ada")
    entries: list[tuple[str, float]] = []
    cursor: Any = ""
    while cursor is not None:
        page = ask(shop, who, f"/api/credits/entries?limit=1{cursor and '&cursor=' + cursor}").json
        entries += [(entry["posting"], entry["credits"]) for entry in page["entries"]]
        cursor = page["next_cursor"]
    assert entries == [("reserve", 21.0), ("grant", 50.0)]
    assert told(shop, "credits", "show", who.account_id)["available_credits"] == 29
    run = shop.run(started.json["run_id"])
    with shop.store.write() as tx:
        credit_book.capture(tx, 1.0, run, 204_000)
        tx.runs.change(run.id, status=RunStatus.DONE)
        credit_book.settle(tx, 1.0, run.id)
        credit_book.capture(tx, 1.0, run, 5_000)
    newest = ask(shop, who, "/api/credits/entries?limit=4").json["entries"]
    moved = [(entry["posting"], entry["credits"]) for entry in newest]
    assert moved == [("capture", 0.5), ("round", -0.5), ("round", 0.6), ("capture", 20.4)], "rounded up once"
    assert told(shop, "ledger", "audit")["balanced"] is True
    shop.change("lots", mine["lots"][0]["lot_id"], available_micro=1)
    broken = shop.app.test_cli_runner().invoke(args=["ledger", "audit", "--json"])
    assert broken.exit_code == 1
    assert "credits: lot" in json.loads(broken.output)["problems"][0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[rules]]\nmodel = 'sora/*'\n", "rule 1 names no price"),
        ("[[rules]]\nper_clip_usd = 0\n", "rule 1 per_clip_usd: Input should be greater than 0"),
        ("[[rules]]\nper_clip_usd = 1\nmarkup = 1\n", "rule 1 gives both per_clip_usd and markup"),
        ("[[rules]]\nsells = 'writing'\nmodel = 'a'\nper_text_usd = 1\n", "rule 1 gives model, which is for clips"),
        ("[[rules]]\nper_clip = 1\n", "rule 1 per_clip: Extra inputs are not permitted"),
        ("markup = -1\n", "markup: Input should be greater than or equal to -0.9"),
        ("markup = \n", "is not valid TOML"),
    ],
)
def test_a_list_with_a_mistake_is_told_by_name_and_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as wrong:
        load_price_list(path, 10_000)
    assert [name for name, _ in wrong.value.problems] == ["PRICE_LIST"]
    assert sentence in str(wrong.value)


def test_what_is_sold_at_a_loss_is_said_and_what_costs_something_is_never_free(shop: WebHarness) -> None:
    core = shop.services
    assert "4 s of sora/sora-2 at 720p cost $0.4 and are sold for $0.204." in below_cost(core.prices, core.catalogue)
    assert core.prices.writing(1) == 1


class Stripe:
    """Signs as Stripe does."""

    def __init__(self, shop: WebHarness) -> None:
        self.shop, self.count = shop, 0

    def send(self, kind: str, data: dict[str, Any], *, at: float = 0.0, event: str = "", secret: str = SECRET) -> int:
        self.count += 1
        body = {"id": event or f"evt_{self.count}", "type": kind, "data": {"object": data}}
        return self.raw(json.dumps(body).encode(), at=at, secret=secret)

    def raw(self, body: bytes, *, at: float = 0.0, secret: str = SECRET, header: str | None = None) -> int:
        stamp = int(self.shop.clock.now() + at)
        mac = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        signed = {"Stripe-Signature": header if header is not None else f"t={stamp},v1={'0' * 64},v1={mac}"}
        return self.shop.client.post("/api/webhook/stripe", data=body, headers=signed).status_code

    def bought(self, **changes: Any) -> int:
        session = {
            "id": "cs_1",
            "client_reference_id": "acc_ada",
            "payment_intent": "pi_1",
            "payment_status": "paid",
            "amount_subtotal": 500,
            "currency": "usd",
        }
        kind = changes.pop("kind", "checkout.session.completed")
        return self.send(kind, session | changes)


def available(shop: WebHarness) -> int:
    with shop.store.read() as tx:
        return credit_lots.funds(tx, "acc_ada", shop.clock.now()).available_micro // 10_000


def test_a_payment_is_one_lot_however_often_and_in_whatever_order_it_is_told(shop: WebHarness) -> None:
    customer(shop, "ada")
    stripe = Stripe(shop)
    assert stripe.bought(payment_status="unpaid") == 200
    assert available(shop) == 0
    assert stripe.bought(kind="checkout.session.async_payment_succeeded") == 200
    assert stripe.bought() == 200
    assert stripe.send("customer.created", {"id": "cus_1"}) == 200
    assert available(shop) == 500
    with shop.store.read() as tx:
        (lot,) = tx.lots.find()
    assert (lot.source, lot.kind.value) == ("stripe:cs_1", "paid")
    assert (lot.expires_at or 0.0) > shop.clock.now() + 364 * 86_400


def test_what_is_forged_stale_early_or_unreadable_changes_nothing(shop: WebHarness) -> None:
    customer(shop, "ada")
    stripe, good = Stripe(shop), b'{"id":"evt_0","type":"charge.refunded","data":{"object":{"amount_refunded":1}}}'
    assert [stripe.raw(good, at=at) for at in (-301, 302)] == [401, 401]
    assert stripe.raw(good, secret="whsec_other") == 401
    headers = ("", "t=1", "v1=00", "t=x,v1=00", "t=1,t=2,v1=00", f"t={int(shop.clock.now())},v1=é")
    assert [stripe.raw(good, header=header) for header in headers] == [401] * len(headers)
    bad = (b"\xff\xfe", b"[]", b"{", b'{"id":1}', b'{"id":"e","type":"t","data":{}}', b"")
    assert {stripe.raw(body) for body in bad} == {400}
    assert stripe.bought(amount_subtotal=None) == 400
    assert stripe.bought(amount_subtotal=-1) == 400
    with shop.store.read() as tx:
        assert (tx.lots.count(), tx.inbox.count(), tx.credits.count()) == (0, 0, 0)


@pytest.mark.logs_errors
def test_money_that_belongs_to_nobody_we_know_is_told_to_the_operator(shop: WebHarness) -> None:
    customer(shop, "ada")
    stripe = Stripe(shop)
    strange: tuple[dict[str, Any], ...] = (
        {"id": "cs_2", "currency": "eur"},
        {"id": "cs_3", "client_reference_id": None},
        {"id": "cs_4", "client_reference_id": "acc_nobody"},
    )
    assert [stripe.bought(**one) for one in strange] == [200, 200, 200]
    assert available(shop) == 0

    def reminders() -> list[str]:
        with shop.store.read() as tx:
            return top_ups.unmatched(tx, 0.0)

    assert reminders() == [
        "Stripe session cs_2 paid 5.00 EUR for account acc_ada: no credits were given.",
        "Stripe session cs_3 paid 5.00 USD for no account: no credits were given.",
        "Stripe session cs_4 paid 5.00 USD for account acc_nobody: no credits were given.",
    ]
    told(shop, "credits", "grant", "acc_ada", "500", "--source", "stripe:cs_3")
    assert [line.split()[2] for line in reminders()] == ["cs_2", "cs_4"]


@pytest.mark.logs_errors
def test_money_that_goes_back_takes_the_credits_along_or_suspends(shop: WebHarness) -> None:
    who = customer(shop, "ada")
    stripe = Stripe(shop)
    # Told before the purchase itself: it is not forgotten.
    assert stripe.send("charge.refunded", {"payment_intent": "pi_1", "amount_refunded": 100}) == 200
    assert stripe.bought() == 200
    assert available(shop) == 400
    assert ask(shop, who, "/api/generate-video", CLIP).status_code == 202
    for _ in range(2):
        assert stripe.send("charge.refunded", {"payment_intent": "pi_1", "amount_refunded": 200}) == 200
    assert available(shop) == 279
    assert ask(shop, who, "/api/account").json["status"] == AccountStatus.ACTIVE
    assert stripe.send("charge.dispute.created", {"payment_intent": "pi_1", "amount": 500}) == 200
    assert (available(shop), ask(shop, who, "/api/account").json["status"]) == (0, AccountStatus.SUSPENDED)
    assert told(shop, "ledger", "audit")["balanced"] is True


@pytest.mark.parametrize("charged", [540, 250], ids=["with tax", "less a discount"])
@pytest.mark.parametrize("early", [True, False])
def test_all_the_money_back_is_all_the_credits_and_no_fault_of_the_account(
    shop: WebHarness, charged: int, *, early: bool
) -> None:
    """A lot is what the credits were worth before tax and discount; Stripe gives back what was charged."""
    who, stripe = customer(shop, "ada"), Stripe(shop)

    def given_back(cents: int) -> None:
        told = {"payment_intent": "pi_1", "amount": charged, "amount_refunded": cents}
        assert stripe.send("charge.refunded", told) == 200

    if not early:
        assert stripe.bought() == 200
    given_back(charged // 2)
    given_back(charged)
    if early:
        assert stripe.bought() == 200
    assert (available(shop), ask(shop, who, "/api/account").json["status"]) == (0, AccountStatus.ACTIVE)


def test_credits_that_ended_unused_are_not_missed_when_their_money_goes_back(shop: WebHarness) -> None:
    who, stripe = customer(shop, "ada"), Stripe(shop)
    assert stripe.bought() == 200
    with shop.store.write() as tx:
        (lot,) = tx.lots.find()
        credit_lots.expire(tx, lot.expires_at or 0.0, lot.id)
    assert stripe.send("charge.dispute.created", {"payment_intent": "pi_1", "amount": 500}) == 200
    assert (available(shop), ask(shop, who, "/api/account").json["status"]) == (0, AccountStatus.ACTIVE)


def test_without_the_secret_there_is_no_such_address(harness: WebHarness) -> None:
    assert Stripe(harness).bought() == 404

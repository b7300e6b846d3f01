"""Action links at the web door: they ask first, act once, and what is not exactly one of them does nothing."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import AccountStatus, CustomerAccount, Event, Run
from pipelines.domain.state.action_link import Act, ActionLink
from pipelines.net import redact
from pipelines.security import links
from pipelines.security.secret_keys import SecretKeys
from pipelines.stages.base_rows import action_links, run_row
from pipelines.stages.decisions import control
from pipelines.stages.orders import plan_run
from pipelines.stages.spending import ledger
from tests.web.web_fixtures import BASE, BEARER, OUTSIDE, RECORD, WebHarness

PRICE = 400_000
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OURS = {"Origin": "https://films.example.com", "Sec-Fetch-Site": "same-origin", "Host": "films.example.com"}


def waiting(harness: WebHarness, run_id: str = "run_asked", record_id: str = RECORD, **fields: Any) -> Run:
    """A run of a row that waits for approval, its price set aside."""
    now = harness.clock.now()
    order = Order(scenes=(SceneOrder(prompt="A fox"),), scene_count=1, title="Foxes <b>")
    plan = plan_run.plan_order(harness.services, order)
    run = Run(
        id=run_id, status=RunStatus.NEEDS_APPROVAL, source="record", base_id=BASE, record_id=record_id, order=order,
        plan=plan, quote_micro=PRICE, approval="asked", created_at=now, updated_at=now, **fields,
    )  # fmt: skip
    settings = replace(harness.scene(run_id).settings, price_micro=PRICE)
    harness.put(run, replace(harness.scene(run_id), settings=settings))
    harness.put(Event(at=now, entity="run", entity_id=run_id, run_id=run_id, name="status", new="needs_approval"))
    with harness.store.write() as tx:
        ledger.hold(tx, now, run, PRICE, harness.services.policy)
        run_row.show(harness.services, tx, run, urgent=True)
    return run


def offered(harness: WebHarness, run_id: str = "run_asked") -> dict[Act, str]:
    """The addresses of the links that the row gets."""
    with harness.store.read() as tx:
        run = tx.runs.get(run_id)
        assert run
        offers = action_links.offers(tx, run)
    signed = {act: harness.services.links.action(offer.link) for act, offer in offers.items()}
    return {act: link.removeprefix("https://films.example.com") for act, link in signed.items()}


def press(harness: WebHarness, link: str, **headers: str) -> Any:
    """Open the page and press its button, as a browser does."""
    client = harness.client
    page = client.get(link, headers={**PAGE, **OURS}, base_url="https://films.example.com")
    token = page.get_data(as_text=True).partition('name="csrf_token" value="')[2].partition('"')[0]
    sent = {**PAGE, **OURS, **headers}
    return client.post(link, data={"csrf_token": token}, headers=sent, base_url="https://films.example.com")


def status(harness: WebHarness) -> tuple[str, str | None]:
    run = harness.run("run_asked")
    return run.status.value, run.approval


def test_looking_changes_nothing_and_pressing_acts_once(harness: WebHarness) -> None:
    waiting(harness)
    link = offered(harness)[Act.APPROVE]
    for method in ("GET", "HEAD", "GET"):
        page = harness.client.open(link, method=method, headers=PAGE)
        assert page.status_code == 200
        assert status(harness) == ("needs_approval", "asked")
    shown = page.get_data(as_text=True)
    assert "<button>Approve — up to $0.40</button>" in shown
    assert "Foxes &lt;b&gt;" in shown
    done = press(harness, link)
    assert (done.status_code, status(harness)) == (200, ("needs_approval", "given"))
    assert harness.run("run_asked").ceiling_micro == PRICE
    again = press(harness, link)
    assert again.status_code in {400, 409}
    looked = harness.client.get(link, headers=PAGE).get_data(as_text=True)
    assert "the run was approved by a link of this row" in looked
    assert "<form" not in looked
    with harness.store.read() as tx:
        assert tx.events.count(run_id="run_asked", name="approved") == 1


def test_a_button_needs_our_own_page_and_its_session(harness: WebHarness) -> None:
    waiting(harness)
    link = offered(harness)[Act.APPROVE]
    assert harness.client.post(link, headers=PAGE).status_code == 400
    assert press(harness, link, Origin="https://evil.example.com").status_code == 403
    assert press(harness, link, Origin="null").status_code == 403
    assert press(harness, link, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert status(harness) == ("needs_approval", "asked")


def forged(harness: WebHarness) -> dict[str, tuple[str, int]]:
    """Addresses that are not links of this run, and how each is answered."""
    harness.app.config["WTF_CSRF_ENABLED"] = False
    secret, now = SecretKeys(OUTSIDE["SECRET_KEY"]), harness.clock.now()
    with harness.store.read() as tx:
        run = tx.runs.get("run_asked")
        assert run
        version = action_links.version_of(tx, run)
    right = ActionLink(act=Act.APPROVE, run_id="run_asked", version=version, ceiling_micro=PRICE)
    token, other = links.sign_action(secret, right, now + 60), SecretKeys("another secret")
    body, _, signature = token.partition(".")
    stranger = links.sign_action(secret, replace(right, run_id="run_of_nobody"), now + 60)
    return {
        "nothing": ("", 403),
        "garbage": ("?t=garbage", 403),
        "another key": (f"?t={links.sign_action(other, right, now + 60)}", 403),
        "a changed body": (f"?t={body[:-2]}AA.{signature}", 403),
        "a page's link": (f"?t={links.sign_page(secret, 'run', 'run_asked')}", 403),
        "past its week": (f"?t={links.sign_action(secret, right, now - 1)}", 410),
        "an unknown run": (f"?t={stranger}", 404),
        "another moment": (f"?t={links.sign_action(secret, replace(right, version=version + 1), now + 60)}", 409),
        "an act not offered": (f"?t={links.sign_action(secret, replace(right, act=Act.RETRY), now + 60)}", 409),
        "a lower ceiling": (f"?t={links.sign_action(secret, replace(right, ceiling_micro=1), now + 60)}", 200),
    }


def test_what_is_no_link_of_this_moment_does_nothing(harness: WebHarness) -> None:
    waiting(harness)
    for name, (query, expected) in forged(harness).items():
        answer = harness.client.post(f"/decide{query}", headers=PAGE)
        assert answer.status_code == expected, name
        if expected != 200:
            assert status(harness) == ("needs_approval", "asked"), name
    assert harness.run("run_asked").ceiling_micro == 1, "what was agreed to is what the link says, not what is asked"


def test_an_action_link_opens_no_page_and_no_other_run(harness: WebHarness) -> None:
    waiting(harness)
    waiting(harness, "run_other", "recOtherRow000000")
    link = offered(harness)[Act.CANCEL]
    query = link.removeprefix("/decide")
    for path in ("/runs/run_asked", f"/r/{RECORD}", "/runs/run_other", "/"):
        assert harness.client.get(f"{path}{query}", headers=PAGE).status_code in {401, 403}, path
    assert press(harness, link).status_code == 200
    assert (harness.run("run_asked").status, harness.run("run_other").status) == ("cancelled", "needs_approval")


def test_a_link_after_the_run_was_stopped_says_so(harness: WebHarness) -> None:
    waiting(harness)
    link = offered(harness)[Act.APPROVE]
    control.cancel(harness.services, "run_asked", "somebody")
    assert "it is now “Cancelled”" in harness.client.get(link, headers=PAGE).get_data(as_text=True)
    harness.app.config["WTF_CSRF_ENABLED"] = False
    assert harness.client.post(link, headers=PAGE).status_code == 409
    with harness.store.read() as tx:
        assert tx.spent_links.count() == 0


def test_a_suspended_account_approves_nothing_and_may_cancel(harness: WebHarness) -> None:
    with harness.store.write() as tx:
        tx.accounts.add(CustomerAccount(id="acc_ada", name="ada"))
    waiting(harness, account_id="acc_ada")
    found = offered(harness)
    harness.change("accounts", "acc_ada", status=AccountStatus.SUSPENDED)
    assert press(harness, found[Act.APPROVE]).status_code == 403
    assert press(harness, found[Act.CANCEL]).status_code == 200
    assert harness.run("run_asked").status is RunStatus.CANCELLED


def test_a_link_stands_in_no_page_answer_header_or_log(harness: WebHarness, caplog: pytest.LogCaptureFixture) -> None:
    waiting(harness)
    caplog.set_level(logging.DEBUG)
    link = offered(harness)[Act.APPROVE]
    token = link.partition("t=")[2]
    answers = [
        harness.client.get(link, headers=PAGE),
        harness.client.post(link),
        harness.client.post("/decide?t=garbage"),
        press(harness, link),
        harness.client.get(link),
        harness.client.post(link, headers={"Accept": "application/json"}),
        *(harness.client.get(path, headers=BEARER) for path in ("/api/runs/run_asked", "/api/runs", "/api/usage")),
    ]
    for answer in answers:
        assert token not in answer.get_data(as_text=True) + str(answer.headers), answer.request.path
    first = answers[0]
    # Not to our own style sheet either; and unlike no-referrer it lets the browser name the form's origin.
    assert first.headers["Referrer-Policy"] == "strict-origin"
    assert first.headers["Cache-Control"] == "no-store"
    assert "form-action 'self'" in first.headers["Content-Security-Policy"]
    with harness.store.read() as tx:
        assert token not in str([tx.outbox.find(), tx.events.find(), tx.replays.find(), tx.spent_links.find()])
    for record in caplog.records:
        assert token not in redact(record.getMessage())
    assert token not in redact(f'"GET {link} HTTP/1.1" 200')

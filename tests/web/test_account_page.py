"""What a customer sees of its credits, keys and webhooks, and may do about a message."""

from __future__ import annotations

from tests.web.test_pages import form
from tests.web.two_accounts import MARK, belongings, customer, signed_in
from tests.web.web_fixtures import WebHarness


def test_a_customer_sees_its_credits_keys_and_messages_and_sends_one_again(harness: WebHarness) -> None:
    who = customer(harness, MARK)
    ids = belongings(harness, who)
    client = signed_in(harness, who)
    page = client.get("/account")
    assert page.status_code == 200
    for words in (f"{MARK}-invoice", f"https://{MARK}.example/…", "endpoint.test", "Failed", "Send a test"):
        assert words in page.text, words
    assert who.key not in page.text
    sent = form(page)
    for _ in range(2):
        answer = client.post(f"/account/notices/{ids['notice_id']}/resend", data=sent)
        assert answer.status_code == 303, answer.text
    assert client.post(f"/account/endpoints/{ids['endpoint_id']}/test", data=sent).status_code == 303
    with harness.store.read() as tx:
        assert tx.notices.count(endpoint_id=ids["endpoint_id"]) == 2
        again = tx.notices.get(ids["notice_id"])
    assert again is not None
    assert again.status == "waiting"


def test_a_key_that_only_looks_sees_neither_keys_nor_webhooks(harness: WebHarness) -> None:
    who = customer(harness, MARK, "read")
    belongings(harness, who)
    page = signed_in(harness, who).get("/account").text
    assert f"{MARK}-invoice" in page
    assert f"https://{MARK}.example/…" not in page
    harness.app.config["WTF_CSRF_ENABLED"] = False
    assert harness.client.get("/account").status_code == 401

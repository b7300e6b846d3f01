"""What a customer sees of its credits, keys and webhooks, and may do about a message."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from tests.web.test_pages import form
from tests.web.two_accounts import MARK, Customer, belongings, customer, signed_in
from tests.web.web_fixtures import BEARER, KEY, WebHarness

WISH = {"name": "Website", "scopes": ["trigger", "read"], "expires_in_days": "30"}


def test_a_customer_sees_its_credits_keys_and_messages_and_sends_one_again(harness: WebHarness) -> None:
    who = customer(harness, MARK)
    ids = belongings(harness, who)
    client = signed_in(harness, who)
    page = client.get("/account")
    assert page.status_code == 200
    for words in (
        f"{MARK}-invoice",
        f"https://{MARK}.example/…",
        "endpoint.test",
        "Failed",
        "Send a test",
        "Spent",
        "Sign out",
    ):
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


def asks(harness: WebHarness, key: str) -> int:
    """What a program with this key is answered."""
    return harness.client.get("/api/account", headers={"Authorization": f"Bearer {key}"}).status_code


def key_in(page: Any) -> str:
    (key,) = set(re.findall(r"rg_[0-9a-f]{12}_[\w-]{43}", page.text))
    return str(key)


def names(harness: WebHarness, who: Customer) -> list[str]:
    with harness.store.read() as tx:
        return [key.name for key in tx.keys.find(account_id=who.account_id, order="created_at")]


def test_a_key_is_shown_once_and_a_double_press_makes_one(harness: WebHarness) -> None:
    who = customer(harness, MARK)
    client = signed_in(harness, who)
    sent = {**form(client.get("/account")), **WISH}
    first, again = (client.post("/account/keys", data=sent) for _ in range(2))
    assert (first.status_code, key_in(again)) == (201, key_in(first))
    assert first.headers["Cache-Control"] == "no-store"
    key = key_in(first)
    assert asks(harness, key) == 200
    assert names(harness, who) == [MARK, "Website"]
    page = client.get("/account").text
    assert key not in page
    text = " ".join(unescape(re.sub(r"<[^>]*>", "", page)).split())
    assert "Website rg_" in text
    rights = "May order films and decide about them, see films and what they cost"
    assert re.search(rights + r"\. Made \S+ \w+[^.]*, last used [^.]*, ends ", text)
    with harness.store.read() as tx:
        assert all(key not in kept.body.text for kept in tx.replays.find())
    # Another press is another key, also with the same words.
    assert key_in(client.post("/account/keys", data={**sent, **form(client.get("/account"))})) != key


def test_a_key_of_the_page_has_no_right_that_its_maker_lacks(harness: WebHarness) -> None:
    who = customer(harness, MARK, "manage", "read")
    client = signed_in(harness, who)
    page = client.get("/account").text
    assert re.findall(r'name="scopes" value="(\w+)"', page) == ["read", "manage"]
    for scopes in (["trigger"], ["admin"]):
        assert client.post("/account/keys", data={**WISH, "scopes": scopes}).status_code == 403
    nothing: dict[str, Any] = {"scopes": []}
    for wrong in (
        nothing,
        {"name": " "},
        {"expires_in_days": "0"},
        {"expires_in_days": "soon"},
        {"day_cap_usd": "nan"},
    ):
        refused = client.post("/account/keys", data={**WISH, **wrong})
        assert refused.status_code == 422, wrong
        assert 'id="wrong"' in refused.text
        assert ('value="Website"' in refused.text) == ("name" not in wrong)
    assert names(harness, who) == [MARK]
    with harness.store.write() as tx:
        tx.keys.change(who.key_id, day_cap_micro=1_000_000)
    assert "Make the key" not in client.get("/account").text
    assert client.post("/account/keys", data={**WISH, "scopes": ["read"]}).status_code == 403


def test_whoever_signed_in_with_a_key_that_was_replaced_makes_none_that_outlives_it(harness: WebHarness) -> None:
    who = customer(harness, MARK)
    client = signed_in(harness, who)
    rotated = harness.client.post(f"/api/keys/{who.key_id}/rotate", json={"hours": 2}, headers=who.headers)
    assert rotated.status_code == 200
    key = key_in(client.post("/account/keys", data=WISH))
    assert asks(harness, key) == 200
    harness.clock.shift += 2 * 3600.0 + 1
    assert asks(harness, key) == 401


def test_a_key_is_revoked_after_a_second_thought(harness: WebHarness) -> None:
    """The form that does it is unfolded first; whoever revokes the key of the session is signed out."""
    who = customer(harness, MARK)
    client = signed_in(harness, who)
    key = key_in(client.post("/account/keys", data=WISH))
    page = client.get("/account").text
    forms = re.findall(r"<details[^>]*>\s*<summary>Revoke.*?</details>", page, re.DOTALL)
    assert [re.findall(r'action="([^"]+)"', one) for one in forms] == [
        [f"/account/keys/{key_id}/revoke"] for key_id in (key[3:15], who.key_id)
    ]
    for _ in range(2):
        assert client.post(f"/account/keys/{key[3:15]}/revoke", data={"once": "1"}).status_code == 303
    assert (asks(harness, key), asks(harness, who.key)) == (401, 200)
    assert "The key Website is revoked." in client.get("/account").text
    assert client.post(f"/account/keys/{who.key_id}/revoke", data={"once": "1"}).headers["Location"] == "/sign-in"
    assert asks(harness, who.key) == 401
    assert client.get("/account").status_code == 401


def test_keys_are_a_matter_of_the_session_of_their_own_account(harness: WebHarness) -> None:
    """Neither another account's, nor the operator's, nor a program's, nor another site's."""
    who, other = customer(harness, MARK), customer(harness, "second")
    operator = harness.client
    harness.app.config["WTF_CSRF_ENABLED"] = False
    operator.post("/sign-in", data={"key": KEY})
    for browser in (signed_in(harness, other), operator):
        assert who.key_id not in browser.get("/account").text
        theirs, nobodys = (browser.post(f"/account/keys/{one}/revoke") for one in (who.key_id, "0" * 12))
        assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert names(harness, who) == [MARK]
    looks = customer(harness, "third", "read")
    paths = ("/account/keys", f"/account/keys/{who.key_id}/revoke")
    for path in paths:
        assert signed_in(harness, looks).post(path, data=WISH).status_code == 403
        for headers in (BEARER, who.headers, {}):
            assert harness.client.post(path, data=WISH, headers=headers).status_code == 401
        mine = signed_in(harness, who)
        assert mine.post(path, data=WISH, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        harness.app.config["WTF_CSRF_ENABLED"] = True
        assert mine.post(path, data=WISH).status_code == 400
    assert asks(harness, who.key) == 200
    assert names(harness, who) == [MARK]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "مفتاح"])
def test_the_name_of_a_key_is_text(harness: WebHarness, name: str) -> None:
    client = signed_in(harness, customer(harness, MARK))
    made = client.post("/account/keys", data={**WISH, "name": name})
    for page in (made, client.get("/account")):
        assert "<script>alert" not in page.text
        assert name in unescape(page.text)

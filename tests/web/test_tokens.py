"""Tokens of an identity provider: believed only when everything about them is right, and never waited for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import AccountStatus, Run
from pipelines.stages.commerce import accounts, issuer_keys
from tests.web.two_accounts import customer
from tests.web.web_fixtures import OUTSIDE, WebHarness
from webapp.api.following import watch

CLIP = {"prompt": "A fox at dawn.", "model": "local/animatic"}
ALL_SCOPES = "openid reelgrid:trigger reelgrid:read reelgrid:manage reelgrid:admin"
AUDIENCE = "films"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WebHarness]:
    """With the sandbox's identity provider, whose keys nobody has fetched yet."""
    made = WebHarness(tmp_path, airtable=True)
    assert made.sandbox
    made.environ = {**OUTSIDE, "JWT_ISSUER": issuer(made), "JWT_AUDIENCE": AUDIENCE}
    with made:
        yield made


def issuer(harness: WebHarness) -> str:
    assert harness.sandbox
    return f"{harness.sandbox.url}/idp"


def token(harness: WebHarness, sub: str = "ada", **asked: Any) -> str:
    body = {"sub": sub, "audience": AUDIENCE, "scope": ALL_SCOPES, **asked}
    return str(httpx.post(f"{issuer(harness)}/token", json=body, timeout=60.0).json()["access_token"])


def get(harness: WebHarness, text: str, path: str = "/api/account", **headers: str) -> Any:
    return harness.client.get(path, headers={"Authorization": f"Bearer {text}", **headers})


def fetched(harness: WebHarness) -> bool:
    """What the pump does every few seconds."""
    return issuer_keys.refresh(harness.services)


def linked(harness: WebHarness, name: str = "ada") -> str:
    account = accounts.create(harness.services, name)
    accounts.link(harness.services, account.id, issuer(harness), name)
    return account.id


def test_a_token_acts_for_its_account_with_the_rights_that_it_names(harness: WebHarness) -> None:
    text = token(harness)
    early = get(harness, text)
    assert (early.status_code, early.headers["Retry-After"]) == (503, "5")
    assert fetched(harness)
    assert get(harness, text).status_code == 403
    account_id = linked(harness)
    told = get(harness, text).get_json()
    assert (told["account_id"], told["key_id"]) == (account_id, None)
    assert told["scopes"] == ["trigger", "read", "manage"], "never the operator's"
    assert get(harness, token(harness, scope="reelgrid:read")).get_json()["scopes"] == ["read"]
    assert get(harness, token(harness, scope="read trigger")).status_code == 403
    listed: dict[str, Any] = {"scope": "", "claims": {"permissions": ["reelgrid:read", 7]}}
    assert get(harness, token(harness, **listed)).get_json()["scopes"] == ["read"]
    started = harness.client.post("/api/generate-video", json=CLIP, headers={"Authorization": f"Bearer {text}"})
    assert started.status_code == 202
    assert harness.run(started.get_json()["run_id"]).account_id == account_id


def test_an_accounts_status_counts_for_its_tokens_as_for_its_keys(harness: WebHarness) -> None:
    fetched(harness)
    account_id, text = linked(harness), token(harness)
    accounts.set_status(harness.services, account_id, AccountStatus.SUSPENDED)
    assert get(harness, text).status_code == 200
    header = {"Authorization": f"Bearer {text}"}
    assert harness.client.post("/api/generate-video", json=CLIP, headers=header).status_code == 403
    accounts.set_status(harness.services, account_id, AccountStatus.CLOSED)
    assert get(harness, text).status_code == 401


def changed(text: str, header: Mapping[str, Any], signed_with: bytes = b"") -> str:
    """The claims of a token under another header, unsigned or signed as a shared secret would."""
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    body = text.split(".")[1]
    mac = hmac.digest(signed_with, f"{head}.{body}".encode(), hashlib.sha256) if signed_with else b""
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def wrong(harness: WebHarness) -> dict[str, str]:
    """Tokens of which one thing is wrong."""
    now, right = int(time.time()), token(harness)
    kid = jwt.get_unverified_header(right)["kid"]
    published = json.dumps(httpx.get(f"{issuer(harness)}/jwks.json", timeout=60.0).json()["keys"][0]).encode()
    head, body, signature = right.split(".")

    def claims(**these: Any) -> str:
        return token(harness, claims=these)

    return {
        "garbage": "a.b.c",
        "not ASCII": "ä.ö.ü",
        "unsigned": changed(right, {"alg": "none", "typ": "JWT", "kid": kid}),
        "signed with the public key": changed(right, {"alg": "HS256", "typ": "JWT", "kid": kid}, published),
        "another body": f"{head}.{body[:-4]}AAAA.{signature}",
        "no signature": f"{head}.{body}.",
        "an unknown critical header": token(harness, header={"crit": ["b64"], "b64": False}),
        "another kind": token(harness, header={"typ": "secevent+jwt"}),
        "no kind": token(harness, header={"typ": None}),
        "an unknown key": token(harness, header={"kid": "key-of-nobody"}),
        "another issuer": claims(iss="https://elsewhere.example.com"),
        "for somebody else": claims(aud="other"),
        "for nobody": claims(aud=None),
        "ended": claims(iat=now - 900, exp=now - 60),
        "not begun": claims(iat=now + 120, exp=now + 600),
        "not before later": claims(nbf=now + 120),
        "an end in words": claims(exp=str(now + 600)),
        "a fraction": claims(exp=now + 600.5),
        "an endless one": claims(exp=10**30),
        "longer than a day": claims(exp=now + 25 * 3600),
        "true for a time": claims(iat=True),
        "no subject": claims(sub=None),
        "a number as subject": claims(sub=7),
        "an empty subject": claims(sub=""),
        "too long": claims(padding="x" * 9000),
    }


def test_what_is_not_wholly_right_is_refused_like_a_wrong_key(harness: WebHarness) -> None:
    fetched(harness)
    linked(harness)
    for name, text in wrong(harness).items():
        answer = harness.client.get("/api/account", headers=[("Authorization", f"Bearer {text}")])
        assert answer.status_code == 401, f"{name}: {answer.get_data(as_text=True)}"
    assert get(harness, token(harness, claims={"aud": ["other", AUDIENCE]})).status_code == 200
    assert get(harness, token(harness, header={"typ": "at+JWT"})).status_code == 200


def test_a_storm_of_unknown_keys_asks_the_issuer_once_a_minute_and_a_rotation_is_found(harness: WebHarness) -> None:
    assert fetched(harness)
    linked(harness)
    old = token(harness)
    httpx.post(f"{issuer(harness)}/rotate", timeout=60.0)
    new = token(harness)
    for _ in range(30):
        assert get(harness, new).status_code == 401
    assert not fetched(harness), "a minute has not passed"
    harness.clock.shift += 61
    assert fetched(harness)
    assert not fetched(harness)
    assert get(harness, new).status_code == get(harness, old).status_code == 200
    for _ in range(3):
        assert get(harness, token(harness, header={"kid": "key-of-nobody"})).status_code == 401
        assert not fetched(harness)


def end_token(harness: WebHarness, how: str) -> None:
    """Either its time is over, or its issuer publishes the key that signed it no longer."""
    if how == "expired":
        harness.clock.shift += 24 * 3600.0
        return
    for _ in range(2):
        httpx.post(f"{issuer(harness)}/rotate", timeout=60.0)
    issuer_keys.request_refresh(harness.services, issuer(harness))
    harness.clock.shift += 61
    assert fetched(harness)


@pytest.mark.parametrize("how", ["expired", "withdrawn"])
@pytest.mark.parametrize("asked", ["/events", "?poll=true", "?wait=60"])
def test_who_is_told_something_for_long_is_told_nothing_after_the_end_of_the_token(
    harness: WebHarness, asked: str, how: str
) -> None:
    """As with a key that is revoked: the stream is closed, and an answer that has begun ends with the problem."""
    fetched(harness)
    run = Run(id="run_f", status=RunStatus.GENERATING, source="rest", order=Order(), account_id=linked(harness))
    harness.put(run)
    with harness.app.app_context():
        watching = watch.watch()

    def meanwhile() -> None:
        while not watching.awake:
            threading.Event().wait(0.01)
        end_token(harness, how)
        harness.change("runs", run.id, status=RunStatus.DONE, version=run.version + 1)

    thread = threading.Thread(target=meanwhile, daemon=True)
    thread.start()
    held = get(harness, token(harness), f"/api/runs/{run.id}{asked}")
    told = held.get_data(as_text=True)
    thread.join()
    assert held.status_code == (401 if "wait" in asked else 200)
    assert '"done"' not in told
    assert told.startswith("retry:") if asked == "/events" else json.loads(told)["status"] == 401


def test_while_the_issuer_is_away_its_known_keys_count(harness: WebHarness) -> None:
    httpx.post(f"{issuer(harness)}/down", json={"on": True}, timeout=60.0)
    assert fetched(harness)
    assert get(harness, "a.b.c").status_code == 503
    httpx.post(f"{issuer(harness)}/down", json={"on": False}, timeout=60.0)
    assert not fetched(harness), "not more than once a minute"
    harness.clock.shift += 61
    assert fetched(harness)
    linked(harness)
    httpx.post(f"{issuer(harness)}/down", json={"on": True}, timeout=60.0)
    harness.clock.shift += 3600
    assert fetched(harness)
    harness.clock.shift -= 3600
    assert get(harness, token(harness)).status_code == 200


def test_a_token_and_a_key_must_be_of_one_account(harness: WebHarness) -> None:
    fetched(harness)
    linked(harness)
    bob, text = customer(harness, "bob", "read"), token(harness)
    assert get(harness, text, **{"X-API-Key": bob.key}).status_code == 401
    assert get(harness, "a.b.c", **{"X-API-Key": bob.key}).status_code == 401
    assert harness.client.get("/api/account", headers={"X-API-Key": text}).status_code == 401
    accounts.link(harness.services, bob.account_id, issuer(harness), "bob")
    both = get(harness, token(harness, "bob"), **{"X-API-Key": bob.key})
    assert (both.status_code, both.get_json()["scopes"]) == (200, ["read"])


def test_a_key_that_a_token_makes_lives_no_longer_and_is_told_to_no_other(harness: WebHarness) -> None:
    fetched(harness)
    linked(harness)
    strong, weak = token(harness), token(harness, scope="reelgrid:manage")
    named = {"Idempotency-Key": "one", "Authorization": f"Bearer {strong}"}
    made = harness.client.post("/api/keys", json={"name": "k", "scopes": ["trigger"]}, headers=named)
    assert made.status_code == 201
    other = {**named, "Authorization": f"Bearer {weak}"}
    assert harness.client.post("/api/keys", json={"name": "k", "scopes": ["trigger"]}, headers=other).status_code == 403
    harness.clock.shift += 700
    assert get(harness, made.get_json()["key"]).status_code == 401


def test_where_everybody_may_have_an_account_the_first_token_makes_it(tmp_path: Path) -> None:
    made = WebHarness(tmp_path, airtable=True)
    made.environ = {**OUTSIDE, "JWT_ISSUER": issuer(made), "JWT_AUDIENCE": AUDIENCE, "JWT_SIGNUP": "yes"}
    with made as harness:
        fetched(harness)
        ids = {get(harness, token(harness, sub)).get_json()["account_id"] for sub in ("ada", "ada", "bob")}
        assert len(ids) == 2


def test_without_an_issuer_a_token_is_a_wrong_key(tmp_path: Path) -> None:
    with WebHarness(tmp_path, airtable=True) as harness:
        assert not fetched(harness)
        assert get(harness, token(harness)).status_code == 401


def test_an_issuer_is_named_as_its_tokens_do_and_cannot_be_overheard(tmp_path: Path) -> None:
    from pipelines.settings import SettingsError, load_settings

    chosen = load_settings({**OUTSIDE, "JWT_ISSUER": "https://login.example.com/"}, tmp_path)
    assert chosen.jwt_issuer == "https://login.example.com/"
    with pytest.raises(SettingsError, match="JWT_ISSUER"):
        load_settings({**OUTSIDE, "JWT_ISSUER": "http://login.example.com"}, tmp_path)


def test_a_client_finds_by_a_401_whose_tokens_count(harness: WebHarness) -> None:
    """RFC 9728, for the API and for agents; without an issuer there is nothing to find."""
    where = "https://films.example.com/.well-known/oauth-protected-resource"
    for refused in (harness.client.get("/api/runs"), harness.client.post("/mcp", json={})):
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == f'Bearer realm="reelgrid", resource_metadata="{where}"'
    answer: Any = harness.client.get("/.well-known/oauth-protected-resource")
    assert answer.json["resource"] == "https://films.example.com"
    assert answer.json["authorization_servers"] == [issuer(harness)]
    assert answer.json["scopes_supported"] == ["reelgrid:manage", "reelgrid:read", "reelgrid:trigger"]


def test_without_an_issuer_there_is_no_resource_to_describe(tmp_path: Path) -> None:
    with WebHarness(tmp_path) as harness:
        assert harness.client.get("/.well-known/oauth-protected-resource").status_code == 404
        assert harness.client.get("/api/runs").headers["WWW-Authenticate"] == 'Bearer realm="reelgrid"'

"""Who may do what, and in which order things are refused."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.domain.records import ApiKey
from pipelines.security import api_keys
from tests.web.web_fixtures import BEARER, KEY, RECORD, WebHarness
from webapp.access.login_throttle import ADDRESSES, AT_ONCE, LoginThrottle
from webapp.api import OPERATIONS


def add_key(harness: WebHarness, *scopes: str) -> tuple[str, dict[str, str]]:
    """A key of the table; its id and the header that shows it."""
    key = api_keys.new_api_key()
    with harness.store.write() as tx:
        tx.keys.add(ApiKey(id=key.id, name="made", sha256=key.sha256, scopes=scopes))
    return key.id, {"Authorization": f"Bearer {key.key}"}


def concrete(path: str) -> str:
    """A path of the API with something in its places."""
    return (
        path.replace("{run_id}", "run_x")
        .replace("{n}", "1")
        .replace("{generation_id}", "gen_x")
        .replace("{sweep_id}", "swp_x")
        .replace("{key_id}", "0123456789ab")
    )


@pytest.mark.parametrize("entry", OPERATIONS, ids=lambda entry: entry.name)
def test_no_operation_answers_without_a_key(harness: WebHarness, entry: Any) -> None:
    """401 before anything else, with the challenge that says how."""
    answer = harness.client.open(concrete(entry.path), method=entry.method)
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/api/nothing", "/api/runs/run_unknown", "/api/", "/metrics"])
def test_a_stranger_learns_nothing_of_what_exists(harness: WebHarness, path: str) -> None:
    """401 comes before 404."""
    assert harness.client.get(path).status_code == 401
    assert harness.get("/api/runs/run_unknown").status_code == 404


@pytest.mark.parametrize(
    "header",
    [
        "Bearer wrong",
        "Bearer ",
        "Bearer",
        "",
        f"Basic {KEY}",
        f"Bearer {KEY}x",
        "Bearer rg_000000000000_" + "A" * 43,
        "Bearer " + "x" * 5000,
        "Bearer ümlaut",
    ],
)
def test_a_wrong_key_is_refused_whatever_it_looks_like(harness: WebHarness, header: str) -> None:
    """Never a 500."""
    assert harness.client.get("/api/runs", headers={"Authorization": header}).status_code == 401


def test_a_key_of_the_table_works_until_it_is_revoked(harness: WebHarness) -> None:
    """And its last use is remembered."""
    key_id, header = add_key(harness, "trigger", "read")
    assert harness.client.get("/api/runs", headers=header).status_code == 200
    with harness.store.read() as tx:
        row = tx.keys.get(key_id)
    assert row
    assert row.last_used_at is not None
    harness.change("keys", key_id, revoked_at=1.0)
    assert harness.client.get("/api/runs", headers=header).status_code == 401


def guess(harness: WebHarness, key: str, address: str = "192.0.2.7") -> Any:
    header = {"Authorization": f"Bearer {key}"}
    return harness.client.get("/api/runs", headers=header, environ_base={"REMOTE_ADDR": address})


def test_whoever_shows_too_many_wrong_keys_has_to_wait(harness: WebHarness) -> None:
    """Others do not, and after the time that the answer names it is looked at again."""
    harness.clock.stop()
    answers = [guess(harness, f"wrong-{number}").status_code for number in range(AT_ONCE + 1)]
    assert answers == [401] * AT_ONCE + [429]
    assert guess(harness, "wrong", "192.0.2.8").status_code == 401
    refused = guess(harness, KEY)
    assert refused.status_code == 429
    assert refused.mimetype == "application/problem+json"
    harness.clock.shift += int(refused.headers["Retry-After"])
    assert guess(harness, KEY).status_code == 200


def test_a_key_that_was_right_is_not_locked_out_by_its_neighbours_guesses(harness: WebHarness) -> None:
    """Airtable sends everybody's automations from the same addresses."""
    harness.clock.stop()
    assert guess(harness, KEY).status_code == 200
    for number in range(AT_ONCE + 1):
        last = guess(harness, f"wrong-{number}")
    assert last.status_code == 429
    assert guess(harness, KEY).status_code == 200


def test_one_network_of_ipv6_is_one_guesser_and_a_revoked_key_is_wrong(harness: WebHarness) -> None:
    """Whoever has a network has more addresses than we have memory."""
    harness.clock.stop()
    key_id, header = add_key(harness, "read")
    key = header["Authorization"].removeprefix("Bearer ")
    assert guess(harness, key, "2001:db8::1").status_code == 200
    harness.change("keys", key_id, revoked_at=1.0)
    for number in range(AT_ONCE):
        assert guess(harness, key, f"2001:db8::{number:x}").status_code == 401
    assert guess(harness, "wrong", "2001:db8::ffff").status_code == 429
    assert guess(harness, "wrong", "2001:db8:0:1::1").status_code == 401


def test_of_many_guessing_addresses_the_oldest_are_forgotten() -> None:
    """The memory for it is bounded."""
    guesses = LoginThrottle()
    for number in range(ADDRESSES + 1):
        for _ in range(AT_ONCE if number == 0 else 1):
            guesses.was_wrong(f"a{number}", 0.0)
    assert guesses.wait("wrong", "a0", 0.0) == 0.0


def test_the_form_for_a_key_has_the_same_patience(home: WebHarness) -> None:
    """A person reads when to try again."""
    home.clock.stop()
    home.app.config["WTF_CSRF_ENABLED"] = False
    for number in range(AT_ONCE):
        assert home.client.post("/sign-in", data={"key": f"wrong-{number}"}).status_code == 401
    page = home.client.post("/sign-in", data={"key": "wrong"}, headers={"Accept": "text/html"})
    assert page.status_code == 429
    assert "try again in" in page.get_data(as_text=True)


@pytest.mark.parametrize(
    ("scopes", "reads", "triggers", "stops"),
    [(("read",), 200, 403, 403), (("trigger",), 200, 202, 403), (("admin",), 200, 202, 200)],
)
def test_a_scope_is_needed_for_what_it_names(
    harness: WebHarness, scopes: tuple[str, ...], reads: int, triggers: int, stops: int
) -> None:
    """Reading, triggering and operating are different rights."""
    _, header = add_key(harness, *scopes)
    assert harness.client.get("/api/runs", headers=header).status_code == reads
    body = {"record_id": RECORD}
    assert harness.client.post("/api/process-record", json=body, headers=header).status_code == triggers
    assert harness.client.post("/api/stop", json={"on": True}, headers=header).status_code == stops


def test_on_loopback_without_keys_everything_is_open(home: WebHarness) -> None:
    """A fresh clone works at once."""
    assert home.client.get("/api/runs").status_code == 200
    assert home.client.post("/api/process-record", json={"record_id": RECORD}).status_code == 202
    assert home.client.get("/").status_code == 200


def test_the_first_key_closes_the_door_on_loopback_too(home: WebHarness) -> None:
    """Whoever made a key wants it to be asked for."""
    add_key(home, "read")
    assert home.client.get("/api/runs").status_code == 401


@pytest.mark.parametrize(
    "stranger",
    [
        {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}},
        {"headers": {"Host": "evil.example"}},
        {"environ_base": {"REMOTE_ADDR": "::ffff:192.0.2.7"}},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}, "environ_base": {"REMOTE_ADDR": "192.0.2.7"}},
    ],
)
def test_open_means_open_to_this_machine_only(home: WebHarness, stranger: dict[str, Any]) -> None:
    """Another host, or a web page whose own name points to 127.0.0.1, is not this machine."""
    assert home.client.get("/api/runs", **stranger).status_code == 401


@pytest.mark.parametrize(
    "header", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
def test_a_web_page_of_somebody_else_cannot_use_the_open_door(home: WebHarness, header: dict[str, str]) -> None:
    """A simple POST needs no permission from us, so we look at who sends it."""
    answer = home.client.post(f"/api/process-record?record_id={RECORD}", headers=header)
    assert answer.status_code == 403
    assert home.runs() == []


def test_every_answer_tells_the_browser_to_be_careful(harness: WebHarness) -> None:
    """Nothing is cached, framed or guessed."""
    for path in ("/", "/api/runs", "/health", "/docs"):
        headers = harness.client.get(path, headers=BEARER).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Strict-Transport-Security"]

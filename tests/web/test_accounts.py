"""Accounts and their keys: what they may, how keys are changed without a pause, and how an account ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipelines.domain.errors import NotAllowed, Suspended
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import Account, Posting
from pipelines.domain.records import AccountStatus, ApiKey, Base, Event, LedgerEntry, Run
from pipelines.domain.times import utc_day
from pipelines.security import api_keys
from pipelines.stages.base_rows import run_row
from pipelines.stages.commerce import accounts
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.spending import caps
from tests.web.two_accounts import OTHER_BASE, THEIR_BASE, Customer, customer, signed_in
from tests.web.web_fixtures import BASE, BEARER, KEY, OUTSIDE, RECORD, SORA, WebHarness

CLIP = {"prompt": "A fox at dawn.", "model": "local/animatic"}
HOUR = 3600.0


def get(harness: WebHarness, key: str, path: str = "/api/account") -> Any:
    return harness.client.get(path, headers={"Authorization": f"Bearer {key}"})


def post(harness: WebHarness, who: Customer, path: str, body: Any = None, **headers: str) -> Any:
    return harness.client.post(path, json=body or {}, headers={**who.headers, **headers})


def test_an_account_learns_who_it_is(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    harness.change("accounts", who.account_id, day_cap_micro=2_500_000)
    told = get(harness, who.key).get_json()
    assert (told["account_id"], told["name"], told["status"], told["key_id"]) == (
        "acc_ada",
        "ada",
        "active",
        who.key_id,
    )
    assert told["scopes"] == ["trigger", "read", "manage"]
    limits = {"run_cap_usd": None, "day_cap_usd": 2.5, "key_day_cap_usd": None}
    assert told["limits"] == limits | {"runs_in_flight": 5, "backlog": 500}
    operator = get(harness, KEY).get_json()
    assert (operator["account_id"], operator["name"]) == (None, "operator")
    assert "admin" in operator["scopes"]


def test_a_key_may_also_be_sent_as_x_api_key(harness: WebHarness) -> None:
    who, other = customer(harness, "ada"), customer(harness, "bob")
    assert harness.client.get("/api/account", headers={"X-API-Key": who.key}).get_json()["account_id"] == "acc_ada"
    assert harness.client.get("/api/account", headers={"X-API-Key": "wrong"}).status_code == 401
    assert harness.client.get("/api/account", headers={**other.headers, "X-API-Key": who.key}).status_code == 401
    assert harness.client.get("/api/account", headers={**BEARER, "X-API-Key": who.key}).status_code == 401
    assert harness.client.get("/api/account", headers={**who.headers, "X-API-Key": "wrong"}).status_code == 401


def test_of_two_keys_the_narrower_rights_count(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    made = api_keys.new_api_key()
    with harness.store.write() as tx:
        tx.keys.add(ApiKey(id=made.id, name="r", sha256=made.sha256, scopes=("read",), account_id=who.account_id))
    both = {**who.headers, "X-API-Key": made.key}
    assert harness.client.get("/api/account", headers=both).get_json()["scopes"] == ["read"]
    assert harness.client.post("/api/generate-video", json=CLIP, headers=both).status_code == 403
    assert post(harness, who, "/api/generate-video", CLIP).status_code == 202


def test_a_key_is_made_within_the_rights_of_the_one_that_asks(harness: WebHarness) -> None:
    who = customer(harness, "ada", "read", "manage")
    made = post(harness, who, "/api/keys", {"name": "reads", "scopes": ["read"], "expires_in_days": 2})
    assert made.status_code == 201
    key = made.get_json()
    assert (key["account_id"], key["scopes"]) == ("acc_ada", ["read"])
    assert get(harness, key["key"]).get_json()["account_id"] == "acc_ada"
    for scope in ("trigger", "admin"):
        refused = post(harness, who, "/api/keys", {"name": "more", "scopes": [scope]})
        assert refused.status_code == 403
        assert refused.get_json()["errors"][0]["field"] == "scopes"
    harness.clock.shift += 2 * 24 * HOUR + 1
    assert get(harness, key["key"]).status_code == 401
    assert get(harness, who.key).status_code == 200


def test_admin_is_never_a_right_of_an_accounts_key(harness: WebHarness) -> None:
    """Whatever stands in its row."""
    who = customer(harness, "ada", "admin", "trigger")
    assert get(harness, who.key).get_json()["scopes"] == ["trigger", "read"]
    assert post(harness, who, "/api/stop", {"on": True}).status_code == 403
    made = harness.app.test_cli_runner().invoke(
        args=["keys", "create", "x", "--account", "acc_ada", "--scope", "admin"]
    )
    assert made.exit_code == 1


def test_a_key_that_ends_or_is_limited_hands_out_no_more_than_it_has(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    until = harness.clock.now() + HOUR
    harness.change("keys", who.key_id, expires_at=until)
    made = post(harness, who, "/api/keys", {"name": "longer", "expires_in_days": 30}).get_json()
    with harness.store.read() as tx:
        row = tx.keys.get(made["key_id"])
    assert row
    assert row.expires_at == until
    harness.change("keys", who.key_id, day_cap_micro=1_000_000)
    assert post(harness, who, "/api/keys", {"name": "unlimited"}).status_code == 403


def test_a_rotated_key_works_beside_the_new_one_and_then_ends(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    new = post(harness, who, f"/api/keys/{who.key_id}/rotate", {"hours": 2}).get_json()
    assert new["key_id"] == who.key_id
    assert get(harness, who.key).status_code == get(harness, new["key"]).status_code == 200
    both = {"Authorization": f"Bearer {new['key']}"}
    assert harness.client.post(f"/api/keys/{who.key_id}/rotate", json={}, headers=both).status_code == 409
    harness.clock.shift += 2 * HOUR + 1
    assert get(harness, who.key).status_code == 401
    assert get(harness, new["key"]).get_json()["key_id"] == who.key_id
    third = harness.client.post(
        f"/api/keys/{who.key_id}/rotate", json={"hours": 0}, headers={"Authorization": f"Bearer {new['key']}"}
    ).get_json()
    assert get(harness, new["key"]).status_code == 401
    assert get(harness, third["key"]).status_code == 200


def spent(harness: WebHarness, amount: int, **whose: Any) -> None:
    day = utc_day(harness.clock.now())
    row: dict[str, Any] = {"posting_id": "p", "posting": Posting.CAPTURE, "account": Account.SPENT, "run_id": "run_x"}
    with harness.store.write() as tx:
        tx.runs.add(Run(id="run_x", status=RunStatus.DONE, source="rest"))
        tx.post([LedgerEntry(at=1.0, day=day, amount=amount, **row, **whose)])


def refusal(harness: WebHarness, who: Customer, amount: int) -> str:
    """Why this much may not be set aside for a run of the account."""
    run = Run(id="run_y", status=RunStatus.QUEUED, source="rest", account_id=who.account_id, key_id=who.key_id)
    with harness.store.write() as tx:
        return caps.refusal(tx, harness.clock.now(), run, amount, harness.services.policy) or ""


def test_rotating_does_not_forget_what_the_key_has_spent(harness: WebHarness) -> None:
    """The limit is of the key, whatever its secret is now."""
    who = customer(harness, "ada")
    harness.change("keys", who.key_id, day_cap_micro=1_000_000)
    spent(harness, 900_000, key_id=who.key_id, account_id=who.account_id)
    assert not refusal(harness, who, 100_000)
    post(harness, who, f"/api/keys/{who.key_id}/rotate")
    assert "the key ada leaves $0.10" in refusal(harness, who, 100_001)


def test_a_key_is_not_rotated_by_one_that_may_less(harness: WebHarness) -> None:
    """It would be handed the rights that it lacks."""
    who = customer(harness, "ada")
    weak = post(harness, who, "/api/keys", {"name": "weak", "scopes": ["manage"]}).get_json()
    header = {"Authorization": f"Bearer {weak['key']}"}
    assert harness.client.post(f"/api/keys/{who.key_id}/rotate", json={}, headers=header).status_code == 403
    assert harness.client.post(f"/api/keys/{weak['key_id']}/rotate", json={}, headers=header).status_code == 200


def test_a_key_that_ends_or_is_limited_rotates_none_that_has_more(harness: WebHarness) -> None:
    """It would be handed a key that outlives it, or one whose spending its own limit does not count."""
    who = customer(harness, "ada")
    weak = post(harness, who, "/api/keys", {"name": "weak", "scopes": ["trigger", "read", "manage"]}).get_json()
    header, theirs = {"Authorization": f"Bearer {weak['key']}"}, f"/api/keys/{who.key_id}/rotate"
    for limit in ({"expires_at": harness.clock.now() + HOUR}, {"expires_at": None, "day_cap_micro": 1_000_000}):
        harness.change("keys", weak["key_id"], **limit)
        assert harness.client.post(theirs, json={}, headers=header).status_code == 403
    assert harness.client.post(f"/api/keys/{weak['key_id']}/rotate", json={}, headers=header).status_code == 200
    assert get(harness, who.key).status_code == 200


def test_a_key_that_was_rotated_away_leaves_nothing_that_outlives_it(harness: WebHarness) -> None:
    """It was rotated because somebody else may have it."""
    who = customer(harness, "ada")
    other = post(harness, who, "/api/keys", {"name": "other"}).get_json()["key_id"]
    new = post(harness, who, f"/api/keys/{who.key_id}/rotate", {"hours": 2}).get_json()["key"]
    for key_id in (who.key_id, other):
        assert post(harness, who, f"/api/keys/{key_id}/rotate", {"hours": 0}).status_code == 403
    made = post(harness, who, "/api/keys", {"name": "mine for ever", "expires_in_days": 30}).get_json()["key"]
    assert get(harness, made).status_code == 200
    harness.clock.shift += 2 * HOUR + 1
    assert get(harness, made).status_code == 401
    assert get(harness, new).status_code == 200


def test_a_new_key_is_told_again_only_to_the_key_that_asked_for_it(harness: WebHarness) -> None:
    who, named = customer(harness, "ada"), {"Idempotency-Key": "one"}
    weak = post(harness, who, "/api/keys", {"name": "weak", "scopes": ["manage"]}).get_json()["key"]
    assert post(harness, who, "/api/keys", {"name": "k"}, **named).status_code == 201
    header = {"Authorization": f"Bearer {weak}", **named}
    assert harness.client.post("/api/keys", json={"name": "k"}, headers=header).status_code == 403


def test_a_revoked_key_is_gone_with_the_one_before_it(harness: WebHarness) -> None:
    who, boss = customer(harness, "ada"), None
    new = post(harness, who, f"/api/keys/{who.key_id}/rotate").get_json()["key"]
    boss = post(harness, who, "/api/keys", {"name": "boss", "scopes": ["manage"]}).get_json()["key"]
    revoked = harness.client.post(
        f"/api/keys/{who.key_id}/revoke", json={}, headers={"Authorization": f"Bearer {boss}"}
    )
    assert revoked.get_json()["revoked_at"]
    assert get(harness, who.key).status_code == get(harness, new).status_code == 401
    again = harness.client.post(f"/api/keys/{who.key_id}/revoke", json={}, headers={"Authorization": f"Bearer {boss}"})
    assert again.status_code == 404


def test_a_session_outlives_a_rotation_as_long_as_its_key_does(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    browser = signed_in(harness, who)
    post(harness, who, f"/api/keys/{who.key_id}/rotate", {"hours": 1})
    assert browser.get("/").status_code == 200
    harness.clock.shift += HOUR + 1
    assert browser.get("/").status_code == 401


def test_the_answer_with_a_new_key_can_be_asked_for_again_and_is_stored_sealed(harness: WebHarness) -> None:
    """The database alone does not tell it."""
    who = customer(harness, "ada")
    first, again = (post(harness, who, "/api/keys", {"name": "k"}, **{"Idempotency-Key": "one"}) for _ in range(2))
    assert again.headers["Idempotent-Replayed"] == "true"
    key = first.get_json()["key"]
    assert again.get_json()["key"] == key
    with harness.store.read() as tx:
        (kept,) = tx.replays.find()
        assert tx.keys.count(account_id=who.account_id) == 2
    assert key not in kept.body.text


def test_an_idempotency_key_is_the_accounts_not_the_keys(harness: WebHarness) -> None:
    """After a rotation or with another key the answer is found; another account's request of that name is another."""
    who, other = customer(harness, "ada"), customer(harness, "bob")
    second = post(harness, who, "/api/keys", {"name": "second"}).get_json()["key"]
    named = {"Idempotency-Key": "monday"}
    first = post(harness, who, "/api/generate-video", CLIP, **named).get_json()
    same = harness.client.post(
        "/api/generate-video", json=CLIP, headers={"Authorization": f"Bearer {second}", **named}
    ).get_json()
    theirs = post(harness, other, "/api/generate-video", CLIP, **named).get_json()
    assert same["run_id"] == first["run_id"] != theirs["run_id"]


def test_which_key_of_the_operators_started_a_row_is_not_told_to_its_owner(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    for run_id, key_id in (("run_x", "operators"), ("run_z", None), ("run_own", who.key_id)):
        spent(harness, 100_000, key_id=key_id, account_id=who.account_id)
        with harness.store.write() as tx:
            tx.runs.add(Run(id=run_id, status=RunStatus.DONE, source="rest"))
        harness.change("runs", run_id, key_id=key_id, account_id=who.account_id)
    shown = [get(harness, who.key, f"/api/runs/{run}").get_json()["key"] for run in ("run_x", "run_z", "run_own")]
    assert shown == [None, None, who.key_id]
    rows = get(harness, who.key, "/api/usage?by=key").get_json()["rows"]
    assert [(row["key"], row["spent_usd"]) for row in rows] == [(None, 0.2), (who.key_id, 0.1)]
    assert {row["key"] for row in get(harness, KEY, "/api/usage?by=key").get_json()["rows"]} == {
        "operators",
        None,
        who.key_id,
    }


def test_who_of_the_operators_acted_is_not_told_to_a_customer(harness: WebHarness) -> None:
    """Neither the name of a key nor of a machine; who of one's own acted is."""
    who, now = customer(harness, "ada"), harness.clock.now()
    run = Run(id="run_x", status=RunStatus.CANCELLED, source="rest", account_id=who.account_id, created_at=now)
    same: dict[str, Any] = {"at": now, "entity": "run", "entity_id": run.id, "run_id": run.id, "name": "status"}
    actors = ("ann@example", "worker-7-1234", "airtable", "ada")
    harness.put(run, *(Event(new="cancelled", actor=actor, **same) for actor in actors))
    events = get(harness, who.key, "/api/runs/run_x").get_json()["events"]
    assert [event["actor"] for event in events] == ["the operator", "the operator", "airtable", "ada"]
    assert events[0]["sentence"] == "Cancelled by the operator."
    link = urlsplit(harness.services.links.page(run_id=run.id))
    page = signed_in(harness, who).get("/runs/run_x").get_data(as_text=True)
    for shown in (page, harness.client.get(f"{link.path}?{link.query}").get_data(as_text=True)):
        assert "ann@example" not in shown
        assert "Cancelled by the operator." in shown
    assert [event["actor"] for event in get(harness, KEY, "/api/runs/run_x").get_json()["events"]] == list(actors)


def test_a_suspended_account_reads_and_starts_nothing(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    run_id = post(harness, who, "/api/generate-video", CLIP).get_json()["run_id"]
    accounts.set_status(harness.services, who.account_id, AccountStatus.SUSPENDED)
    assert get(harness, who.key, f"/api/runs/{run_id}").status_code == 200
    refused = post(harness, who, "/api/generate-video", CLIP)
    assert refused.status_code == 403
    assert "suspended" in refused.get_json()["detail"]
    harness.change("runs", run_id, status=RunStatus.FAILED)
    assert post(harness, who, f"/api/runs/{run_id}/retry").status_code == 403
    accounts.set_status(harness.services, who.account_id, AccountStatus.ACTIVE)
    assert post(harness, who, f"/api/runs/{run_id}/retry").status_code == 200


def test_a_row_of_a_suspended_accounts_base_starts_nothing_either(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    with harness.store.write() as tx:
        tx.bases.add(Base(id=THEIR_BASE, account_id=who.account_id))
    request = StartRequest(source="record", base_id=THEIR_BASE, record_id=RECORD)
    accounts.set_status(harness.services, who.account_id, AccountStatus.SUSPENDED)
    with pytest.raises(Suspended):
        accept.start(harness.services, request)
    assert harness.runs() == []


def test_a_closed_account_is_over(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    browser = signed_in(harness, who)
    accounts.set_status(harness.services, who.account_id, AccountStatus.CLOSED)
    assert get(harness, who.key).status_code == 401
    assert browser.get("/").status_code == 401
    with pytest.raises(NotAllowed):
        accounts.set_status(harness.services, who.account_id, AccountStatus.ACTIVE)


@pytest.mark.parametrize("base_id", [None, BASE, OTHER_BASE])
def test_an_accounts_key_reaches_only_bases_of_its_own(harness: WebHarness, base_id: str | None) -> None:
    """Never the default one, whether it is named or not; one that nobody has is refused in the same words."""
    who = customer(harness, "ada")
    body = {"record_id": RECORD, **({"base_id": base_id} if base_id else {})}
    for path in ("/api/process-record", "/api/process-master-prompt", "/api/estimate"):
        refused = post(harness, who, path, body)
        assert refused.status_code == (403 if base_id else 422), path
        assert refused.get_json()["errors"][0]["field"] == "base_id"
    assert harness.runs() == []
    with harness.store.write() as tx:
        tx.bases.add(Base(id=THEIR_BASE, account_id=who.account_id))
    assert post(harness, who, "/api/process-record", {**body, "base_id": THEIR_BASE}).status_code == 202
    assert [run.account_id for run in harness.runs()] == [who.account_id]


def test_a_run_of_a_row_belongs_to_the_owner_of_its_base_whoever_starts_it(harness: WebHarness) -> None:
    """The operator's key, a tick in the base, the queue."""
    who = customer(harness, "ada")
    with harness.store.write() as tx:
        tx.bases.add(Base(id=THEIR_BASE, account_id=who.account_id))
    assert harness.post("/api/process-record", {"record_id": RECORD, "base_id": THEIR_BASE}).status_code == 202
    other = StartRequest(source="record", base_id=THEIR_BASE, record_id="recB1b2C3d4E5f6G7")
    accept.start(harness.services, other)
    assert {run.account_id for run in harness.runs()} == {who.account_id}
    assert harness.post("/api/process-record", {"record_id": RECORD}).status_code == 202
    assert [run.account_id for run in harness.runs() if run.base_id == BASE] == [None]


def test_a_base_changes_hands_with_its_runs_and_not_while_one_is_moving(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    with harness.store.write() as tx:
        tx.bases.add(Base(id=THEIR_BASE))
    accept.start(harness.services, StartRequest(source="record", base_id=THEIR_BASE, record_id=RECORD))
    with pytest.raises(NotAllowed):
        accounts.give_base(harness.services, THEIR_BASE, who.account_id)
    (run,) = harness.runs()
    harness.change("runs", run.id, status=RunStatus.FAILED)
    accounts.give_base(harness.services, THEIR_BASE, who.account_id)
    assert get(harness, who.key, f"/api/runs/{run.id}").status_code == 200
    again = post(harness, who, "/api/process-record", {"record_id": RECORD, "base_id": THEIR_BASE})
    assert again.status_code == 202
    assert sorted(run.number for run in harness.runs()) == [1, 2]


def opened(harness: WebHarness, *urls: str) -> list[int]:
    """What somebody without a key is answered who holds these links."""
    parts = [urlsplit(url) for url in urls]
    return [harness.client.get(f"{part.path}?{part.query}").status_code for part in parts]


def row_link(harness: WebHarness) -> str:
    with harness.store.read() as tx:
        return run_row.signed_page(harness.services, tx, THEIR_BASE, RECORD)


def test_signed_links_stay_behind_when_a_base_leaves_an_account(harness: WebHarness) -> None:
    """Of its rows and of the runs that it takes along; older ones stay good with the first account."""
    first, second = customer(harness, "ada"), customer(harness, "bob")
    services = harness.services
    with harness.store.write() as tx:
        tx.bases.add(Base(id=THEIR_BASE))
    harness.finished("run_x", base_id=THEIR_BASE, record_id=RECORD)
    old = [row_link(harness), services.links.page(run_id="run_x")]
    accounts.give_base(services, THEIR_BASE, first.account_id)
    assert opened(harness, *old) == [200, 200]
    harness.clock.shift += 60.0
    accounts.give_base(services, THEIR_BASE, second.account_id)
    assert opened(harness, *old) == [403, 403]
    harness.finished("run_z", base_id=THEIR_BASE, record_id=RECORD, number=2, account_id=second.account_id)
    new = [row_link(harness), services.links.page(run_id="run_z")]
    of_its_row = f"/runs/run_x?{urlsplit(new[0]).query}"
    assert opened(harness, *new, of_its_row) == [200, 200, 200]
    assert signed_in(harness, second).get("/runs/run_x").status_code == 200
    told = harness.app.test_cli_runner().invoke(args=["runs", "link", RECORD, "--base", THEIR_BASE, "--json"])
    assert json.loads(told.output)["url"] == new[0]


def test_a_base_that_is_connected_again_for_another_remembers_whose_it_was(harness: WebHarness) -> None:
    first, second = customer(harness, "ada"), customer(harness, "bob")
    with harness.store.write() as tx:
        tx.bases.add(Base(id=THEIR_BASE))
    harness.finished("run_x", base_id=THEIR_BASE, record_id=RECORD, account_id=first.account_id)
    old = [row_link(harness), harness.services.links.page(run_id="run_x")]
    assert opened(harness, old[1]) == [200]
    harness.clock.shift += 60.0
    accounts.give_base(harness.services, THEIR_BASE, second.account_id)
    assert opened(harness, *old, row_link(harness)) == [403, 403, 200]


def test_an_account_has_limits_of_its_own(harness: WebHarness) -> None:
    who, other = customer(harness, "ada"), customer(harness, "bob")
    for account in (who.account_id, other.account_id):
        harness.change("accounts", account, run_cap_micro=2_000_000, day_cap_micro=3_000_000)
    spent(harness, 2_500_000, account_id=who.account_id)
    assert "your account's limit for one run" in refusal(harness, who, 2_000_001)
    assert "your account's limit for one day leaves $0.50" in refusal(harness, who, 500_001)
    assert not refusal(harness, who, 500_000)
    assert not refusal(harness, other, 2_000_000)


def test_what_is_above_an_accounts_limit_for_one_run_is_refused_at_the_door(tmp_path: Path) -> None:
    """It is not answered 202 first; an estimate says it too, and others go on."""
    film = {"master_prompt": "A hill at dawn", "scene_count": 2, "clip_seconds": 4, "model": "sora/sora-2"}
    with WebHarness(tmp_path, OUTSIDE | SORA) as harness:
        who, other = customer(harness, "ada"), customer(harness, "bob")
        harness.change("accounts", who.account_id, run_cap_micro=500_000)
        answer = post(harness, who, "/api/process-master-prompt", film)
        assert answer.status_code == 402
        assert "your account's limit for one run of $0.50" in answer.get_json()["detail"]
        assert not harness.runs()
        (problem,) = post(harness, who, "/api/estimate", film).get_json()["problems"]
        assert "your account's limit for one run" in problem["message"]
        assert post(harness, other, "/api/process-master-prompt", film).status_code == 202


def test_of_the_budget_that_all_share_an_account_learns_no_figure(harness: WebHarness) -> None:
    """What others spend stands in it."""
    who = customer(harness, "ada")
    spent(harness, harness.services.policy.day_cap_micro)
    assert "tomorrow" in refusal(harness, who, 1)
    assert "$" not in refusal(harness, who, 1)


def test_accounts_from_the_command_line(harness: WebHarness) -> None:
    runner = harness.app.test_cli_runner()

    def told(*args: str) -> Any:
        result = runner.invoke(args=[*args, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    made = told("accounts", "create", "Ada", "--day-cap", "5")
    assert (made["name"], made["status"], made["day_cap_usd"]) == ("Ada", "active", 5.0)
    key = told("keys", "create", "laptop", "--account", made["account_id"])
    assert get(harness, key["key"]).get_json()["scopes"] == ["trigger", "read", "manage"]
    assert [row["id"] for row in told("keys", "list", "--account", made["account_id"])] == [key["id"]]
    rotated = told("keys", "rotate", key["id"], "--hours", "1")
    assert rotated["id"] == key["id"]
    assert told("accounts", "suspend", made["account_id"])["status"] == "suspended"
    assert told("accounts", "suspend", made["account_id"], "--lift")["status"] == "active"
    assert told("bases", "add", THEIR_BASE, "--account", made["account_id"])["base_id"] == THEIR_BASE
    assert [base["account_id"] for base in told("bases", "list") if base["base_id"] == THEIR_BASE] == [
        made["account_id"]
    ]
    assert told("accounts", "close", made["account_id"])["status"] == "closed"
    assert [account["status"] for account in told("accounts")] == ["closed"]
    assert runner.invoke(args=["keys", "create", "x", "--account", "acc_nobody"]).exit_code == 1


def test_a_key_with_a_daily_limit_spends_on_films_that_it_began_and_on_no_other(harness: WebHarness) -> None:
    """What another key's film spends would count for that key."""
    who = customer(harness, "ada")
    harness.change("keys", who.key_id, day_cap_micro=1_000_000)
    harness.finished(account_id=who.account_id, key_id="0123456789ab")

    def press(act: str, body: Any) -> tuple[int, bool]:
        answer = harness.client.post(f"/api/runs/run_finished/{act}", json=body, headers=who.headers)
        return answer.status_code, "daily limit" in answer.get_data(as_text=True)

    for act in ("approve", "retry", "scenes/1/regenerate"):
        assert [press(act, body) for body in ({}, {"dry_run": True})] == [(403, True)] * 2, act
    browser = signed_in(harness, who)
    assert [browser.post(f"/runs/run_finished/{act}").status_code for act in ("approve", "retry")] == [403, 403]
    assert press("cancel", {}) == (409, False)
    harness.change("runs", "run_finished", key_id=who.key_id)
    assert press("retry", {}) == (409, False)
    harness.change("runs", "run_finished", key_id="0123456789ab")
    harness.change("keys", who.key_id, day_cap_micro=None)
    assert press("retry", {}) == (409, False)

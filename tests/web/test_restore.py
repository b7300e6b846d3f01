"""A backup is brought back: what was taken back since does not work again, and what was signed before opens nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from pipelines.database.backup import back_up, restore
from pipelines.domain.orders.order import Order
from pipelines.domain.records import LotKind
from pipelines.stages.commerce import top_ups
from pipelines.stages.commerce.top_ups import Reversal
from pipelines.stages.notices import endpoints
from pipelines.stages.review import shares
from pipelines.stages.spending import credit_lots
from tests.web.test_customer_webhooks import add
from tests.web.test_pages import person
from tests.web.two_accounts import Customer, customer
from tests.web.web_fixtures import BASE, KEY, OUTSIDE, RECORD, WebHarness

CANARY = "a prompt that only its writer knows"


def flask(harness: WebHarness, *words: str) -> Result:
    return harness.app.test_cli_runner().invoke(args=list(words))


def state(harness: WebHarness, key: str) -> int:
    return harness.client.get("/api/account", headers={"Authorization": f"Bearer {key}"}).status_code


def key_of(harness: WebHarness) -> dict[str, Any]:
    return dict(json.loads(flask(harness, "keys", "create", "robot", "--json").output))


def loses_its_database(harness: WebHarness, backup: Path) -> None:
    """What the how-to says, by the hands of an operator."""
    url = f"sqlite:///{harness.folder / 'back.db'}"
    restore(backup, url, harness.clock.now())
    harness.start({**OUTSIDE, "DATABASE_URL": url})


def test_what_was_revoked_suspended_or_erased_after_the_backup_stays_so(harness: WebHarness) -> None:
    revoked, rotated, kept, who = key_of(harness), key_of(harness), key_of(harness), customer(harness, "ada")
    film = harness.finished("run_film")
    harness.finished("run_row", base_id=BASE, record_id=RECORD)
    harness.change("runs", "run_row", order=Order(master_prompt=CANARY))
    backup = harness.folder / "saved.db"
    back_up(f"sqlite:///{harness.folder / 'var' / 'reelgrid.db'}", backup)
    fresh = json.loads(flask(harness, "keys", "rotate", rotated["id"], "--hours", "0", "--json").output)["key"]
    for words in (
        ("keys", "revoke", revoked["id"]),
        ("runs", "revoke", "run_film"),
        ("accounts", "suspend", who.account_id),
        ("records", "erase", RECORD, "--base", BASE),
    ):
        assert flask(harness, *words).exit_code == 0, words
    loses_its_database(harness, backup)
    assert [state(harness, key) for key in (revoked["key"], rotated["key"])] == [401, 401]
    assert [state(harness, key) for key in (fresh, kept["key"])] == [200, 200], "the new one of the rotation works"
    assert harness.client.get(f"/v/{film.token}").status_code == 410
    assert _starts(harness, who) == 403
    assert CANARY.encode() in backup.read_bytes()
    assert CANARY not in flask(harness, "runs", "show", "run_row", "--json").output
    found = json.loads(flask(harness, "recover", "--json").output)
    assert (found["revocations"]["waiting"], found["revocations"]["again"]) == ([], 6), "her base, of just before, too"


def test_a_share_and_a_webhook_that_were_taken_back_after_the_backup_stay_so(harness: WebHarness) -> None:
    harness.finished("run_film")
    ended, good = (shares.create(harness.services, "run_film", "ann") for _ in range(2))
    deleted, kept = (add(harness, f"https://{name}.example/hook")["endpoint_id"] for name in ("gone", "here"))
    backup = harness.folder / "saved.db"
    back_up(f"sqlite:///{harness.folder / 'var' / 'reelgrid.db'}", backup)
    shares.revoke(harness.services, ended.id, "ann")
    endpoints.delete(harness.services, deleted)
    loses_its_database(harness, backup)
    assert [harness.client.get(f"/s/{share.token}").status_code for share in (ended, good)] == [410, 200]
    with harness.services.store.read() as tx:
        assert [one.id for one in tx.endpoints.find()] == [kept]


@pytest.mark.logs_errors
def test_webhooks_switched_off_and_accounts_whose_money_went_back_after_the_backup_stay_so(harness: WebHarness) -> None:
    off, on = (add(harness, f"https://{name}.example/hook")["endpoint_id"] for name in ("off", "on"))
    who = customer(harness, "ada")
    with harness.store.write() as tx:
        lot = credit_lots.grant(
            tx, 1.0, who.account_id, 10_000, kind=LotKind.PAID, source="s", expires_at=None, payment="pi_1"
        )
        tx.lots.change(lot.id, available_micro=0, used_micro=10_000)
    backup = harness.folder / "saved.db"
    back_up(f"sqlite:///{harness.folder / 'var' / 'reelgrid.db'}", backup)
    for hook, enabled in ((off, False), (on, False), (on, True)):
        endpoints.change(harness.services, hook, enabled=enabled)
    top_ups.receive(harness.services, "evt_1", Reversal(payment="pi_1", cents=1), None)
    loses_its_database(harness, backup)
    with harness.services.store.read() as tx:
        assert {one.id: one.off is None for one in tx.endpoints.find()} == {off: False, on: True}
    assert _starts(harness, who) == 403


def _starts(harness: WebHarness, who: Customer) -> int:
    order = {"prompt": "A fox at dawn.", "model": "local/animatic"}
    return harness.client.post("/api/generate-video", json=order, headers=who.headers).status_code


def test_links_and_sessions_of_before_open_nothing_and_new_ones_do(harness: WebHarness) -> None:
    harness.finished("run_a")
    page = harness.services.links.page(run_id="run_a").removeprefix(OUTSIDE["PUBLIC_URL"])
    cookie = person(harness).get_cookie("reelgrid").value
    backup = harness.folder / "saved.db"
    back_up(f"sqlite:///{harness.folder / 'var' / 'reelgrid.db'}", backup)
    loses_its_database(harness, backup)
    browser = harness.client
    browser.set_cookie("reelgrid", cookie)
    assert browser.get("/", headers={"Accept": "text/html"}).status_code == 401
    assert harness.client.get(page).status_code == 403
    again = harness.services.links.page(run_id="run_a").removeprefix(OUTSIDE["PUBLIC_URL"])
    assert harness.client.get(again).status_code == 200
    assert state(harness, KEY) == 200


def test_an_erasing_that_has_to_wait_is_told_until_it_is_done(harness: WebHarness) -> None:
    """At the backup the run was still moving; it ended, and was erased, after it."""
    harness.finished("run_row", base_id=BASE, record_id=RECORD)
    harness.change("runs", "run_row", status="generating")
    backup = harness.folder / "saved.db"
    back_up(f"sqlite:///{harness.folder / 'var' / 'reelgrid.db'}", backup)
    harness.change("runs", "run_row", status="done")
    assert flask(harness, "records", "erase", RECORD, "--base", BASE).exit_code == 0
    loses_its_database(harness, backup)
    told = flask(harness, "recover")
    assert (told.exit_code, "not yet: row" in told.output) == (1, True)
    assert flask(harness, "runs", "cancel", "run_row").exit_code == 0
    assert flask(harness, "recover").exit_code == 0
    assert harness.run("run_row").order is None


def test_a_database_that_the_host_brought_back_is_told_so(harness: WebHarness) -> None:
    refused = flask(harness, "recover")
    assert (refused.exit_code, "--since" in refused.output) == (1, True)
    told = flask(harness, "recover", "--since", "2026-11-29T10:00Z", "--json")
    assert json.loads(told.output)["known_until"].startswith("2026-11-29T10:00")
    assert json.loads(flask(harness, "stop", "status", "--json").output)["on"] is True


@pytest.mark.logs_errors
def test_storage_that_is_away_keeps_nobody_from_revoking_a_key(harness: WebHarness) -> None:
    (harness.folder / "var" / "media" / "revoked").parent.mkdir(exist_ok=True)
    (harness.folder / "var" / "media" / "revoked").write_text("a file where the folder should be")
    key = key_of(harness)
    assert flask(harness, "keys", "revoke", key["id"]).exit_code == 0
    assert state(harness, key["key"]) == 401

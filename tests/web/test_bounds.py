"""How many keys an account may have, and links a film: more than anybody needs, and a bound, whoever asks at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from pipelines.database import SqlStore
from pipelines.domain.errors import NotAllowed
from pipelines.domain.keys import new_id, new_token
from pipelines.domain.limits import RateLimit
from pipelines.domain.records import ApiKey, Share
from pipelines.stages.review import shares
from tests.web.test_pages import form, html, person
from tests.web.two_accounts import Customer, customer, signed_in
from tests.web.web_fixtures import BASE, OUTSIDE, RECORD, WebHarness
from webapp.access import keys

TOGETHER = 16
DAY_S = 86_400.0
COMMON: dict[str, Any] = {"name": "k", "sha256": "0" * 64, "scopes": ("read",)}


@pytest.fixture
def anywhere(present_url: str, tmp_path: Path) -> Iterator[WebHarness]:
    """The application on either database."""
    with WebHarness(tmp_path, {**OUTSIDE, "DATABASE_URL": present_url}) as harness:
        yield harness
        assert isinstance(harness.store, SqlStore)
        harness.store.engine.dispose()


def at_once(ask: Callable[[int], int]) -> list[int]:
    """What sixteen are answered who ask in the same moment, in order."""
    together = Barrier(TOGETHER)

    def asked(number: int) -> int:
        together.wait(30)
        return ask(number)

    with ThreadPoolExecutor(TOGETHER) as pool:
        return sorted(pool.map(asked, range(TOGETHER)))


def add_keys(harness: WebHarness, who: Customer, live: int) -> None:
    """Keys that work, and as many of each kind that does not."""
    now = harness.clock.now()
    kinds: tuple[dict[str, Any], ...] = (
        {},
        {"expires_at": now + DAY_S},
        {"revoked_at": now},
        {"revoked_at": now, "expires_at": now + DAY_S},
        {"expires_at": now - 1},
    )
    with harness.store.write() as tx:
        for number in range(live):
            for kind in (kinds[number % 2], *kinds[2:]):
                tx.keys.add(ApiKey(id=new_token()[:12], account_id=who.account_id, **COMMON, **kind))


def make(harness: WebHarness, who: Customer, name: str = "one more") -> Any:
    return harness.client.post("/api/keys", json={"name": name, "scopes": ["read"]}, headers=who.headers)


def test_an_account_has_no_more_than_so_many_live_keys_whoever_asks_at_once(anywhere: WebHarness) -> None:
    who, other = customer(anywhere, "ada"), customer(anywhere, "bob")
    # One is there already, and seven more fit.
    add_keys(anywhere, who, keys.MOST_LIVE - 8)
    assert at_once(lambda number: make(anywhere, who, f"k{number}").status_code) == [201] * 7 + [409] * 9
    refused = make(anywhere, who)
    assert "revoke one" in refused.get_json()["detail"]
    assert make(anywhere, other).status_code == 201
    with anywhere.store.read() as tx:
        last = next(row for row in tx.keys.find(account_id=who.account_id, name="k", revoked_at=None, expires_at=None))
    assert anywhere.client.post(f"/api/keys/{last.id}/revoke", json={}, headers=who.headers).status_code == 200
    assert (make(anywhere, who).status_code, make(anywhere, who).status_code) == (201, 409)


def test_rotating_is_always_possible_and_the_page_says_why_there_is_no_key(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    add_keys(harness, who, keys.MOST_LIVE - 1)
    assert harness.client.post(f"/api/keys/{who.key_id}/rotate", json={}, headers=who.headers).status_code == 200
    browser = signed_in(harness, who)
    page = browser.post("/account/keys", data={"name": "laptop", "scopes": "read"}, headers={"Accept": "text/html"})
    assert page.status_code == 409
    assert "revoke one that nobody uses" in html(page)
    made = harness.app.test_cli_runner().invoke(args=["keys", "create", "by hand", "--account", who.account_id])
    assert made.exit_code == 0, "the operator is not held up"


def test_keys_are_not_made_faster_than_anybody_needs_them(harness: WebHarness) -> None:
    who = customer(harness, "ada")
    harness.clock.stop()
    with harness.store.write() as tx:
        all_taken = harness.clock.now() + keys.MOST_LIVE * keys.EVERY_S
        tx.rate_limits.add(RateLimit(id=f"keys:{who.account_id}", next_free_at=all_taken))
    refused = make(harness, who)
    assert (refused.status_code, int(refused.headers["Retry-After"])) == (429, 61)
    harness.clock.shift = 61
    assert make(harness, who).status_code == 201


def share(harness: WebHarness) -> int:
    try:
        shares.create(harness.services, "run_a", "tester")
    except NotAllowed:
        return 409
    return 201


def add_links(harness: WebHarness, live: int, over: int) -> None:
    now = harness.clock.now()
    kinds = [*[(now + DAY_S, None)] * live, *[(now - 1, None), (now + DAY_S, now)] * (over // 2)]
    with harness.store.write() as tx:
        for expires_at, revoked_at in kinds:
            tx.shares.add(
                Share(
                    id=new_id("share"),
                    run_id="run_a",
                    token=new_token(),
                    created_at=now,
                    expires_at=expires_at,
                    revoked_at=revoked_at,
                    made_by="tester",
                )
            )


def test_a_film_has_no_more_than_so_many_links_whoever_asks_at_once(anywhere: WebHarness) -> None:
    anywhere.finished("run_a", record_id=RECORD, base_id=BASE)
    add_links(anywhere, live=shares.MOST_LIVE - 7, over=20)
    assert at_once(lambda _: share(anywhere)) == [201] * 7 + [409] * 9
    with anywhere.store.read() as tx:
        (live, *_) = tx.shares.find(run_id="run_a", revoked_at=None, after={"expires_at": anywhere.clock.now()})
    shares.revoke(anywhere.services, live.id, "tester")
    assert (share(anywhere), share(anywhere)) == (201, 409)


def test_the_page_of_a_film_says_that_its_links_are_used_up(harness: WebHarness) -> None:
    harness.finished("run_a", record_id=RECORD, base_id=BASE)
    add_links(harness, live=shares.MOST_LIVE, over=0)
    browser = person(harness)
    page = browser.get("/runs/run_a")
    refused = browser.post("/runs/run_a/shares", data=form(page, days="3"), headers={"Accept": "text/html"})
    assert refused.status_code == 409
    assert "Withdraw one that nobody needs" in html(refused)
    with harness.store.write() as tx:
        for one in tx.shares.find(run_id="run_a"):
            tx.shares.change(one.id, revoked_at=one.created_at)
    add_links(harness, live=0, over=shares.MOST_EVER - shares.MOST_LIVE)
    refused = browser.post("/runs/run_a/shares", data=form(page, days="4"), headers={"Accept": "text/html"})
    assert "a new run has links of its own" in html(refused)

"""What pages cost: each of them in a deployment with 10,000 finished runs against one with 100, on both databases, as
its operator and as a customer to whom half of them belong; and what they weigh in a real browser.

A page comes in one piece, so that its first byte is there when all of it is.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import urlsplit

import httpx
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from sqlalchemy import text
from werkzeug.serving import make_server

from pipelines.domain.customers.notices import USUAL, Endpoint, Facts, Notice, NoticeStatus
from pipelines.domain.records import ApiKey, CustomerAccount, LotKind
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.security import api_keys
from pipelines.stages.spending import credit_lots
from tools.bench.history import BAR, KEY, Place, Timed, in_turns, past, signed_in
from tools.bench.measure.rows import Claim, row
from tools.postgres import BINARIES

SIZES = (100, 10_000)
TIMES = 9
COLD, WARM, UNCHANGED = 150_000, 20_000, 500
"""Bytes of a page in an empty browser, of the same page once its parts are known, and of an answer without news."""
THROUGH = "Films, by a word that none has"
"""Looked for in so many films, not looked up: its time is said, and has no bar."""
FORM = "New video"
CUSTOMER, ENDPOINT, CREDITS = "acc_bench", "ep_bench", 10**12
CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")


Address = Callable[["Sold"], str]


@dataclass
class Sold(Place):
    """A deployment of which a customer has half."""

    key: str = field(init=False)
    customer: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        Place.__post_init__(self)
        self.key = _sell_half(self)
        self.customer = signed_in(self.app.test_client(), self.key)

    def cuts(self) -> tuple[str, str]:
        """Films of two runs."""
        with self.store.read() as tx:
            newest, before = tx.cuts.find(animatic=False, order="-created_at", limit=2)
        return before.id, newest.id


def rows() -> list[Claim]:
    """Seconds until each page is there on each database, then its bytes."""
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as name:
        folder = Path(name)
        with ExitStack() as stack:
            places = {
                size: Sold(stack.enter_context(past.sqlite_copy(size, folder)), folder / f"sqlite-{size}")
                for size in SIZES
            }
            found = [*_times("SQLite", places), *_weights(places[SIZES[-1]])]
            _close(places)
        if BINARIES:
            with past.postgres_cluster() as cluster, ExitStack() as stack:
                places = {
                    size: Sold(stack.enter_context(past.postgres_copy(cluster, size)), folder / f"postgres-{size}")
                    for size in SIZES
                }
                found += _times("PostgreSQL", places)
                _close(places)
    return found


def _close(places: Mapping[int, Sold]) -> None:
    for place in places.values():
        place.close()


def _times(name: str, places: Mapping[int, Sold]) -> list[Claim]:
    small, large = SIZES
    found = [(what, in_turns(places, partial(_as_operator, path), TIMES)) for what, path in OPERATORS.items()]
    for what, path in CUSTOMERS.items():
        found.append((f"{what}, for a customer", in_turns(places, partial(_as_customer, path), TIMES)))
    return [
        row(
            "pages",
            f"{name}: {what}, {large:,} runs against {small:,}",
            took[large],
            took[small],
            None if what.startswith(THROUGH) else BAR,
            unit="s",
        )
        for what, took in found
    ]


def _as_operator(path: Address, place: Sold) -> Timed:
    return _opened(place.client, path(place))


def _as_customer(path: Address, place: Sold) -> Timed:
    return _opened(place.customer, path(place))


def _opened(client: FlaskClient, path: str) -> Timed:
    def act() -> None:
        answer = client.get(path)
        assert answer.status_code == httpx.codes.OK, f"{path}: {answer.status_code} {answer.text[:300]}"

    return act


def _compare(place: Sold) -> str:
    left, right = place.cuts()
    return f"/compare?left={left}&right={right}"


def _days(_: Sold) -> str:
    """All days of which there are films: as many films on the page, however many there were."""
    last = time.time() - past.DAY_S
    since, until = (time.strftime("%Y-%m-%d", time.gmtime(at)) for at in (last - past.DAYS * past.DAY_S, last))
    return f"/?show=done&since={since}&until={until}"


_LISTS: Mapping[str, Address] = {
    "Films": lambda _: "/",
    "Films, by a word that all have": lambda _: "/?q=lamp",
    THROUGH: lambda _: "/?q=zeppelin",
    "Films, done in some days": _days,
    "Films, of a model": lambda _: "/?model=local/animatic",
    "Films, the dearest first": lambda _: "/?order=dearest",
    "Queue": lambda _: "/queue",
    "Usage": lambda _: "/usage",
    "Usage, by model": lambda _: "/usage?by=model",
    "Account": lambda _: "/account",
    FORM: lambda _: "/new",
}
CUSTOMERS = _LISTS
OPERATORS: Mapping[str, Address] = {
    **_LISTS,
    "a run": lambda place: f"/runs/{place.run_id}",
    f"{FORM}, from a run": lambda place: f"/new?from={place.run_id}",
    "Compare": _compare,
    "Operate": lambda _: "/operate",
}


def _weights(place: Sold) -> list[Claim]:
    """In Chromium, if this machine has one: bytes as they come over the wire, without films and their pictures, which
    are as many as are in sight.
    """
    if CHROMIUM is None:
        return []
    found = []
    with _served(place) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for what, path in OPERATORS.items():
            cold, warm = _weight(browser, address, path(place))
            found.append(row("pages", f"{what}: bytes in an empty browser, against 150 KB", cold, COLD, 1.0))
            found.append(row("pages", f"{what}: bytes of the next look, against 20 KB", warm, WARM, 1.0))
        browser.close()
    for what, live in {"Films": "/live", "a run": f"/runs/{place.run_id}/live"}.items():
        size = _unchanged(place.client, live)
        found.append(row("pages", f"{what}: bytes of /live with nothing changed, against 500", size, UNCHANGED, 1.0))
    return found


@contextmanager
def _served(place: Sold) -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, place.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _weight(browser: Browser, address: str, path: str) -> tuple[int, int]:
    """Of the first look in a browser that knows nothing but who signed in, and of the second."""
    context = _in(browser, address)
    opened = context.new_page()
    asked: dict[str, str] = {}
    loaded: dict[str, int] = {}
    debugger = context.new_cdp_session(opened)
    debugger.send("Network.enable")
    debugger.on("Network.requestWillBeSent", lambda told: asked.update({told["requestId"]: told["request"]["url"]}))
    debugger.on(
        "Network.loadingFinished", lambda told: loaded.update({told["requestId"]: round(told["encodedDataLength"])})
    )
    looks = []
    for _ in range(2):
        loaded.clear()
        opened.goto(f"{address}{path}", wait_until="load")
        opened.evaluate("document.fonts.ready.then(() => true)")
        looks.append(sum(size for one, size in loaded.items() if not _is_footage(asked.get(one, ""))))
    context.close()
    return looks[0], looks[1]


def _is_footage(url: str) -> bool:
    return urlsplit(url).path.startswith(("/media/", "/v/"))


def _in(browser: Browser, address: str) -> BrowserContext:
    """With the cookie of somebody who signed in elsewhere."""
    signing = browser.new_context()
    page = signing.new_page()
    page.goto(f"{address}/sign-in")
    page.locator('input[name="key"]').fill(KEY)
    page.locator("main button").click()
    page.wait_for_url(f"{address}/")
    cookies: Any = signing.cookies()
    signing.close()
    context = browser.new_context()
    context.add_cookies(cookies)
    return context


def _unchanged(client: FlaskClient, path: str) -> int:
    """Bytes of the answer to whoever has everything."""
    first: Any = client.get(path).json
    marks = ".".join(one["mark"] for one in first["parts"].values())
    return len(client.get(path, query_string={"marks": marks}).data)


def _sell_half(place: Place) -> str:
    """Half of what was made, with its money, is a customer's; each of its runs was paid in credits and told of. Returns
    the customer's key.
    """
    made, now = api_keys.new_api_key(), time.time()
    with place.store.write() as tx:
        tx.accounts.add(CustomerAccount(id=CUSTOMER, name="bench", pays_in_credits=True, created_at=now))
        scopes = ("trigger", "read", "manage")
        tx.keys.add(ApiKey(id=made.id, name="bench", sha256=made.sha256, scopes=scopes, account_id=CUSTOMER))
        lot = credit_lots.grant(tx, now, CUSTOMER, CREDITS, kind=LotKind.PAID, source="bench", expires_at=None)
        address = SealedAddress(shown="https://films.example/…", origin="https://films.example")
        told: dict[str, Any] = {"account_id": CUSTOMER, "address": address, "created_at": now}
        tx.endpoints.add(Endpoint(id=ENDPOINT, events=tuple(USUAL), sealed_secret="", **told))
        message: dict[str, Any] = {
            "endpoint_id": ENDPOINT,
            "type": "run.completed",
            "event": "first",
            "target": ENDPOINT,
        }
        facts = Facts(at=now, title="bench")
        tx.notices.add(Notice(id="ntc_first", status=NoticeStatus.DELIVERED, facts=facts, **told, **message))
    with place.store.engine.connect().execution_options(write=True) as connection, connection.begin():
        for table in ("runs", "ledger", "day_totals"):
            half = ", ".join(f"'key_{number}'" for number in range(past.KEYS // 2))
            connection.execute(text(f"UPDATE {table} SET account_id = '{CUSTOMER}' WHERE key_id IN ({half})"))
        connection.execute(_CREDITS, {"lot": lot.id, "ours": CUSTOMER})
        connection.execute(_NOTICES, {"ours": CUSTOMER})
        if connection.dialect.name == "postgresql":
            connection.execute(text("ANALYZE"))
    return made.key


_CREDITS = text(
    "INSERT INTO credits (at, day, posting_id, posting, account, amount, lot_id, account_id, run_id, key_id, seconds) "
    "SELECT r.created_at, '2026-01-01', 'crd_' || r.id, 'capture', a.account, a.amount, :lot, :ours, r.id, r.key_id, 0 "
    "FROM runs r CROSS JOIN (SELECT 'reserved' AS account, -100 AS amount UNION ALL SELECT 'used', 100) a "
    "WHERE r.account_id = :ours"
)
_NOTICES = text(
    "INSERT INTO notices (id, lease_until, attempts, account_id, endpoint_id, run_id, type, event, target, facts, "
    "status, created_at, finished_at) SELECT 'ntc_' || r.id, 0, 1, :ours, n.endpoint_id, r.id, n.type, 'of_' || r.id, "
    "n.target, n.facts, n.status, r.created_at, r.created_at FROM runs r CROSS JOIN notices n "
    "WHERE n.id = 'ntc_first' AND r.account_id = :ours"
)

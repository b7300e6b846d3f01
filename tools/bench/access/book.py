"""Two shops side by side, of which one has sold for long: what an order of the same customer takes in each."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from flask.testing import FlaskClient
from sqlalchemy import Connection, text

from pipelines.bootstrap import build_services
from pipelines.database import SqlStore
from pipelines.database.tables import TABLES
from pipelines.domain.records import ApiKey, CustomerAccount, LotKind
from pipelines.security import api_keys
from pipelines.settings import load_settings
from pipelines.stages.spending import credit_lots
from webapp import create_app

ACCOUNTS, ENTRIES = 10_000, 1_000_000
OWN_ENTRIES, OWN_RUNS = 100_000, 10_000
"""Of those, what is the measured customer's own: the others' are spread evenly."""
ORDERS, WARM_UP = 200, 10
OURS = "acc_bench"
BODY = {"prompt": "A fox at dawn", "model": "sora/sora-2", "seconds": 4}
COUNTED = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :last)"


@dataclass
class Shop:
    """One deployment in this process, and a customer who has credits for all orders."""

    folder: Path
    client: FlaskClient = field(init=False)
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        environ = {
            "VAR_DIR": str(self.folder),
            "DATABASE_URL": f"sqlite:///{self.folder}/reelgrid.db",
            "STORAGE_URL": f"file:{self.folder}/media",
            "PUBLIC_URL": "https://films.example.com",
            "SECRET_KEY": "only for a measurement, and long enough",
            "API_KEYS": "f" * 64,
            "SORA_API_KEY": "sk-nobody",
            "SORA_BASE_URL": "http://127.0.0.1:9/v1",
            "MAX_COST_PER_DAY_USD": "100000",
        }
        settings = load_settings(environ, root=self.folder)
        self.services = build_services(settings)
        self.client = create_app(self.services, settings).test_client()
        made, now = api_keys.new_api_key(), time.time()
        self.headers = {"Authorization": f"Bearer {made.key}"}
        with self.services.store.write() as tx:
            tx.accounts.add(CustomerAccount(id=OURS, name="bench", created_at=now))
            tx.keys.add(ApiKey(id=made.id, name="bench", sha256=made.sha256, account_id=OURS))
            credit_lots.grant(tx, now, OURS, 10**9, kind=LotKind.PAID, source="bench", expires_at=None)

    def order(self) -> float:
        """Seconds until the answer."""
        began = time.perf_counter()
        answer = self.client.post("/api/generate-video", json=BODY, headers=self.headers)
        took = time.perf_counter() - began
        if answer.status_code != 202:
            raise RuntimeError(f"an order was answered {answer.status_code}: {answer.get_data(as_text=True)}")
        return took


def latencies(folder: Path) -> tuple[float, float]:
    """The median of an order with a full book, and with an empty one; they take turns."""
    full, empty = Shop(folder / "full"), Shop(folder / "empty")
    for shop in (full, empty):
        shop.order()
    store = full.services.store
    if not isinstance(store, SqlStore):
        raise TypeError("the book is filled by SQL")
    with store.engine.connect().execution_options(write=True) as connection, connection.begin():
        fill(connection, time.time() - 86_400.0)
    times: dict[int, list[float]] = {id(full): [], id(empty): []}
    for turn in range(ORDERS + WARM_UP):
        for shop in (full, empty) if turn % 2 else (empty, full):
            took = shop.order()
            if turn >= WARM_UP:
                times[id(shop)].append(took)
    return statistics.median(times[id(full)]), statistics.median(times[id(empty)])


def fill(connection: Connection, at: float) -> None:
    """Accounts, a lot of each that is used up, the entries that used it, and the customer's finished runs."""
    accounts = text(
        f"INSERT INTO accounts (id, name, status, pays_in_credits, created_at) {COUNTED} "
        "SELECT printf('acc_%020d', i), 'account', 'active', 1, :at FROM n"
    )
    lots = text(
        "INSERT INTO lots (id, account_id, kind, source, granted_micro, available_micro, reserved_micro, used_micro, "
        f"expired_micro, revoked_micro, created_at) {COUNTED} SELECT printf('lot_%020d', i), "
        "CASE WHEN i % 10 = 0 THEN :ours ELSE printf('acc_%020d', i) END, 'paid', printf('past-%d', i), "
        "1000000, 0, 0, 1000000, 0, 0, :at FROM n"
    )
    entries = text(
        "INSERT INTO credits (at, day, posting_id, posting, account, amount, lot_id, account_id, seconds) "
        f"{COUNTED} SELECT :at, '2026-01-01', printf('crd_%d', i / 2), 'capture', "
        "CASE WHEN i % 2 = 0 THEN 'reserved' ELSE 'used' END, CASE WHEN i % 2 = 0 THEN -100 ELSE 100 END, "
        "printf('lot_%020d', i % :accounts), "
        "CASE WHEN i < :own THEN :ours ELSE printf('acc_%020d', i % :accounts) END, 0 FROM n"
    )
    told = {"at": at, "ours": OURS, "own": OWN_ENTRIES, "accounts": ACCOUNTS}
    connection.execute(accounts, {"last": ACCOUNTS - 1, "at": at})
    connection.execute(lots, {"last": ACCOUNTS - 1, "at": at, "ours": OURS})
    connection.execute(entries, {"last": ENTRIES - 1, **told})
    changed = {"id": "printf('run_%020d', n.i)", "status": "'done'", "next_at": "NULL", "created_at": ":at"}
    columns = [column.name for column in TABLES["runs"].columns]
    values = ", ".join(changed.get(name, f'runs."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    of_one = "(SELECT * FROM runs LIMIT 1) AS runs"
    runs = text(f"INSERT INTO runs ({names}) {COUNTED} SELECT {values} FROM n, {of_one}")
    connection.execute(runs, {"last": OWN_RUNS - 1, "at": at})

"""What is kept of the ledger is what its entries add up to: after a migration in place, and however many write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from pipelines.database import SqlStore
from pipelines.domain.money import subject
from pipelines.stages.scheduler import maintenance
from pipelines.stages.spending import audit, ledger
from pipelines.testing import make_services
from tests.database import old_rows
from tests.stages.stage_fixtures import StageHarness

RUNS, SCENES = 20_000, 4
DAY_S = 86_400.0
NOW = 1_795_521_600.0
PRICE = 400_000
SIDES = (
    ("hold", "budget", "held", SCENES * PRICE, None),
    *(("reserve", "held", "committed", PRICE, scene) for scene in range(SCENES)),
    *(("capture", "committed", "spent", PRICE, scene) for scene in range(SCENES)),
)
"""What a film of four scenes leaves in the ledger: posting, from where, to where, how much, for which scene."""
ENTRIES = """
    INSERT INTO ledger (at, day, posting_id, posting, account, amount, run_id, generation_id, key_id, base_id, model,
                        seconds, memo)
    SELECT n, '2026-11-' || (10 + n % 10), 'mov_' || n || '_' || CAST(:number AS TEXT), CAST(:posting AS TEXT),
           CAST(:account AS TEXT), CAST(:amount AS BIGINT), 'run_' || n, 'gen_' || n || '_' || CAST(:scene AS TEXT),
           'key_' || (n % 8), 'app' || (n % 3), 'acme/' || (n % 2), CAST(:seconds AS DOUBLE PRECISION), '' FROM n
"""


@pytest.fixture
def old_store(database_url: str) -> Iterator[SqlStore]:
    """20,000 finished runs of a version that kept no balances."""
    store = SqlStore(database_url)
    old_rows.upgrade(store.engine, "0006")
    with store.engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(text("CREATE TABLE n (n INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO n VALUES (:n)"), [{"n": n} for n in range(RUNS)])
        for number, (posting, out, into, amount, scene) in enumerate(SIDES):
            for account, signed in ((out, -amount), (into, amount)):
                values = {"number": str(number), "posting": posting, "account": account, "amount": signed}
                values |= {"scene": None if scene is None else str(scene), "seconds": 4.0 * (account == "spent")}
                connection.execute(text(ENTRIES), values)
        connection.execute(text("DROP TABLE n"))
    yield store
    store.engine.dispose()


@pytest.mark.slow
def test_a_database_of_20000_runs_is_brought_up_to_date_in_place_with_equal_sums(old_store: SqlStore) -> None:
    with old_store.engine.connect() as connection:
        of_key = "SELECT account, SUM(amount) FROM ledger WHERE key_id = 'key_3' GROUP BY account"
        sums = {name: int(amount) for name, amount in connection.execute(text(of_key)) if name != "budget"}
        of_day = "SELECT SUM(amount) FROM ledger WHERE account = 'spent' AND day = '2026-11-13'"
        spent = int(connection.execute(text(of_day)).scalar_one())
    old_store.migrate()
    with old_store.read() as tx:
        assert audit.audit(tx, everything=True).problems == ()
        key = tx.balance_of(subject("key", "key_3"), "2026-11-13")
        assert {name: getattr(key, name) for name in sums} == sums
        assert (ledger.of_all(tx, "2026-11-13").spent_on_day, ledger.of_run(tx, "run_7").spent) == (spent, 4 * PRICE)
        (day,) = tx.usage(["day"], since="2026-11-13", until="2026-11-13")
        assert (day.spent_micro, day.generations, day.seconds) == (spent, 8_000, 32_000.0)
        assert (day.quoted_micro, day.refused, day.failed) == (8_000 * PRICE, 0, 0)
        assert sum(row.spent_micro for row in tx.usage(["model", "base_id"])) == RUNS * SCENES * PRICE
        assert tx.balances.count() == RUNS + 8 + 3 + 1


@pytest.mark.slow
def test_what_a_former_version_orders_beside_ours_is_counted_when_it_is_gone(store: SqlStore, tmp_path: Path) -> None:
    """In a rolling deployment over revision 0028: it writes entries, and no sum of what was quoted."""
    harness = StageHarness(make_services(tmp_path, store=store))
    for prompt in ("a fox", "a hare"):
        harness.make(harness.row(Prompt=prompt))
    kept = "SELECT id, quoted_micro FROM day_totals ORDER BY id"
    with store.engine.connect() as connection:
        whole = connection.execute(text(kept)).all()
    with store.engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(text(f"UPDATE day_totals SET quoted_micro = quoted_micro - {PRICE} WHERE quoted_micro > 0"))
    with store.read() as tx:
        (problem,) = audit.audit(tx).problems
    assert "quoted 400000" in problem
    maintenance.recount(harness.services)
    with store.read() as tx:
        assert audit.audit(tx, everything=True).problems == ()
    with store.engine.connect() as connection:
        assert connection.execute(text(kept)).all() == whole
    with store.engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(text("DELETE FROM day_totals WHERE spent_micro = 0"))
    maintenance.recount(harness.services)
    with store.engine.connect() as connection:
        assert connection.execute(text(kept)).all() == [row for row in whole if row.quoted_micro]

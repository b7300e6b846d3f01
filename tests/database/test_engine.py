"""Connections to PostgreSQL: few, quick to say that nobody answers, and right behind a pooler."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest
from sqlalchemy import event, text

from pipelines.database import SqlStore
from pipelines.database.engine import SPARE
from pipelines.domain.errors import NotFound, Unavailable
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run
from tools.postgres import Postgres


def test_a_server_that_never_answers_is_an_outage_within_seconds() -> None:
    """It takes the connection and stays silent, as behind a proxy whose other side is gone. How long that is waited for
    is what the driver is told.
    """
    seconds: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        store = SqlStore(f"postgresql+psycopg://u:p@127.0.0.1:{port}/d")
        event.listen(store.engine, "do_connect", lambda *told: seconds.append(told[-1]["connect_timeout"]))
        with pytest.raises(Unavailable) as caught:
            store.check()
    assert [0 < one <= 5 for one in seconds] == [True]
    assert caught.value.marketer == "Our database does not answer; we keep trying."


def test_no_statement_and_no_sleeping_transaction_holds_others_up(postgres: Postgres) -> None:
    store = SqlStore(postgres.fresh_url())
    with store.read() as tx:
        told = [tx.connection.execute(text(f"SHOW {name}")).scalar() for name in LIMITED]
    store.engine.dispose()
    assert told == ["30s", "1min"]


LIMITED = ("statement_timeout", "idle_in_transaction_session_timeout")


def test_what_the_address_says_itself_is_kept(postgres: Postgres) -> None:
    store = SqlStore(f"{postgres.fresh_url()}?options=-csearch_path%3Dfilms&connect_timeout=9")
    with store.read() as tx:
        told = [tx.connection.execute(text(f"SHOW {name}")).scalar() for name in ("search_path", *LIMITED)]
    store.engine.dispose()
    assert told == ["films", "30s", "1min"]


def test_a_process_opens_no_more_connections_than_its_threads_need(postgres: Postgres) -> None:
    """Whoever finds none free waits; what never comes free is an outage and no defect."""
    store = SqlStore(postgres.fresh_url(), threads=2)
    store.migrate()
    inside, over = threading.Barrier(2 + SPARE + 1), threading.Event()

    def hold() -> None:
        with store.read() as tx:
            tx.connection.execute(text("SELECT 1"))
            inside.wait()
            over.wait()

    threads = [threading.Thread(target=hold) for _ in range(2 + SPARE)]
    for thread in threads:
        thread.start()
    inside.wait()
    late = threading.Thread(target=store.check)
    late.start()
    late.join(0.2)
    assert late.is_alive()
    assert _connections(store) == 2 + SPARE
    over.set()
    for thread in (*threads, late):
        thread.join()
    store.engine.dispose()


def _connections(store: SqlStore) -> int:
    other = SqlStore(store.url, pooled=False)
    with other.read() as tx:
        counted = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
        return int(tx.connection.execute(text(counted)).scalar_one())


def test_processes_that_keep_their_connections_bring_the_schema_up_to_date_together(postgres: Postgres) -> None:
    """The lock ends with the upgrade, and not with the process that made it."""
    url = postgres.fresh_url()
    stores = [SqlStore(url) for _ in range(4)]
    threads = [threading.Thread(target=store.migrate, daemon=True) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    for store in stores:
        store.check()
        store.engine.dispose()


def test_postgresql_notifies_after_the_commit_in_which_it_would_hold_up_all_others(
    postgres: Postgres, migrated_postgres: str
) -> None:
    store, done = SqlStore(postgres.fresh_url(migrated_postgres)), list[str]()

    def said(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("NOTIFY"):
            done.append("notified")

    event.listen(store.engine, "before_cursor_execute", said)
    event.listen(store.engine, "commit", lambda _connection: done.append("committed"))
    with store.commits() as commits:
        with store.write() as tx:
            tx.runs.add(Run(id="run_1", status=RunStatus.QUEUED, source="rest", next_at=1.0))
        assert commits.wait(10)
    assert done == ["committed", "notified"]
    with suppress(NotFound), store.write() as tx:
        tx.runs.add(Run(id="run_2", status=RunStatus.QUEUED, source="rest", next_at=1.0))
        raise NotFound("the same connection goes on in transactions")
    with store.read() as tx:
        assert [run.id for run in tx.runs.find()] == ["run_1"]
    store.disconnect()

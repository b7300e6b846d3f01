"""Connections to either database: how many there are, how long they wait, and what makes SQLite safe."""

from __future__ import annotations

import random
import select
import sqlite3
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import NullPool

from pipelines.database.tables import complete_for
from pipelines.settings.connection_urls import POOLER

BUSY_MS = 30_000
RETRY_INTERVAL_S, RETRY_LIMIT_S = (0.0005, 0.0025), 20.0
THREADS = 4
"""Connections that a process keeps where nobody says how many of its threads ask at once."""
SPARE = 2
"""Connections beyond those, for a thread that reads while it writes."""
FREE_S = 10.0
"""How long a thread waits for a connection before that is an outage."""
FRESH_S = 1.0
"""So long after its last use a connection whose end was not announced is taken for alive."""
_USED = "used"
NO_POOL: dict[str, Any] = {"poolclass": NullPool}
POSTGRES = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
LIMITS = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "60s"}
"""A process that hangs in the middle of a transaction, such as a stopped one, loses it: others wait for its locks."""


def _tune_sqlite(connection: Any, _record: Any) -> None:
    """FULL because a submit intent is money: the last commit must survive a power cut (477 µs a commit)."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("single", False):
        # One question by itself sees one moment anyway.
        return
    write = options.get("write", False)
    if write and _acquire_write_lock(connection.connection.cursor()):
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _acquire_write_lock(cursor: Any) -> bool:
    """Begin to write as soon as other processes let us; False when that does not come or fails, to be told as ever.

    SQLite's own patience looks ever more rarely, at last every 100 ms: among several who write much, whoever waits
    longest goes on waiting. Six processes that write all the time: 99 of 100 writes took up to 240–1,250 ms with it,
    and up to 60–130 ms like this (two cores).
    """
    deadline = time.monotonic() + RETRY_LIMIT_S
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < deadline:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    return False
                time.sleep(random.uniform(*RETRY_INTERVAL_S))  # noqa: S311 - spreads load, guards nothing
            else:
                return True
        return False
    finally:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def _postgres_options(address: URL, *, patient: bool) -> dict[str, Any]:
    """What the operator's address does not say itself. A server that is gone, or that takes a connection and never
    answers, is an outage that is told within seconds, and no statement holds others up for long.
    """
    told = {name: value for name, value in POSTGRES.items() if name not in address.query}
    if POOLER in address.query:
        # It hands connections out by the transaction, so nothing may be prepared, and takes no options.
        return {**told, "prepare_threshold": None}
    limits = () if patient else (f"-c{name}={value}" for name, value in LIMITS.items())
    return {**told, "options": " ".join((str(address.query.get("options", "")), *limits)).strip()}


def _note_use(_connection: Any, record: Any) -> None:
    record.info[_USED] = time.monotonic()


def _has_heard(connection: Any) -> bool:
    """Whether anything waits to be read where nothing was asked: the end of the connection, as a rule."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def _ask_whether_it_is_there(engine: Engine, connection: Any, record: Any, _proxy: Any) -> None:
    """A connection that nobody used for a while may have been cut off, which is found out before somebody works with
    it. One that has just served somebody is not asked, unless the server has said something since, such as that it
    ends: that would be one question more for each transaction.
    """
    used = record.info.get(_USED)
    if used is None or (time.monotonic() - used < FRESH_S and not _has_heard(connection)):
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError("the connection is gone") from error


def make_engine(url: str, *, pooled: bool = True, threads: int = THREADS, patient: bool = False) -> Engine:
    """An engine for either database; no connection is opened yet, so forking afterwards is safe. `threads` is how many
    of this process ask at once; a `patient` one may take as long as it takes.
    """
    # JSON is read and written by `database.codec`: the driver hands its text on.
    options: dict[str, Any] = {"json_serializer": str, "json_deserializer": lambda text: text}
    address = make_url(url)
    complete_for(address.get_backend_name())
    if address.get_backend_name() != "sqlite":
        plain = address.difference_update_query([POOLER])
        pool = {"pool_size": threads, "max_overflow": SPARE, "pool_timeout": FREE_S}
        engine = create_engine(
            plain, connect_args=_postgres_options(address, patient=patient), **options, **(pool if pooled else NO_POOL)
        )
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_ask_whether_it_is_there, engine))
        return engine
    options |= {} if pooled else NO_POOL
    database = address.database
    if database and database != ":memory:":
        # Where that cannot be, whoever connects is told that it cannot be opened.
        with suppress(OSError):
            Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000}, **options)
    event.listen(engine, "connect", _tune_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine

"""Bringing the database to the current schema, from whichever process comes first."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0027"
"""The newest revision; a wiring test compares it with the files."""
COMPARED = ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"]
"""What of a database is compared with the tables."""

logger = logging.getLogger(__name__)


def migrate(engine: Engine) -> None:
    """Upgrade to HEAD; one process at a time, and at once when there is nothing to do."""
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
    with _alone(engine), engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
        connection.rollback()
        _upgrade(connection)
    logger.info("database is at revision %s", HEAD)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command

    with configured(connection) as config:
        command.upgrade(config, "head")


@contextmanager
def configured(connection: Connection) -> Iterator[Config]:
    """What Alembic's commands need, for a connection that has not begun anything; committed at the end."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection.execution_options(write=True)
    with _unbound(connection):
        _take_your_time(connection)
        yield config
        connection.commit()


@contextmanager
def _unbound(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by writing it anew and dropping the old one: rows that refer to it must not notice, and
    what no longer keeps a later constraint is copied as it is. Only between transactions can it be told so.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    cursor = connection.connection.cursor()
    try:
        cursor.execute("PRAGMA foreign_keys=OFF")
        cursor.execute("PRAGMA ignore_check_constraints=ON")
        yield
    finally:
        connection.rollback()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA ignore_check_constraints=OFF")


def _take_your_time(connection: Connection) -> None:
    """For this transaction: a large history is brought up to date in minutes, and others wait for it."""
    if connection.dialect.name == "postgresql":
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = 0"))


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Keep other processes out: a file lock beside SQLite's file, an advisory lock in PostgreSQL."""
    if engine.dialect.name == "sqlite":
        if not engine.url.database or engine.url.database == ":memory:":
            yield
            return
        with Path(f"{engine.url.database}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        return
    # Of a transaction, which a pooler keeps on one connection, and which no connection can take back into a pool.
    with engine.connect() as connection, connection.begin():
        _take_your_time(connection)
        connection.execute(text("SELECT pg_advisory_xact_lock(727244)"))
        yield

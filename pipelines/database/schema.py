"""Bringing the database to the current schema, from whichever process comes first."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0008"
"""The newest revision; a wiring test compares it with the files."""

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
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection.execution_options(write=True)
    command.upgrade(config, "head")
    connection.commit()


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
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(727244)"))
        yield

"""Bringing the database to the current schema, from whichever process comes first."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from pipelines.domain.errors import NotConfigured
from pipelines.domain.records import MIN_CODE

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0041"
"""The newest revision; a wiring test compares it with the files."""
COMPARED = ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"]
"""What of a database is compared with the tables."""

logger = logging.getLogger(__name__)


def migrate(engine: Engine) -> None:
    """Upgrade to HEAD; one process at a time, and at once when there is nothing to do. A database that a newer version
    has brought further is left as it is: migrations only add, so that the versions of a rolling deployment work side by
    side. Raises NotConfigured where a migration says that this code is too old for it.
    """
    with engine.connect() as connection:
        if _serves(connection):
            return
    with _alone(engine), engine.connect() as connection:
        if _serves(connection):
            return
        connection.rollback()
        _upgrade(connection)
    logger.info("database is at revision %s", HEAD)


def _serves(connection: Connection) -> bool:
    """Whether this code can work with the database as it is."""
    revision = _revision(connection)
    if revision is None or revision < HEAD:
        return False
    if revision > HEAD:
        least = connection.execute(text("SELECT entry FROM checkpoints WHERE id = :id"), {"id": MIN_CODE}).scalar()
        if (least or 0) > int(HEAD):
            raise NotConfigured(
                f"the database is at revision {revision} and needs code of revision {least:04d} or newer; this is "
                f"{HEAD}: deploy the newer version, or restore a backup of before it"
            )
        logger.warning("the database is at revision %s, newer than this code's %s: going on beside it", revision, HEAD)
    return True


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command

    with configured(connection) as config:
        command.upgrade(config, "head")
        require_code(connection, max(_required_by_migrations(config), default=0))


def _required_by_migrations(config: Config) -> Iterator[int]:
    """A migration that takes away or narrows what older code uses says from which revision on code knows that:
    `min_code = "0031"`.
    """
    from alembic.script import ScriptDirectory

    for script in ScriptDirectory.from_config(config).walk_revisions():
        if least := getattr(script.module, MIN_CODE, None):
            yield int(least)


def require_code(connection: Connection, least: int) -> None:
    """Older code than `least` no longer starts on this database."""
    if least:
        connection.execute(text("DELETE FROM checkpoints WHERE id = :id"), {"id": MIN_CODE})
        insert = text("INSERT INTO checkpoints (id, at, entry) VALUES (:id, 0, :least)")
        connection.execute(insert, {"id": MIN_CODE, "least": least})


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

"""Hearing that somebody has committed, whichever process it was, so that nobody needs to ask SQL all the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Engine, make_url

from pipelines.database.engine import make_engine
from pipelines.domain.errors import Unavailable
from pipelines.ports import Commits
from pipelines.settings.connection_urls import POOLER

CHANNEL = "reelgrid_due"
"""On PostgreSQL, where it is told that a row has been given a due time."""
POLL_S = 0.04
"""SQLite tells nobody; a counter in the memory that its processes share is read so often, for some microseconds."""
UNHEARD_S = 0.1
"""Through a pooler nothing can be heard at all, so that SQL is looked at as often as this."""


@contextmanager
def listening(engine: Engine, url: str, direct_url: str | None) -> Iterator[Commits]:
    """Commits from now on, on whatever database it is. Raises Unavailable."""
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as connection:
            yield _DataVersion(connection)
    elif direct_url is None and POOLER in make_url(url).query:
        yield _Unheard()
    else:
        listener = make_engine(direct_url or url, pooled=False, patient=True)
        with listener.connect().execution_options(isolation_level="AUTOCOMMIT") as connected:
            connected.exec_driver_sql(f"LISTEN {CHANNEL}")
            yield _Notifications(connected.connection.driver_connection)


class _DataVersion:
    """SQLite's count of the commits of others, asked on a connection that commits nothing itself."""

    def __init__(self, connection: Any) -> None:
        self._cursor = connection.cursor()
        self._version = self._read()

    def wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (version := self._read()) == self._version:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, POLL_S))
        self._version = version
        return True

    def _read(self) -> int:
        return int(self._cursor.execute("PRAGMA data_version").fetchone()[0])


class _Notifications:
    """PostgreSQL's own: they come when their transaction commits."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def wait(self, seconds: float) -> bool:
        import psycopg

        try:
            return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
        except psycopg.Error as error:
            raise Unavailable(f"database: {error}") from error


class _Unheard:
    def wait(self, seconds: float) -> bool:
        time.sleep(min(seconds, UNHEARD_S))
        return True

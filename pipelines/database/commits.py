"""Hearing that somebody has committed, whichever process it was, so that nobody needs to ask SQL all the time."""

from __future__ import annotations

import math
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, make_url

from pipelines.database.engine import make_engine
from pipelines.domain.errors import Unavailable
from pipelines.ports import UNHEARD_S, Commits, Wakeups
from pipelines.settings.connection_urls import POOLER

CHANNEL = "reelgrid_due"
"""On PostgreSQL, where it is told that a row has been given a due time."""
POLL_S = 0.04
"""SQLite tells nobody. Where the kernel does not say when its files are written either, we look this often."""
FIRST_LOOK_S, LAST_LOOK_S = 0.004, 0.5
"""A commit counts some time after it was written: we look this soon, each time after twice as long, and so long."""
WRITTEN = 0x2 | 0x100
"""inotify's IN_MODIFY and IN_CREATE: the log that SQLite writes commits to comes and goes."""


def is_deaf(url: str, direct_url: str | None) -> bool:
    """Whether the database cannot tell us: a pooler takes the connection away on which we would listen."""
    return direct_url is None and POOLER in make_url(url).query


@contextmanager
def listening(engine: Engine, url: str, direct_url: str | None, wakeups: Wakeups | None) -> Iterator[Commits]:
    """Commits from now on, on whatever database it is; by `wakeups`, if there are any, where it cannot tell us. Raises
    Unavailable.
    """
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as connection, _writes_beside(engine.url.database) as writes:
            yield _DataVersion(connection, writes)
    elif is_deaf(url, direct_url):
        with wakeups.hear() if wakeups else nullcontext(_Unheard()) as commits:
            yield commits
    else:
        listener = make_engine(direct_url or url, pooled=False, patient=True)
        with listener.connect().execution_options(isolation_level="AUTOCOMMIT") as connected:
            connected.exec_driver_sql(f"LISTEN {CHANNEL}")
            yield _Notifications(connected.connection.driver_connection)


@contextmanager
def _writes_beside(database: str | None) -> Iterator[int | None]:
    """What is readable when a file is written in the folder of this database; None where the kernel does not tell."""
    descriptor = _watch(Path(database).resolve().parent) if database and sys.platform == "linux" else None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _watch(folder: Path) -> int | None:
    import ctypes

    libc = ctypes.CDLL(None)
    descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        return None
    if libc.inotify_add_watch(descriptor, os.fsencode(folder), WRITTEN) < 0:
        os.close(descriptor)
        return None
    return descriptor


class _DataVersion:
    """SQLite's count of the commits of others, asked on a connection that commits nothing itself: while somebody writes
    and a moment longer.
    """

    def __init__(self, connection: Any, writes: int | None) -> None:
        self._cursor, self._writes, self._pause_s = connection.cursor(), writes, FIRST_LOOK_S
        self._version = self._read()

    def wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (version := self._read()) == self._version:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._writes is None:
                time.sleep(min(left, POLL_S))
            else:
                self._until_written(self._writes, left)
        self._version = version
        return True

    def _until_written(self, writes: int, left: float) -> None:
        poll = select.poll()
        poll.register(writes, select.POLLIN)
        if poll.poll(math.ceil(min(left, self._pause_s) * 1000)):
            with suppress(BlockingIOError):
                os.read(writes, 65_536)
            self._pause_s = FIRST_LOOK_S
            time.sleep(FIRST_LOOK_S)
        else:
            self._pause_s = self._pause_s * 2 if self._pause_s <= LAST_LOOK_S else math.inf

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

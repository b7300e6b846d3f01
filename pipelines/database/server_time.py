"""What the time is for all who share a PostgreSQL. SQLite's processes share a machine, and so a clock already."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection

ASK_S = 5.0
"""So often a process that works asks again, in a connection that it opens anyway."""
SLOW_S = 1.0
"""An answer that took longer says too little about when it was given: somebody slept meanwhile."""
_ASK = "SELECT extract(epoch FROM clock_timestamp())::float8"


class ServerTime:
    """The server's clock as it was last told, carried on by this machine's monotonic one, which no step moves and a
    fork inherits.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._monotonic, self._wall = monotonic, wall
        self._told: tuple[float, float] | None = None
        """The server's time, and the moment at which it was that."""
        self._wall_then = 0.0

    def ask(self, connection: Connection) -> None:
        """Of a connection that is in no transaction yet, unless it was asked just now."""
        began = self._monotonic()
        if not self._is_old(began):
            return
        told = connection.exec_driver_sql(_ASK).scalar_one()
        connection.rollback()
        self.note(float(told), began, self._monotonic())

    def _is_old(self, moment: float) -> bool:
        """By either clock of this machine: while it slept, the monotonic one stood still."""
        if self._told is None:
            return True
        return moment - self._told[1] >= ASK_S or abs(self._wall() - self._wall_then) >= ASK_S

    def note(self, told: float, began: float, ended: float) -> None:
        """It was told so between two moments."""
        if ended - began <= SLOW_S:
            self._told, self._wall_then = (told, (began + ended) / 2), self._wall()

    def now(self) -> float | None:
        """None: not told yet."""
        return None if self._told is None else self._told[0] + self._monotonic() - self._told[1]

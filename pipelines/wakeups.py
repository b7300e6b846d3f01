"""Word of commits over Redis, for where the database's own does not pass: through a pooler nobody can listen.

Like a hint it is disposable: whoever waits looks at SQL once in a while all the same, more often while Redis is away.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from pipelines.ports import UNHEARD_S, Commits
from pipelines.queueing import connect

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

CHANNEL = "reelgrid_due"
FLUSH_S = 0.5
"""So long a process that ends waits for the broker to take what is still to be told."""
PING_S, RETRY_S = 1.0, 1.0
"""A broker that said nothing for so long is asked whether it is there; one that is away is tried again after this."""


class RedisWakeups:
    """ports.Wakeups. Nothing is connected or started before it is needed, and each fork has its own."""

    def __init__(self, url: str, *, threads: bool = True) -> None:
        """Without `threads`, in a process that forks, whoever tells waits for the broker, at most two seconds."""
        self._url, self._threads = url, threads
        self._tellers: dict[int, _Teller] = {}

    def tell(self) -> None:
        """Say that rows are due. Raises nothing: what is not told is found a moment later."""
        teller = self._tellers.setdefault(os.getpid(), _Teller(self._url))
        if self._threads:
            teller.tell()
        else:
            teller.publish(keep=False)

    def flush(self) -> None:
        """Wait a moment for what this process has to tell to be told."""
        if teller := self._tellers.get(os.getpid()):
            teller.flush(FLUSH_S)

    @contextmanager
    def hear(self) -> Iterator[Commits]:
        """What others tell from now on."""
        listener = _Listener(self._url)
        threading.Thread(target=listener.run, name="wakeups", daemon=True).start()
        try:
            yield listener
        finally:
            listener.stop()


class _Teller:
    """Tells beside its process, so that nobody who has committed waits for the broker, and once for all that was
    committed meanwhile. Its thread lives while there is something to tell.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._changed = threading.Condition()
        self._asked = self._told = 0
        self._busy = self._away = False

    @cached_property
    def _redis(self) -> Redis:
        return connect(self._url)

    def tell(self) -> None:
        with self._changed:
            self._asked += 1
            if not self._busy:
                # No thread can be started in a process that is about to end.
                with suppress(RuntimeError):
                    threading.Thread(target=self._run, name="wakeups", daemon=True).start()
                    self._busy = True

    def flush(self, seconds: float) -> None:
        with self._changed:
            asked = self._asked
            self._changed.wait_for(lambda: self._told >= asked, seconds)

    def _run(self) -> None:
        try:
            while (asked := self._next()) is not None:
                self.publish()
                with self._changed:
                    self._told = asked
                    self._changed.notify_all()
        finally:
            # Whatever ended it, the next word starts another.
            with self._changed:
                self._busy = False

    def _next(self) -> int | None:
        with self._changed:
            self._busy = self._told < self._asked
            return self._asked if self._busy else None

    def publish(self, *, keep: bool = True) -> None:
        from redis.exceptions import RedisError

        try:
            self._redis.publish(CHANNEL, "")
            if not keep:
                self._redis.close()
            self._away = False
        except (RedisError, OSError, ValueError, TypeError) as error:
            if not self._away:
                logger.warning("the broker does not take what is told: %s", error)
            self._away = True


class _Listener:
    """ports.Commits. A thread of its own talks to the broker: whoever waits for commits never waits for that."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._heard, self._over = threading.Event(), threading.Event()
        self._hears = False

    def wait(self, seconds: float) -> bool:
        """Whoever cannot hear assumes that something was said."""
        deaf = not self._hears
        if heard := self._heard.wait(min(seconds, UNHEARD_S) if deaf else seconds):
            self._heard.clear()
        return heard or deaf

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        from redis.exceptions import RedisError

        while not self._over.is_set():
            try:
                self._follow()
            except (RedisError, OSError, ValueError, TypeError) as error:
                logger.warning("the broker does not tell of commits, SQL is asked instead: %s", error)
            self._hears = False
            self._heard.set()
            self._over.wait(RETRY_S)

    def _follow(self) -> None:
        with connect(self._url) as redis, redis.pubsub() as channel:
            channel.subscribe(CHANNEL)
            silent = False
            while not self._over.is_set():
                said = channel.get_message(timeout=PING_S)
                if said is None:
                    if silent:
                        raise TimeoutError(f"it has said nothing for {2 * PING_S:.0f} s")
                    channel.ping()
                elif said["type"] != "pong":
                    # With the first that is said, we hear; what was told before then is looked for in SQL.
                    self._hears = True
                    self._heard.set()
                silent = said is None

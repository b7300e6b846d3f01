"""Things that happen later: attachment fetches and webhook pings, on a few daemon threads."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

Task = Callable[[], None]


class Background:
    """A timer queue. Tasks due at the same time run in the order in which they were given."""

    def __init__(self, threads: int = 4) -> None:
        self._heap: list[tuple[float, int, Task]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, daemon=True, name="airtable-later") for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def later(self, seconds: float, task: Task) -> None:
        """Run a task once, that many seconds from now."""
        with self._wake:
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._order), task))
            self._wake.notify()

    def __len__(self) -> int:
        """Tasks that have not begun."""
        with self._wake:
            return len(self._heap)

    def close(self) -> None:
        """Drop what is waiting and let the threads end."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except Exception:  # the outer edge of a thread: one bad task must not end the others
                log.exception("a background task of the sandbox failed")

    def _next(self) -> Task | None:
        with self._wake:
            while not self._closed:
                wait = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._heap)[2]
                self._wake.wait(wait)
            return None

"""Threads that are occupied for long, and never too many of them: by requests that wait for something, at most half of
the server's threads; by those and by downloads together, at most three quarters. So a trigger always finds one free.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar, cast

from flask import Flask, current_app

from pipelines.domain.errors import Retryable
from webapp.errors import HttpProblem

T = TypeVar("T")

SLOTS = "reelgrid.slots"
LINK_MOST = 2
"""Downloads of one link by one address at a time."""
BOUND_S = 8.0
"""An Airtable script waits 12 s for an answer; a read on its behalf must end well before."""
SLOW = "Airtable does not answer right now, so there is no estimate. Nothing was started; please try again."
FULL = "Too many people are waiting right now; please try again."
BUSY = "Too many downloads are under way right now; please try again."


class Slot(AbstractContextManager["Slot"]):
    """A thread that may be occupied until the slot is given back."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def release(self) -> None:
        """Once; again it does nothing."""
        give_back, self._give_back = self._give_back, None
        if give_back:
            give_back()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Slots:
    """Those of one process."""

    def __init__(self, threads: int) -> None:
        self.waiting_most, self.most = max(1, threads // 2), max(1, threads * 3 // 4)
        self.pool = ThreadPoolExecutor(max_workers=self.waiting_most, thread_name_prefix="bounded")
        self._lock = threading.Lock()
        self._waiting = 0
        self._downloads: Counter[tuple[str, str | None]] = Counter()

    def wait(self) -> Slot | None:
        """A slot among those who may wait; None when all are taken."""
        with self._lock:
            if self._waiting >= self.waiting_most or self._taken() >= self.most:
                return None
            self._waiting += 1
        return Slot(self._waited)

    def download(self, link: str, address: str | None) -> Slot:
        """A slot among those who may take long to read an answer. Raises 503 when all are taken."""
        who = (link, address)
        with self._lock:
            if self._downloads[who] >= LINK_MOST or self._taken() >= self.most:
                raise HttpProblem(503, BUSY, (), {"Retry-After": "3"})
            self._downloads[who] += 1
        return Slot(lambda: self._downloaded(who))

    @property
    def waiting(self) -> int:
        """Threads that wait for a change."""
        return self._waiting

    @property
    def downloads(self) -> int:
        """Threads that send a file."""
        return self._downloads.total()

    def _taken(self) -> int:
        return self.waiting + self.downloads

    def _waited(self) -> None:
        with self._lock:
            self._waiting -= 1

    def _downloaded(self, who: tuple[str, str | None]) -> None:
        with self._lock:
            self._downloads[who] -= 1
            if not self._downloads[who]:
                del self._downloads[who]


class Held(Iterator[bytes]):
    """An answer's pieces, with a slot that is given back when they are out or nobody wants them any more: a server
    closes what it serves, also where it never began.
    """

    def __init__(self, slot: Slot | None, pieces: Iterator[bytes]) -> None:
        self._slot, self._pieces = slot or Slot(lambda: None), pieces

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:
            self._slot.release()
            raise

    def close(self) -> None:
        """The server is through with it."""
        self._slot.release()
        close = getattr(self._pieces, "close", None)
        if close:
            close()


def register(app: Flask, threads: int) -> None:
    """The slots of this process, which serves with so many threads."""
    app.extensions[SLOTS] = Slots(threads)


def slots() -> Slots:
    """Those of this process."""
    return cast("Slots", current_app.extensions[SLOTS])


def bounded(work: Callable[[], T], seconds: float = BOUND_S, slow: str = SLOW) -> T:
    """What `work` returns, if it does so in time; else, or when the other side is away, 504 with a sentence."""
    slot = slots().wait()
    if slot is None:
        raise HttpProblem(503, FULL, (), {"Retry-After": "5"})
    future: Future[T] = slots().pool.submit(work)
    # Not before the work is over: what hangs still occupies its slot.
    future.add_done_callback(lambda _: slot.release())
    try:
        return future.result(timeout=seconds)
    except (TooLate, Retryable) as error:
        raise HttpProblem(504, slow, (), {"Retry-After": "10"}) from error

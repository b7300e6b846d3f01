"""Requests that have to wait for something, and never more of them than half of the server's threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager
from typing import TypeVar

from pipelines.domain.errors import Retryable
from webapp.errors import HttpProblem

T = TypeVar("T")

THREADS = 8
"""Threads of one web process; webapp.server sets as many."""
PLACES = THREADS // 2
POLL_INTERVAL_S = 0.25
BOUND_S = 8.0
"""An Airtable script waits 12 s for an answer; a read on its behalf must end well before."""
SLOW = "Airtable does not answer right now, so there is no estimate. Nothing was started; please try again."

_places = threading.BoundedSemaphore(PLACES)
_pool = ThreadPoolExecutor(max_workers=PLACES, thread_name_prefix="bounded")


@contextmanager
def place() -> Iterator[bool]:
    """A place among those who may wait; False at once when all are taken."""
    got = _places.acquire(blocking=False)
    try:
        yield got
    finally:
        if got:
            _places.release()


def until(changed: Callable[[], bool], seconds: float) -> None:
    """Return when `changed` says so, after `seconds`, or at once when too many wait already."""
    with place() as got:
        end = time.monotonic() + seconds
        while got and not changed() and (left := end - time.monotonic()) > 0:
            time.sleep(min(POLL_INTERVAL_S, left))


def bounded(work: Callable[[], T], seconds: float = BOUND_S) -> T:
    """What `work` returns, if it does so in time; else, or when the other side is away, 504 with a sentence."""
    if not _places.acquire(blocking=False):
        raise HttpProblem(503, "Too many people are waiting right now; please try again.", (), {"Retry-After": "5"})
    future: Future[T] = _pool.submit(work)
    # Not before the work is over: what hangs still occupies its place.
    future.add_done_callback(lambda _: _places.release())
    try:
        return future.result(timeout=seconds)
    except (TooLate, Retryable) as error:
        raise HttpProblem(504, SLOW, (), {"Retry-After": "10"}) from error

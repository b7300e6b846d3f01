"""The pump: finds what is due in SQL and sends hints, polls what is at the providers, flushes the outbox, tidies up.

It owns no truth. Killed at any moment, or running twice, it changes nothing in the result. Its loops run in threads
of one process so that a slow Airtable never delays a poll, and a slow provider never delays a hint.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pipelines.stages.delivery import flush
from pipelines.stages.generations import poll
from pipelines.stages.kernel.services import Services
from pipelines.stages.scheduler import maintenance

logger = logging.getLogger(__name__)

TICK_S = 0.1
RESEND_S = 3.0
"""A hint that was sent and led to nothing is sent again after this."""
BATCH = 200
AT_ONCE = 16
"""Hints in one message to the broker."""
POLLERS = 8
BROKEN_PAUSE_S = 1.0


Due = tuple[float, str, str]
"""When a row came due, its kind and its id."""


class Dispatcher:
    """Sends a hint for each due row, the oldest first, and remembers for a moment that it did: until the row is due at
    another time. It stops where the broker has enough: what waits in SQL keeps its order and is never there twice.
    """

    def __init__(self, services: Services, kinds: tuple[str, ...]) -> None:
        self._services, self._kinds = services, kinds
        self._sent: dict[tuple[str, str, float], float] = {}

    def tick(self) -> int:
        """Send what is due and was not sent just now; how many hints."""
        now = time.monotonic()
        self._sent = {hint: at for hint, at in self._sent.items() if now - at < RESEND_S}
        light: list[Due] = []
        heavy: list[Due] = []
        for kind in self._kinds:
            due = self._services.store.due(kind, self._services.clock.now(), BATCH)
            rows = {row: at for row, at in due if (kind, row, at) not in self._sent}
            for found, ids in zip(
                (light, heavy), maintenance.split_by_weight(self._services, kind, list(rows)), strict=True
            ):
                found += [(rows[row], kind, row) for row in ids]
        return self._send(sorted(light), now, media=False) + self._send(sorted(heavy), now, media=True)

    def _send(self, due: list[Due], now: float, *, media: bool) -> int:
        for start in range(0, len(due), AT_ONCE):
            some = due[start : start + AT_ONCE]
            if not self._services.hints.send([(kind, row) for _, kind, row in some], media=media):
                return start
            self._services.points.reach("hint.sent", kind=some[0][1])
            self._sent |= {(kind, row, at): now for at, kind, row in some}
        return len(due)


class Pump:
    """The loops. `stop` ends them after their present round."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._over = threading.Event()
        self._pollers = ThreadPoolExecutor(POLLERS, thread_name_prefix="poll")

    def run(self) -> None:
        """Run until stopped."""
        dispatcher = Dispatcher(self._services, ("runs", "generations", "clips", "cuts", "sweeps", "bases"))
        loops: dict[str, tuple[Callable[[], object], float]] = {
            "dispatch": (dispatcher.tick, TICK_S),
            "poll": (lambda: poll.poll_due(self._services, executor=self._pollers), TICK_S),
            "flush": (lambda: flush.flush_due(self._services), TICK_S),
            "tend": (maintenance.Maintenance(self._services).tick, 1.0),
        }
        threads = [
            threading.Thread(target=self._loop, args=(name, work, pause), name=name, daemon=True)
            for name, (work, pause) in loops.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._pollers.shutdown(wait=True)

    def stop(self) -> None:
        """End after the present round."""
        self._over.set()

    def _loop(self, name: str, work: Callable[[], object], pause: float) -> None:
        while not self._over.is_set():
            try:
                work()
            except Exception:
                # The outer edge of the pump: one bad row or an outage must not end the loop that everybody needs.
                logger.exception("the %s loop stumbled", name)
                self._over.wait(BROKEN_PAUSE_S)
            self._over.wait(pause)

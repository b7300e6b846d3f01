"""The pump: finds what is due in SQL and sends hints, polls what is at the providers, flushes the outbox, sends notices
to customers, tidies up.

It owns no truth. Killed at any moment, or running twice, it changes nothing in the result. Its loops run in threads
of one process so that a slow Airtable never delays a poll, and a slow provider never delays a hint. While nothing is
due they sleep: an alarm knows when the next row is, hears when somebody commits an earlier one, and looks at SQL every
second whatever it hears.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from pipelines.domain.records import Kind
from pipelines.stages.delivery import flush
from pipelines.stages.generations import poll
from pipelines.stages.kernel.services import Services
from pipelines.stages.notices import send
from pipelines.stages.scheduler import maintenance
from pipelines.stages.scheduler.dispatch_lease import DispatchLease
from pipelines.stages.scheduler.job_lists import ROUND_S, JobLists
from pipelines.stages.search import indexing

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How long a row that is due may wait where nobody was told of it: a notification that was lost, a lease that ended
because its holder died.
"""
TICK_S = 0.1
"""The pause between two rounds of a loop while there is something to do."""
DISPATCH_S, ALARM_S = 0.04, 0.01
"""That of hints, each of which somebody waits for; and between two questions of the alarm while others commit."""
RESEND_S, UNTOLD_S = 3.0, 15.0
"""A hint that was sent and led to nothing is sent again after this; and a loop works that nobody has woken."""
LEFT_S = 0.2
"""Whoever brings a clip, or makes it ready, goes on with its run: so long nobody else is sent to it."""
HURRY_S = 0.5
"""So long after something was sent to the workers of media the broker may not know yet that they are at it."""
BATCH = 200
AT_ONCE = 16
"""Hints in one message to the broker."""
TEND_S, INDEX_S = 1.0, 2.0
POLLERS = 8
BROKEN_PAUSE_S = 1.0


Due = tuple[float, str, str]
"""When a row came due, its kind and its id."""


class Dispatcher:
    """Sends a hint for each due row, the oldest first, and remembers for a moment that it did: until the row is due at
    another time. It stops where the broker has enough: what waits in SQL keeps its order and is never there twice.
    Of several worker services that share a broker one sends; `monotonic` is how time passes here.
    """

    def __init__(
        self,
        services: Services,
        kinds: tuple[str, ...],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        shared_broker: bool = True,
    ) -> None:
        self._services, self._kinds, self._monotonic = services, kinds, monotonic
        self._lease = DispatchLease(services.store, services.clock) if shared_broker else None
        self._sent: dict[tuple[str, str, float], float] = {}
        self._media_sent = -HURRY_S

    def tick(self) -> int:
        """Send what is due and was not sent just now; how many hints."""
        now = self._monotonic()
        self._sent = {hint: at for hint, at in self._sent.items() if now - at < RESEND_S}
        light: list[Due] = []
        heavy: list[Due] = []
        last: list[Due] = []
        for kind in self._kinds:
            due = self._services.store.due(kind, self._services.clock.now(), BATCH)
            rows = {row: at for row, at in due if (kind, row, at) not in self._sent}
            split = maintenance.split_by_weight(self._services, kind, list(rows), left_s=LEFT_S)
            for found, ids in zip((light, heavy, last), split, strict=True):
                found += [(rows[row], kind, row) for row in ids]
        if self._lease and not light and not heavy:
            self._lease.nothing_due()
        elif self._lease and not self._lease.is_mine(now):
            return 0
        idle = not heavy and now - self._media_sent >= HURRY_S
        ahead = self._send_last(_in_order(last)[:1], now) if idle else []
        light = [due for due in light if due not in ahead]
        sent = len(ahead) + self._send(_in_order(light), now, media=False)
        sent += self._send(_in_order(heavy), now, media=True)
        if self._lease and sent:
            self._lease.sent(now)
        return sent

    def _send_last(self, last: list[Due], now: float) -> list[Due]:
        """What a film still waits for is brought by who can go on with the film, if they have nothing else to do: those
        that were sent.
        """
        if not last or not self._services.hints.send([(kind, row) for _, kind, row in last], media=True, at_once=True):
            return []
        self._note_sent(last, now)
        self._media_sent = now
        return last

    def _send(self, due: list[Due], now: float, *, media: bool) -> int:
        for start in range(0, len(due), AT_ONCE):
            some = due[start : start + AT_ONCE]
            if not self._services.hints.send([(kind, row) for _, kind, row in some], media=media):
                return start
            self._note_sent(some, now)
            self._media_sent = now if media else self._media_sent
        return len(due)

    def _note_sent(self, due: list[Due], now: float) -> None:
        self._services.points.reach("hint.sent", kind=due[0][1])
        self._sent |= {(kind, row, at): now for at, kind, row in due}


def _in_order(found: list[Due]) -> list[Due]:
    """The oldest first. In the places of runs stand runs, as they were found: there accounts take turns."""
    runs = iter([due for due in found if due[1] == Kind.RUN])
    return [next(runs) if due[1] == Kind.RUN else due for due in sorted(found)]


@dataclass(frozen=True, slots=True)
class Loop:
    """Work that is done again and again: while rows of its kinds are due, and once in a while whatever is told."""

    name: str
    work: Callable[[], object]
    kinds: frozenset[Kind] = frozenset()
    pause_s: float = TICK_S
    longest_s: float = UNTOLD_S
    due: threading.Event = field(default_factory=threading.Event)


class Pump:
    """The loops. `stop` ends them after their present round. Workers of another service may share the broker."""

    def __init__(
        self, services: Services, *, shared_broker: bool = True, polled: Callable[[], object] = lambda: None
    ) -> None:
        """`polled` is told while there are clips to ask providers about."""
        self._services, self._polled = services, polled
        self._over = threading.Event()
        self._pollers = ThreadPoolExecutor(POLLERS, thread_name_prefix="poll")
        self._senders = ThreadPoolExecutor(send.THREADS, thread_name_prefix="notice")
        stepped = frozenset(Kind) - {Kind.OUTBOX, Kind.TEXT, Kind.NOTICE}
        dispatcher = Dispatcher(services, tuple(sorted(stepped)), shared_broker=shared_broker)
        self._indexing = Loop("index", self._index, longest_s=INDEX_S)
        self._lists = JobLists(services, self._over.is_set)
        self._listing = Loop("list", self._list, frozenset({Kind.GENERATION}), ROUND_S)
        self._loops = (
            Loop("dispatch", dispatcher.tick, stepped, DISPATCH_S),
            Loop("poll", self._poll, frozenset({Kind.GENERATION})),
            self._listing,
            Loop("flush", partial(flush.flush_due, services), frozenset({Kind.OUTBOX})),
            Loop("notify", send.Notifier(services, self._senders).send_due, frozenset({Kind.NOTICE})),
            Loop("tend", maintenance.Maintenance(services).tick, longest_s=TEND_S),
            *([self._indexing] if services.meaning else []),
        )

    def run(self) -> None:
        """Run until stopped."""
        threads = [
            threading.Thread(target=self._repeat, args=(loop,), name=loop.name, daemon=True) for loop in self._loops
        ]
        threads.append(threading.Thread(target=self._watch, name="alarm", daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._pollers.shutdown(wait=True)
        self._senders.shutdown(wait=True)

    def stop(self) -> None:
        """End after the present round."""
        self._over.set()
        for loop in self._loops:
            loop.due.set()

    def _poll(self) -> None:
        if poll.poll_due(self._services, executor=self._pollers):
            self._polled()

    def _list(self) -> None:
        if self._lists.read():
            self._listing.due.set()

    def _index(self) -> None:
        if indexing.index_ended(self._services):
            self._indexing.due.set()

    def _repeat(self, loop: Loop) -> None:
        while not self._over.is_set():
            loop.due.clear()
            self._try(loop.name, loop.work)
            self._over.wait(loop.pause_s)
            loop.due.wait(loop.longest_s)

    def _watch(self) -> None:
        while not self._over.is_set():
            self._try("alarm", self._listen)

    def _listen(self) -> None:
        with self._services.store.commits() as commits:
            while not self._over.is_set():
                asked = time.monotonic()
                commits.wait(self._wake())
                self._over.wait(max(0.0, asked + ALARM_S - time.monotonic()))

    def _wake(self) -> float:
        """Wake the loops that have something to do; after how long to look again, unless somebody commits before."""
        now = self._services.clock.now()
        earliest = self._services.store.earliest(now)
        due = {kind for kind, at in earliest.items() if at <= now}
        for loop in self._loops:
            if loop.kinds & due:
                loop.due.set()
        return TICK_S if due else min((LOOK_S, *(at - now for at in earliest.values())))

    def _try(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            # The outer edge of the pump: one bad row or an outage must not end the loop that everybody needs.
            logger.exception("the %s loop stumbled", name)
            self._over.wait(BROKEN_PAUSE_S)

"""One pace for all processes: Airtable allows five requests a second to a base, and locks out who exceeds it.

A turn may start only while fewer than `CAPACITY` others are in flight or ended less than `WINDOW_S` ago. A request
arrives before its answer is here, so no second of Airtable's clock can hold more than that, however late a process is
scheduled or however slow the network; mere spacing could not promise it. One place is left to the customer's own
integrations. The state is a row of SQL: losing Redis costs nothing.

The same row keeps the cool-down after a 429 and the mark of an exhausted monthly quota. Figures: Airtable's page on
rate limits (5/s per base, about 30 s of penalty).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

from pipelines.domain.errors import AirtableQuota, RateLimited
from pipelines.domain.keys import new_id
from pipelines.domain.limits import AirtablePace, Quota
from pipelines.ports import Clock, Store, Tx

CAPACITY = 4
WINDOW_S = 1.0
FLIGHT_MAX_S = 90.0
"""A process that died in a call holds its place no longer than this: more than any timeout of ours."""
COOL_DOWN_S = 30.0
MAX_COOL_DOWN_S = 900.0
QUOTA_PROBE_S = 30.0
MAX_QUOTA_PROBE_S = 900.0
_MIN_WAIT_S = 0.02


def wait_s(pace: AirtablePace, now: float) -> float:
    """Seconds until a turn may be free: exact for ended turns, a short time for those in flight."""
    cool = max(pace.not_before - now, 0.0)
    busy = len(pace.flights) + len(pace.landed)
    if busy < CAPACITY:
        return cool
    # With enough ended turns the place frees at a known time; else somebody has to land first.
    needed = busy - CAPACITY
    known = sorted(pace.landed)[needed] + WINDOW_S - now if needed < len(pace.landed) else WINDOW_S / CAPACITY
    return max(cool, known, _MIN_WAIT_S)


def brought_to(now: float, pace: AirtablePace) -> tuple[AirtablePace, bool]:
    """The pace with every time where `now` makes it possible, and whether the clock was set back: only then do times
    lie too far in the future, and what was corrected has to be written, or it would move along with the time.
    """
    quota = pace.quota
    latest = max([0.0, *pace.flights.values(), *pace.landed])
    set_back = latest > now or pace.not_before > now + pace.cool_s
    if quota is not None and quota.probe_at > now + MAX_QUOTA_PROBE_S:
        quota, set_back = replace(quota, probe_at=now + MAX_QUOTA_PROBE_S), True
    brought = replace(
        pace,
        flights={t: min(at, now) for t, at in pace.flights.items() if now - at < FLIGHT_MAX_S},
        landed=tuple(min(at, now) for at in pace.landed if now - at < WINDOW_S),
        not_before=min(pace.not_before, now + pace.cool_s),
        quota=quota,
    )
    return brought, set_back


class Limiter:
    """The shared pace. `wait` sleeps some seconds; it is an Event's wait unless a test brings its own."""

    def __init__(self, store: Store, clock: Clock, *, wait: Callable[[float], object] | None = None) -> None:
        self._store, self._clock = store, clock
        self._wait = wait or threading.Event().wait

    @contextmanager
    def turn(self, base_id: str, max_wait: float = 30.0, *, metered: bool = True) -> Iterator[None]:
        """Hold a turn for the length of one request. Raises as `acquire`.

        A metered request that goes well ends a quota stop. Requests to the metadata API are not metered: they
        pass during a stop, and prove nothing about it.
        """
        ticket = self.acquire(base_id, max_wait, metered=metered)
        done = False
        try:
            yield
            done = True
        finally:
            self.release(base_id, ticket, quota_is_back=done and metered)

    def acquire(self, base_id: str, max_wait: float = 30.0, *, metered: bool = True) -> str:
        """A ticket for one request, to be given back with `release`.

        Raises RateLimited with `retry_after` when no turn comes within `max_wait` seconds, AirtableQuota while the
        monthly quota is used up; now and then one caller gets through to see whether it is back.
        """
        waited = 0.0
        while True:
            ticket, wait = self._try(base_id, metered=metered)
            if ticket is not None:
                return ticket
            if waited + wait > max_wait:
                raise RateLimited(f"airtable: no turn for {base_id} within {max_wait:g} s", retry_after=wait)
            self._wait(wait)
            waited += wait

    def _try(self, base_id: str, *, metered: bool) -> tuple[str | None, float]:
        with self._changing(base_id) as (tx, pace, now):
            stop = pace.quota.probe_at - now if metered and pace.quota is not None else 0.0
            wait = wait_s(pace, now)
            ticket = new_id("turn") if stop <= 0 and wait <= 0 else None
            if ticket is not None:
                taken = replace(_probing(pace, now) if metered else pace, flights={**pace.flights, ticket: now})
                _save(tx, taken)
        if stop > 0:
            raise AirtableQuota(f"airtable: quota of {base_id} used up", retry_after=stop)
        return ticket, wait

    def release(self, base_id: str, ticket: str, *, quota_is_back: bool = False) -> None:
        """The request is over, however it ended."""
        with self._changing(base_id) as (tx, pace, now):
            flights = {t: at for t, at in pace.flights.items() if t != ticket}
            quota = None if quota_is_back else pace.quota
            _save(tx, replace(pace, flights=flights, landed=(*pace.landed, now), quota=quota))

    def cool_down(self, base_id: str, seconds: float | None) -> float:
        """Airtable said 429: nobody calls for `seconds`, at least 30. Returns how long."""
        wait = min(max(seconds or 0.0, COOL_DOWN_S), MAX_COOL_DOWN_S)
        with self._changing(base_id) as (tx, pace, now):
            until: float = max(pace.not_before, now + wait)
            _save(tx, replace(pace, not_before=until, cool_s=until - now))
            return until - now

    def quota_used_up(self, base_id: str) -> float:
        """Airtable said that the monthly quota is gone. Returns the seconds until the next look."""
        with self._changing(base_id) as (tx, pace, now):
            probes = pace.quota.probes if pace.quota else 0
            wait: float = min(QUOTA_PROBE_S * 2**probes, MAX_QUOTA_PROBE_S)
            since = pace.quota.since if pace.quota else now
            _save(tx, replace(pace, quota=Quota(since, probes + 1, now + wait)))
            return wait

    def state(self, base_id: str) -> AirtablePace:
        """For the doctor and metrics."""
        with self._store.read() as tx:
            return brought_to(self._clock.now(), tx.airtable_paces.get(base_id) or AirtablePace(id=base_id))[0]

    @contextmanager
    def _changing(self, base_id: str) -> Iterator[tuple[Tx, AirtablePace, float]]:
        with self._store.write() as tx:
            tx.serialise(f"airtable:{base_id}")
            now = self._clock.now()
            pace, set_back = brought_to(now, tx.airtable_paces.get(base_id) or AirtablePace(id=base_id))
            if set_back:
                _save(tx, pace)
            yield tx, pace, now


def _save(tx: Tx, pace: AirtablePace) -> None:
    columns = {field.name: getattr(pace, field.name) for field in fields(pace) if field.name != "id"}
    if not tx.airtable_paces.change(pace.id, **columns):
        tx.airtable_paces.add(pace)


def _probing(pace: AirtablePace, now: float) -> AirtablePace:
    """While the quota is out, who looks first keeps the others from looking for a while."""
    if pace.quota is None:
        return pace
    return replace(pace, quota=replace(pace.quota, probe_at=now + QUOTA_PROBE_S))

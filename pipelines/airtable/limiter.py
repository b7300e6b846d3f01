"""One pace for all processes: Airtable allows five requests a second to a base, and locks out who exceeds it.

A turn may start only while fewer than `CAPACITY` others are in flight or ended less than `WINDOW_S` ago. A request
arrives before its answer is here, so no second of Airtable's clock can hold more than that, however late a process is
scheduled or however slow the network; mere spacing could not promise it. One place is left to the customer's own
integrations. The state is a row of SQL (ports.Lane): losing Redis costs nothing.

The same row keeps the cool-down after a 429 and the mark of an exhausted monthly quota. Figures: Airtable's page on
rate limits (5/s per base, about 30 s of penalty).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pipelines.domain.errors import AirtableQuota, RateLimited
from pipelines.domain.keys import new_id
from pipelines.domain.records import Lane
from pipelines.domain.state.shared import LaneDetail, Quota
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


@dataclass(frozen=True, slots=True)
class LaneState:
    """A lane at one moment, with every time brought to where `now` makes it possible."""

    flights: Mapping[str, float] = field(default_factory=dict)
    """Turns in flight, by ticket: when they started."""
    landed: tuple[float, ...] = ()
    """When the last turns ended."""
    not_before: float = 0.0
    cool_s: float = 0.0
    quota: Quota | None = None
    mended: bool = False
    """The clock was set back: what was corrected has to be written, or it would move along with the time."""

    def wait(self, now: float) -> float:
        """Seconds until a turn may be free: exact for ended turns, a short look again for those in flight."""
        cool = max(self.not_before - now, 0.0)
        busy = len(self.flights) + len(self.landed)
        if busy < CAPACITY:
            return cool
        # With enough ended turns the place frees at a known time; else somebody has to land first.
        needed = busy - CAPACITY
        known = sorted(self.landed)[needed] + WINDOW_S - now if needed < len(self.landed) else WINDOW_S / CAPACITY
        return max(cool, known, _MIN_WAIT_S)


def read_lane(lane: Lane | None, now: float) -> LaneState:
    """What a lane says now. Times that lie too far in the future can only come from a clock that was set back since."""
    if lane is None:
        return LaneState()
    detail = lane.detail
    flights = {t: min(at, now) for t, at in detail.flights.items() if now - at < FLIGHT_MAX_S}
    landed = tuple(min(at, now) for at in detail.landed if now - at < WINDOW_S)
    cool_s, quota = detail.cool_s, detail.quota
    latest = max([0.0, *detail.flights.values(), *detail.landed])
    mended = latest > now or lane.not_before > now + cool_s
    if quota is not None and quota.probe_at > now + MAX_QUOTA_PROBE_S:
        quota, mended = replace(quota, probe_at=now + MAX_QUOTA_PROBE_S), True
    return LaneState(flights, landed, min(lane.not_before, now + cool_s), cool_s, quota, mended)


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
        with self._changing(base_id) as (tx, state, now):
            stop = state.quota.probe_at - now if metered and state.quota is not None else 0.0
            wait = state.wait(now)
            ticket = new_id("turn") if stop <= 0 and wait <= 0 else None
            if ticket is not None:
                taken = replace(_probing(state, now) if metered else state, flights={**state.flights, ticket: now})
                self._save(tx, base_id, taken, now)
        if stop > 0:
            raise AirtableQuota(f"airtable: quota of {base_id} used up", retry_after=stop)
        return ticket, wait

    def release(self, base_id: str, ticket: str, *, quota_is_back: bool = False) -> None:
        """The request is over, however it ended."""
        with self._changing(base_id) as (tx, state, now):
            flights = {t: at for t, at in state.flights.items() if t != ticket}
            quota = None if quota_is_back else state.quota
            self._save(tx, base_id, replace(state, flights=flights, landed=(*state.landed, now), quota=quota), now)

    def cool_down(self, base_id: str, seconds: float | None) -> float:
        """Airtable said 429: nobody calls for `seconds`, at least 30. Returns how long."""
        wait = min(max(seconds or 0.0, COOL_DOWN_S), MAX_COOL_DOWN_S)
        with self._changing(base_id) as (tx, state, now):
            until: float = max(state.not_before, now + wait)
            self._save(tx, base_id, replace(state, not_before=until, cool_s=until - now), now)
            return until - now

    def quota_used_up(self, base_id: str) -> float:
        """Airtable said that the monthly quota is gone. Returns the seconds until the next look."""
        with self._changing(base_id) as (tx, state, now):
            probes = state.quota.probes if state.quota else 0
            wait: float = min(QUOTA_PROBE_S * 2**probes, MAX_QUOTA_PROBE_S)
            since = state.quota.since if state.quota else now
            self._save(tx, base_id, replace(state, quota=Quota(since, probes + 1, now + wait)), now)
            return wait

    def state(self, base_id: str) -> LaneState:
        """For the doctor and metrics."""
        with self._store.read() as tx:
            return read_lane(tx.lanes.get(lane_id(base_id)), self._clock.now())

    @contextmanager
    def _changing(self, base_id: str) -> Iterator[tuple[Tx, LaneState, float]]:
        lane = lane_id(base_id)
        with self._store.write() as tx:
            tx.serialise(lane)
            now = self._clock.now()
            state = read_lane(tx.lanes.get(lane), now)
            if state.mended:
                self._save(tx, base_id, state, now)
            yield tx, state, now

    @staticmethod
    def _save(tx: Tx, base_id: str, state: LaneState, now: float) -> None:
        detail = LaneDetail(flights=state.flights, landed=state.landed, cool_s=state.cool_s, quota=state.quota)
        lane = Lane(id=lane_id(base_id), next_free_at=now + state.wait(now), not_before=state.not_before, detail=detail)
        if not tx.lanes.change(lane.id, next_free_at=lane.next_free_at, not_before=lane.not_before, detail=detail):
            tx.lanes.add(lane)


def _probing(state: LaneState, now: float) -> LaneState:
    """While the quota is out, who looks first keeps the others from looking for a while."""
    if state.quota is None:
        return state
    return replace(state, quota=replace(state.quota, probe_at=now + QUOTA_PROBE_S))


def lane_id(base_id: str) -> str:
    """The row of `lanes` for a base."""
    return f"airtable:{base_id}"

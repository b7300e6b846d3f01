"""Sending notices: a few at once to each address, again at growing intervals, never for ever.

The pump does it, in threads of its own: whoever answers slowly, or not at all, holds up nobody but himself.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from pipelines.domain.customers.notices import Attempt, DisabledReason, Endpoint, Notice, NoticeStatus, NoticeType
from pipelines.domain.errors import ReelgridError
from pipelines.domain.keys import new_id, new_token
from pipelines.ports import Message, SendOutcome, Tx
from pipelines.stages.kernel import announcements
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, LostLease
from pipelines.stages.notices.messages import body_of

logger = logging.getLogger(__name__)

LATER_S = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 36_000.0)
"""After each attempt that failed, so long until the next one: Svix's schedule, a little more than a day in all."""
JITTER = 0.1
LONGEST_ASKED_S = 3600.0
"""A receiver may ask us to wait, but not for longer than this."""
GIVE_UP_S = 5 * 86_400.0
"""An endpoint to which nothing arrived for so long is switched off."""
AT_ONE_ADDRESS = 2
LEASE_S = 60.0
BATCH = 200
THREADS = 32
SICK = THREADS // 2
"""So many attempts may be under way at addresses where the last one failed; the rest is for those that answer."""
ASIDE_S = 2.0
"""A notice whose address has no free place lets others go first for so long."""
_GONE = "the address answered 410: nobody wants messages there any more."
_FAILING = "nothing arrived there for five days."


@dataclass(frozen=True, slots=True)
class _Taken:
    """A notice under our lease, and what it is sent with."""

    notice: Notice
    endpoint: Endpoint | None
    token: str
    body: str

    @property
    def sick(self) -> bool:
        return _is_sick(self.notice, self.endpoint)


class Notifier:
    """Sends what is due. Remembers only how much it has under way. Without an executor it sends in this thread."""

    def __init__(self, services: Services, executor: Executor | None = None) -> None:
        self._services, self._executor = services, executor
        self._lock = threading.Lock()
        self._busy = self._sick = 0

    def send_due(self) -> int:
        """Start what is due and has a place; how many attempts."""
        now = self._services.clock.now()
        due = [row for row, _ in self._services.store.due("notices", now, BATCH)]
        if not due:
            return 0
        with self._services.store.read() as tx:
            notices = sorted(tx.notices.find(id=due), key=lambda one: one.next_at or now)
            named = {one.endpoint_id for one in notices if one.endpoint_id}
            endpoints = {one.id: one for one in tx.endpoints.find(id=sorted(named))}
        started, aside = 0, list[str]()
        # Nothing is asked about an address again that has no free place: a long queue for it would keep others from
        # writing to the database.
        full: set[str] = set()
        for notice in notices:
            sick = _is_sick(notice, endpoints.get(notice.endpoint_id or ""))
            if notice.target in full or not self._has_place(sick):
                aside.append(notice.id)
                continue
            taken, waits = _take(self._services, notice.id)
            if taken is not None:
                self._start(taken)
                started += 1
            elif waits:
                aside.append(notice.id)
                full.add(notice.target)
        _set_aside(self._services, aside)
        return started

    def _has_place(self, sick: bool) -> bool:  # noqa: FBT001 - its only argument
        with self._lock:
            return self._busy < THREADS and not (sick and self._sick >= SICK)

    def _start(self, taken: _Taken) -> None:
        if self._executor is None:
            _attempt(self._services, taken)
            return
        with self._lock:
            self._busy += 1
            self._sick += taken.sick
        self._executor.submit(self._work, taken)

    def _work(self, taken: _Taken) -> None:
        try:
            _attempt(self._services, taken)
        except Exception:  # the outer edge of this thread: nobody waits for what it returns
            logger.exception("notice %s could not be sent", taken.notice.id)
        finally:
            with self._lock:
                self._busy -= 1
                self._sick -= taken.sick


def _is_sick(notice: Notice, endpoint: Endpoint | None) -> bool:
    """Whether the last attempt at it failed."""
    return notice.attempts > 0 or (endpoint is not None and endpoint.failing_since is not None)


def _take(services: Services, notice_id: str) -> tuple[_Taken | None, bool]:
    """Lease a notice whose address has a free place, and make its bytes if there are none yet; else whether it waits
    for a place. One for an endpoint that is off or gone is dropped.
    """
    now, token = services.clock.now(), new_token()
    with services.store.write() as tx:
        notice = tx.notices.get(notice_id)
        if notice is None or notice.next_at is None or notice.next_at > now or notice.lease_until > now:
            return None, False
        tx.serialise(f"notices:{notice.target}")
        endpoint = tx.endpoints.get(notice.endpoint_id) if notice.endpoint_id else None
        same = {"lease_token": notice.lease_token, "next_at": notice.next_at, "status": NoticeStatus.WAITING}
        if notice.erased or (notice.endpoint_id and (endpoint is None or endpoint.off)):
            tx.notices.change(notice.id, same, status=NoticeStatus.DROPPED, next_at=None, finished_at=now, **FREE)
            return None, False
        if len(tx.notices.find(target=notice.target, after={"lease_until": now}, limit=AT_ONE_ADDRESS)) > 1:
            return None, True
        body = notice.body or body_of(services, notice, endpoint.format if endpoint else "standard")
        lease = {"lease_owner": services.owner, "lease_token": token, "lease_until": now + LEASE_S}
        if not tx.notices.change(notice.id, same, body=body, **lease):
            return None, False
        return _Taken(notice, endpoint, token, body), False


def _set_aside(services: Services, ids: Sequence[str]) -> None:
    """So that a long queue for one address does not stand in the way of all others."""
    if ids:
        now = services.clock.now()
        with services.store.write() as tx:
            free = {"lease_token": None, "status": NoticeStatus.WAITING}
            tx.notices.change_all(ids, free, before={"next_at": now}, next_at=now + ASIDE_S)


def _attempt(services: Services, taken: _Taken) -> None:
    notice, endpoint, now = taken.notice, taken.endpoint, services.clock.now()
    address = endpoint.address if endpoint else notice.address
    if address is None:
        raise ValueError(f"notice {notice.id} has no address")
    secrets = _live_secrets(endpoint, now) if endpoint else ()
    message = Message(
        id=notice.id,
        body=taken.body.encode(),
        address=address,
        sealed_secrets=secrets,
        account_id=notice.account_id,
    )
    outcome = services.notices.send(message, now)
    services.points.reach("notice.sent", notice=notice.id)
    try:
        with services.store.write() as tx:
            _settle(tx, services.clock.now(), taken, outcome)
    except LostLease:
        logger.info("notice %s was taken over; it may arrive twice", notice.id)
    except ReelgridError as error:
        # The lease ends by itself, and it is sent again: the same id, the same bytes.
        logger.warning("what came of notice %s cannot be written down: %s", notice.id, error.operator)


def _live_secrets(endpoint: Endpoint, now: float) -> tuple[str, ...]:
    """The newest first; the one before it while it still counts."""
    if endpoint.sealed_retired and (endpoint.retired_until or 0.0) > now:
        return (endpoint.sealed_secret, endpoint.sealed_retired)
    return (endpoint.sealed_secret,)


def _settle(tx: Tx, now: float, taken: _Taken, outcome: SendOutcome) -> None:
    """Write down what came of it. Raises LostLease."""
    notice = taken.notice
    endpoint = tx.endpoints.get(notice.endpoint_id, lock=True) if notice.endpoint_id else None
    changes = _after(notice, now, outcome)
    if not tx.notices.change(notice.id, {"lease_token": taken.token}, **changes, **FREE):
        raise LostLease(notice.id)
    tx.attempts.add(
        Attempt(
            id=new_id("att"),
            account_id=notice.account_id,
            notice_id=notice.id,
            at=now,
            code=outcome.code,
            ms=outcome.ms,
            outcome=outcome.words,
        )
    )
    if endpoint is not None:
        _judge(tx, now, endpoint, outcome)


def _after(notice: Notice, now: float, outcome: SendOutcome) -> dict[str, object]:
    tried = notice.attempts + 1
    over = {"attempts": tried, "next_at": None, "finished_at": now}
    if outcome.arrived:
        return {**over, "status": NoticeStatus.DELIVERED}
    if outcome.gone:
        return {**over, "status": NoticeStatus.DROPPED}
    if tried > len(LATER_S) or notice.type == NoticeType.RUN_PROGRESS:
        return {**over, "status": NoticeStatus.FAILED}
    pause = LATER_S[tried - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing
    asked = min(outcome.retry_after or 0.0, LONGEST_ASKED_S)
    return {"attempts": tried, "next_at": now + max(pause, asked)}


def _judge(tx: Tx, now: float, endpoint: Endpoint, outcome: SendOutcome) -> None:
    """What one attempt says of the endpoint as a whole."""
    if outcome.arrived:
        tx.endpoints.change(endpoint.id, failing_since=None, delivered_at=now)
    elif outcome.gone:
        switch_off(tx, now, endpoint, DisabledReason.GONE, _GONE)
    elif endpoint.failing_since is None:
        tx.endpoints.change(endpoint.id, failing_since=now)
    elif now - endpoint.failing_since >= GIVE_UP_S:
        switch_off(tx, now, endpoint, DisabledReason.FAILING, _FAILING)


def switch_off(tx: Tx, now: float, endpoint: Endpoint, reason: DisabledReason, why: str) -> None:
    """Nothing is sent there any more; the account's other endpoints are told. What it would have heard is kept."""
    if tx.endpoints.change(endpoint.id, {"off": None}, off=reason, off_at=now):
        announcements.tell_disabled(tx, now, endpoint, why)
        logger.warning("endpoint %s is switched off: %s", endpoint.id, why)

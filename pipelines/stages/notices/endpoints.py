"""Endpoints as their owners see to them, and notices sent again at their word."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypedDict

from pipelines.domain.customers.notices import (
    MOST_ENDPOINTS,
    Attempt,
    DisabledReason,
    Endpoint,
    EndpointFormat,
    Notice,
    NoticeStatus,
)
from pipelines.domain.errors import Busy, NotAllowed, NotFound, TooMany
from pipelines.domain.keys import new_id
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.ports import Columns, Tx
from pipelines.stages.files import revocations
from pipelines.stages.files.revocations import Revoked
from pipelines.stages.kernel import announcements
from pipelines.stages.kernel.paging import cursor_after, newest_first
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE
from pipelines.stages.spending import rate_limits

AGAIN_EVERY_S, AGAIN_AT_ONCE = 1.0, 60
"""Tests and notices sent again: so many of one account at once, then one a second."""
RECOVERED_AT_ONCE = 200
HOUR_S = 3600.0
_ENDED = (NoticeStatus.FAILED, NoticeStatus.DROPPED)
STILL_TWO = (
    "The secret before still signs, and there are never more than two. Rotate again when it has ended, or with hours 0 "
    "to end it now."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpoint:
    """What an endpoint is made from."""

    address: SealedAddress
    sealed_secret: str
    format: EndpointFormat
    events: tuple[str, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A notice with its newest attempts."""

    notice: Notice
    attempts: Sequence[Attempt]


def create(services: Services, wanted: NewEndpoint) -> Endpoint:
    """Another endpoint of whoever asks. Raises NotAllowed."""
    with services.store.write() as tx:
        tx.serialise(f"endpoints:{tx.account_id}")
        if len(tx.endpoints.find(account_id=tx.account_id)) >= MOST_ENDPOINTS:
            raise NotAllowed(marketer=f"There are {MOST_ENDPOINTS} webhooks already, and no more fit: delete one.")
        made = Endpoint(
            id=new_id("ep"),
            account_id=tx.account_id,
            address=wanted.address,
            sealed_secret=wanted.sealed_secret,
            format=wanted.format,
            events=wanted.events,
            description=wanted.description,
            created_at=services.clock.now(),
        )
        tx.endpoints.add(made)
        return made


def found(tx: Tx, endpoint_id: str, *, lock: bool = False) -> Endpoint:
    """The endpoint. Raises NotFound."""
    endpoint = tx.endpoints.get(endpoint_id, lock=lock)
    if endpoint is None:
        raise NotFound(f"endpoint {endpoint_id}", marketer=f"There is no webhook {endpoint_id}.")
    return endpoint


def change(
    services: Services,
    endpoint_id: str,
    *,
    address: SealedAddress | None = None,
    events: tuple[str, ...] | None = None,
    description: str | None = None,
    enabled: bool | None = None,
) -> Endpoint:
    """Change what is given. Switched on, it starts anew: what failed before counts no more. Raises NotFound."""
    given = {"address": address, "events": events, "description": description}
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    with services.store.write() as tx:
        endpoint = found(tx, endpoint_id, lock=True)
        if enabled:
            changes |= {"off": None, "off_at": None, "failing_since": None}
        elif enabled is False and endpoint.off is None:
            changes |= {"off": DisabledReason.PAUSED, "off_at": services.clock.now()}
        if changes:
            tx.endpoints.change(endpoint_id, **changes)
        endpoint = found(tx, endpoint_id)
    if enabled is not None:
        revocations.note(services, Revoked.WEBHOOK, endpoint_id, off=endpoint.off, off_at=endpoint.off_at)
    return endpoint


def delete(services: Services, endpoint_id: str) -> None:
    """Nothing more is sent to it, now and for ever. Raises NotFound."""
    with services.store.write() as tx:
        found(tx, endpoint_id)
        tx.endpoints.remove(endpoint_id)
    revocations.note(services, Revoked.WEBHOOK, endpoint_id)


def rotate(services: Services, endpoint_id: str, sealed_secret: str, hours: float) -> Endpoint:
    """Another secret; for so many hours the one of now signs too. Raises NotFound and NotAllowed."""
    now = services.clock.now()
    with services.store.write() as tx:
        endpoint = found(tx, endpoint_id, lock=True)
        if hours and (endpoint.retired_until or now) > now:
            raise NotAllowed(marketer=STILL_TWO)
        before = {"sealed_retired": endpoint.sealed_secret, "retired_until": now + hours * HOUR_S}
        tx.endpoints.change(endpoint_id, sealed_secret=sealed_secret, **before)
        return found(tx, endpoint_id)


def test(services: Services, endpoint_id: str) -> Notice:
    """Send it a message that says nothing. Raises NotFound, NotAllowed and TooMany."""
    now = services.clock.now()
    with services.store.write() as tx:
        endpoint = found(tx, endpoint_id)
        if endpoint.off is not None:
            raise NotAllowed(marketer="This webhook is switched off. Switch it on, then test it.")
        _acquire_turn(tx, now)
        return announcements.tell_test(tx, now, endpoint)


def resend(services: Services, notice_id: str) -> Sent:
    """Send a notice once more: the same id and bytes, and the whole schedule again. Raises NotFound, NotAllowed and
    TooMany.
    """
    now = services.clock.now()
    with services.store.write() as tx:
        notice = tx.notices.get(notice_id)
        if notice is None:
            raise NotFound(f"notice {notice_id}", marketer=f"There is no message {notice_id}.")
        if notice.erased:
            raise NotAllowed(marketer="What this message said was erased: it cannot be sent again.")
        if notice.endpoint_id is not None and found(tx, notice.endpoint_id).off is not None:
            raise NotAllowed(marketer="Its webhook is switched off. Switch it on, then send the message again.")
        _acquire_turn(tx, now)
        _send_again(tx, notice_id, {"lease_token": None}, now)
        return Sent(tx.notices.get(notice_id) or notice, _attempts(tx, [notice_id]).get(notice_id, ()))


def recover(services: Services, endpoint_id: str, since: float) -> tuple[int, bool]:
    """Send again what did not arrive since a moment, the newest first: how many, and whether there is more. Each is
    waiting then, so that asking twice sends nothing twice. Raises NotFound, NotAllowed and TooMany.
    """
    now = services.clock.now()
    with services.store.write() as tx:
        if found(tx, endpoint_id).off is not None:
            raise NotAllowed(marketer="This webhook is switched off. Switch it on, then recover what it missed.")
        _acquire_turn(tx, now)
        lost = tx.notices.find(
            endpoint_id=endpoint_id,
            status=_ENDED,
            # `after` is strict, and `since` is meant to be included.
            after={"created_at": since - 1e-6},
            order="-created_at",
            limit=RECOVERED_AT_ONCE + 1,
        )
        ids = [notice.id for notice in lost[:RECOVERED_AT_ONCE] if not notice.erased]
        for notice_id in ids:
            _send_again(tx, notice_id, {"status": _ENDED}, now)
    return len(ids), len(lost) > RECOVERED_AT_ONCE


def _send_again(tx: Tx, notice_id: str, when: Columns, now: float) -> None:
    waiting = NoticeStatus.WAITING
    tx.notices.change(notice_id, when, status=waiting, next_at=now, attempts=0, finished_at=None, **FREE)


def _acquire_turn(tx: Tx, now: float) -> None:
    """Raises TooMany."""
    try:
        rate_limits.acquire(tx, f"notices:{tx.account_id or 'operator'}", now, AGAIN_EVERY_S, AGAIN_AT_ONCE)
    except Busy as busy:
        words = "Too many messages were asked for at once. Please try again in a moment."
        raise TooMany(busy.operator, marketer=words, retry_after=busy.retry_after, limit="notices") from busy


class _Ended(TypedDict, total=False):
    status: tuple[str, ...]


def notices_of(
    services: Services, endpoint_id: str, *, limit: int, cursor: str | None, statuses: Collection[str] = ()
) -> tuple[list[Sent], str | None]:
    """What was sent to an endpoint, newest first, and the cursor of the next page. Raises NotFound, and ValueError for
    a cursor that is not ours.
    """
    only: _Ended = {"status": tuple(statuses)} if statuses else {}
    with services.store.read() as tx:
        found(tx, endpoint_id)
        notices = newest_first(tx.notices, limit + 1, cursor, endpoint_id=endpoint_id, **only)
        attempts = _attempts(tx, [notice.id for notice in notices[:limit]])
    more = cursor_after(notices[limit - 1]) if len(notices) > limit else None
    return [Sent(notice, attempts.get(notice.id, ())) for notice in notices[:limit]], more


def _attempts(tx: Tx, ids: Sequence[str]) -> dict[str, list[Attempt]]:
    """Of each notice, the newest first."""
    by_notice: dict[str, list[Attempt]] = {}
    for attempt in sorted(tx.attempts.find(notice_id=list(ids)), key=lambda one: -one.at):
        by_notice.setdefault(attempt.notice_id, []).append(attempt)
    return by_notice

"""What people change in a base reaches us by Airtable's webhooks; where there are none, by a slow look now and then.

A connected base is a row that comes due: when Airtable pings, when a scheduled video's time has come, and once in a
while in any case. Its lease keeps everybody else out, so that no change is acted on by two at once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, cast

from pipelines.domain.airtable.fields import ACTION_BOXES, TICKED_TABLES, AirtableTable, VideoField
from pipelines.domain.errors import AirtableDenied, NotConfigured, RecordGone, ReelgridError
from pipelines.domain.records import Base, InboxItem
from pipelines.domain.state.base import BaseState, Push
from pipelines.ports import AirtableChange
from pipelines.stages.base_changes import checkboxes, queue_sweep, stale_scenes
from pipelines.stages.base_rows import base_settings
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor
from pipelines.stages.orders import brands, schedule

logger = logging.getLogger(__name__)

PROVIDER = "airtable"
POLL_S = 3 * 3600.0
"""Without push, a look costs three calls: eight looks a day stay within the smallest monthly quota (1,000 calls)."""
PUSHED_S = 6 * 3600.0
"""With push, one call now and then finds what a lost ping would have told."""
CHECK_S = 86_400.0
"""Once a day the webhook is prolonged, switched on again or registered anew."""
REFUSED_S = 3600.0
"""Who was refused asks again after this."""
_POLL_INTERVALS = ("payloads", "ticked", "ready")
"""The calls by which a look hears and reads what people changed."""
READY = "Ready"
_STARTS = frozenset({VideoField.STATUS.value, VideoField.SCHEDULED_FOR.value})


class PushState(Enum):
    """How we hear of changes in a base."""

    NONE = "not at all: we look"
    NEW = "by pings, since this moment: we look once"
    PINGS = "by pings"


def schedule_polls(services: Services) -> None:
    """Every connected base comes due again and again. For the pump: cheap, and safe from several processes."""
    now = services.clock.now()
    for base in services.base_tools.bases.all():
        if base.next_at is None:
            with services.store.write() as tx:
                tx.bases.add(Base(id=base.id, created_at=now))
                tx.bases.change(base.id, {"next_at": None}, next_at=now)


def advance(services: Services, actor: Actor, base: Base) -> None:
    """Act on what was changed in a base since last time, then rest until a ping or the next look."""
    base_id = base.id
    ear = ensure_registered(services, base_id)
    with services.store.read() as tx:
        last = tx.events.find(order="-id", limit=1)
    before = (last[0].id or 0) if last else 0
    runs: list[str] = []
    looked_before = known(services, base_id).looked
    if ear is PushState.PINGS:
        drained = _process_changes(services, base_id)
        ear, runs = (ear, drained) if drained is not None else (ensure_registered(services, base_id), [])
    if ear is not PushState.PINGS:
        due = checkboxes.poll_checkboxes(services, base_id, is_new=_is_new(services, base_id))
        _note(services, base_id, wake_at=due.next_at, looked=True)
        runs = list(due.runs)
    elif _is_time(services, base_id):
        runs += _start_ready(services, base_id)
    _charge(services, base_id, before, runs)
    if not runs and looked_before:
        brands.refresh(services, base_id)
    _rest(services, actor, base, POLL_S if ear is PushState.NONE else PUSHED_S)


def _is_new(services: Services, base_id: str) -> bool:
    with services.store.read() as tx:
        return not known(services, base_id).looked and not tx.runs.find(base_id=base_id, order="created_at", limit=1)


def give_up(services: Services, actor: Actor, base_id: str, error: ReelgridError) -> None:
    """The base cannot be read: it is looked at again later."""
    logger.warning("changes in %s cannot be read: %s", base_id, error.operator)
    with services.store.read() as tx:
        base = tx.bases.get(base_id)
    if base is not None:
        _rest(services, actor, base, POLL_S)


def _rest(services: Services, actor: Actor, base: Base, pause: float) -> None:
    """Until the next look, unless a ping has come meanwhile: then the base is due at once."""
    now, wake_at = services.clock.now(), known(services, base.id).wake_at
    later = now + pause if wake_at is None else min(now + pause, max(wake_at, now))
    with services.store.write() as tx:
        current = tx.bases.get(base.id, lock=True)
        if current is not None:
            next_at = later if current.next_at == base.next_at else current.next_at
            tx.bases.change(base.id, {"lease_token": actor.lease}, next_at=next_at, attempts=0, **FREE)


# ---------------------------------------------------------------- the webhook


def ensure_registered(services: Services, base_id: str) -> PushState:
    """See to it that Airtable pings us, if it can and we may; costs a call once a day."""
    push, now = known(services, base_id), services.clock.now()
    if not push.wanted or not services.policy.airtable_reaches_us:
        return PushState.NONE
    hooks = services.base_tools.webhooks
    hook = hooks.known(base_id)
    fine = hook is not None and hook.url == hooks.url
    if push.problem and 0 <= now - push.checked_at < REFUSED_S:
        return PushState.NONE
    if fine and not push.problem and 0 <= now - push.checked_at < CHECK_S:
        return PushState.PINGS
    try:
        found = hooks.register(base_id)
    except (AirtableDenied, NotConfigured) as error:
        logger.info("no push for %s: %s", base_id, error.operator)
        _note(services, base_id, problem=error.operator, checked_at=now)
        return PushState.NONE
    _note(services, base_id, problem="", checked_at=now)
    return PushState.PINGS if hook is not None and hook.id == found.id else PushState.NEW


def is_on(services: Services, base_id: str) -> bool:
    """Whether Airtable pings us about a base, as far as we know; asks nobody."""
    push, hooks = known(services, base_id), services.base_tools.webhooks
    hook = hooks.known(base_id) if push.wanted and not push.problem else None
    return services.policy.airtable_reaches_us and hook is not None and hook.url == hooks.url


def turn_on(services: Services, base_id: str) -> PushState:
    """A person wants push: registered now, or the reason is in `known`. The worker looks at the base once."""
    _note(services, base_id, wanted=True, problem="", checked_at=0.0)
    ear = ensure_registered(services, base_id)
    poll_soon(services, base_id)
    return ear


def turn_off(services: Services, base_id: str) -> bool:
    """No push any more, not even by itself; whether there was any."""
    _note(services, base_id, wanted=False, problem="")
    was_on = services.base_tools.webhooks.unregister(base_id)
    poll_soon(services, base_id)
    return was_on


def poll_soon(services: Services, base_id: str) -> bool:
    """The worker looks at the base now; False when it is not connected."""
    with services.store.write() as tx:
        return tx.bases.change(base_id, next_at=services.clock.now())


def known(services: Services, base_id: str) -> Push:
    """What we remember."""
    return services.base_tools.bases.state(base_id).push


def _note(services: Services, base_id: str, **changes: Any) -> None:
    def merge(state: BaseState) -> BaseState:
        return replace(state, push=replace(state.push, **changes))

    services.base_tools.bases.remember(base_id, merge)


# ---------------------------------------------------------------- what was changed


def _process_changes(services: Services, base_id: str) -> list[str] | None:
    """Read and act; only then the cursor moves on. The runs that it was about; None when the webhook is gone, or ours
    no more to read.
    """
    hooks = services.base_tools.webhooks
    try:
        changes = hooks.read(base_id)
    except RecordGone:
        _note(services, base_id, checked_at=0.0)
        return None
    except AirtableDenied as error:
        _note(services, base_id, problem=error.operator, checked_at=services.clock.now())
        return None
    runs = act_on(services, base_id, changes.rows)
    hooks.advance(base_id, changes.cursor)
    return runs


def act_on(services: Services, base_id: str, changes: Sequence[AirtableChange]) -> list[str]:
    """What changes ask for; the runs that they were about. They tell where to look, not what is ticked: a box may be
    cleared by now, because another trigger was faster.
    """
    runs: list[str] = []
    if any(change.table == AirtableTable.SETTINGS for change in changes):
        # Before anything is started: whoever ticks Stop Spending does not wait behind a queue of rows.
        base_settings.read(services, base_id)
    for change in changes:
        if change.table == AirtableTable.VIDEOS and VideoField.SCHEDULED_FOR in change.changed:
            with services.store.read() as tx:
                run = schedule.waiting_run(tx, base_id, change.record_id, services.clock.now())
            if run is not None:
                schedule.reschedule(services, run, change.scheduled_for)
    ticked = {change.table for change in changes if change.ticks & ACTION_BOXES}
    if ticked & TICKED_TABLES:
        runs += checkboxes.act_on(services, base_id, *services.airtable.ticked(base_id, ticked & TICKED_TABLES))
    if AirtableTable.VERSIONS in ticked:
        runs += checkboxes.restore_all(services, base_id)
    starts = (change for change in changes if change.table == AirtableTable.VIDEOS and change.status == READY)
    if any(change.changed & _STARTS for change in starts):
        runs += _start_ready(services, base_id)
    stale_scenes.mark(services, base_id, [change.scene for change in changes if change.scene and change.inputs_changed])
    return runs


def _is_time(services: Services, base_id: str) -> bool:
    wake_at = known(services, base_id).wake_at
    return wake_at is not None and wake_at <= services.clock.now()


def _start_ready(services: Services, base_id: str) -> list[str]:
    """Start what is ready and due, and remember when the next one is; the runs."""
    due = queue_sweep.start_due(services, base_id)
    _note(services, base_id, wake_at=due.next_at)
    return list(due.runs)


def _charge(services: Services, base_id: str, before: int, runs: Sequence[str]) -> None:
    """The calls of a look that was about one run are that run's; others stay shared by all of the base."""
    if len(set(runs)) != 1:
        return
    with services.store.write() as tx:
        for event in tx.events.find(order="id", after={"id": before}, name="call", entity_id=base_id, run_id=None):
            if (event.detail.what or "").startswith(_POLL_INTERVALS):
                tx.events.change(cast("str", event.id), run_id=runs[0])


def record_ping(services: Services, base_id: str, delivery_id: str) -> bool:
    """Record a verified ping once and make its base due; False for a repeat or a base that is not connected."""
    now = services.clock.now()
    with services.store.write() as tx:
        if tx.bases.get(base_id, lock=True) is None:
            return False
        if not tx.inbox.add(InboxItem(id=f"{PROVIDER}:{delivery_id}", at=now, provider=PROVIDER)):
            return False
        return tx.bases.change(base_id, next_at=now)

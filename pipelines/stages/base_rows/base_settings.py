"""What a base's own `Settings` row says, Stop Spending and Day Budget: read before money is set aside or spent, and
while runs are moving, once a minute at most.
"""

from __future__ import annotations

import logging

from pipelines.domain.errors import Busy, ReelgridError
from pipelines.domain.records import Base
from pipelines.stages.base_rows import settings_row
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import ROW
from pipelines.stages.spending import rate_limits, stop_switch

logger = logging.getLogger(__name__)

PACE_S = 60.0
RETRY_S = 10.0
"""A row that could not be read is read again this soon: a Stop box is not to wait for another whole pace."""


def refresh(services: Services, base_id: str | None) -> None:
    """Read the row unless some process did within the last minute. Airtable being away leaves what was known."""
    if base_id is None:
        return
    try:
        with services.store.write() as tx:
            rate_limits.acquire(tx, f"settings:{base_id}", services.clock.now(), PACE_S)
        read(services, base_id)
    except Busy:
        return
    except ReelgridError as error:
        logger.warning("the Settings of %s cannot be read: %s", base_id, error.operator)
        with services.store.write() as tx:
            rate_limits.give_back(tx, f"settings:{base_id}", services.clock.now() + RETRY_S)


def must_not_be_stopped(services: Services, base_id: str | None, account_id: str | None) -> None:
    """Raises Busy while spending is stopped, so that what waits for that asks Airtable nothing else meanwhile."""
    with services.store.read() as tx:
        stopped = stop_switch.reason_if_on(tx, base_id)
    if stopped is None:
        return
    refresh(services, base_id)
    with services.store.read() as tx:
        stop_switch.must_be_off(tx, base_id, account_id)


def read(services: Services, base_id: str) -> None:
    """Read it now, and keep what it says."""
    row = services.airtable.settings(base_id)
    now = services.clock.now()
    with services.store.write() as tx:
        old = tx.stop_switches.get(base_id)
        if (old.on if old else False) != row.stop:
            stop_switch.set_switch(
                tx, on=row.stop, now=now, reason="Stop Spending in Settings", actor=ROW, place=base_id
            )
        if base_id == services.policy.default_base:
            tx.bases.add(Base(id=base_id, created_at=now))
        tx.bases.change(base_id, airtable_cap_micro=row.day_budget_micro, settings_read_at=now)
        if row.record_id is not None:
            settings_row.show(tx, now, base_id, record_id=row.record_id)

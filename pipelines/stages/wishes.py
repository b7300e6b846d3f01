"""What a base's own `Settings` row says, Stop Spending and Day Budget: read before each hold, once a minute at most."""

from __future__ import annotations

import logging

from pipelines.domain.errors import Busy, ReelgridError
from pipelines.domain.run import Base
from pipelines.stages import lanes, stop
from pipelines.stages.services import Services

logger = logging.getLogger(__name__)

PACE_S = 60.0


def look(services: Services, base_id: str | None) -> None:
    """Read the row unless some process did within the last minute. Airtable being away leaves what was known."""
    if base_id is None:
        return
    try:
        with services.store.write() as tx:
            lanes.take_turn(tx, f"settings:{base_id}", services.clock.now(), PACE_S)
        read(services, base_id)
    except Busy:
        return
    except ReelgridError as error:
        logger.warning("the Settings of %s cannot be read: %s", base_id, error.operator)


def read(services: Services, base_id: str) -> None:
    """Read it now, and keep what it says."""
    row = services.board.settings(base_id)
    now, name = services.clock.now(), f"{stop.NAME}:{base_id}"
    with services.store.write() as tx:
        old = tx.switches.get(name)
        if (old.on if old else False) != row.stop:
            stop.turn(tx, on=row.stop, now=now, reason="Stop Spending in Settings", actor="airtable", name=name)
        if base_id == services.policy.default_base:
            tx.bases.add(Base(id=base_id, created_at=now))
        tx.bases.change(base_id, board_cap_micro=row.day_budget_micro, settings_read_at=now)

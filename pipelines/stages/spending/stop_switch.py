"""The Stop switch: while it is on, nothing new is bought anywhere; everything waits where it is and says so."""

from __future__ import annotations

from pipelines.domain.errors import Busy
from pipelines.domain.limits import EVERYWHERE, StopSwitch
from pipelines.ports import Tx

PAUSE_S = 5.0
BY_OPERATOR = "by whoever runs this service"
"""What a customer is told of the operator's switch, instead of why it is on."""


def set_switch(tx: Tx, *, on: bool, now: float, reason: str, actor: str, place: str = EVERYWHERE) -> None:
    """Set the switch of the operator, or of one base."""
    if not tx.stop_switches.change(place, on=on, at=now, reason=reason, actor=actor):
        tx.stop_switches.add(StopSwitch(id=place, on=on, at=now, reason=reason, actor=actor))


def reason_if_on(tx: Tx, base_id: str | None = None, account_id: str | None = None) -> str | None:
    """Why spending is stopped, here or in one base, as the account may know it; None when it is not."""
    for place in (EVERYWHERE, base_id) if base_id else (EVERYWHERE,):
        switch = tx.stop_switches.get(place)
        if switch is not None and switch.on:
            private = place == EVERYWHERE and account_id is not None
            return BY_OPERATOR if private else switch.reason or "no reason given"
    return None


def must_be_off(tx: Tx, base_id: str | None = None, account_id: str | None = None) -> None:
    """Raises Busy while spending is stopped."""
    reason = reason_if_on(tx, base_id, account_id)
    if reason is not None:
        sentence = f"Spending is stopped ({reason}). The run waits and goes on when the switch is turned off."
        raise Busy(f"stopped: {reason}", marketer=sentence, retry_after=PAUSE_S)

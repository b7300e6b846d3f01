"""The Stop switch: while it is on, nothing new is bought anywhere; everything waits where it is and says so."""

from __future__ import annotations

from pipelines.domain.errors import Busy
from pipelines.domain.records import Switch
from pipelines.ports import Tx

NAME = "stop"
PAUSE_S = 5.0


def set_switch(tx: Tx, *, on: bool, now: float, reason: str, actor: str, name: str = NAME) -> None:
    """Set the switch (or a base's own, `stop:<base>`)."""
    if not tx.switches.change(name, on=on, at=now, reason=reason, actor=actor):
        tx.switches.add(Switch(id=name, on=on, at=now, reason=reason, actor=actor))


def reason_if_on(tx: Tx, base_id: str | None = None) -> str | None:
    """Why spending is stopped, here or in one base; None when it is not."""
    for name in (NAME, f"{NAME}:{base_id}") if base_id else (NAME,):
        switch = tx.switches.get(name)
        if switch is not None and switch.on:
            return switch.reason or "no reason given"
    return None


def must_be_off(tx: Tx, base_id: str | None = None) -> None:
    """Raises Busy while spending is stopped."""
    reason = reason_if_on(tx, base_id)
    if reason is not None:
        sentence = f"Spending is stopped ({reason}). The run waits and goes on when the switch is turned off."
        raise Busy(f"stopped: {reason}", marketer=sentence, retry_after=PAUSE_S)

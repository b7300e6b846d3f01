"""A circuit breaker per model: after several faults of the provider in a row, new purchases wait a little."""

from __future__ import annotations

from pipelines.domain.errors import Busy
from pipelines.domain.run import Switch
from pipelines.ports import Tx

FAULTS_TO_OPEN = 5
OPEN_S = 30.0


def _name(model: str) -> str:
    return f"circuit:{model}"


def note(tx: Tx, model: str, now: float, *, ok: bool) -> None:
    """Remember how a call went. Success closes the circuit; refusals and bad requests are no faults."""
    switch = tx.switches.get(_name(model))
    faults = 0 if ok else int((switch.detail if switch else {}).get("faults", 0)) + 1
    if switch is None and faults:
        tx.switches.add(Switch(id=_name(model), on=False, at=now, detail={"faults": faults}))
    elif switch is not None and (faults or switch.detail.get("faults")):
        tx.switches.change(switch.id, on=faults >= FAULTS_TO_OPEN, at=now, detail={"faults": faults})


def is_open(tx: Tx, model: str, now: float) -> bool:
    """Whether purchases of this model wait. After the pause one try is let through (half open)."""
    switch = tx.switches.get(_name(model))
    return switch is not None and switch.on and now < switch.at + OPEN_S


def must_be_closed(tx: Tx, model: str, now: float) -> None:
    """Raises Busy while the circuit is open."""
    if is_open(tx, model, now):
        sentence = f"{model} fails again and again; we try it again shortly."
        raise Busy(f"circuit of {model} is open", marketer=sentence, retry_after=OPEN_S / 3)

"""A circuit breaker per model, from its error rate: while it is open, nothing is bought but one try at a time."""

from __future__ import annotations

from pipelines.domain.errors import Busy
from pipelines.domain.records import Switch
from pipelines.domain.recovery.circuit_breaker import is_broken, remembered
from pipelines.domain.state.shared import SwitchDetail
from pipelines.ports import Tx

OPEN_S = 30.0
"""After so long one purchase is let through, to see whether the provider is well again."""


def _name(model: str) -> str:
    return f"circuit:{model}"


def record_outcome(tx: Tx, model: str, now: float, *, ok: bool) -> None:
    """Remember how a job ended. Only a fault of the provider is not `ok`: refusals, bad requests and rate limits are
    answers of a provider that is well. A good end closes the circuit; the faults before it are not forgotten at once.
    """
    switch = tx.switches.get(_name(model), lock=True)
    if switch is None:
        if not ok:
            tx.switches.add(Switch(id=_name(model), on=False, at=now, detail=SwitchDetail(outcomes=((now, False),))))
        return
    before = list(switch.detail.outcomes)
    after = remembered(before, now, ok=ok)
    if not ok or switch.on or after != before:
        on, detail = not ok and (switch.on or is_broken(after)), SwitchDetail(outcomes=tuple(after))
        tx.switches.change(switch.id, on=on, at=now, detail=detail)


def is_open(tx: Tx, model: str, now: float) -> bool:
    """Whether purchases of this model wait."""
    switch = tx.switches.get(_name(model))
    return switch is not None and switch.on and now < switch.at + OPEN_S


def must_be_closed(tx: Tx, model: str, now: float) -> None:
    """Raises Busy while the circuit is open. After its pause whoever comes first may try; the others wait on."""
    if is_open(tx, model, now):
        raise Busy(f"circuit of {model} is open", marketer=waiting(model), retry_after=OPEN_S / 3)
    switch = tx.switches.get(_name(model), lock=True)
    if switch is not None and switch.on:
        tx.switches.change(switch.id, at=now)


def waiting(model: str) -> str:
    """What the marketer reads meanwhile."""
    return f"{model} fails again and again; we try it again shortly."

"""A circuit breaker per model, from its error rate: while it is open, nothing is bought but one try at a time."""

from __future__ import annotations

from pipelines.domain.errors import Busy
from pipelines.domain.limits import Circuit
from pipelines.domain.recovery.circuit_breaker import is_broken, remembered
from pipelines.ports import Tx

OPEN_S = 30.0
"""After so long one purchase is let through, to see whether the provider is well again."""


def record_outcome(tx: Tx, model: str, now: float, *, ok: bool) -> None:
    """Remember how a job ended. Only a fault of the provider is not `ok`: refusals, bad requests and rate limits are
    answers of a provider that is well. A good end closes the circuit; the faults before it are not forgotten at once.
    """
    circuit = tx.circuits.get(model, lock=True)
    if circuit is None:
        if not ok:
            tx.circuits.add(Circuit(id=model, is_open=False, at=now, outcomes=((now, False),)))
        return
    before = list(circuit.outcomes)
    after = remembered(before, now, ok=ok)
    if not ok or circuit.is_open or after != before:
        opens = not ok and (circuit.is_open or is_broken(after))
        tx.circuits.change(circuit.id, is_open=opens, at=now, outcomes=tuple(after))


def is_open(tx: Tx, model: str, now: float) -> bool:
    """Whether purchases of this model wait."""
    circuit = tx.circuits.get(model)
    return circuit is not None and circuit.is_open and now < circuit.at + OPEN_S


def must_be_closed(tx: Tx, model: str, now: float) -> None:
    """Raises Busy while the circuit is open. After its pause whoever comes first may try; the others wait on."""
    if is_open(tx, model, now):
        raise busy(model)
    circuit = tx.circuits.get(model, lock=True)
    if circuit is not None and circuit.is_open:
        tx.circuits.change(circuit.id, at=now)


def busy(model: str) -> Busy:
    """Raised by whatever waits for it."""
    sentence = f"{model} fails again and again; we try it again shortly."
    return Busy(f"circuit of {model} is open", marketer=sentence, retry_after=OPEN_S / 3)

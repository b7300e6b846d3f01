"""Rate limits that all processes share, kept in SQL so that they survive everything else."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.domain.errors import Busy
from pipelines.domain.limits import RateLimit
from pipelines.ports import Tx


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """What is left of a limit."""

    remaining: int
    full_in_s: float


def acquire(tx: Tx, name: str, now: float, spacing_s: float, burst: int = 1) -> RateLimitState:
    """Take the next turn of a limit: turns are `spacing_s` apart on average; `burst` may come at once after a rest.

    Raises Busy with the time to wait.
    """
    tx.serialise(f"rate:{name}")
    limit = tx.rate_limits.get(name, lock=True)
    if limit is None:
        tx.rate_limits.add(RateLimit(id=name, next_free_at=now + spacing_s))
        return RateLimitState(burst - 1, spacing_s)
    _must_have_come(limit, now, spacing_s, burst)
    next_free_at = max(now, limit.next_free_at) + spacing_s
    tx.rate_limits.change(name, next_free_at=next_free_at)
    full_in_s = next_free_at - now
    return RateLimitState(max(0, int(burst - full_in_s / spacing_s + 1e-6)), full_in_s)


def must_be_free(tx: Tx, name: str, now: float, spacing_s: float, burst: int = 1) -> None:
    """Raises Busy as `acquire` would now, and takes nothing."""
    limit = tx.rate_limits.get(name)
    if limit is not None:
        _must_have_come(limit, now, spacing_s, burst)


def _must_have_come(limit: RateLimit, now: float, spacing_s: float, burst: int) -> None:
    turn = max(limit.next_free_at - (burst - 1) * spacing_s, limit.not_before)
    if turn > now:
        raise Busy(f"{limit.id}: next turn in {turn - now:.2f} s", retry_after=turn - now + 0.01)


def give_back(tx: Tx, name: str, next_at: float) -> None:
    """A turn led to nothing: the next one may come at `next_at` already."""
    limit = tx.rate_limits.get(name, lock=True)
    if limit is not None and limit.next_free_at > next_at:
        tx.rate_limits.change(name, next_free_at=next_at)


def hold_back(tx: Tx, name: str, until: float) -> None:
    """A vendor asked everybody to wait."""
    limit = tx.rate_limits.get(name, lock=True)
    if limit is None:
        tx.rate_limits.add(RateLimit(id=name, not_before=until))
    elif limit.not_before < until:
        tx.rate_limits.change(name, not_before=until)

"""Rate limits that all processes share, kept in SQL so that they survive everything else."""

from __future__ import annotations

from pipelines.domain.errors import Busy
from pipelines.domain.records import Lane
from pipelines.ports import Tx


def acquire(tx: Tx, name: str, now: float, spacing_s: float, burst: int = 1) -> None:
    """Take the next turn in a lane whose turns are `spacing_s` apart on average; `burst` may come at once after a rest.

    Raises Busy with the time to wait.
    """
    tx.serialise(f"lane:{name}")
    lane = tx.lanes.get(name, lock=True)
    if lane is None:
        tx.lanes.add(Lane(id=name, next_free_at=now + spacing_s))
        return
    turn = max(lane.next_free_at - (burst - 1) * spacing_s, lane.not_before)
    if turn > now:
        raise Busy(f"{name}: next turn in {turn - now:.2f} s", retry_after=turn - now + 0.01)
    tx.lanes.change(name, next_free_at=max(now, lane.next_free_at) + spacing_s)


def give_back(tx: Tx, name: str, next_at: float) -> None:
    """A turn led to nothing: the next one may come at `next_at` already."""
    lane = tx.lanes.get(name, lock=True)
    if lane is not None and lane.next_free_at > next_at:
        tx.lanes.change(name, next_free_at=next_at)


def hold_back(tx: Tx, name: str, until: float) -> None:
    """A vendor asked everybody to wait."""
    lane = tx.lanes.get(name, lock=True)
    if lane is None:
        tx.lanes.add(Lane(id=name, not_before=until))
    elif lane.not_before < until:
        tx.lanes.change(name, not_before=until)

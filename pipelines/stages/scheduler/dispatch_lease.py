"""Which of several worker services sends hints: one at a time, or each due row would get a hint from every one of them.
Only those that share a broker take turns: a hint in a broker of its own reaches that service's workers alone.

A hint may be sent twice at any time, so nothing hangs on this being exact. What matters is that somebody sends: whoever
does not get on with it, for whatever reason, loses its turn. Nobody trusts another machine's clock.
"""

from __future__ import annotations

from pipelines.domain.records import DISPATCH, Checkpoint
from pipelines.ports import Clock, Store

RENEW_S = 1.0
"""So often the turn is taken again while hints are sent."""
TAKE_OVER_S = 6.0
"""So long rows are due and nobody sends anything: more than the pause after which a hint is sent again."""


class DispatchLease:
    """One pump's view of it. Whoever wrote the number that stands in the row has the turn. Moments are those of the
    pump's own monotonic clock.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._just_started = True
        self._mine: int | None = None
        self._renewed_at = 0.0
        self._waiting: tuple[int, float] | None = None
        """Another's number, and since when it stands there although something is due."""

    def is_mine(self, moment: float) -> bool:
        """Asked while something is due. A pump that has just started takes the turn: it may stand in for one that died
        a moment ago.
        """
        if self._mine is not None and moment - self._renewed_at < RENEW_S:
            return True
        with self._store.read() as tx:
            row = tx.checkpoints.get(DISPATCH)
        number = row.entry if row else 0
        if number == self._mine:
            return True
        self._mine = None
        if self._just_started:
            return self._take(number, moment)
        if self._waiting is None or self._waiting[0] != number:
            self._waiting = (number, moment)
        return moment - self._waiting[1] >= TAKE_OVER_S and self._take(number, moment)

    def nothing_due(self) -> None:
        """Patience with another begins anew with the next row that comes due."""
        self._waiting = None

    def sent(self, moment: float) -> None:
        """Keep the turn: hints go out."""
        if self._mine is not None and moment - self._renewed_at >= RENEW_S:
            self._take(self._mine, moment)

    def _take(self, number: int, moment: float) -> bool:
        now = self._clock.now()
        with self._store.write() as tx:
            taken = tx.checkpoints.change(DISPATCH, {"entry": number}, entry=number + 1, at=now)
            if not taken and number == 0:
                taken = tx.checkpoints.add(Checkpoint(id=DISPATCH, at=now, entry=1))
        self._mine = number + 1 if taken else None
        self._just_started, self._waiting, self._renewed_at = False, None, moment
        return taken

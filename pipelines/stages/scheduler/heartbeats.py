"""Who is dead, judged by beats that are not seen any more; whoever is late himself judges nobody."""

from __future__ import annotations

from collections.abc import Mapping

DEAD_AFTER_S = 8.0
"""A process beats every 2 s; whoever misses four beats is dead, and its ordinary leases are free."""
LATE_S = DEAD_AFTER_S / 2
"""A judge whose own beat, or whose own look, is later than this is on a busy machine: silence proves nothing there."""


class Heartbeats:
    """What one process has seen of the beats of all. Moments are those of its own monotonic clock."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._own_seen: tuple[int | None, float] | None = None
        self._seen: dict[str, tuple[int, float]] = {}
        self._looked: float | None = None

    def dead(self, beats: Mapping[str, int], now: float) -> list[str]:
        """The processes that were silent for too long while this one was well all the time.

        After a time in which it was late, everybody has the whole time again, counted from its first look in time.
        """
        if self._is_late(beats.get(self._own), now):
            self._seen = {name: (beat, now) for name, beat in beats.items()}
            return []
        for name, beat in beats.items():
            if name not in self._seen or self._seen[name][0] != beat:
                self._seen[name] = (beat, now)
        self._seen = {name: seen for name, seen in self._seen.items() if name in beats}
        silent = (name for name, (_, since) in self._seen.items() if now - since > DEAD_AFTER_S)
        return [name for name in silent if name != self._own]

    def _is_late(self, own: int | None, now: float) -> bool:
        """A process that nobody beats for (a command, a test) is judged by its looks alone."""
        looked, self._looked = self._looked, now
        if own is not None or self._own_seen is not None:
            if self._own_seen is None or self._own_seen[0] != own:
                self._own_seen = (own, now)
            if now - self._own_seen[1] > LATE_S:
                return True
        return looked is not None and now - looked > LATE_S

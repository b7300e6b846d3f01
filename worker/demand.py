"""How those who send and take hints tell the supervisor which queue has work: a pipe that all of its forks inherit.

Only a queue that has work needs workers; without any, they are a dozen megabytes each for nothing.
"""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipelines.ports import Hints
from pipelines.queueing import MEDIA_QUEUE, STEPS_QUEUE

QUEUES = (STEPS_QUEUE, MEDIA_QUEUE)
_NO_QUEUE = 255


class Demand:
    """Made before the first fork. A signal that comes twice, or reaches nobody, does no harm: hints are sent again."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        for end in (self._reading, self._writing):
            os.set_blocking(end, False)

    def signal(self, queue: str) -> None:
        """There is work in this queue. Never waits: where the pipe is full, the supervisor has enough to read."""
        self._write(QUEUES.index(queue))

    def signal_all(self) -> None:
        """Clips are being made: somebody will be needed when they come, and is better there already."""
        for queue in QUEUES:
            self.signal(queue)

    def wake(self) -> None:
        """Whoever waits looks about him, although no queue has work: a child may have ended. For signal handlers."""
        self._write(_NO_QUEUE)

    def wait(self, seconds: float) -> set[str]:
        """The queues that have work, as soon as somebody says so of any or wakes us; none when the time is over."""
        ready, _, _ = select.select([self._reading], [], [], seconds)
        told = set(os.read(self._reading, 65_536)) if ready else set()
        return {QUEUES[number] for number in told - {_NO_QUEUE}}

    def _write(self, number: int) -> None:
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._writing, bytes([number]))


@dataclass(frozen=True, slots=True)
class SignallingHints:
    """ports.Hints that tell the supervisor where there is work now."""

    hints: Hints
    demand: Demand

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:
        """As the broker's; a queue that is full needs workers too."""
        sent = self.hints.send(hints, media=media, at_once=at_once)
        self.demand.signal(MEDIA_QUEUE if media else STEPS_QUEUE)
        return sent

    def check(self) -> None:
        """As the broker's."""
        self.hints.check()

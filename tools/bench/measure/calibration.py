"""How fast this machine is at this moment, so that an absolute bar means the same on each and in company.

A loop that only computes and a small file forced to the disk, by the clock, against what they take on the quiet machine
of two cores on which the bars were set.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.bench.measure.rows import Claim

CPU_S, FSYNC_S = 0.185, 0.00025
"""Of the loop and of one forced write, there."""
LOOPS, REPEATS, BLOCK = 5_000_000, 5, 4096


@dataclass(frozen=True, slots=True)
class Speed:
    """How many times as long as on that machine it takes to compute, and to force something to the disk."""

    cpu: float
    disk: float

    @property
    def slower(self) -> float:
        """What an absolute bar is multiplied with: what is measured computes far more than it waits for the disk. A
        machine that is faster gets no stricter bars.
        """
        return max(1.0, self.cpu)


def measured() -> Speed:
    """Of this moment; takes about a second."""
    with tempfile.NamedTemporaryFile(prefix="reelgrid-bench-", delete=False) as probe:
        try:
            cpu = _median(_loop)
            disk = _median(lambda: _force(probe.fileno()))
        finally:
            Path(probe.name).unlink()
    return Speed(cpu / CPU_S, disk / FSYNC_S)


def between(before: Speed, after: Speed) -> Speed:
    """While something was measured: load comes and goes."""
    return Speed((before.cpu + after.cpu) / 2, (before.disk + after.disk) / 2)


def scaled(row: Claim, speed: Speed) -> Claim:
    """A claim with a bar of seconds, as this machine can keep it; others are ratios already."""
    if not row["absolute"] or row["bar"] is None:
        return row
    bar = round(row["bar"] * speed.slower, 4)
    return {**row, "bar": bar, "ok": row["ratio"] <= bar}


def _median(act: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _loop() -> None:
    total = 0
    for number in range(LOOPS):
        total += number & 7


def _force(file: int) -> None:
    os.write(file, bytes(BLOCK))
    os.fsync(file)

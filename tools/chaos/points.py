"""Crash points at which a process really dies, and a clock that can be set: handed to the product, never known by it.

A folder connects the harness with all processes: `visits` is a journal of every point that was reached, a file
`die/<point>` lets the next process that reaches it die there, once, and `clock` holds seconds to add to the time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER, SEED, PERCENT = "CHAOS_FOLDER", "CHAOS_SEED", "CHAOS_PERCENT"
OFTEN = {"hint.sent": 0.1, "poll.answered": 0.3}
"""Points that are reached all the time die less often than the others, else nothing would ever be done."""


@dataclass(frozen=True, slots=True)
class CrashingPoints:
    """ports.Points that kill their own process with SIGKILL: on order, or by a seeded chance."""

    folder: Path
    seed: str
    percent: float

    @classmethod
    def of_environment(cls) -> CrashingPoints:
        """As the harness asked for."""
        folder = Path(os.environ[FOLDER])
        return cls(folder, os.environ.get(SEED, "0"), float(os.environ.get(PERCENT, "0")))

    def reach(self, name: str, **ids: str) -> None:
        """Write down that we are here, and die if we are to."""
        dies = self._ordered(name) or self._drawn(name)
        _append(self.folder / "visits", {"at": time.time(), "point": name, "pid": os.getpid(), "died": dies, **ids})
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    def _ordered(self, name: str) -> bool:
        """Whoever removes the file first is the one that dies."""
        try:
            (self.folder / "die" / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def _drawn(self, name: str) -> bool:
        """The n-th visit of a point dies or not by the seed alone."""
        if not self.percent:
            return False
        number = _count(self.folder / "count" / name)
        chance = random.Random(f"{self.seed}:{name}:{number}").random() * 100
        return chance < self.percent * OFTEN.get(name, 1.0)


@dataclass(frozen=True, slots=True)
class SetClock:
    """ports.Clock whose hands the harness moves."""

    folder: Path

    def now(self) -> float:
        """The machine's time plus what the harness added."""
        try:
            return time.time() + float((self.folder / "clock").read_text() or 0)
        except (FileNotFoundError, ValueError):
            return time.time()


class Journal:
    """The harness's side of the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("die", "count"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def environ(self, seed: str = "0", percent: float = 0.0) -> dict[str, str]:
        """What the processes must be told."""
        return {FOLDER: str(self.folder), SEED: seed, PERCENT: str(percent)}

    def die_at(self, point: str) -> None:
        """Let the next process that reaches the point die there."""
        (self.folder / "die" / point).touch()

    def died_at(self, point: str) -> bool:
        """Whether somebody did."""
        return not (self.folder / "die" / point).exists()

    def set_clock(self, seconds: float) -> None:
        """Move the hands of every process's clock, in one step."""
        part = self.folder / "clock.part"
        part.write_text(str(seconds))
        part.replace(self.folder / "clock")

    def visits(self) -> list[dict[str, Any]]:
        """Every point that was reached, oldest first; a line cut off by a kill is no visit."""
        path = self.folder / "visits"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]


def _append(path: Path, line: dict[str, Any]) -> None:
    """One write, so that lines of several processes never mix."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")
    finally:
        os.close(handle)


def _count(path: Path) -> int:
    """How often this was called for the path, over all processes."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, b".")
        return os.lseek(handle, 0, os.SEEK_CUR)
    finally:
        os.close(handle)

"""Finds the processes of a stack and kills them with SIGKILL, as a power cut or an impatient platform would."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from pipelines.domain.records import Process
from pipelines.ports import Store
from tools.stack import Stack

_STARTED = re.compile(r"worker\.supervisor: ([a-z]+)\d*-\S+ started as pid (\d+)")
WEIGHTS = {"horse": 30, "worker": 22, "pump": 15, "broker": 12, "web": 9, "web worker": 6, "supervisor": 6}
"""`worker` is an RQ worker whose horse lives on as an orphan; `web` and `supervisor` are whole services."""


def children(pid: int) -> list[int]:
    """The living children of a process."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether it runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Whether there was something to kill."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def dead_machine(store: Store) -> None:
    """Leave what a machine leaves that died whole: a process that never shows another heartbeat."""
    row = Process(id="steps0-another-machine", kind="steps0", host="another-machine", pid=1, started_at=time.time())
    with store.write() as tx:
        tx.processes.add(row)


class Processes:
    """The processes of a stack by what they do."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def of(self, kind: str) -> list[int]:
        """Living process ids of a kind of `WEIGHTS`."""
        if kind == "horse":
            return [horse for worker in self.of("worker") for horse in children(worker)]
        if kind == "web worker":
            return [child for master in self.of("web") for child in children(master)]
        if kind in ("web", "supervisor"):
            service = self._stack.services["web" if kind == "web" else "worker"]
            return [service.process.pid] if service.process is not None and service.alive else []
        roles = ("steps", "media") if kind == "worker" else (kind,)
        found = _STARTED.findall((self._stack.var / "worker.log").read_text(errors="replace"))
        supervised = {child for supervisor in self.of("supervisor") for child in children(supervisor)}
        return [int(pid) for role, pid in found if role in roles and int(pid) in supervised and alive(int(pid))]


class Killer(threading.Thread):
    """Kills a random process every so often, and starts a service again that is down, as a platform does."""

    def __init__(self, stack: Stack, seed: str, every_s: float) -> None:
        super().__init__(name="killer", daemon=True)
        self.killed: Counter[str] = Counter()
        self._stack, self._every_s = stack, every_s
        self._chance = random.Random(f"{seed}:killer")
        self._over, self._quiet = threading.Event(), threading.Event()

    def run(self) -> None:
        """Until stopped."""
        next_kill = self._chance.expovariate(1 / self._every_s)
        waited = 0.0
        while not self._over.wait(0.1):
            waited += 0.1
            self._start_again()
            if waited >= next_kill and not self._quiet.is_set():
                self._strike()
                waited, next_kill = 0.0, self._chance.expovariate(1 / self._every_s)

    def calm(self) -> None:
        """Kill nobody any more, but keep the services up."""
        self._quiet.set()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self.join()

    def _start_again(self) -> None:
        for name in ("web", "worker"):
            if not self._stack.services[name].alive:
                self._stack.services[name].stop(signal.SIGKILL) if name == "web" else None
                self._stack.start(name)

    def _strike(self) -> None:
        kind = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        pids = Processes(self._stack).of(kind)
        if pids and _strike(kind, self._chance.choice(pids)):
            self.killed[kind] += 1


def _strike(kind: str, pid: int) -> bool:
    """A web server goes down with all its processes; a supervisor's are left to notice by themselves."""
    if kind == "web":
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
            return True
        return False
    return kill(pid)

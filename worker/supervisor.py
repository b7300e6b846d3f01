"""One small process that starts the others, notices at once when one dies, and beats for those that live.

It has no threads and keeps no connection open, so that forking is always safe. Heavy libraries are imported here
once; every worker and every horse inherits them. Workers of a queue for which nobody has told of work for a
while are asked to end, and started again as soon as somebody does. A process that is always there and has worked is
replaced then: of all that it has written to meanwhile it keeps a copy, which a new one shares with us.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FrameType

from pipelines.domain.errors import ReelgridError
from pipelines.domain.keys import new_id
from pipelines.domain.records import Process
from pipelines.ports import Store
from worker.demand import Demand
from worker.machine import machine

logger = logging.getLogger(__name__)

BEAT_S = 2.0
POLL_S = 0.05
GRACE_S = 20.0
"""After SIGTERM, so long may a step take to end before it is killed; its lease frees it for others."""
CRASH_PAUSE_S = 0.5
IDLE_S = 45.0
"""So long after the last word of work for them workers are kept; longer than the longest pause between two polls."""
JUST_NOW_S = 5.0
PR_SET_PDEATHSIG = 1
BROKER = "broker"


@dataclass(slots=True)
class Child:
    """A process we started: how to start it again, and when."""

    kind: str
    start: Callable[[str], None]
    queue: str | None = None
    """Is needed while there is work in this queue; None: always."""
    renewed: bool = False
    """Is replaced when the work is done."""
    owner: str = ""
    pid: int = 0
    started: float = 0.0
    asked: bool = False
    """To end, because it is not needed, or replaced."""


class Supervisor:
    """Starts, watches, restarts. `run` returns the exit code: 0 only when it was asked to stop."""

    def __init__(self, store: Store, children: list[Child], demand: Demand, *, idle_s: float = IDLE_S) -> None:
        self._store, self._children, self._demand, self._idle_s = store, children, demand, idle_s
        self._needed: dict[str, float] = {}
        self._leaving: list[Child] = []
        self._asked = False
        self._beat = 0

    @staticmethod
    def _name(kind: str) -> str:
        return f"{kind}-{socket.gethostname()}-{new_id('p')}"

    def run(self) -> int:
        """Keep the children alive until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: self._demand.wake())
        self.release_previous_instance()
        for child in self._children:
            self._start(child)
        next_beat = 0.0
        while not self._asked:
            self._reap()
            if time.monotonic() >= next_beat:
                self._beat_for_all()
                next_beat = time.monotonic() + BEAT_S
            self._start_needed(self._demand.wait(max(0.0, next_beat - time.monotonic())))
            self._stop_idle()
        return self._end()

    def _start_needed(self, queues: set[str]) -> None:
        self._needed |= dict.fromkeys(queues, time.monotonic())
        for child in self._children:
            if child.pid == 0 and child.queue in queues:
                self._start(child)

    def release_previous_instance(self) -> None:
        """Our predecessor was killed: what its processes on this machine held is free at once. A number that has been
        given to another process meanwhile is left to the pump, which goes by heartbeats, and so are those of other
        containers and of before the machine started.
        """
        try:
            with self._store.read() as tx:
                former = tx.processes.find(host=machine())
        except ReelgridError as error:
            logger.warning("who was here before is not known: %s", error.operator)
            return
        for process in former:
            if not _lives(process.pid):
                self._free(process.id)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        self._demand.wake()

    def _start(self, child: Child) -> None:
        child.owner, child.started, child.asked = self._name(child.kind), time.monotonic(), False
        parent = os.getpid()
        child.pid = os.fork()
        if child.pid == 0:
            self._be(child, parent)
        logger.info("%s started as pid %s", child.owner, child.pid)

    @staticmethod
    def _be(child: Child, parent: int) -> None:
        """In the child: die with the parent, work, and say how it ended. Never returns."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(parent)
        code = 1
        try:
            child.start(child.owner)
            code = 0
        except Exception:
            logger.exception("%s ended with a defect", child.owner)
        finally:
            logging.shutdown()
            os._exit(code)

    def _reap(self) -> None:
        """Start again what has died, and free what it held."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self._running():
                if child.pid != pid:
                    continue
                if child in self._leaving:
                    self._leaving.remove(child)
                    logger.info("%s (pid %s) was replaced and ended with status %s", child.owner, child.pid, status)
                    self._leave(child)
                elif status == 0 and not self._is_needed(child, JUST_NOW_S):
                    logger.info("%s (pid %s) had nothing to do", child.owner, child.pid)
                    self._leave(child)
                else:
                    self._replace(child, status)

    def _stop_idle(self) -> None:
        """A step that they are at is done to its end."""
        for child in self._running():
            is_old = time.monotonic() - child.started >= self._idle_s
            if not is_old or child.asked:
                continue
            if self._has_worked(child):
                self._renew(child)
            elif not self._is_needed(child, self._idle_s):
                child.asked = True
                _signal(child.pid, signal.SIGTERM)

    def _has_worked(self, child: Child) -> bool:
        """Whether it is to be replaced: there was work since it started, and the last of it is some time ago."""
        last = max(self._needed.values(), default=-math.inf)
        return child.renewed and child.started < last <= time.monotonic() - self._idle_s

    def _renew(self, child: Child) -> None:
        """The new one is there before the old one ends, which may still be at something that takes a while."""
        former = replace(child, asked=True)
        self._leaving.append(former)
        self._start(child)
        _signal(former.pid, signal.SIGTERM)

    def _is_needed(self, child: Child, within_s: float) -> bool:
        """Also who has just ended for want of work: a hint that was sent at that very moment waits for somebody."""
        return child.queue is None or time.monotonic() - self._needed.get(child.queue, -math.inf) < within_s

    def _leave(self, child: Child) -> None:
        self._free(child.owner)
        child.pid = 0

    def _replace(self, child: Child, status: int) -> None:
        logger.warning("%s (pid %s) ended with status %s; starting it again", child.owner, child.pid, status)
        self._free(child.owner)
        if time.monotonic() - child.started < CRASH_PAUSE_S:
            time.sleep(CRASH_PAUSE_S)
        self._start(child)

    def _free(self, owner: str) -> None:
        try:
            self._store.release_owner(owner)
            with self._store.write() as tx:
                tx.processes.remove(owner)
        except ReelgridError as error:
            logger.warning("leases of %s stay until they expire: %s", owner, error.operator)

    def _beat_for_all(self) -> None:
        self._beat += 1
        now = time.time()
        running = {child.owner: child for child in self._running()}
        try:
            with self._store.write() as tx:
                known = tx.processes.change_all(running, before={"beat": self._beat}, beat=self._beat, beat_at=now)
                for owner in running.keys() - known:
                    tx.processes.add(_registered(running[owner], now))
        except ReelgridError as error:
            logger.warning("no heartbeat: %s", error.operator)

    def _running(self) -> list[Child]:
        return [child for child in (*self._children, *self._leaving) if child.pid]

    def _end(self) -> int:
        """Ask all to stop, wait, kill what does not, free what they held. The broker goes last: who waits for it to
        come back hears nothing else.
        """
        running = self._running()
        for servers in (False, True):
            _stop_all([child for child in running if (child.kind == BROKER) is servers])
        for child in running:
            self._free(child.owner)
        return 0


def _registered(child: Child, now: float) -> Process:
    return Process(id=child.owner, kind=child.kind, host=machine(), pid=child.pid, started_at=now, beat_at=now)


def _stop_all(children: list[Child]) -> None:
    for child in children:
        # To RQ, being asked twice means to kill the step.
        if not child.asked:
            _signal(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    left = {child.pid for child in children}
    while left and time.monotonic() < deadline:
        left = {pid for pid in left if not _ended(pid)}
        time.sleep(POLL_S)
    for pid in left:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def _ended(pid: int) -> bool:
    try:
        found, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return True
    return found == pid


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGTERM when the parent dies (Linux); elsewhere an orphan finds its leases gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

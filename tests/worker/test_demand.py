"""Workers that are there while there is something to do."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pipelines.ports import Store
from pipelines.queueing import STEPS_QUEUE, RqHints
from pipelines.testing import make_services
from tools.stack import until
from worker import rq_worker
from worker.demand import Demand, SignallingHints
from worker.supervisor import Child, Supervisor

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(120)]


def test_a_worker_that_has_nothing_to_do_ends_and_is_there_again_with_the_next_hint(
    tmp_path: Path, broker: str
) -> None:
    store, demand = make_services(tmp_path).store, Demand()
    log = tmp_path / "starts"

    def serve(owner: str) -> None:
        with log.open("a") as starts:
            starts.write(f"{owner}\n")
        duties = rq_worker.Duties(store.release_owner, partial(demand.signal, STEPS_QUEUE), lambda: None)
        rq_worker.serve(owner, broker, STEPS_QUEUE, duties)

    def started() -> int:
        return len(log.read_text().splitlines()) if log.exists() else 0

    seen: list[str] = []

    def user() -> None:
        until(lambda: started() == 1, "the first start")
        until(lambda: not _registered(store), "the worker to end")
        seen.append("ended")
        assert SignallingHints(RqHints(broker), demand).send([("runs", "run_1")])
        until(lambda: started() > 1 and _registered(store), "another worker")
        seen.append("came back")

    _supervised(Supervisor(store, [Child("steps0", serve, STEPS_QUEUE)], demand, idle_s=1.0), user)
    assert seen == ["ended", "came back"]
    assert not _registered(store)


def test_who_is_always_there_is_replaced_after_work_and_not_missed_before_its_successor_is_there(
    tmp_path: Path,
) -> None:
    store, demand = make_services(tmp_path).store, Demand()
    log, over = tmp_path / "lives", tmp_path / "over"

    def write(word: str) -> None:
        with log.open("a") as lives:
            lives.write(f"{word}\n")

    def lived() -> list[str]:
        return log.read_text().split() if log.exists() else []

    def serve(_owner: str) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        write("begins")
        signal.sigwait({signal.SIGTERM})
        until(lambda: over.exists() or lived().count("begins") == lived().count("ends") + 2, "a successor")
        write("ends")

    def user() -> None:
        until(lambda: lived() == ["begins"], "the first")
        demand.signal(STEPS_QUEUE)
        until(lambda: len(lived()) == 3, "a successor, and the end of who was there before")
        demand.signal(STEPS_QUEUE)
        until(lambda: len(lived()) == 5, "the same after more work")
        over.touch()

    _supervised(Supervisor(store, [Child("pump", serve, renewed=True)], demand, idle_s=0.5), user)
    assert lived() == ["begins", "begins", "ends", "begins", "ends", "ends"]
    assert not _registered(store)


def _registered(store: Store) -> bool:
    with store.read() as tx:
        return tx.processes.count() > 0


def _supervised(supervisor: Supervisor, user: Callable[[], object]) -> None:
    """In this process, until the user has done."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)}
    thread = threading.Thread(target=_then_stop, args=(user,))
    thread.start()
    try:
        assert supervisor.run() == 0
    finally:
        thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)


def _then_stop(act: Callable[[], object]) -> None:
    try:
        act()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_need_that_nobody_reads_keeps_nobody_waiting_and_is_told_once() -> None:
    demand = Demand()
    for _ in range(100_000):
        demand.signal(STEPS_QUEUE)
    assert demand.wait(0) == {STEPS_QUEUE}
    assert demand.wait(0) == set()

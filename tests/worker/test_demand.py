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

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)}
    thread = threading.Thread(target=_then_stop, args=(user,))
    thread.start()
    try:
        assert Supervisor(store, [Child("steps0", serve, STEPS_QUEUE)], demand, idle_s=1.0).run() == 0
    finally:
        thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    assert seen == ["ended", "came back"]
    assert not _registered(store)


def _registered(store: Store) -> bool:
    with store.read() as tx:
        return tx.processes.count() > 0


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

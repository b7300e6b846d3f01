"""The worker service: what it starts, how it ends, what it forgets, and what a hint is made of."""

from __future__ import annotations

import importlib
import json
import os
import signal
import threading
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import event

from pipelines import queueing
from pipelines.bootstrap import SystemClock
from pipelines.database import SqlStore
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Base, QueueSweep, Run
from pipelines.queueing import RqHints
from pipelines.testing import make_services
from pipelines.testing.airtable import BASE
from tests.worker.conftest import WorkerService
from tools.stack import until
from worker.pump import Dispatcher, Pump

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(300), pytest.mark.slow]


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


def test_asked_to_stop_it_ends_with_zero_and_leaves_no_process_and_no_lease(worker: WorkerService) -> None:
    children = [pid for kind in ("broker", "pump", "steps", "media") for pid in worker.pids(kind)]
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0
    assert not any(alive(pid) for pid in children)
    with worker.services.store.read() as tx:
        assert tx.processes.count() == 0


@pytest.mark.parametrize("kind", ["broker", "pump", "steps", "media"])
def test_a_process_that_is_killed_is_replaced_at_once(worker: WorkerService, kind: str) -> None:
    (old,) = worker.pids(kind)
    os.kill(old, signal.SIGKILL)
    (new,) = until(lambda: [pid for pid in worker.pids(kind) if pid != old], f"another {kind}")
    assert alive(new)
    assert worker.process.poll() is None


def test_when_the_supervisor_is_killed_its_children_go_with_it(worker: WorkerService) -> None:
    children = [pid for kind in ("pump", "steps", "media") for pid in worker.pids(kind)]
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()
    until(lambda: not any(alive(pid) for pid in children), "the children to end")


def test_leases_of_a_killed_worker_are_free_again(worker: WorkerService) -> None:
    store = worker.services.store
    with store.read() as tx:
        (owner,) = [process.id for process in tx.processes.find() if process.kind.startswith("steps")]
    with store.write() as tx:
        held = {"lease_owner": owner, "lease_token": "t", "lease_until": 9e9}
        # Not due: nobody works on it, so that only the burial of its owner can free it.
        tx.runs.add(Run(id="run_1", status=RunStatus.DONE, source="rest", **held))  # type: ignore[arg-type]
    (pid,) = worker.pids("steps")
    os.kill(pid, signal.SIGKILL)

    def freed() -> bool:
        with store.read() as tx:
            run = tx.runs.get("run_1")
        return run is not None and run.lease_token is None

    until(freed, "the lease to be free")


def test_a_run_is_made_into_a_film_by_hints_alone(worker: WorkerService) -> None:
    worker.film()


def test_the_function_that_hints_name_exists() -> None:
    module, _, function = queueing.STEP.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


def test_a_hint_in_redis_is_json_with_a_kind_and_an_id_and_nothing_else(broker: str) -> None:
    assert RqHints(broker).send([("runs", "run_1")])
    redis = queueing.connect(broker)
    (job,) = redis.lrange("rq:queue:steps", 0, -1)
    assert isinstance(job, bytes)
    data = redis.hget(f"rq:job:{job.decode()}", "data")
    assert isinstance(data, bytes)
    redis.close()
    assert json.loads(zlib.decompress(data)) == [queueing.STEP, None, ["runs", "run_1"], {}]


def test_a_broker_with_enough_hints_takes_no_more_until_somebody_works(broker: str) -> None:
    """What waits too long is sent again; workers would be busy with rows that were seen to."""
    hints = RqHints(broker)
    assert hints.send([("runs", f"run_{number}") for number in range(queueing.ENOUGH)])
    assert not hints.send([("runs", "run_late")])
    assert hints.send([("clips", "clip_1")], media=True), "each kind of worker has its own"
    redis = queueing.connect(broker)
    assert redis.lpop("rq:queue:steps")
    redis.close()
    assert hints.send([("runs", "run_late")])


def test_a_row_whose_hint_waits_needs_no_other_one(broker: str) -> None:
    """Whoever takes it sees the row as it is then; a second one would be a process for nothing."""
    hints, redis = RqHints(broker), queueing.connect(broker)
    try:
        assert hints.send([("runs", "run_1")])
        assert hints.send([("runs", "run_1"), ("runs", "run_2")])
        assert redis.llen("rq:queue:steps") == 2
        assert hints.send([("runs", "run_1")], media=True), "another kind of worker"
        redis.lpop("rq:queue:steps")
        assert hints.send([("runs", "run_1")]), "it was taken, and the row may be due again"
        assert redis.llen("rq:queue:steps") == 2
    finally:
        redis.close()


def test_what_is_for_now_or_never_is_taken_only_while_nobody_waits_or_works(broker: str) -> None:
    hints, redis = RqHints(broker), queueing.connect(broker)
    try:
        assert hints.send([("generations", "gen_1")], media=True, at_once=True)
        assert not hints.send([("generations", "gen_2")], media=True, at_once=True), "one waits"
        assert hints.send([("generations", "gen_2")], at_once=True), "not there"
        job = redis.lpop("rq:queue:media")
        assert isinstance(job, bytes)
        redis.zadd("rq:wip:media", {job: time.time() + 60})
        assert not hints.send([("generations", "gen_3")], media=True, at_once=True), "one is worked on"
        redis.delete("rq:wip:media")
        assert hints.send([("generations", "gen_3")], media=True, at_once=True)
    finally:
        redis.close()


def test_the_oldest_due_row_of_any_kind_gets_its_hint_first_and_none_gets_two(tmp_path: Path) -> None:
    services = make_services(tmp_path)
    hints = ShortQueue(room=2)
    pump = Dispatcher(replace(services, hints=hints), ("runs", "sweeps"))
    now = services.clock.now()
    with services.store.write() as tx:
        for age, name in ((3, "a"), (1, "c")):
            tx.runs.add(Run(id=f"run_{name}", status=RunStatus.QUEUED, source="rest", next_at=now - age))
        tx.sweeps.add(QueueSweep(id="swp_b", base_id="app", next_at=now - 2))
    assert pump.tick() == 0, "all three do not fit"
    hints.room = 3
    assert [pump.tick(), pump.tick()] == [3, 0]
    assert hints.sent == [("runs", "run_a"), ("sweeps", "swp_b"), ("runs", "run_c")]


def test_while_nothing_is_due_the_pump_hardly_asks_and_what_comes_due_gets_its_hint_all_the_same(
    tmp_path: Path,
) -> None:
    services = replace(make_services(tmp_path), clock=SystemClock())
    assert isinstance(services.store, SqlStore)
    with services.store.write() as tx:
        tx.bases.add(Base(id=BASE, next_at=services.clock.now() + DAY_S))
    hints = ShortQueue(room=9)
    pump, asked = Pump(replace(services, hints=hints)), list[str]()
    thread = threading.Thread(target=pump.run)
    event.listen(services.store.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    thread.start()
    try:
        until(lambda: any("lease_until" in one for one in asked), "the first look")
        began, before = time.monotonic(), len(asked)
        until(lambda: time.monotonic() - began > QUIET_S, "a quiet time")
        statements = (len(asked) - before) / (time.monotonic() - began)
        with services.store.write() as tx:
            for name, due in (("now", 0.0), ("soon", 0.3)):
                at = services.clock.now() + due
                tx.runs.add(Run(id=f"run_{name}", status=RunStatus.QUEUED, source="rest", next_at=at))
        until(lambda: ("runs", "run_soon") in hints.sent, "both hints", patience_s=5)
    finally:
        pump.stop()
        thread.join()
    assert [row for kind, row in hints.sent if kind == "runs"] == ["run_now", "run_soon"]
    assert statements < 40, "ten looks a second at each of eight tables are more than 130 statements"


QUIET_S, DAY_S = 2.0, 86_400.0


@dataclass
class ShortQueue:
    """Hints for workers that are busy."""

    room: int
    sent: list[tuple[str, str]] = field(default_factory=list)

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:
        if len(hints) > self.room:
            return False
        self.sent += hints
        return True

    def check(self) -> None:
        """It answers."""


def test_without_a_broker_a_hint_is_lost_at_once_and_nothing_is_raised(tmp_path: Path) -> None:
    assert not RqHints(queueing.socket_url(tmp_path / "nobody.sock")).send([("runs", "run_1")])

"""Worker services end, orderly or not: what another one on the same VAR_DIR does then, and how `/metrics` tells it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from pipelines import queueing
from pipelines.bootstrap import broker_url
from tests.web.web_fixtures import BEARER
from tests.worker.conftest import WorkerService, worker_service
from tools.chaos.killer import children, kill
from tools.stack import until
from webapp import create_app

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(300), pytest.mark.slow]
PUMPS, LAST_BEAT = 'reelgrid_processes{kind="pump"}', "reelgrid_pump_last_beat_seconds"
ALARM_S, SEEN_WITHIN_S = 15.0, 30.0
"""When the rule in deploy/prometheus rings, and how long after a kill it must be seen."""


def broker_of(service: WorkerService) -> int:
    """The process that answers at the broker's socket; 0 while there is none."""
    with suppress(RedisError), queueing.connect(broker_url(service.settings)) as connection:
        return int(connection.info("server")["process_id"])
    return 0


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[WorkerService, WorkerService]]:
    """Two worker services on one VAR_DIR, without a Redis of their own."""
    with ExitStack() as stack:
        first = stack.enter_context(worker_service(tmp_path, "first"))
        second = stack.enter_context(worker_service(tmp_path, "second"))
        until(lambda: "Set REDIS_URL" in second.log.read_text(), "the second to say what it noticed")
        yield first, second


def everything(service: WorkerService) -> list[int]:
    return [service.process.pid, *children(service.process.pid)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_two_on_one_directory_share_a_broker_and_the_second_carries_on_alone(
    two: tuple[WorkerService, WorkerService], number: signal.Signals
) -> None:
    first, second = two
    assert broker_of(second) in everything(first), "the first one's broker stays where it is"
    first.film()
    # Killed, it leaves its socket and takes leave of nobody: not even its children hear of it first.
    ended = everything(first) if number is signal.SIGKILL else [first.process.pid]
    for pid in ended:
        kill(pid, number)
    assert first.process.wait(60) == (0 if number is signal.SIGTERM else -number)
    until(lambda: broker_of(second) in everything(second), "the second to run the broker")
    second.film()
    assert second.process.poll() is None


def test_a_worker_service_that_was_killed_is_seen_to_be_gone(worker: WorkerService) -> None:
    client = create_app(worker.services, worker.settings).test_client()

    def told(name: str) -> float:
        lines = client.get("/metrics", headers=BEARER).get_data(as_text=True).splitlines()
        (value,) = (line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} "))
        return float(value)

    assert told(PUMPS) == 1
    killed = time.monotonic()
    for pid in everything(worker):
        kill(pid)
    until(lambda: told(PUMPS) == 0 and told(LAST_BEAT) > ALARM_S, "/metrics to tell it", SEEN_WITHIN_S)
    assert time.monotonic() - killed < SEEN_WITHIN_S

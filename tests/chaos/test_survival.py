"""What dies around the processes: Redis, the database, the clock, a twin pump, an orphan, a whole machine."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from pipelines.domain.lifecycle import IN_FLIGHT
from tools.chaos.killer import children, kill
from tools.chaos.product import ProductStack, product_stack
from tools.postgres import Postgres
from tools.stack import Service, free_port, until
from worker import broker

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("chaos"), pytest.mark.slow]


class Broker:
    """A Redis of the test's own, without persistence."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self.url = f"redis://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {"--port": str(self.port), "--save": "", "--appendonly": "no", "--dir": str(self._folder)}
        words = [word for pair in options.items() for word in pair]
        self._process = subprocess.Popen([broker.binary(), *words], stdout=subprocess.DEVNULL)
        until(self._answers, "the broker to answer")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wipe(self) -> None:
        with Redis.from_url(self.url) as connection:
            connection.flushall()

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url) as connection:
                return bool(connection.ping())
        except RedisError:
            return False


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("broker"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def place(redis: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductStack]:
    with product_stack(tmp_path_factory.mktemp("survival") / "var", REDIS_URL=redis.url) as made:
        yield made


def in_flight(place: ProductStack, run_id: str) -> bool:
    with place.store.read() as tx:
        return tx.generations.count(run_id=run_id, status=tuple(IN_FLIGHT)) > 0


def check(place: ProductStack, run_id: str, mark: str) -> None:
    place.done(run_id)
    assert len(place.bought(mark)) == 2
    place.check_books()


def test_an_order_is_taken_while_redis_is_gone_and_made_when_an_empty_one_is_back(
    place: ProductStack, redis: Broker
) -> None:
    redis.kill()
    run = place.order("redis-gone")
    assert place.run(run).next_at is not None
    redis.start()
    check(place, run, "redis-gone")


def test_a_redis_that_forgets_everything_again_and_again_changes_nothing(place: ProductStack, redis: Broker) -> None:
    run = place.order("redis-wiped")

    def wiped_until_done() -> bool:
        redis.wipe()
        return place.run(run).status.value == "done"

    until(wiped_until_done, "the run to be done", 100.0, 0.7)
    check(place, run, "redis-wiped")


def test_a_clock_that_steps_back_an_hour_delays_nothing_by_an_hour(place: ProductStack) -> None:
    run = place.order("clock")
    until(lambda: in_flight(place, run), "a clip at the provider")
    place.journal.set_clock(-3600.0)
    check(place, run, "clock")
    place.journal.set_clock(0.0)
    again = place.order("clock-ahead")
    check(place, again, "clock-ahead")


def test_an_orphaned_horse_that_finishes_late_still_tells_what_it_bought(place: ProductStack) -> None:
    place.stack.sandbox("POST", "/vendors/_control", {"vendor": "openai", "latency_s": 3.5})
    before = len(place.journal.visits())
    run = place.order("orphan", ability="none")

    def horse() -> int | None:
        visits = place.journal.visits()[before:]
        return next((visit["pid"] for visit in visits if visit["point"] == "submit.intended"), None)

    pid = until(horse, "a horse that is buying", 60.0, 0.01)
    (parent,) = [worker for worker in place.processes.of("worker") if pid in children(worker)]
    assert kill(parent)
    place.stack.sandbox("POST", "/vendors/_control", {"vendor": "openai", "latency_s": 0})
    check(place, run, "orphan")


@pytest.fixture
def twin(place: ProductStack) -> Iterator[Service]:
    """A second worker service on the same database, with a pump of its own."""
    var = place.stack.var
    service = Service("twin", "exec python -m tools.chaos.worker", place.stack.environ(), var / "twin.log")
    known = set(place.heartbeats())
    service.start()
    until(lambda: len(set(place.heartbeats()) - known) >= 5, "the twin's heartbeats")
    yield service
    service.stop()


@pytest.mark.slow
def test_two_pumps_at_once_buy_nothing_twice(place: ProductStack, twin: Service) -> None:
    assert twin.alive
    runs = [place.order(f"twins-{number}") for number in range(2)]
    for number, run in enumerate(runs):
        check(place, run, f"twins-{number}")


@pytest.mark.slow
def test_a_machine_that_dies_whole_is_noticed_and_its_work_taken_over(place: ProductStack, twin: Service) -> None:
    mine = {name for name in place.heartbeats() if name not in (place.stack.var / "twin.log").read_text()}
    run = place.order("machine")
    until(lambda: in_flight(place, run), "a clip at the provider")
    for worker in place.processes.of("worker"):
        for horse in children(worker):
            kill(horse)
    place.stack.services["worker"].stop(signal.SIGKILL)
    until(lambda: not mine & set(place.heartbeats()), "the dead to be buried")
    check(place, run, "machine")
    assert twin.alive
    place.stack.start("worker")


@pytest.mark.slow
def test_a_database_that_restarts_under_everything_loses_nothing(postgres: Postgres, tmp_path: Path) -> None:
    with product_stack(tmp_path / "var", postgres.fresh_url()) as place:
        runs = [place.order(f"restart-{number}", ability="none") for number in range(2)]
        for run in runs:
            until(partial(in_flight, place, run), "a clip at the provider")
            postgres.stop()
            postgres.start()
        for number, run in enumerate(runs):
            check(place, run, f"restart-{number}")

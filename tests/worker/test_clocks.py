"""Machines that share a PostgreSQL, one of them with a wrong clock: what each writes means the same to all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from pipelines.bootstrap import build_services
from pipelines.database import SqlStore
from pipelines.database.server_time import ASK_S, SLOW_S, ServerTime
from pipelines.domain.errors import Unavailable
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run
from pipelines.settings import load_settings
from pipelines.stages.kernel.leases import LEASE_S
from pipelines.stages.kernel.services import Services
from pipelines.stages.scheduler.maintenance import Maintenance
from tools.postgres import Postgres

HOUR, MONTH = 3600.0, 30 * 86_400.0


class Ahead:
    """ports.Clock of a machine."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return time.time() + self.seconds


Start = Callable[[float], tuple[Services, Ahead]]


@pytest.fixture
def start(postgres: Postgres, tmp_path: Path) -> Iterator[Start]:
    """Starts a machine whose clock is so many seconds ahead."""
    url, started = postgres.fresh_url(), list[Services]()

    def one(seconds: float) -> tuple[Services, Ahead]:
        clock = Ahead(seconds)
        services = build_services(load_settings({"DATABASE_URL": url}, root=tmp_path), clock=clock)
        if not started:
            services.store.migrate()
        started.append(services)
        return services, clock

    yield one
    for services in started:
        services.store.disconnect()


def due_run(services: Services) -> None:
    services.store.check()
    with services.store.write() as tx:
        tx.runs.add(Run(id="run", status=RunStatus.QUEUED, source="rest", next_at=services.clock.now() - 1.0))


def claim(services: Services) -> str | None:
    services.store.check()
    return services.store.claim("runs", "run", owner="it", now=services.clock.now(), seconds=LEASE_S)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, MONTH])
def test_what_one_machine_works_on_is_not_taken_by_another_whose_clock_is_wrong(start: Start, seconds: float) -> None:
    (right, _), (wrong, _) = start(0.0), start(seconds)
    due_run(right)
    assert claim(right)
    assert claim(wrong) is None


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, MONTH])
def test_what_a_machine_with_a_wrong_clock_wants_in_a_moment_is_due_in_a_moment(start: Start, seconds: float) -> None:
    (right, _), (wrong, _) = start(0.0), start(seconds)
    due_run(right)
    token = claim(wrong)
    assert token, "it works, too"
    assert wrong.store.release("runs", "run", token, next_at=wrong.clock.now() + 5.0, attempts=0)
    ((_, due_at),) = right.store.due("runs", time.time() + 10.0, 1)
    assert 0.0 < due_at - time.time() <= 6.0


def test_a_clock_that_is_set_on_one_machine_moves_nothing_of_the_others(start: Start) -> None:
    """Its first look at the database, which tells it the time, is no step either."""
    (right, _), (wrong, clock) = start(0.0), start(HOUR)
    due_run(right)
    assert claim(right)
    with right.store.read() as tx:
        before = tx.runs.get("run")
    maintenance = Maintenance(wrong)
    for seconds in (HOUR, -HOUR, MONTH, 0.0):
        clock.seconds = seconds
        maintenance.tick()
    with right.store.read() as tx:
        after = tx.runs.get("run")
    assert (after, claim(wrong)) == (before, None)


def test_on_sqlite_and_without_a_database_a_machine_goes_by_its_own_clock(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'truth.db'}", "postgresql://nobody@127.0.0.1:1/nothing"):
        services = build_services(load_settings({"DATABASE_URL": url}, root=tmp_path), clock=Ahead(HOUR))
        with suppress(Unavailable):
            services.store.check()
        assert services.clock.now() - time.time() == pytest.approx(HOUR, abs=1.0)


def test_the_servers_time_passes_by_itself_and_an_answer_that_slept_is_not_believed() -> None:
    moment = 100.0
    told = ServerTime(lambda: moment)
    assert told.now() is None
    told.note(5000.0, 100.0, 100.0 + 2 * SLOW_S)
    assert told.now() is None
    told.note(5000.0, 100.0, 100.0)
    moment += ASK_S
    assert told.now() == 5000.0 + ASK_S


def test_a_machine_that_slept_asks_again_although_its_monotonic_clock_stood_still(start: Start) -> None:
    store = cast("SqlStore", start(0.0)[0].store)
    slept = 0.0
    told = ServerTime(lambda: 100.0, lambda: slept)
    told.note(5000.0, 100.0, 100.0)
    with store.engine.connect() as connection:
        told.ask(connection)
        assert told.now() == 5000.0
        slept = HOUR
        told.ask(connection)
    assert told.now() == pytest.approx(time.time(), abs=2.0)

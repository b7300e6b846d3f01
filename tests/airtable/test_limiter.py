"""One pace for all processes: real clocks against the sandbox's own limit, and a clock that jumps."""

from __future__ import annotations

import multiprocessing
import threading
import time
from pathlib import Path

import pytest

from pipelines.airtable.limiter import CAPACITY, Limiter
from pipelines.database import SqlStore
from pipelines.domain.errors import AirtableQuota, RateLimited
from tests.airtable.airtable_fixtures import BASE, START, AirtableHarness, QuickClock


class RealClock:
    """The machine's time."""

    def now(self) -> float:
        return time.time()


@pytest.fixture
def clock() -> QuickClock:
    return QuickClock()


@pytest.fixture
def limiter(store: SqlStore, clock: QuickClock) -> Limiter:
    return Limiter(store, clock, wait=clock.wait)


def test_a_few_calls_go_at_once_and_the_next_waits_a_second(limiter: Limiter, clock: QuickClock) -> None:
    for _ in range(CAPACITY):
        with limiter.turn(BASE):
            assert clock.waits == []
    with limiter.turn(BASE):
        assert clock.now() - START >= 1


def test_a_call_in_flight_holds_its_place_however_long_it_takes(limiter: Limiter, clock: QuickClock) -> None:
    tickets = [limiter.acquire(BASE) for _ in range(CAPACITY)]
    with pytest.raises(RateLimited):
        limiter.acquire(BASE, max_wait=5)
    limiter.release(BASE, tickets[0])
    limiter.release(BASE, limiter.acquire(BASE, max_wait=2))


def test_a_process_that_died_in_a_call_loses_its_place_in_the_end(limiter: Limiter, clock: QuickClock) -> None:
    for _ in range(CAPACITY):
        limiter.acquire(BASE)
    clock.wait(120)
    clock.waits.clear()
    limiter.acquire(BASE)
    assert clock.waits == []


def test_bases_do_not_wait_for_each_other(limiter: Limiter, clock: QuickClock) -> None:
    for _ in range(CAPACITY):
        limiter.acquire(BASE)
    limiter.acquire("appOtherBase00001")
    assert clock.waits == []


def test_a_clock_that_is_set_back_delays_nobody_for_long(limiter: Limiter, clock: QuickClock) -> None:
    limiter.cool_down(BASE, 40)
    for _ in range(CAPACITY - 1):
        limiter.release(BASE, limiter.acquire(BASE, max_wait=60))
    limiter.cool_down(BASE, 40)
    clock.set(START - 86_400)
    limiter.acquire(BASE, max_wait=60)
    assert clock.now() < START - 86_400 + 45


def test_a_clock_that_is_set_back_delays_the_look_at_the_quota_by_no_more_than_its_pause(
    limiter: Limiter, clock: QuickClock
) -> None:
    limiter.quota_used_up(BASE)
    clock.set(START - 86_400)
    with pytest.raises(AirtableQuota) as stopped:
        limiter.acquire(BASE)
    clock.wait(stopped.value.retry_after or 0)
    limiter.acquire(BASE)


def test_a_clock_that_is_set_forward_opens_no_flood(limiter: Limiter, clock: QuickClock) -> None:
    for _ in range(CAPACITY):
        limiter.release(BASE, limiter.acquire(BASE))
    clock.set(START + 86_400)
    clock.waits.clear()
    for _ in range(CAPACITY + 1):
        limiter.release(BASE, limiter.acquire(BASE))
    assert sum(clock.waits) >= 0.99


def test_looks_at_an_exhausted_quota_become_rarer(limiter: Limiter, clock: QuickClock) -> None:
    waits = []
    for _ in range(7):
        waits.append(limiter.quota_used_up(BASE))
        with pytest.raises(AirtableQuota):
            limiter.acquire(BASE)
        clock.wait(waits[-1])
        limiter.release(BASE, limiter.acquire(BASE))
    assert waits == [30, 60, 120, 240, 480, 900, 900]


def test_the_metadata_api_answers_during_a_quota_stop_and_proves_nothing(limiter: Limiter) -> None:
    limiter.quota_used_up(BASE)
    with limiter.turn(BASE, metered=False):
        pass
    with pytest.raises(AirtableQuota):
        limiter.acquire(BASE)


def test_threads_that_start_together_never_exceed_the_capacity(store: SqlStore) -> None:
    limiter = Limiter(store, RealClock())
    inside, most, lock, go = 0, 0, threading.Lock(), threading.Barrier(8)

    def work() -> None:
        nonlocal inside, most
        go.wait()
        with limiter.turn(BASE):
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= CAPACITY


def _read_rows(folder: str, url: str, record: str, count: int) -> None:
    """One process of several: reads the row again and again."""
    from pipelines.airtable.connections import connect
    from pipelines.settings import load_settings
    from tests.airtable.airtable_fixtures import TOKEN

    variables = {
        "AIRTABLE_API_KEY": TOKEN,
        "AIRTABLE_BASE_ID": BASE,
        "AIRTABLE_ENDPOINT_URL": url,
        "SECRET_KEY": "a secret key for tests only",
    }
    store = SqlStore(f"sqlite:///{folder}/truth.db")
    airtable = connect(load_settings(variables, Path(folder)), store, RealClock())
    for _ in range(count):
        airtable.airtable.row(BASE, "Videos", record)
    store.engine.dispose()


@pytest.mark.slow
def test_processes_together_stay_within_five_requests_a_second_and_are_never_locked_out(tmp_path: Path) -> None:
    with AirtableHarness(tmp_path) as harness:
        harness.build()
        record = harness.add("Videos", {"Master Prompt": "A cat."})
        harness.faults(rate_limit=5, token_rate_limit=50)
        harness.control("DELETE", "stats")
        # The world's clock is its own; the processes below start from an empty pace of real time.
        with harness.store.write() as tx:
            tx.airtable_paces.remove(BASE)
        spawn = multiprocessing.get_context("spawn")
        arguments = (str(tmp_path), harness.url, record, 4)
        processes = [spawn.Process(target=_read_rows, args=arguments) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        stats = harness.control("GET", "stats")["bases"][BASE]
    assert stats["total"] >= 12
    assert stats["max_per_second"] <= 5
    assert (stats["lockouts"], stats["refused_429"]) == (0, 0)

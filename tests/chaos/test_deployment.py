"""A deployment in mid-work, and a machine that stands still for longer than anybody waits for it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipelines.stages.kernel.leases import LEASE_S
from tests.chaos.product_stack import ProductStack, product_stack
from tools.bench.idle import used_by
from tools.chaos.harness import COMMANDS
from tools.stack import Service, free_port, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("chaos")]
DRAINED_S = 60.0
"""So long a host waits after SIGTERM."""
RUNS = 8


@pytest.fixture
def place(tmp_path: Path) -> Iterator[ProductStack]:
    with product_stack(tmp_path / "var") as made:
        yield made


def next_version(place: ProductStack, name: str, **environ: str) -> Service:
    """One more service of that kind beside the one that runs."""
    service = Service(name, COMMANDS[name], place.stack.environ() | environ, place.stack.var / f"{name}.next.log")
    service.start()
    return service


class Customers:
    """Order and look, at whatever address is told at the moment, until they are stopped."""

    def __init__(self, url: str) -> None:
        self.url, self.failed, self.asked = url, list[str](), 0
        self._over, self._at = threading.Event(), dict[int, str]()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(3)]
        for thread in self._threads:
            thread.start()

    def move_to(self, url: str) -> None:
        """As a host's edge does: what comes from now on goes there, and what is under way ends where it is."""
        self.url = url
        until(lambda: set(self._at.values()) == {url}, "everybody to be there")

    def _ask(self, number: int) -> None:
        while not self._over.wait(0.05):
            self._at[number] = self.url
            try:
                answer = httpx.get(f"{self._at[number]}/api/runs", timeout=30)
                self.asked += 1
                if answer.status_code != httpx.codes.OK:
                    self.failed.append(f"{answer.status_code} {answer.text[:80]}")
            except httpx.HTTPError as error:
                self.failed.append(repr(error))

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_new_services_first_then_sigterm_to_the_old_ones_fails_nothing_and_buys_nothing_twice(
    place: ProductStack,
) -> None:
    old = dict(place.stack.services)
    runs = [place.order(f"rolling-{number}", ability=("key", "list")[number % 2]) for number in range(RUNS)]
    customers = Customers(place.stack.url)
    known, port = set(place.heartbeats()), free_port()
    worker = next_version(place, "worker")
    web = next_version(place, "web", PORT=str(port))
    try:
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200, "the new web")
        until(lambda: len(set(place.heartbeats()) - known) >= 5, "the new worker's heartbeats")
        customers.move_to(f"http://127.0.0.1:{port}")
        for name in ("web", "worker"):
            began = time.monotonic()
            assert old[name].stop(signal.SIGTERM, DRAINED_S) == 0, f"{name} did not end by itself: {old[name].tail()}"
            assert time.monotonic() - began < DRAINED_S
        for run in runs:
            place.done(run)
    finally:
        customers.stop()
        web.stop()
        worker.stop()
    assert customers.failed == []
    assert customers.asked > RUNS
    bought = place.bought("rolling-")
    assert (len(bought), len(set(bought))) == (2 * RUNS, 2 * RUNS)
    place.check_books()


def test_a_machine_that_stands_still_for_longer_than_a_lease_goes_on_without_harm(place: ProductStack) -> None:
    place.stack.sandbox("POST", "/vendors/_control", {"latency_s": 2.0})
    run = place.order("still", ability="list")
    until(lambda: any(one["point"] == "submit.intended" for one in place.journal.visits()), "a purchase", 60.0, 0.01)
    process = place.stack.services["worker"].process
    assert process is not None
    frozen = list(used_by({process.pid}))
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    worker = next_version(place, "worker")
    try:
        until(lambda: time.monotonic() - began > LEASE_S + 10.0, "longer than a lease", 120.0, 0.5)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        place.done(run)
        again = place.order("after")
        place.done(again)
    finally:
        worker.stop()
    assert (len(place.bought("still")), len(set(place.bought("still")))) == (2, 2)
    assert len(place.bought("after")) == 2
    place.check_books()

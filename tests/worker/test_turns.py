"""Whoever starts much at once makes nobody else wait: accounts take turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import CustomerAccount, QueueSweep, Run
from tests.web.web_fixtures import WebHarness
from worker.pump import BATCH, Dispatcher

BUSY, CALM = "acc_busy", "acc_calm"


class Broker:
    """Takes so many hints, and then has enough."""

    def __init__(self, room: int) -> None:
        self.room, self.got = room, list[str]()

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:
        if media or len(self.got) >= self.room:
            return False
        self.got += [row for _, row in hints]
        return True

    def check(self) -> None:
        """It answers."""


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WebHarness]:
    with WebHarness(tmp_path) as made:
        yield made


def started(harness: WebHarness, account_id: str | None, number: int, *, ago: float) -> list[str]:
    """Runs that have been due for so long."""
    names = [f"run_{account_id or 'own'}_{n:03d}" for n in range(number)]
    at = harness.clock.now() - ago
    with harness.store.write() as tx:
        if account_id:
            tx.accounts.add(CustomerAccount(id=account_id, name=account_id))
        for n, name in enumerate(names):
            run = Run(id=name, status=RunStatus.QUEUED, source="rest", account_id=account_id, next_at=at + n / 1000)
            assert tx.runs.add(run)
    return names


def dispatched(harness: WebHarness, room: int, *kinds: str) -> list[str]:
    broker = Broker(room)
    Dispatcher(replace(harness.services, hints=broker), kinds or ("runs",)).tick()
    return broker.got


def test_accounts_take_turns_and_the_operator_is_one_of_them(harness: WebHarness) -> None:
    busy, calm = started(harness, BUSY, 20, ago=60.0), started(harness, CALM, 3, ago=20.0)
    own = started(harness, None, 1, ago=10.0)
    got = dispatched(harness, 100)
    assert got[:3] == [busy[0], calm[0], own[0]]
    assert got[3:8] == [busy[1], calm[1], busy[2], calm[2], busy[3]]
    assert sorted(got) == sorted([*busy, *calm, *own])


def test_more_than_fits_into_a_round_leaves_a_place_for_another(harness: WebHarness) -> None:
    busy = started(harness, BUSY, BATCH + 50, ago=60.0)
    calm = started(harness, CALM, 1, ago=0.0)
    got = dispatched(harness, 16)
    assert got == [busy[0], calm[0], *busy[1:15]]


def test_with_one_account_and_among_other_rows_the_oldest_comes_first(harness: WebHarness) -> None:
    busy, calm = started(harness, BUSY, 3, ago=60.0), started(harness, CALM, 1, ago=10.0)
    sweep = QueueSweep(id="swp_1", base_id="app", next_at=harness.clock.now() - 30.0)
    with harness.store.write() as tx:
        assert tx.sweeps.add(sweep)
    assert dispatched(harness, 100, "runs", "sweeps") == [busy[0], calm[0], busy[1], "swp_1", busy[2]]
    with harness.store.write() as tx:
        tx.runs.change(calm[0], next_at=None)
    assert dispatched(harness, 100, "runs", "sweeps") == [*busy, "swp_1"]

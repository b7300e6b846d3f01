"""Sixteen orders at the same moment on a balance for seven, and eight equal top-ups: on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.database import SqlStore
from pipelines.domain.errors import InsufficientCredits
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import LotKind
from pipelines.stages.commerce import accounts
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.spending import audit, credit_book, credit_lots
from pipelines.testing import make_services

PRICE = 400_000
"""A clip of 4 s."""


def at_once(count: int, do: Callable[[], object]) -> None:
    line = threading.Barrier(count)

    def run() -> None:
        line.wait()
        do()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def race(store: SqlStore, folder: Path) -> None:
    services = make_services(folder, store=store)
    now, account = services.clock.now(), accounts.create(services, "ada").id

    def top_up() -> None:
        with store.write() as tx:
            credit_lots.grant(tx, now, account, 7 * PRICE, kind=LotKind.PAID, source="INV-1", expires_at=None)

    at_once(8, top_up)
    view = replace(services, store=store.of(account))
    order = Order(scenes=(SceneOrder(prompt="a race", seconds=4.0),))
    refused: list[InsufficientCredits] = []

    def start() -> None:
        try:
            accept.start(view, StartRequest(source="rest", order=order))
        except InsufficientCredits as error:
            refused.append(error)

    at_once(16, start)
    with store.read() as tx:
        runs = tx.runs.find()
        assert (len(runs), len(refused)) == (7, 9)
        assert credit_lots.funds(tx, account, now).available_micro == 0
        assert credit_book.set_aside(tx, runs[0].id) == PRICE
    at_once(7, lambda: [control.cancel(services, run.id, "ada") for run in runs])
    with store.read() as tx:
        assert credit_lots.funds(tx, account, now).available_micro == 7 * PRICE
        assert credit_book.audit(tx, everything=True).problems == ()
        assert audit.audit(tx).problems == ()


def test_a_balance_for_seven_admits_exactly_seven(tmp_path: Path) -> None:
    services = make_services(tmp_path)
    assert isinstance(services.store, SqlStore)
    race(services.store, tmp_path)


@pytest.mark.slow
def test_so_it_does_where_writers_are_not_alone(present_url: str, tmp_path: Path) -> None:
    store = SqlStore(present_url, threads=16)
    race(store, tmp_path)
    store.engine.dispose()

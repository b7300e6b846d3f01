"""One of several processes that order the same clip at the same moment, on several threads. Started by a test."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelines.bootstrap import SystemClock
from pipelines.database import SqlStore
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.stages.orders import accept
from pipelines.stages.scheduler import steps
from pipelines.storage import FileStore
from pipelines.testing import ScriptedProvider, ScriptedProviders, make_services

THREADS = 4
READY_S = 0.3


def main(url: str, folder: str, gate: str) -> None:
    """A run per thread of one equal scene each, all let go at once; says how often the provider was paid."""
    own, clock = Path(folder), SystemClock()
    acme = ScriptedProvider("acme", clock, ready_after_s=READY_S)
    services = make_services(
        own,
        store=SqlStore(url),
        clock=clock,
        owner=own.name,
        media=FileStore(own.parent / "media"),
        providers=ScriptedProviders(acme),
    )
    order = Order(scenes=(SceneOrder(prompt="a race", seconds=4.0),))
    runs = [accept.start(services, accept.StartRequest(source="rest", order=order)).run_id for _ in range(THREADS)]
    (own / "ready").touch()
    while not Path(gate).exists():
        time.sleep(0.001)
    with ThreadPoolExecutor(THREADS) as threads:
        # What ends a thread ends the race, and is told.
        for one in [threads.submit(steps.drive, services, run, on_change=lambda _run: None) for run in runs]:
            one.result()
    (own / "bought").write_text(str(len(acme.bought)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])

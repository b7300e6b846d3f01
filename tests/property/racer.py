"""One of several processes that race for a budget: 8 threads, each with a run of its own. Started by a test."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from pipelines.database import SqlStore
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.stages.orders import accept
from pipelines.stages.scheduler import steps
from pipelines.testing import make_services

THREADS = 8


def main(url: str, folder: str, day_cap_micro: int, gate: str) -> None:
    """Start a run per thread, wait until the gate file is there, then let each set its money aside."""
    store = SqlStore(url)
    services = make_services(Path(folder), store=store, day_cap_micro=day_cap_micro)
    order = Order(scenes=(SceneOrder(prompt="a race", seconds=4.0),))
    runs = [accept.start(services, accept.StartRequest(source="rest", order=order)).run_id for _ in range(THREADS)]
    Path(folder, "ready").touch()
    while not Path(gate).exists():
        time.sleep(0.001)
    threads = [threading.Thread(target=steps.step, args=(services, "runs", run)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])

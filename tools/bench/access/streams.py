"""One web process as the Procfile starts it, and 200 who follow a run: how long others wait for an answer."""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import sys
import time
from pathlib import Path

import httpx

from pipelines.bootstrap import build_services
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Run
from pipelines.settings import load_settings
from tools.stack import ROOT, Service, free_port, procfile, until

STREAMS, PINGS, PAUSE_S, SETTLE_S = 200, 60, 0.1, 3.0
KEY, RUN = "bench", "run_bench"
HEADERS = {"Authorization": f"Bearer {KEY}"}


def pings(folder: Path) -> tuple[float, float]:
    """The median of `/health` beside the streams, and alone."""
    folder.mkdir(parents=True)
    port = free_port()
    environ = {
        "VAR_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder}/reelgrid.db",
        "STORAGE_URL": f"file:{folder}/media",
        "API_KEYS": f"bench:{hashlib.sha256(KEY.encode()).hexdigest()}",
        "SECRET_KEY": "only for a measurement, and long enough",
        "PUBLIC_URL": "https://films.example.com",
        "PORT": str(port),
    }
    web = Service("web", procfile()["web"], {**_path(), **environ}, folder / "web.log")
    web.start()
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: httpx.get(f"{url}/health", timeout=2).status_code == 200, "web to answer")
        with build_services(load_settings(environ, root=folder)).store.write() as tx:
            tx.runs.add(Run(id=RUN, status=RunStatus.GENERATING, source="rest", order=Order(title="A fox")))
        return asyncio.run(_measure(url))
    finally:
        web.stop()


def _path() -> dict[str, str]:
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


async def _measure(url: str) -> tuple[float, float]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        alone = await _pinged(client, url)
        following = [asyncio.create_task(_follow(client, f"{url}/api/runs/{RUN}/events")) for _ in range(STREAMS)]
        await asyncio.sleep(SETTLE_S)
        beside = await _pinged(client, url)
        for one in following:
            one.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    return beside, alone


async def _pinged(client: httpx.AsyncClient, url: str) -> float:
    times = []
    for _ in range(PINGS):
        began = time.perf_counter()
        (await client.get(f"{url}/health")).raise_for_status()
        times.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE_S)
    return statistics.median(times)


async def _follow(client: httpx.AsyncClient, url: str) -> None:
    """As an EventSource does: again after 3 s."""
    while True:
        async with client.stream("GET", url, headers=HEADERS) as answer:
            answer.raise_for_status()
            async for _ in answer.aiter_raw():
                pass
        await asyncio.sleep(3)

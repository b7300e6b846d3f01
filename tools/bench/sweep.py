"""Waiting clips cost no worker: thousands in flight, polled by one sweep that the provider's list tells when, against
one blocked process for each clip. Requests are counted at the vendor, pages of the list among them.

Lag is from the moment a job is done at its vendor to the moment that our database knows, without any webhook.
"""

from __future__ import annotations

import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

import httpx

from pipelines.bootstrap import build_services
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.records import Generation, Run
from pipelines.ports import GenerationRequest
from pipelines.settings import load_settings
from pipelines.stages.generations import poll
from pipelines.stages.generations.poll import LONGEST_POLL_S
from pipelines.stages.kernel.services import Services
from pipelines.stages.scheduler.job_lists import ROUND_S, JobLists
from tools.bench.measure.rows import Claim, row

SIZES = (2_000, 10_000)
SPREAD_S, FIRST_POLLS_S, POLLERS = 40.0, 10.0, 8
MEMORY_BAR_MB, LAG_BAR_S = 20.0, 20.0


def rows() -> list[Claim]:
    """Memory and lag of the sweep at each size, and what blocked processes would take."""
    process_mb = _blocked_process_mb()
    found = []
    for size in SIZES:
        seen = _isolated(size)
        what = f"{size} generations in flight"
        found += [
            row("sweep", f"{what}: memory above idle, against 20 MB", seen["grown_mb"], MEMORY_BAR_MB, 1.0, unit="MB"),
            row(
                "sweep",
                f"{what}: memory above idle, against one blocked process each",
                seen["grown_mb"],
                process_mb * size,
                0.01,
                unit="MB",
            ),
            row(
                "sweep",
                f"{what}: requests, against one client each asking every second",
                seen["per_s"],
                size,
                0.1,
                unit="/s",
            ),
            row(
                "sweep",
                f"{what}: lag p50, against the longest interval",
                seen["p50"],
                LONGEST_POLL_S,
                None,
                unit="s",
            ),
            row(
                "sweep",
                f"{what}: lag p95, against {LAG_BAR_S:.0f} s",
                seen["p95"],
                LAG_BAR_S,
                1.0,
                unit="s",
                absolute=True,
            ),
        ]
    return found


def _isolated(size: int) -> dict[str, float]:
    """In a fresh process, so that memory is its own."""
    code = f"from tools.bench.sweep import measure; import json; print(json.dumps(measure({size})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _blocked_process_mb() -> float:
    """What a worker that blocks on one clip keeps: Python with the SDKs it needs."""
    code = "import openai, httpx, sqlalchemy, resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def _rss_mb() -> float:
    with Path("/proc/self/statm").open() as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1e6


class _Vendor(BaseHTTPRequestHandler):
    """A /v1/videos server whose jobs finish at a time that stands in their id. It is told at `/jobs` which there are,
    and tells at `/requests` how often it was asked.
    """

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """Head and body leave together: two small packets would wait 40 ms for each other."""
    jobs: ClassVar[list[str]] = []
    """The newest first."""
    places: ClassVar[dict[str, int]] = {}
    requests: ClassVar[Iterator[int]] = itertools.count()

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/requests":
            self._answer(next(self.requests))
            return
        next(self.requests)
        job = asked.path.rpartition("/")[2]
        self._answer(_page(dict(parse_qsl(asked.query))) if job == "videos" else _video(job))

    def do_POST(self) -> None:
        ids = self.rfile.read(int(self.headers["Content-Length"])).decode().split()
        _Vendor.jobs, _Vendor.places = ids, {job: place for place, job in enumerate(ids)}
        self._answer(len(ids))

    def _answer(self, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


def _page(query: dict[str, str]) -> dict[str, object]:
    first = _Vendor.places[query["after"]] + 1 if "after" in query else 0
    end = first + int(query["limit"])
    found = [_video(job) for job in _Vendor.jobs[first:end]]
    return {"object": "list", "data": found, "has_more": end < len(_Vendor.jobs)}


def _video(job: str) -> dict[str, object]:
    """As the protocol has it."""
    end = float(job.split("_")[1])
    is_done = time.time() >= end
    return {
        "id": job,
        "object": "video",
        "model": "sora-2",
        "status": "completed" if is_done else "in_progress",
        "progress": 100 if is_done else 50,
        "created_at": int(end) - 60,
        "completed_at": int(end) if is_done else None,
        "expires_at": int(end) + 3600 if is_done else None,
        "prompt": "A heron lifts off from a lake at dawn, mist on the water, the camera follows slowly. " * 4,
        "seconds": "4",
        "size": "1280x720",
        "remixed_from_video_id": None,
        "error": None,
    }


def serve_vendor() -> None:
    """Be the vendor on a free port, said on standard output."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Vendor)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


def measure(size: int) -> dict[str, float]:
    """Fill a database with jobs that finish over `SPREAD_S`, sweep until all are seen; lags and memory."""
    code = "from tools.bench.sweep import serve_vendor; serve_vendor()"
    vendor = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        port = int(vendor.stdout.readline()) if vendor.stdout else 0
        return _measure(size, f"http://127.0.0.1:{port}")
    finally:
        vendor.kill()
        vendor.wait()


def _measure(size: int, vendor: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as folder:
        services = _services(Path(folder), f"{vendor}/v1")
        idle = _rss_mb()
        ends = _fill(services, size, vendor)
        peak, lags, began = idle, list[float](), time.monotonic()
        asked, over = _requests(vendor), threading.Event()
        listing = threading.Thread(target=_read_lists, args=(services, over))
        listing.start()
        with ThreadPoolExecutor(POLLERS) as pool:
            while ends:
                poll.poll_due(services, executor=pool)
                lags += _newly_seen(services, ends)
                peak = max(peak, _rss_mb())
                time.sleep(0.1)
        over.set()
        listing.join()
        ranked, per_s = sorted(lags), (_requests(vendor) - asked) / (time.monotonic() - began)
    p50, p95 = statistics.median(ranked), ranked[int(len(ranked) * 0.95)]
    return {"grown_mb": peak - idle, "p50": p50, "p95": p95, "per_s": per_s}


def _read_lists(services: Services, over: threading.Event) -> None:
    """As the pump does."""
    lists = JobLists(services, over.is_set)
    while not over.is_set():
        lists.read()
        over.wait(ROUND_S)


def _requests(vendor: str) -> int:
    return int(httpx.get(f"{vendor}/requests").text)


def _services(folder: Path, vendor: str) -> Services:
    environ = {
        "VAR_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder}/truth.db",
        "STORAGE_URL": f"file:{folder}/media",
        "SORA_API_KEY": "sk-bench",
        "SORA_BASE_URL": vendor,
        "LOG_LEVEL": "ERROR",
    }
    services = build_services(load_settings(environ, root=folder))
    services.store.migrate()
    # One poll of each adapter's first use happens before the idle figure is taken.
    services.providers.get("sora").poll("video_9999999999", _request())
    return services


def _request() -> GenerationRequest:
    return GenerationRequest(
        model="sora/sora-2", prompt="x", seconds=4.0, width=1280, height=720, aspect_ratio="16:9", resolution="720p"
    )


def _fill(services: Services, size: int, vendor: str) -> dict[str, float]:
    now, ends, jobs = time.time(), dict[str, float](), list[str]()
    request = _request()
    with services.store.write() as tx:
        tx.runs.add(Run(id="run_bench", status=RunStatus.GENERATING, source="rest", created_at=now))
        for number in range(size):
            end = now + 5 + SPREAD_S * number / size
            jobs.append(f"video_{end:.3f}_{number}")
            gen = Generation(
                id=f"gen_{number}",
                run_id="run_bench",
                scene_id=f"scn_{number}",
                status=GenerationStatus.SUBMITTED,
                provider="sora",
                model="sora/sora-2",
                request=request,
                idem_key=f"key{number}",
                callback_token=f"token{number}",
                provider_id=jobs[-1],
                next_at=now + FIRST_POLLS_S * number / size,
                deadline_at=now + 3600,
            )
            tx.generations.add(gen)
            ends[gen.id] = end
    httpx.post(f"{vendor}/jobs", content="\n".join(reversed(jobs)))
    return ends


def _newly_seen(services: Services, ends: dict[str, float]) -> list[float]:
    """Lags of the generations that the sweep has seen finish since the last call."""
    with services.store.read() as tx:
        found = tx.generations.find(status=GenerationStatus.SUCCEEDED, limit=2_000)
    fresh = [gen for gen in found if gen.id in ends]
    lags = [gen.updated_at - ends.pop(gen.id) for gen in fresh]
    with services.store.write() as tx:
        for gen in fresh:
            tx.generations.remove(gen.id)
    return lags

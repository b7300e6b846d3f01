"""The worker service as a process of its own, on an empty database and an embedded broker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines import queueing
from pipelines.bootstrap import build_services
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.settings import Settings, load_settings
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import accept
from tests.web.web_fixtures import KEYS
from tools.stack import ROOT, until

KINDS = ("broker", "pump", "steps", "media")


@dataclass
class WorkerService:
    """`python -m worker` and a view of the database it works on."""

    process: subprocess.Popen[bytes]
    settings: Settings
    services: Services
    log: Path

    def pids(self, kind: str) -> list[int]:
        """The processes of one kind, as their heartbeats tell."""
        with self.services.store.read() as tx:
            return [process.pid for process in tx.processes.find() if process.kind.startswith(kind)]

    def await_up(self) -> None:
        """Until every process has shown a heartbeat."""
        until(lambda: all(self.pids(kind) for kind in KINDS), "all processes of the worker service")

    def film(self) -> None:
        """One is ordered and made."""
        order = Order(master_prompt="A kite over a field", scene_count=1, clip_seconds=1, resolution="480p")
        started = accept.start(self.services, accept.StartRequest(source="rest", order=order))

        def done() -> bool:
            with self.services.store.read() as tx:
                run = tx.runs.get(started.run_id)
            assert run is not None
            assert run.error is None, run.error
            return run.status is RunStatus.DONE

        until(done, "the run to be done")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """The embedded broker alone; its address."""
    socket = tmp_path / "broker.sock"
    code = "import sys; from pathlib import Path; from worker import broker; broker.serve(Path(sys.argv[1]))"
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code, str(socket)], env=environ, stdout=subprocess.DEVNULL)
    try:
        until(socket.exists, "the broker's socket")
        yield queueing.socket_url(socket)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[WorkerService]:
    with worker_service(tmp_path) as service:
        yield service


@contextmanager
def worker_service(folder: Path, name: str = "worker") -> Iterator[WorkerService]:
    """A worker service that is up. Several may work in one folder."""
    environ = {
        "VAR_DIR": str(folder / "var"),
        "DATABASE_URL": f"sqlite:///{folder}/var/truth.db",
        "STORAGE_URL": f"file:{folder}/var/media",
        "WORKERS": "1",
        "API_KEYS": KEYS,
    }
    settings = load_settings(environ, root=folder)
    services = build_services(settings)
    services.store.migrate()
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "worker"]
    inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=inherited | environ, stdout=out, stderr=subprocess.STDOUT)
    service = WorkerService(process, settings, services, log)
    try:
        service.await_up()
        yield service
    finally:
        process.kill()
        process.wait()
        for kind in KINDS:
            for pid in service.pids(kind):
                subprocess.run(["kill", "-9", str(pid)], check=False, capture_output=True)

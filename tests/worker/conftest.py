"""The worker service as a process of its own, on an empty database and an embedded broker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines import queueing
from pipelines.bootstrap import build_services
from pipelines.settings import Settings, load_settings
from pipelines.stages.kernel.services import Services
from tools.stack import ROOT, until


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
        kinds = ("broker", "pump", "steps", "media")
        until(lambda: all(self.pids(kind) for kind in kinds), "all processes of the worker service")


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
    environ = {
        "VAR_DIR": str(tmp_path / "var"),
        "DATABASE_URL": f"sqlite:///{tmp_path}/var/truth.db",
        "STORAGE_URL": f"file:{tmp_path}/var/media",
        "WORKERS": "1",
    }
    settings = load_settings(environ, root=tmp_path)
    services = build_services(settings)
    services.store.migrate()
    log = tmp_path / "worker.log"
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
        for kind in ("broker", "pump", "steps", "media"):
            for pid in service.pids(kind):
                subprocess.run(["kill", "-9", str(pid)], check=False, capture_output=True)

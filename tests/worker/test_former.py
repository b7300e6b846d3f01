"""A worker service that starts again after a kill frees at once what its predecessor held on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.records import Generation, Process, Run
from pipelines.domain.state.generation import GenerationRequest
from tests.conftest import needs
from tools.stack import ROOT
from worker.demand import Demand
from worker.machine import machine
from worker.supervisor import Supervisor

NOW = 1_795_521_600.0


def test_only_the_leases_of_the_dead_are_freed_and_never_that_of_a_paid_request(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    store = SqlStore(f"sqlite:///{tmp_path / 'truth.db'}", pooled=False)
    store.migrate()
    namesake = f"{machine()}7"
    places = {"elsewhere": "another", "in another container": namesake, "before the start": socket.gethostname()}
    processes = {"dead": (machine(), dead.pid), "alive": (machine(), os.getpid())}
    processes |= {name: (host, dead.pid) for name, host in places.items()}
    with store.write() as tx:
        for name, (where, pid) in processes.items():
            tx.processes.add(Process(id=name, kind="steps0", host=where, pid=pid, started_at=NOW))
            tx.runs.add(Run(id=name, status=RunStatus.QUEUED, source="rest", next_at=NOW))
        tx.generations.add(
            Generation(
                id="paid",
                run_id="dead",
                scene_id="scene",
                status=GenerationStatus.SUBMITTING,
                provider="acme",
                model="acme/film",
                request=GenerationRequest(),
                idem_key="paid",
                callback_token="paid",
                next_at=NOW,
            )
        )
    for name in processes:
        assert store.claim("runs", name, owner=name, now=NOW, seconds=60)
    assert store.claim("generations", "paid", owner="dead", now=NOW, seconds=60)
    Supervisor(store, [], Demand()).release_previous_instance()
    assert [row for row, _ in store.due("runs", NOW, 10)] == ["dead"]
    assert store.due("generations", NOW, 10) == []
    with store.read() as tx:
        assert {process.id for process in tx.processes.find()} == {"alive", *places}


def test_two_containers_with_one_host_name_are_two_machines() -> None:
    """Process 7 of one is not process 7 of the other, and nobody takes the other's leases for those of the dead."""
    ask = [sys.executable, "-c", "import os; from worker.machine import machine; print(machine())"]
    needs("unshare, as root", found=os.geteuid() == 0 and shutil.which("unshare") is not None)
    here = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    inside = ["unshare", "--pid", "--fork", *ask]
    there = subprocess.run(inside, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert here.strip() == machine()
    assert here != there
    assert here.split()[0] == there.split()[0] == socket.gethostname()

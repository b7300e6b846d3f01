"""A worker service that starts again after a kill frees at once what its predecessor held on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.records import Generation, Process, Run
from pipelines.domain.state.generation import GenerationRequest
from worker.supervisor import Supervisor

NOW = 1_795_521_600.0


def test_only_the_leases_of_the_dead_are_freed_and_never_that_of_a_paid_request(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    store = SqlStore(f"sqlite:///{tmp_path / 'truth.db'}", pooled=False)
    store.migrate()
    host, here = socket.gethostname(), os.getpid()
    processes = {"dead": (host, dead.pid), "alive": (host, here), "elsewhere": ("another", dead.pid)}
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
    Supervisor(store, []).release_previous_instance()
    assert [row for row, _ in store.due("runs", NOW, 10)] == ["dead"]
    assert store.due("generations", NOW, 10) == []
    with store.read() as tx:
        assert {process.id for process in tx.processes.find()} == {"alive", "elsewhere"}

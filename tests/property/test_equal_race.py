"""Twelve equal orders in three processes, let go at once: one clip is bought, and it is in all twelve films."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.spending import audit
from tools.stack import ROOT, until

PRICE = 400_000
PROCESSES = 3


@pytest.mark.slow
def test_equal_orders_at_the_same_moment_are_bought_once(present_url: str, tmp_path: Path) -> None:
    store = SqlStore(present_url)
    gate = tmp_path / "gate"
    folders = [tmp_path / f"racer{number}" for number in range(PROCESSES)]
    for folder in folders:
        folder.mkdir()
    code = str(Path(__file__).with_name("equal_racer.py"))
    racers = [
        subprocess.Popen([sys.executable, code, present_url, str(folder), str(gate)], env={"PYTHONPATH": str(ROOT)})
        for folder in folders
    ]
    try:
        until(lambda: all((folder / "ready").exists() for folder in folders), "all racers to stand at the line")
        gate.touch()
        assert [racer.wait(90) for racer in racers] == [0] * PROCESSES
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    assert sum(int((folder / "bought").read_text()) for folder in folders) == 1
    with store.read() as tx:
        runs = tx.runs.find()
        assert {run.status for run in runs} == {RunStatus.DONE}
        assert len({scene.clip_id for scene in tx.scenes.find()}) == 1
        assert (tx.balance("spent"), tx.balance("held"), tx.balance("committed")) == (PRICE, 0, 0)
        assert audit.audit(tx).problems == ()
    store.engine.dispose()

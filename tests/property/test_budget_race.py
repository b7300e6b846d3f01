"""32 threads in 4 processes want a budget that is enough for 3 runs."""

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
PROCESSES = 4


@pytest.mark.slow
def test_a_budget_for_three_runs_admits_exactly_three(present_url: str, tmp_path: Path) -> None:
    store = SqlStore(present_url)
    gate = tmp_path / "gate"
    folders = [tmp_path / f"racer{number}" for number in range(PROCESSES)]
    for folder in folders:
        folder.mkdir()
    code = str(Path(__file__).with_name("racer.py"))
    racers = [
        subprocess.Popen(
            [sys.executable, code, present_url, str(folder), str(3 * PRICE + PRICE // 2), str(gate)],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
        )
        for folder in folders
    ]
    try:
        until(lambda: all((folder / "ready").exists() for folder in folders), "all racers to stand at the line")
        gate.touch()
        assert [racer.wait(60) for racer in racers] == [0] * PROCESSES
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    with store.read() as tx:
        admitted = tx.runs.count(status=RunStatus.GENERATING)
        refused = tx.runs.count(status=RunStatus.NEEDS_ATTENTION)
        assert (admitted, refused) == (3, 29)
        assert tx.balance("held") == 3 * PRICE
        assert audit.audit(tx).problems == ()
    store.engine.dispose()

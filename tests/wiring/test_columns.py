"""A column that does not exist, or a value that is not its own, does not pass mypy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """\
from dataclasses import replace
from typing import Any

from typing import Any

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Generation, Run
from pipelines.ports import Tx
from pipelines.stages.kernel.transitions import Actor, record, touch_run, transition_generation


def right(tx: Tx, actor: Actor, run: Run) -> None:
    tx.runs.change(run.id, {"status": run.status}, detail="Waiting.", status=RunStatus.QUEUED, next_at=None)
    tx.runs.find(order="-created_at", limit=1, status=("queued", "done"), record_id=None, before={"number": 2})
    tx.generations.count(provider=("sora", "omni"), run_id=run.id)
    touch_run(tx, actor, run, detail="Waiting.")
    due: dict[str, Any] = {"before": {"next_at": 2.0}}
    tx.runs.find(order="next_at", **due)


def wrong(tx: Tx, actor: Actor, run: Run, gen: Generation) -> None:
    tx.runs.change(run.id, detial="a column of change")  # wrong
    tx.runs.change(run.id, {"statsu": run.status}, detail="a column of when")  # wrong
    tx.runs.change(run.id, detail=7)  # wrong
    tx.runs.find(recordid="a column of find")  # wrong
    tx.runs.find(number="one")  # wrong
    tx.runs.find(order="-createdat")  # wrong
    tx.runs.find(before={"craeted_at": 1.0})  # wrong
    tx.generations.count(take=1)  # wrong
    touch_run(tx, actor, run, detial="a column of a function with **changes")  # wrong
    again: dict[str, Any] = {"detail": "Going on.", "eror": None}
    touch_run(tx, actor, run, **again)  # wrong
    mine: dict[str, Any] = {"run_idd": run.id}
    tx.scenes.find(order="number", **mine)  # wrong
    record(tx, actor, "run", run.id, run.id, "note", sentense="a part of what is told")  # wrong
    transition_generation(tx, actor, gen, gen.status, plan=None)  # wrong


def built(id: str, row: dict[str, str] | None = None, **changes: Any) -> Run:
    return replace(Run(id=id, status=RunStatus.QUEUED, source="rest"), **changes)


def builders() -> None:
    built("run_1", {"Title": "no column"}, detail="Waiting.", number=2)
    built("run_1", detial="a column of a builder's record")  # wrong
    built("run_1", number="one")  # wrong
"""


def test_a_misspelt_column_does_not_pass_mypy(tmp_path: Path) -> None:
    path = tmp_path / "tests" / "columns.py"
    path.parent.mkdir()
    path.write_text(CODE)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(path)]
    environ = {**os.environ, "MYPYPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    wrong = {number for number, line in enumerate(CODE.splitlines(), start=1) if line.endswith("# wrong")}
    found = {int(line) for line in re.findall(r"columns\.py:(\d+): error", done.stdout)}
    assert found == wrong, done.stdout + done.stderr

"""Crash points: every name in the table is reached by the code, every one in the code is in the table."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.domain.recovery.crash_points import CRASH_POINTS
from tools.docs.inside.crash_points import PROCESSES

ROOT = Path(__file__).resolve().parents[2]
REACHED = re.compile(r"points\.reach\(\s*\"([a-z_.]+)\"")


def test_the_table_and_the_code_name_the_same_points() -> None:
    sources = [*(ROOT / "pipelines" / "stages").rglob("*.py"), *(ROOT / "worker").glob("*.py")]
    found = {name for path in sources for name in REACHED.findall(path.read_text())}
    assert found == set(CRASH_POINTS)


def test_every_point_belongs_to_a_process_and_says_how_it_goes_on() -> None:
    for point in CRASH_POINTS.values():
        assert point.process in PROCESSES
        assert point.committed
        assert re.fullmatch(r"[A-Z].*\.", point.recovery), point.name

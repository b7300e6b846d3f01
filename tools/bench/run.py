"""`make bench`: every claim of speed and size as a ratio, both sides measured in the same run. SECTION=…, JSON=1.

With AGAINST=COMMIT each section is measured in turns here and in a tree of that commit, with what it needs installed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tools.bench.measure import calibration
from tools.bench.measure.against import in_turns
from tools.bench.measure.rows import Claim, row

SECTIONS = (
    "media",
    "trigger",
    "sweep",
    "product",
    "airtable",
    "history",
    "pages",
    "idle",
    "scale",
    "access",
    "cost",
    "creative",
    "rush",
)
"""Each is a module `tools.bench.<name>` with a function `rows() -> list[dict]`, or is named in `ELSEWHERE`."""
ELSEWHERE = {"pages": "history.pages", "rush": "access.rush"}


def main(arguments: Sequence[str] = ()) -> int:
    """Run the sections asked for; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="Every claim of speed and size.")
    parser.add_argument("--against", metavar="COMMIT", default=os.environ.get("AGAINST") or None)
    against: str | None = parser.parse_args(arguments).against
    wanted = os.environ.get("SECTION") or ""
    unknown = wanted and wanted not in SECTIONS
    if unknown:
        sys.exit(f"SECTION is one of {', '.join(SECTIONS)}, not {wanted!r}.")
    sections = [name for name in SECTIONS if wanted in ("", name)]
    rows: list[Claim] = []
    for found in in_turns(against, sections) if against else map(measured, sections):
        rows += found
        if not os.environ.get("JSON"):
            _show(found)
    if os.environ.get("JSON"):
        print(json.dumps({"rows": rows}, indent=2, ensure_ascii=False))
    return 0 if all(one["ok"] for one in rows) else 1


def measured(section: str) -> list[Claim]:
    """The rows of a section, and how fast the machine was meanwhile."""
    before = calibration.measured()
    rows: list[Claim] = importlib.import_module(f"tools.bench.{ELSEWHERE.get(section, section)}").rows()
    speed = calibration.between(before, calibration.measured())
    told = {
        "a loop that computes": (speed.cpu, calibration.CPU_S),
        "4 KB forced to the disk": (speed.disk, calibration.FSYNC_S),
    }
    calibrated = [
        row(section, f"calibration: {what}, against a quiet machine", slower * quiet, quiet, None, unit="s")
        for what, (slower, quiet) in told.items()
    ]
    return [*(calibration.scaled(one, speed) for one in rows), *calibrated]


def _show(rows: list[Claim]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("section", "name", "ours", "against", "ratio", "bar", "ok"):
        table.add_column(column, overflow="fold")
    for one in rows:
        table.add_row(*(str(one[column]) for column in ("section", "name", "ours", "against", "ratio", "bar", "ok")))
    Console().print(table)
    sys.stdout.flush()

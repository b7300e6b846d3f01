"""`make bench`: every claim of speed and size as a ratio, both sides measured in the same run. SECTION=…, JSON=1."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

SECTIONS = ("media", "trigger", "sweep", "product", "airtable", "history", "idle", "scale", "access")
"""Each is a module `tools.bench.<name>` with a function `rows() -> list[dict]`."""


def row(section: str, name: str, ours: float, against: float, bar: float | None, *, unit: str = "") -> dict[str, Any]:
    """One claim: `ours / against` must not be above `bar`; without one, it is only said."""
    ratio = ours / against if against else float("inf")
    figures = {"ours": round(ours, 4), "against": round(against, 4), "ratio": round(ratio, 4), "bar": bar}
    return {"section": section, "name": name, **figures, "unit": unit, "ok": bar is None or ratio <= bar}


def main() -> int:
    """Run the sections asked for; 1 when a bar is missed."""
    wanted = os.environ.get("SECTION") or ""
    unknown = wanted and wanted not in SECTIONS
    if unknown:
        sys.exit(f"SECTION is one of {', '.join(SECTIONS)}, not {wanted!r}.")
    rows: list[dict[str, Any]] = []
    for name in SECTIONS:
        if wanted in ("", name):
            rows += importlib.import_module(f"tools.bench.{name}").rows()
    if os.environ.get("JSON"):
        print(json.dumps({"rows": rows}, indent=2, ensure_ascii=False))
    else:
        _show(rows)
    return 0 if all(one["ok"] for one in rows) else 1


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("section", "name", "ours", "against", "ratio", "bar", "ok"):
        table.add_column(column, overflow="fold")
    for one in rows:
        table.add_row(*(str(one[column]) for column in ("section", "name", "ours", "against", "ratio", "bar", "ok")))
    Console().print(table)

"""What the product adds: from the last clip's last byte in storage to Airtable's answer to the attachment's write."""

from __future__ import annotations

import statistics
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from tools.bench.run import row
from tools.stack import BASE, Stack

RUNS, SCENES, SECONDS = 5, 8, 4
LIMIT_S = 1.0


def rows() -> list[dict[str, Any]]:
    """The median over a few films of eight clips, one after the other."""
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as folder, Stack(Path(folder) / "var") as stack:
        added = [_added(stack, Path(folder) / "var" / "media" / "clips", number) for number in range(RUNS)]
    name = f"last clip stored → attachment written, {SCENES} clips × {SECONDS} s, against 1 s"
    return [row("product", name, statistics.median(added), LIMIT_S, 1.0, unit="s")]


def _added(stack: Stack, clips: Path, number: int) -> float:
    order = {
        "Master Prompt": f"A lighthouse keeper repaired the lamp for the {number}th time this winter",
        "Scene Count": SCENES,
        "Clip Seconds": SECONDS,
        "Model": "sora/sora-2",
    }
    record = stack.add_row(order)
    run = stack.post("/api/process-record", {"record_id": record, "base_id": BASE}).json()["run_id"]
    view = stack.wait_run(run)
    stored = max(path.stat().st_mtime for path in clips.rglob("*.mp4"))
    return min(_moment(event) for event in view["events"] if event["name"] == "attached") - stored


def _moment(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()

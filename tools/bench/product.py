"""What the product adds: from the last clip's last byte in storage to Airtable's answer to the attachment's write.

And where that time goes, from the points that the worker's log names; beside it what no product could do without: the
film's bytes copied and forced to the disk, and one round trip to Airtable.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from tools.bench.measure.rows import Claim, row
from tools.stack import BASE, Stack

RUNS, SCENES, SECONDS = 5, 8, 4
LIMIT_S, TIMES_BARE, ROUND_TRIPS = 0.5, 3.0, 5
STORED = "the last clip is stored"
STAGES = {
    "fetch.committed": "the last clip is committed",
    "cut.assembled": "the worker is there, the last clip ready and the film joined",
    "cut.stored": "the film is looked through, its poster chosen, and all stored",
    "cut.committed": "the film is committed",
}
ATTACHED = "Airtable has answered"
"""The points on the way, in order, and what has happened when each is reached."""
_POINT = re.compile(r"^(\S+ \S+) DEBUG .*: point (\S+) (.*)$")


def rows() -> list[Claim]:
    """The median over a few films of eight clips, one after the other."""
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as name:
        var = Path(name) / "var"
        with Stack(var, extra={"LOG_LEVEL": "DEBUG"}) as stack:
            films = [_film(stack, var / "media" / "clips", number) for number in range(RUNS)]
            bare = _bare(stack, var / "media" / "cuts")
    added = statistics.median(film[ATTACHED] - film[STORED] for film in films)
    what = f"last clip stored → attachment written, {SCENES} clips × {SECONDS} s"
    # Either will do: on a slow machine both sides are slow.
    bar = max(1.0, TIMES_BARE * bare / LIMIT_S)
    found = [
        row(
            "product",
            f"{what}, against {LIMIT_S} s or {TIMES_BARE:.0f} × the bare cost",
            added,
            LIMIT_S,
            bar,
            unit="s",
            absolute=bar == 1.0,
        ),
        row("product", f"{what}, against the film's bytes on the disk and one round trip", added, bare, None, unit="s"),
    ]
    for before, after in pairwise((STORED, *STAGES.values(), ATTACHED)):
        took = statistics.median(film[after] - film[before] for film in films)
        found.append(row("product", f"of which until {after}", took, added, None, unit="s"))
    return found


def _film(stack: Stack, clips: Path, number: int) -> dict[str, float]:
    """The moment of each stage of one film."""
    order = {
        "Master Prompt": f"A lighthouse keeper repaired the lamp for the {number}th time this winter",
        "Scene Count": SCENES,
        "Clip Seconds": SECONDS,
        "Model": "sora/sora-2",
    }
    record = stack.add_row(order)
    run = stack.post("/api/process-record", {"record_id": record, "base_id": BASE}).json()["run_id"]
    view = stack.wait_run(run)
    attached = min(_moment(event["at"]) for event in view["events"] if event["name"] == "attached")
    stored = max(path.stat().st_mtime for path in clips.rglob("*.mp4"))
    log = (stack.var / "worker.log").read_text(errors="replace").splitlines()
    return {STORED: stored, **_moments(log, run, stored), ATTACHED: attached}


def _moment(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _moments(log: Iterable[str], run: str, stored: float) -> Mapping[str, float]:
    """When a run reached each stage: the first time after the one before it."""
    found: dict[str, float] = {}
    waited = iter(STAGES.items())
    point, name = next(waited)
    for line in log:
        told = _POINT.match(line)
        if told is None or told.group(2) != point or run not in told.group(3):
            continue
        moment = _moment(told.group(1))
        if moment < stored - 0.001:
            continue
        found[name] = moment
        if len(found) == len(STAGES):
            break
        point, name = next(waited)
    return found


def _bare(stack: Stack, cuts: Path) -> float:
    """A film copied and forced to the disk, and one round trip to Airtable."""
    film = max(cuts.rglob("*.mp4"), key=lambda path: path.stat().st_size)
    times = []
    for _ in range(ROUND_TRIPS):
        # Airtable's own pace, which is not what is measured.
        time.sleep(1.0)
        began = time.perf_counter()
        with film.open("rb") as source, (stack.var / "copy").open("wb") as dest:
            shutil.copyfileobj(source, dest)
            dest.flush()
            os.fsync(dest.fileno())
        stack.sandbox("GET", f"/airtable/v0/{BASE}/Videos?pageSize=1")
        times.append(time.perf_counter() - began)
    return statistics.median(times)

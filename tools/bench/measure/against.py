"""Another commit measured in turns with this one: both see the same machine and the same neighbours."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.bench.measure.rows import Claim, row
from tools.figures import checked_out
from tools.stack import ROOT

TURNS = 2


def in_turns(commit: str, sections: Sequence[str]) -> Iterator[list[Claim]]:
    """For each section the rows of this tree in its last turn, and the median of each figure against the other's."""
    with _tree_of(commit) as other:
        for name in sections:
            yield _section(name, commit, other)


def _section(name: str, commit: str, other: Path) -> list[Claim]:
    here: list[list[Claim]] = []
    there: list[list[Claim]] = []
    for _ in range(TURNS):
        here.append(_measured(name, ROOT))
        there.append(_measured(name, other))
    return compared(name, commit, here, there)


def compared(section: str, commit: str, here: Sequence[list[Claim]], there: Sequence[list[Claim]]) -> list[Claim]:
    """Rows of the same name belong together; what only one of the commits measures has nothing to be held against."""
    ours, theirs = _medians(here), _medians(there)
    told = [
        row(section, f"{name}: now against {commit}", ours[name], theirs[name], None, unit=one["unit"])
        for one in here[-1]
        if (name := one["name"]) in theirs
    ]
    return [*here[-1], *told]


def _medians(turns: Sequence[list[Claim]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for rows in turns:
        for one in rows:
            found.setdefault(one["name"], []).append(one["ours"])
    return {name: statistics.median(figures) for name, figures in found.items()}


def _measured(section: str, tree: Path) -> list[Claim]:
    """By the tree's own benchmarks. Nothing where it has none of that name."""
    environ = {**os.environ, "SECTION": section, "JSON": "1", "AGAINST": "", "PYTHONPATH": str(tree)}
    python = str(tree / ".venv/bin/python")
    done = subprocess.run([python, "-m", "tools.bench"], cwd=tree, env=environ, stdout=subprocess.PIPE, check=False)
    rows: list[Claim] = json.loads(done.stdout)["rows"] if done.stdout else []
    return rows


@contextmanager
def _tree_of(commit: str) -> Iterator[Path]:
    """A commit with what it needs: our environment where it asks for the same packages, else one of its own."""
    with checked_out(commit) as tree:
        wanted = "requirements.txt"
        if (tree / wanted).read_text() == (ROOT / wanted).read_text():
            (tree / ".venv").symlink_to(Path(sys.executable).parents[1])
        else:
            subprocess.run([sys.executable, "-m", "venv", tree / ".venv"], check=True)
            python = str(tree / ".venv/bin/python")
            subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", str(tree / wanted)], check=True)
        yield tree

"""`make docs` writes every document that code writes; with `--check` it only says which are out of date.

Each module here has `PAGES`: files, and the functions that give their text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.docs import airtable, command_line, http, index, metrics, models, railway, settings, voices
from tools.docs.inside import architecture, cost, crash_points, errors, glossary, lifecycle
from tools.docs.looks import page as looks
from tools.stack import ROOT

# The index reads the titles of all others.
MODULES = (
    airtable,
    architecture,
    glossary,
    command_line,
    cost,
    errors,
    http,
    lifecycle,
    metrics,
    models,
    crash_points,
    railway,
    settings,
    voices,
)
PAGES: Mapping[Path, Callable[[], str]] = {
    path: text for module in (*MODULES, index) for path, text in module.PAGES.items()
}


def outdated(path: Path) -> bool:
    """Whether a file does not say what the code says."""
    return not path.is_file() or path.read_text("utf-8") != PAGES[path]()


def main(arguments: list[str]) -> int:
    """Write or check, and say what happened. Pictures are drawn anew only when they have to be: it takes a while."""
    stale = [_handle(path, check="--check" in arguments) for path in PAGES if outdated(path)]
    pictures = looks.main() if any(looks.complaints()) else 0
    return int(any(stale) or pictures)


def _handle(path: Path, *, check: bool) -> bool:
    """Whether the file is still out of date."""
    if check:
        print(f"out of date: {path.relative_to(ROOT)}; run make docs")
        return True
    path.write_text(PAGES[path](), "utf-8")
    print(f"wrote {path.relative_to(ROOT)}")
    return False

"""The pictures of the rooms in docs/explanation/architecture.md, drawn from the imports themselves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tools.stack import ROOT

PAGE = ROOT / "docs" / "explanation" / "architecture.md"
BLOCK = re.compile(
    r"(?<=<!-- rooms: written by tools/docs/inside/architecture\.py -->\n).*?(?=<!-- /rooms -->)", re.DOTALL
)
ROOMS = (
    "pipelines",
    "pipelines/domain",
    "pipelines/stages",
    "pipelines/media",
    "pipelines/airtable",
    "pipelines/sandbox",
    "webapp",
)
"""Packages that have rooms of their own: each gets one picture."""


def page() -> str:
    """The whole page, with its pictures as the imports are now. Raises ValueError when it has no place for them."""
    text = PAGE.read_text("utf-8")
    if not BLOCK.search(text):
        raise ValueError(f"{PAGE.name} has no place for the pictures of the rooms")
    return BLOCK.sub(lambda _: "\n\n".join(picture(room) for room in ROOMS) + "\n", text)


def picture(room: str) -> str:
    """One package as a diagram: its parts, and who imports whom."""
    arrows = sorted(arrows_of(room))
    lines = [f"    {source} --> {target}" for source, target in arrows]
    alone = [f"    {part}" for part in parts_of(room) if not any(part in arrow for arrow in arrows)]
    return "\n".join([f"### `{room}`", "", "```mermaid", "flowchart TD", *lines, *alone, "```"])


def parts_of(room: str) -> list[str]:
    """The sub-packages and modules of a package, by name."""
    folder = ROOT / room
    packages = [path.parent.name for path in folder.glob("*/__init__.py")]
    return sorted([*packages, *(path.stem for path in folder.glob("*.py") if not path.stem.startswith("__"))])


def arrows_of(room: str) -> set[tuple[str, str]]:
    """Which part of a package imports which other one, inside functions too."""
    prefix, parts = room.replace("/", ".") + ".", set(parts_of(room))
    found = set()
    for path in (ROOT / room).rglob("*.py"):
        source = path.relative_to(ROOT / room).parts[0].removesuffix(".py")
        for name in _imports(path):
            target = name.removeprefix(prefix).split(".")[0]
            if name.startswith(prefix) and source in parts and target in parts and source != target:
                found.add((source, target))
    return found


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


PAGES = {PAGE: page}

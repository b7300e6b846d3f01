"""docs/index.md: every page of docs by its kind, with its title and first sentence."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGE = DOCS / "index.md"
HEAD = """# Reelgrid's documents

<!-- Written by tools/docs/index.py from the pages themselves: change those, not this page. -->

What Reelgrid is, in two sentences and two pictures: [README](../README.md). What changed: [CHANGELOG](../CHANGELOG.md).
How to change it: [CONTRIBUTING](../CONTRIBUTING.md).
"""
KINDS: tuple[tuple[str, str, str], ...] = (
    ("tutorial", "Tutorials", "To begin with: follow them from top to bottom."),
    ("how-to", "How-to", "When you know what you want to do."),
    (
        "reference",
        "Reference",
        "To look something up; most of it is written by the code itself: [which page for whom](reference/index.md).",
    ),
    ("explanation", "Explanation", "Why it is as it is."),
    ("decisions", "Decisions", "Choices that closed others, with the numbers they were made on."),
)
FIRST = ("first-film", "airtable-in-ten-minutes", "connect-a-base", "airtable-fields", "models", "architecture")
"""Pages that stand first in their kind; all others follow by name."""
TOLD = ("tutorial", "how-to", "explanation")
"""Kinds whose pages begin with what they are about."""
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
SENTENCE = re.compile(r"(.+?[.:!?])(?=\s|$)")


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_kind(folder, title, why) for folder, title, why in KINDS)])


def _kind(folder: str, title: str, why: str) -> str:
    found = sorted((DOCS / folder).glob("*.md"), key=_place)
    lines = [_entry(path) for path in found if path.name != "index.md"]
    return "\n".join([f"## {title}\n\n{why}\n", *lines, ""])


def _place(path: Path) -> tuple[int, str]:
    return (FIRST.index(path.stem) if path.stem in FIRST else len(FIRST), path.name)


def _entry(path: Path) -> str:
    text = path.read_text("utf-8")
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    title = heading.group(1).replace("`", "") if heading else path.stem
    first = _first_sentence(text) if path.parent.name in TOLD else ""
    return f"- [{title}]({path.relative_to(DOCS)})" + (f": {first}" if first else "")


def _first_sentence(text: str) -> str:
    """The first sentence below the title, without its links; pages that begin otherwise have none."""
    body = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).split("\n\n")
    paragraphs = [" ".join(part.split()) for part in body if part.strip() and not part.lstrip().startswith("#")]
    found = SENTENCE.match(LINK.sub(r"\1", paragraphs[0])) if paragraphs and paragraphs[0][0].isalpha() else None
    return found.group(1).rstrip(":.") + "." if found else ""


PAGES = {PAGE: page}

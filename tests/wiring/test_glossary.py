"""The glossary tells the truth: what it names is there, and retired words are gone from public names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.docs.inside.glossary import RETIRED, TERMS, Term

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("pipelines/domain", "pipelines/ports", "pipelines/stages", "pipelines/media", "webapp", "worker")
WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.word)
def test_a_term_lives_where_the_glossary_says(term: Term) -> None:
    place = (ROOT / "pipelines" / term.where).resolve()
    assert place.is_dir() or place.with_suffix(".py").is_file()


def test_no_public_name_is_made_of_a_retired_word() -> None:
    found = {name for name in _public_names() if {word.lower() for word in WORDS.findall(name)} & RETIRED}
    assert found == set()


def _public_names() -> Iterator[str]:
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            yield path.stem
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                    yield node.name

"""The page of looks is the one its tool writes, and every still on it exists."""

from __future__ import annotations

from tools.docs.looks.page import complaints


def test_the_page_of_looks_and_its_stills_are_complete() -> None:
    assert list(complaints()) == [], "run: python -m tools.docs.looks"

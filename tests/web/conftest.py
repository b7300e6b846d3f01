"""The application as an operator runs it: open on this machine, or out in the world with a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.house import OUTSIDE, House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Out in the world: keys are needed, links are https, and Airtable does not answer."""
    with House(tmp_path, **OUTSIDE) as made:
        yield made


@pytest.fixture
def board(tmp_path: Path) -> Iterator[House]:
    """Out in the world, with an emulated Airtable."""
    with House(tmp_path, airtable=True, **OUTSIDE) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    """On this machine only, without keys."""
    with House(tmp_path) as made:
        yield made

"""The application as an operator runs it: open on this machine, or out in the world with a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.web.house import OUTSIDE, House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Out in the world: keys are needed, links are https."""
    with House(tmp_path, **OUTSIDE) as made:
        yield made


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[House]:
    """Out in the world, and Airtable does not answer."""
    with House(tmp_path, **OUTSIDE, AIRTABLE_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}") as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    """On this machine only, without keys."""
    with House(tmp_path) as made:
        yield made

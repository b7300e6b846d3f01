"""The application as an operator runs it: open on this machine, or out in the world with a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.web_fixtures import WebHarness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WebHarness]:
    """Out in the world: keys are needed, links are https, and Airtable does not answer."""
    with WebHarness(tmp_path) as made:
        yield made


@pytest.fixture
def airtable(tmp_path: Path) -> Iterator[WebHarness]:
    """Out in the world, with an emulated Airtable."""
    with WebHarness(tmp_path, airtable=True) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[WebHarness]:
    """On this machine only, without keys."""
    with WebHarness(tmp_path, {}) as made:
        yield made

"""Clips made once per session."""

from __future__ import annotations

import pytest

from tests.media.clip_factory import ClipFactory


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipFactory:
    return ClipFactory(tmp_path_factory.mktemp("clips"))

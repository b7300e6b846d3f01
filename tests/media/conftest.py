"""Clips made once per session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.domain.footage import ClipWork, Prepared
from pipelines.media.studio import FilmStudio
from tests.media import shots
from tests.media.clip_factory import ClipFactory


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipFactory:
    return ClipFactory(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def studio() -> FilmStudio:
    return FilmStudio()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shots.good(tmp_path_factory.mktemp("plain") / "good.mp4")


@pytest.fixture
def prepare(studio: FilmStudio, tmp_path: Path) -> Callable[..., Prepared]:
    def prepared(source: Path, **more) -> Prepared:
        work = ClipWork(source=source, **{"target": shots.target(), **more})
        return studio.prepare(work, tmp_path / "out" / "piece.mp4")

    return prepared

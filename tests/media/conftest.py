"""Clips made once per session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.domain.footage import ClipWork, Prepared
from pipelines.media.editor import MediaEditor
from tests.media import shots
from tests.media.clip_factory import ClipFactory


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipFactory:
    return ClipFactory(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def editor() -> MediaEditor:
    return MediaEditor()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shots.good(tmp_path_factory.mktemp("plain") / "good.mp4")


@pytest.fixture
def prepare(editor: MediaEditor, tmp_path: Path) -> Callable[..., Prepared]:
    def prepared(source: Path, **more) -> Prepared:
        work = ClipWork(source=source, **{"target": shots.target(), **more})
        return editor.prepare(work, tmp_path / "out" / "piece.mp4")

    return prepared

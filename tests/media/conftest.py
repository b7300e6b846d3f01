"""Clips made once per session."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.footage import ClipWork, Corner, Lettering, Logo, Prepared, Target
from pipelines.media.editor import MediaEditor
from tests.media import shots
from tests.media.clip_factory import ClipFactory

STANDARD = shots.target()


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
def prepare(editor: MediaEditor, tmp_path: Path) -> shots.Prepare:
    def prepared(
        source: Path,
        *,
        target: Target = STANDARD,
        trim_s: float | None = None,
        caption: str | None = None,
        karaoke: bool = False,
        logo: Logo | None = None,
        lettering: Lettering | None = None,
        ai_label: Corner | None = None,
        fade_in_s: float = 0.0,
        fade_out_s: float = 0.0,
    ) -> Prepared:
        work = ClipWork(
            source=source,
            target=target,
            trim_s=trim_s,
            caption=caption,
            karaoke=karaoke,
            logo=logo,
            lettering=lettering,
            ai_label=ai_label,
            fade_in_s=fade_in_s,
            fade_out_s=fade_out_s,
        )
        return editor.prepare(work, tmp_path / "out" / "piece.mp4")

    return prepared

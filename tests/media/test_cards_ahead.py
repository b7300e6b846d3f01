"""Cards are rendered while clips are still being made; the film is the same when they are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipelines.media.editor import MediaEditor
from tests.media.shots import frame_hashes
from tests.stages.stage_fixtures import StageHarness

ORDER = {
    "Prompt": "A cat",
    "Aspect Ratio": "1:1",
    "Resolution": "480p",
    "Transition": "Fade Black",
    "Title Card": "Spring",
}


def kept(harness: StageHarness) -> dict[Path, int]:
    """The card, and the seams before it, behind it and at the end, each as the file that it is: they stay."""
    folder = harness.services.work / "cache"
    return {path: path.stat().st_ino for kind in ("card", "seam") for path in folder.glob(f"{kind}-*.mp4")}


def film_of(harness: StageHarness, run_id: str) -> Path:
    run = harness.until(run_id, "done", "needs_attention")
    (cut,) = harness.cuts(run)
    path = harness.services.media.local_path(cut.key or "")
    assert path is not None
    return path


@pytest.mark.slow
def test_a_film_is_the_same_to_the_byte_whether_its_cards_were_ahead_or_late(tmp_path: Path) -> None:
    early, late = (StageHarness.build(tmp_path / name, editor=MediaEditor()) for name in ("early", "late"))
    runs = [harness.trigger(harness.row(**ORDER)) for harness in (early, late)]
    for harness, run_id in zip((early, late), runs, strict=True):
        harness.until(run_id, "stitching")
    assert len(kept(early)) == 4
    before = kept(early)
    shutil.rmtree(late.services.work)
    films = [film_of(harness, run_id) for harness, run_id in zip((early, late), runs, strict=True)]
    assert films[0].read_bytes() == films[1].read_bytes()
    assert len(frame_hashes(films[0])) == 156
    assert kept(early) == before
    assert {path.name for path in kept(late)} == {path.name for path in before}

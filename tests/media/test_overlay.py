"""What is laid over a clip: captions in any script, inside the safe area, and a logo in its corner."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.domain.errors import InvalidOrder
from pipelines.domain.footage import Corner, Logo
from pipelines.media.text.fonts import scripts_supported
from pipelines.media.text.layout import safe_area
from tests.media import shots
from tests.media.shots import Prepare, clip, good, tone


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (480, 480), (432, 540)])
@pytest.mark.parametrize("caption", ["Hi", "Every morning starts with one small light at the end of the pier. " * 4])
def test_a_burned_caption_is_readable_and_inside_the_safe_area(
    size: tuple[int, int], caption: str, prepare: Prepare, tmp_path: Path
) -> None:
    source = clip(tmp_path / "s.mp4", *shots.colour(f"{size[0]}x{size[1]}", rgb=(120, 120, 120)), *tone(1))
    piece = prepare(source, target=shots.target(*size), caption=caption)
    image, safe = shots.frame(piece.path, 0.5), safe_area(*size)
    left, top, right, bottom = shots.brightest(image, 200)
    assert (left >= safe.x, right < safe.right) == (True, True)
    assert (top >= safe.y, bottom < safe.bottom) == (True, True)
    assert top > size[1] / 2
    assert np.abs(image[10, size[0] // 2] - 120).max() <= 4
    # Capitals on a phone 390 points wide: at least 9 points high.
    assert min(bottom - top, 60) >= 0.7 * 0.036 * min(size) * 0.9
    assert "the caption was burned in" in piece.changed


@pytest.mark.parametrize(
    ("script", "caption"),
    [
        ("Cyrillic", "Жизнь — это море"),
        ("Arabic", "كل صباح يبدأ بضوء صغير"),
        ("Hebrew", "כל בוקר מתחיל באור קטן"),
        ("CJK", "毎朝、小さな光から始まる"),
        ("Latin", "🎬 Go!"),
    ],
)
def test_captions_in_other_scripts_are_burned_in_too(
    prepare: Prepare, tmp_path: Path, script: str, caption: str
) -> None:
    if not scripts_supported()[script]:
        pytest.skip(f"no font for {script} is installed")
    plain = good(tmp_path / "s.mp4", seconds=0.2)
    plain_image = shots.frame(plain)
    assert np.abs(shots.frame(prepare(plain, caption=caption).path) - plain_image).mean() > 0.5


@pytest.mark.parametrize(
    ("script", "caption", "moves"), [("Latin", "One light, two", 1), ("Hebrew", "כל בוקר מתחיל", -1)]
)
def test_the_words_of_a_karaoke_caption_are_lit_one_after_the_other(
    prepare: Prepare, tmp_path: Path, script: str, caption: str, moves: int
) -> None:
    """In the direction in which they are read; the others stay as they are."""
    if not scripts_supported()[script]:
        pytest.skip(f"no font for {script} is installed")
    source = clip(tmp_path / "s.mp4", *shots.colour("640x360", rgb=(60, 60, 60), seconds=3), *tone(3))
    piece = prepare(source, caption=caption, karaoke=True)
    places = []
    for at in (0.2, 1.5, 2.8):
        image = shots.frame(piece.path, at).astype(int)
        lit = (image[..., 0] > 180) & (image[..., 2] < 90)
        assert 0 < lit.sum() < (image.min(axis=2) > 180).sum()
        places.append(np.nonzero(lit)[1].mean())
    assert [np.sign(later - sooner) for sooner, later in pairwise(places)] == [moves, moves]
    assert "the caption was burned in, word by word" in piece.changed


def test_a_caption_that_has_to_end_early_says_so(plain: Path, prepare: Prepare) -> None:
    said = "the caption is too long for the picture and ends early"
    assert said in prepare(plain, caption="Every morning starts with one small light. " * 40).changed
    assert said not in prepare(plain, caption="Every morning starts with one small light.").changed


def test_a_blank_caption_changes_nothing(plain: Path, prepare: Prepare) -> None:
    assert prepare(plain, caption=" \n ").changed == ()


@pytest.mark.parametrize("corner", Corner)
def test_a_logo_stands_in_its_corner_with_its_colours_and_opacity(
    corner: Corner, prepare: Prepare, tmp_path: Path
) -> None:
    Image.new("RGBA", (400, 200), (*shots.GREEN, 255)).save(tmp_path / "logo.png")
    source = clip(tmp_path / "s.mp4", *shots.colour("640x360", rgb=(0, 0, 0)), *tone(1))
    image = shots.frame(prepare(source, logo=Logo(path=tmp_path / "logo.png", corner=corner, opacity=1)).path)
    rows, columns = np.where(image[..., 1] > 110)
    safe = safe_area(640, 360)
    assert (rows.min() < 180) == corner.startswith("Top")
    assert (columns.min() < 320) == corner.endswith("Left")
    assert rows.min() >= safe.y - 2
    assert rows.max() <= safe.bottom + 2
    assert columns.min() >= safe.x - 2
    assert columns.max() <= safe.right + 2
    assert np.abs(image[int(rows.mean()), int(columns.mean())] - shots.GREEN).max() <= 8
    half = shots.frame(prepare(source, logo=Logo(path=tmp_path / "logo.png", corner=corner, opacity=0.5)).path)
    assert 90 < half[int(rows.mean()), int(columns.mean())][1] < 130


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1)])
def test_a_logo_as_thin_as_a_hair_is_still_laid_over(
    size: tuple[int, int], plain: Path, prepare: Prepare, tmp_path: Path
) -> None:
    Image.new("RGB", size, "white").save(tmp_path / "logo.png")
    assert "the logo was laid over" in prepare(plain, logo=Logo(path=tmp_path / "logo.png")).changed


@pytest.mark.parametrize("content", [b"", b"<svg/>", b"\x89PNG\r\n\x1a\n broken"])
def test_a_logo_that_is_no_picture_is_the_orders_fault(
    content: bytes, plain: Path, prepare: Prepare, tmp_path: Path
) -> None:
    (tmp_path / "logo.png").write_bytes(content)
    with pytest.raises(InvalidOrder, match="Logo"):
        prepare(plain, logo=Logo(path=tmp_path / "logo.png"))
    assert list((tmp_path / "out").iterdir()) == []

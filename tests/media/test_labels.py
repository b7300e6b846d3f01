"""Words that are set over pictures by us: the AI label of a film, and the title of its poster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.domain.brands.contrast import LEAST, contrast
from pipelines.domain.footage import Card, Corner, Lettering, Poster
from pipelines.media.editor import MediaEditor
from pipelines.media.text.layout import Box, safe_area
from pipelines.media.text.plates import label_box
from tests.media import shots
from tests.media.shots import Prepare, as_array, clip, tone

SIZES = [(640, 360), (360, 640), (480, 480)]


def _inside(image: np.ndarray, box: Box) -> np.ndarray:
    return image[box.y : box.bottom, box.x : box.right]


def _apart(part: np.ndarray) -> float:
    """The contrast between the brightest and the darkest of what a part of a picture shows."""
    flat = part.reshape(-1, 3)
    ordered = flat[flat.sum(axis=1).argsort()]
    dark, light = (np.median(some, axis=0).astype(int) for some in (ordered[: len(flat) // 3], ordered[-20:]))
    return contrast(tuple(light), tuple(dark))


@pytest.mark.parametrize(
    ("size", "ground"),
    [*zip([*SIZES, SIZES[0]], [(255, 255, 255), (255, 220, 0), (255, 255, 255), (0, 0, 0)], strict=True)],
)
def test_the_ai_label_can_be_read_on_any_picture_and_stands_in_the_safe_area(
    size: tuple[int, int], ground: tuple[int, int, int], prepare: Prepare, tmp_path: Path
) -> None:
    source = clip(tmp_path / "s.mp4", *shots.colour(f"{size[0]}x{size[1]}", rgb=ground), *tone(1))
    piece = prepare(source, target=shots.target(*size), ai_label=Corner.TOP_RIGHT)
    image, box, safe = shots.frame(piece.path, 0.5), label_box(*size, Corner.TOP_RIGHT), safe_area(*size)
    assert _apart(_inside(image, box)) >= LEAST
    assert box.x >= safe.x
    assert (box.right, box.y) == (safe.right, safe.y)
    # Nothing else of the picture is touched.
    rest = image.astype(float).copy()
    rest[box.y - 4 : box.bottom + 4, box.x - 4 : box.right + 4] = image[-1, 0]
    assert np.abs(rest - image[-1, 0].astype(float)).max() <= 12
    assert piece.changed == ("the AI label was laid over",)


def test_the_label_stands_in_every_picture_beside_caption_and_lit_words(prepare: Prepare, tmp_path: Path) -> None:
    source = clip(tmp_path / "s.mp4", *shots.colour("640x360", rgb=(230, 230, 230), seconds=2), *tone(2))
    box = label_box(640, 360, Corner.TOP_LEFT)
    for karaoke in (False, True):
        piece = prepare(source, caption="One light, two", karaoke=karaoke, ai_label=Corner.TOP_LEFT)
        for at in (0.01, 1.0, 1.9):
            image = shots.frame(piece.path, at)
            assert _apart(_inside(image, box)) >= LEAST
            assert _inside(image, box).min() < 120


def test_cards_have_the_label_from_their_first_picture_on(editor: MediaEditor, tmp_path: Path) -> None:
    """A film that begins with a title says it there: the first that is seen of it."""
    card = Card(text="Hello", seconds=1, target=shots.target(), ai_label=Corner.TOP_RIGHT)
    plain = Card(text="Hello", seconds=1, target=shots.target())
    for name, one in (("with", card), ("without", plain)):
        editor.animatic(one, tmp_path / f"{name}.mp4")
    size = (card.target.width, card.target.height)
    box = label_box(*size, Corner.TOP_RIGHT)
    first, bare = (shots.frame(tmp_path / f"{name}.mp4", 0.01) for name in ("with", "without"))
    assert _inside(first, box).max() > 200 > _inside(bare, box).max()


def _film(folder: Path, size: tuple[int, int]) -> Path:
    return clip(folder / "film.mp4", *shots.picture(f"{size[0]}x{size[1]}", seconds=2), *tone(2))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("title", ["Go", "Every morning starts with one small light at the end of the pier " * 4])
def test_a_title_is_set_over_the_frame_inside_the_safe_area_and_can_be_read(
    editor: MediaEditor, size: tuple[int, int], title: str, tmp_path: Path
) -> None:
    film = _film(tmp_path, size)
    plain = as_array(editor.poster(film, tmp_path / "plain.jpg"))
    titled = as_array(editor.poster(film, tmp_path / "titled.jpg", Poster(title=title)))
    # What a JPEG smears over its blocks is fainter than that.
    rows, columns = np.where(np.abs(plain.astype(float) - titled.astype(float)).mean(axis=2) > 60)
    safe = safe_area(*size)
    assert rows.min() >= safe.y + safe.height * 0.5
    assert (rows.max() < safe.bottom, columns.max() < safe.right, columns.min() >= safe.x) == (True, True, True)
    found = Box(int(columns.min()), int(rows.min()), int(np.ptp(columns)), int(np.ptp(rows)))
    assert _apart(_inside(titled, found)) >= LEAST
    assert (tmp_path / "titled.jpg").stat().st_size < 2_000_000


def test_a_title_wears_its_brands_colours_as_far_as_they_can_be_read(editor: MediaEditor, tmp_path: Path) -> None:
    film, orange = _film(tmp_path, (640, 360)), Lettering(plate=(0xFE, 0x51, 0x02))
    image = as_array(editor.poster(film, tmp_path / "p.jpg", Poster(title="Spring", lettering=orange))).astype(int)
    plate = (image[..., 0] > 150) & (image[..., 2] < 60) & (image[..., 1] < 90)
    rows, columns = np.where(plate)
    assert plate.sum() > 1500
    part = image[int(np.percentile(rows, 5)) : int(np.percentile(rows, 95)), columns.min() : columns.max()]
    assert _apart(part) >= LEAST


def test_a_title_stands_clear_of_captions_and_its_frame_is_taken_from_the_scenes(
    editor: MediaEditor, tmp_path: Path
) -> None:
    dark = "drawbox=color=0x202020:t=fill:enable='gte(t,1)'"
    film = clip(tmp_path / "f.mp4", *shots.picture("640x360", seconds=2), *tone(2), vf=f"{shots.TAGS},{dark}")
    look = Poster(title="Spring", above_captions=True, between_s=(1.0, 2.0))
    image = as_array(editor.poster(film, tmp_path / "p.jpg", look)).astype(int)
    safe = safe_area(640, 360)
    rows = np.where(image.max(axis=2) > 150)[0]
    assert rows.max() < safe.bottom - 0.3 * safe.height
    assert np.median(image) < 60


def test_a_picture_made_for_the_poster_takes_the_films_shape_and_our_words(editor: MediaEditor, tmp_path: Path) -> None:
    film = _film(tmp_path, (360, 640))
    Image.new("RGB", (900, 900), (200, 30, 30)).save(tmp_path / "designed.png")
    look = Poster(title="Spring", ground=tmp_path / "designed.png", ai_label=Corner.TOP_RIGHT)
    image = as_array(editor.poster(film, tmp_path / "p.jpg", look)).astype(int)
    assert image.shape == (640, 360, 3)
    assert np.abs(image[320, 180] - (200, 30, 30)).max() < 8
    assert _apart(_inside(image, label_box(360, 640, Corner.TOP_RIGHT))) >= LEAST
    assert image[400:].max() > 230


def test_a_poster_stays_below_two_megabytes_whatever_it_shows(editor: MediaEditor, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1080, 1920, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png", compress_level=0)
    film = clip(tmp_path / "f.mp4", *shots.colour("1920x1080", seconds=0.2), *tone(0.2))
    saved = editor.poster(film, tmp_path / "p.jpg", Poster(ground=tmp_path / "noise.png"))
    assert 1_000_000 < saved.stat().st_size < 2_000_000
    assert as_array(saved).shape == noise.shape

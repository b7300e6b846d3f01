"""A brand's words in the picture: its colours where they can be read, its font where it has the letters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.domain.brands.contrast import LEAST, LEAST_LARGE, WHITE, contrast, readable
from pipelines.domain.errors import InvalidOrder
from pipelines.domain.footage import Card, Colour, Lettering
from pipelines.media.editor import MediaEditor
from pipelines.media.text.fonts import BUNDLED
from pipelines.media.text.layout import safe_area
from tests.media import shots
from tests.media.shots import Prepare, clip, good, tone

ORANGE, BLUE = (0xFE, 0x51, 0x02), (0x00, 0x55, 0xFF)
OWN = BUNDLED / "InterDisplay-SemiBold.otf"
SIZE = (1280, 720)


def footage(path: Path, rgb: Colour = (120, 120, 120)) -> Path:
    return clip(path, *shots.colour("1280x720", seconds=0.1, rgb=rgb), *tone(0.1))


def caption_of(image: np.ndarray) -> tuple[Colour, Colour]:
    """The plate of a caption, at the left of its words, and its ink: what differs most from that."""
    safe = safe_area(*SIZE)
    middle = image[safe.bottom - 60 : safe.bottom - 3, SIZE[0] // 2 - 40 : SIZE[0] // 2 + 40]
    plate = np.median(middle[-6:].reshape(-1, 3), axis=0)
    far = np.abs(middle - plate).sum(axis=2)
    ink = np.median(middle[far > 0.8 * far.max()], axis=0)
    return _colour(plate), _colour(ink)


def _colour(pixel: np.ndarray) -> Colour:
    red, green, blue = (round(float(channel)) for channel in pixel)
    return red, green, blue


def near(one: Colour, other: Colour) -> bool:
    """Within what a lossy codec with half the colours changes."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 24


@pytest.mark.parametrize(
    ("lettering", "plate", "ink"),
    [
        (Lettering(plate=BLUE), BLUE, WHITE),
        (Lettering(plate=ORANGE), readable(WHITE, ORANGE)[1], WHITE),
        (Lettering(plate=ORANGE, ink=(25, 25, 25)), ORANGE, (25, 25, 25)),
        (Lettering(ink=(150, 0, 0)), (0, 0, 0), WHITE),
    ],
)
def test_a_caption_has_the_brands_colours_as_far_as_they_can_be_read(
    lettering: Lettering, plate: Colour, ink: Colour, prepare: Prepare, tmp_path: Path
) -> None:
    piece = prepare(footage(tmp_path / "s.mp4"), target=shots.target(*SIZE), caption="MMMM HHHH", lettering=lettering)
    found = caption_of(shots.frame(piece.path))
    assert (near(found[0], plate), near(found[1], ink)) == (True, True), found
    assert contrast(*found) >= LEAST - 0.4


def test_the_word_that_is_said_has_the_accent_unless_it_could_not_be_seen(prepare: Prepare, tmp_path: Path) -> None:
    lit = []
    for name, accent in (("seen", (0, 255, 0)), ("unseen", (0, 0x60, 0xFF))):
        source = footage(tmp_path / f"{name}.mp4")
        look = Lettering(plate=BLUE if name == "unseen" else (20, 20, 20), accent=accent)
        piece = prepare(source, target=shots.target(*SIZE), caption="MMMM", karaoke=True, lettering=look)
        lit.append(caption_of(shots.frame(piece.path))[1])
    assert lit[0][1] - max(lit[0][0], lit[0][2]) > 60, "green, and no grey"
    assert contrast(lit[1], BLUE) > LEAST_LARGE


def test_a_caption_is_set_in_the_brands_font_where_that_has_its_letters(prepare: Prepare, tmp_path: Path) -> None:
    source, look = good(tmp_path / "s.mp4", seconds=0.2), Lettering(font=OWN)
    shown = [
        shots.frame(prepare(source, caption="Every morning", lettering=lettering).path)
        for lettering in (None, look, Lettering())
    ]
    assert np.abs(shown[1] - shown[0]).max() > 60
    assert (shown[2] == shown[0]).all()
    fallen_back = prepare(source, caption="Every morning 日本", lettering=look)
    assert any("set in Inter, because the brand's font" in change for change in fallen_back.changed)


@pytest.mark.parametrize(
    ("lettering", "footer", "ground"),
    [
        (Lettering(plate=BLUE), None, BLUE),
        (Lettering(plate=ORANGE), None, ORANGE),
        (Lettering(plate=ORANGE), "Terms apply", readable(WHITE, ORANGE)[1]),
    ],
)
def test_a_card_stands_on_the_brands_colour_darkened_only_for_small_words(
    lettering: Lettering, footer: str | None, ground: Colour, editor: MediaEditor, tmp_path: Path
) -> None:
    card = Card(text="Buy", seconds=0.5, target=shots.target(), footer=footer, lettering=lettering)
    editor.animatic(card, tmp_path / "card.mp4")
    image = shots.frame(tmp_path / "card.mp4", 0.4)
    assert near(_colour(image[8, 8]), ground), image[8, 8]
    assert shots.brightest(image, 215)[1] > 0


def test_without_a_brand_a_card_is_what_it_was(editor: MediaEditor, tmp_path: Path) -> None:
    for name, lettering in (("plain", None), ("empty", Lettering())):
        card = Card(text="Spring", seconds=0.2, target=shots.target(), lettering=lettering)
        editor.animatic(card, tmp_path / f"{name}.mp4")
    assert (tmp_path / "plain.mp4").read_bytes() == (tmp_path / "empty.mp4").read_bytes()


def test_a_font_is_one_file_of_a_kind_and_size_that_we_take(editor: MediaEditor, tmp_path: Path) -> None:
    editor.check_font(OWN)
    whole = OWN.read_bytes()
    wrong = {"empty": b"", "picture": b"\x89PNG\r\n", "cut": whole[:900], "large": whole + bytes(5 * 1024 * 1024)}
    for name, content in wrong.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidOrder):
            editor.check_font(tmp_path / name)

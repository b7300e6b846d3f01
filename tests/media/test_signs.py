"""Signs of all kinds in captions and cards: set by a font that has them, or left out; never a box."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from pipelines.domain.footage import ClipWork
from pipelines.media.normalise.overlay import has_room_for, paint_overlay
from pipelines.media.text.characters import clusters, is_emoji, is_ignorable
from pipelines.media.text.cmap import characters
from pipelines.media.text.direction import visual_order
from pipelines.media.text.fonts import BUNDLED, Weight, bundled_face, is_colour, setting
from pipelines.media.text.shaping import draw_line, settable
from tests.media import shots

KEYCAPS = "Step 1\ufe0f\u20e3 then 2\ufe0f\u20e3"
OFFER = "\u23f0 50% off today \U0001fae0 only"
FLAGS = "\U0001f1eb\U0001f1f7"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
WAVE = "\U0001f44b\U0001f3fd"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
HEART = "\u2764\ufe0f"
ASTRONAUT = "\U0001f469\u200d\U0001f680"


def test_clusters_stay_whole() -> None:
    """Keycaps, flags, families, skin tones, flags of tags, selectors, stacked marks."""
    signs = ["1\ufe0f\u20e3", FLAGS, FAMILY, WAVE, ENGLAND, HEART, ASTRONAUT, "e\u0301\u0323", "#\u20e3", "x"]
    assert clusters("".join(signs)) == signs


def test_what_is_a_picture_comes_from_the_unicode_data() -> None:
    """Not from ranges written down once: these were none of ours."""
    assert all(map(is_emoji, "\u23f0\u2b50\u231a\u26a1\U0001f600\U0001f7e2\U0001fae0"))
    assert not any(map(is_emoji, "1#a\u00e9\u6f22\u304b\ud55c\u2122\u2192"))


def _boxless(text: str, weight: Weight = Weight.BOLD) -> None:
    for part in clusters(text):
        found = setting(part, weight)
        if found is None:
            continue
        shown, face = found
        forms = [shown, unicodedata.normalize("NFC", shown), unicodedata.normalize("NFD", shown)]
        assert any(all(ord(char) in characters(face) or is_ignorable(char) for char in form) for form in forms)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (KEYCAPS, "Step 1 then 2"),
        (OFFER, "50% off today only"),
        (f"Bonjour {FLAGS} Paris", "Bonjour Paris"),
        (f"Kick off {ENGLAND} tonight", "Kick off tonight"),
        ("Private \ue000 use", "Private use"),
        ("Not yet \U000e1234 named", "Not yet named"),
        ("Soft\u00adhyphen and\u2060 joiner", "Softhyphen and joiner"),
        ("Caf\u00e9 and cafe\u0301", "Caf\u00e9 and cafe\u0301"),
    ],
)
def test_what_no_font_can_set_is_left_out_of_the_picture(tmp_path: Path, text: str, plain: str) -> None:
    """Where no emoji font is installed, as on most servers, the caption is painted as if they were not there."""
    found = setting("\U0001f600", Weight.BOLD)
    if found is not None and is_colour(found[1]):
        pytest.skip("an emoji font is installed here")
    for name, words in (("with", text), ("without", plain)):
        assert paint_overlay(_captioned(words), tmp_path / f"{name}.png")
    with Image.open(tmp_path / "with.png") as one, Image.open(tmp_path / "without.png") as other:
        assert one.tobytes() == other.tobytes()


def _captioned(words: str) -> ClipWork:
    return ClipWork(source=Path(), target=shots.target(), caption=words)


def test_a_caption_of_nothing_that_can_be_set_is_no_caption(tmp_path: Path) -> None:
    """No plate without words, and no crash."""
    assert not paint_overlay(_captioned("\ue000\ue001"), tmp_path / "none.png")
    assert has_room_for(640, 360, "\ue000\ue001")


def test_the_row_is_told_what_was_left_out(tmp_path: Path, prepare: shots.Prepare) -> None:
    """A marketer should not have to look for it."""
    done = prepare(shots.good(tmp_path / "good.mp4", seconds=1), caption="Hello \ue000 world")
    assert "signs for which there is no font here were left out of the caption" in done.changed


def test_plain_letters_stand_for_their_ornamental_variants() -> None:
    """Bold mathematical letters, popular in posts, are read as what they stand for."""
    bold = "\U0001d407\U0001d41e\U0001d425\U0001d425\U0001d428"
    assert settable(bold, Weight.BOLD) == bold
    _boxless(bold)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=24))
def test_no_text_ends_in_a_box_or_a_crash(text: str) -> None:
    """Whatever stands in a prompt."""
    kept = settable(text, Weight.REGULAR)
    _boxless(kept, Weight.REGULAR)
    draw_line(kept.replace("\n", " "), Weight.REGULAR, 20, (255, 255, 255))


@pytest.mark.parametrize("name", ["Inter-Regular.otf", "Inter-Bold.otf"])
def test_the_characters_of_a_font_are_read_from_its_own_table(name: str) -> None:
    """As FreeType finds them: what is not in it is drawn as the same box."""
    face = ImageFont.truetype(str(BUNDLED / name), 32, layout_engine=ImageFont.Layout.BASIC)
    box, have = bytes(face.getmask("\U0010ffff")), characters(BUNDLED / name)
    for code in [*range(0x21, 0x7F), *range(0xA1, 0x180), *range(0x400, 0x460), 0x4E00, 0x0627, 0x1F600, 0x2192]:
        assert (bytes(face.getmask(chr(code))) == box) == (code not in have), hex(code)
    assert characters(bundled_face(Weight.BOLD))


def test_lines_of_both_directions_are_ordered_by_the_bidirectional_algorithm() -> None:
    """Letters, numbers, brackets and marks of direction."""

    def shown(text: str, *, rtl: bool) -> str:
        return "".join(text[at] for at, _ in visual_order(text, base_rtl=rtl))

    assert shown("abc", rtl=False) == "abc"
    assert shown("\u05d0\u05d1\u05d2 12", rtl=True) == "12 \u05d2\u05d1\u05d0"
    assert shown("ab \u05d0\u05d1 12 cd", rtl=False) == "ab 12 \u05d1\u05d0 cd"
    assert shown("\u05d0 abc 5.2 \u05d1", rtl=True) == "\u05d1 abc 5.2 \u05d0"
    assert shown("\u05d0\u2067b\u2069\u05d1", rtl=True)

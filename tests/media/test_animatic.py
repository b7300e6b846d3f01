"""The animatic's clips: real files, right in size, length and sound, with words where they can be read."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipelines.domain.footage import Card, ClipWork, FilmPlan, Target
from pipelines.media.cards.animatic import storyboard
from pipelines.media.cards.cards import title
from pipelines.media.clips.probe import deviations
from pipelines.media.editor import MediaEditor
from pipelines.media.text.characters import clusters
from pipelines.media.text.fonts import Weight, scripts_supported
from pipelines.media.text.layout import Box, clean, fit, safe_area
from tests.media import shots
from tests.media.clip_factory import seconds_of

Size = tuple[int, int]
PROMPT = "A lighthouse keeper climbs the spiral stairs at dawn, golden light falling through dusty windows."
FORMATS = {"16:9": (640, 360), "9:16": (360, 640), "1:1": (480, 480), "4:5": (432, 540)}
TEXTS = {
    "three letters": "Sea",
    "a prompt": PROMPT,
    "2,000 characters": "Waves break on the old pier while gulls circle. " * 42,
    "one endless word": "x" * 400,
    "Cyrillic": "Закат над морем: золотой свет, чайки и старый маяк",
    "Arabic": "فجر على البحر: حارسة المنارة تصعد الدرج 3 مرات with a torch",
    "Hebrew": "שומרת המגדלור עולה במדרגות",
    "Chinese": "黎明时分，灯塔看守人沿着螺旋楼梯向上攀登，金色的光线透过窗户洒落。",
    "emoji": "😀🎬 Action! 👩‍🚀 and 🇫🇷 with ❤️",
    "control characters": "Line one\r\n\x00\x07\tline two\n\n\nline three",
}


def card(text: str = PROMPT, size: Size = (640, 360), fps: int = 30, **changes: Any) -> Card:
    base = Card(text=text, target=shots.target(*size, fps=fps), seconds=1.0, number=2, total=4, seed=1)
    return replace(base, **changes)


@pytest.mark.parametrize("size", FORMATS.values(), ids=FORMATS)
def test_a_clip_has_exactly_the_asked_size_rate_and_length_and_needs_no_mending(
    editor: MediaEditor, tmp_path: Path, size: Size
) -> None:
    found = editor.animatic(card(size=size, seconds=1.5, fps=24), tmp_path / "a.mp4")
    assert (found.width, found.height, found.fps, found.frames) == (*size, Fraction(24), 36)
    assert (found.video_codec, found.audio_codec, found.sample_rate, found.channels) == ("h264", "aac", 48_000, 2)
    assert deviations(tmp_path / "a.mp4", shots.target(*size, fps=24)) == ()
    assert len(shots.frame_hashes(tmp_path / "a.mp4")) == 36
    assert abs(len(shots.sound(tmp_path / "a.mp4")) - 1.5 * 48_000) <= 1024


def test_clips_of_different_scenes_and_a_normalised_clip_share_their_decoder_settings(
    editor: MediaEditor, tmp_path: Path
) -> None:
    first, second, odd = tmp_path / "1.mp4", tmp_path / "2.mp4", tmp_path / "3.mp4"
    editor.animatic(card(seed=1), first)
    editor.animatic(card("Another scene", seed=9, number=3), second)
    source = shots.clip(tmp_path / "s.mp4", *shots.picture(rate="25"), *shots.tone())
    editor.prepare(ClipWork(source=source, target=shots.target()), odd)
    film = editor.assemble(FilmPlan(target=shots.target(), pieces=(first, second, odd)), tmp_path / "film.mp4")
    assert (film.paths, film.notes) == (("table", "table"), ())


def test_the_same_card_gives_the_same_bytes(editor: MediaEditor, tmp_path: Path) -> None:
    editor.animatic(card(), tmp_path / "a.mp4")
    editor.animatic(card(), tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_broadcast_rates_stay_exact(editor: MediaEditor, tmp_path: Path) -> None:
    exact = Target(width=320, height=180, fps=Fraction(30_000, 1001))
    found = editor.animatic(Card(text="Rate", seconds=1, target=exact, number=1), tmp_path / "a.mp4")
    assert (found.fps, found.frames) == (Fraction(30_000, 1001), 30)


def test_a_card_of_one_frame_already_shows_its_words(editor: MediaEditor, tmp_path: Path) -> None:
    assert editor.animatic(card("Blink", seconds=0.02), tmp_path / "a.mp4").frames == 1
    assert (shots.frame(tmp_path / "a.mp4").min(axis=2) > 200).sum() > 200


def test_keyframes_stand_half_a_second_from_both_ends_where_a_transition_would_be(
    editor: MediaEditor, tmp_path: Path
) -> None:
    editor.animatic(card(seconds=3), tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as file:
        times = sorted(float(seconds_of(p.pts, p.time_base)) for p in file.demux(video=0) if p.is_keyframe and p.size)
    assert {0.5, 2.5} <= {round(time, 3) for time in times}


@pytest.mark.parametrize("size", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_letter_stands_inside_the_safe_area(size: Size, text: str) -> None:
    scene = storyboard(card(text, size, seconds=4, footer="Animatic", heading="A title " * 20))
    safe = safe_area(*size)
    left, top, right, bottom = shots.brightest(scene.paint(3.9).astype(int), 190)
    slack = 1
    assert left >= safe.x - slack
    assert top >= safe.y - slack
    assert right <= safe.right + slack
    assert bottom <= safe.bottom + slack


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_titles_of_any_text_stand_inside_the_safe_area(text: str) -> None:
    scene = title(card(text, (360, 640), number=None, heading="A heading " * 9, footer="Footer " * 30, seconds=3))
    safe = safe_area(360, 640)
    left, top, right, bottom = shots.brightest(scene.paint(2.9).astype(int), 190)
    assert (left >= safe.x - 1, top >= safe.y - 1) == (True, True)
    assert (right <= safe.right + 1, bottom <= safe.bottom + 1) == (True, True)


@pytest.mark.parametrize("seed", range(8))
def test_the_light_moves_gently_and_never_wraps_round(seed: int) -> None:
    scene = storyboard(card(size=(320, 180), seed=seed, seconds=6))
    frames = [scene.paint(at).astype(int) for at in np.arange(2, 6, 1 / 3)]
    steps = [np.abs(a - b) for a, b in pairwise(frames)]
    assert 0.05 < np.mean([step.mean() for step in steps]) < 3
    lights = [scene.backdrop.ground, *scene.backdrop.veils]
    assert sum(int(light.max()) for light in lights) < 220


def test_the_words_ease_in_and_the_bar_fills_with_time() -> None:
    scene = storyboard(card(seconds=4, number=1, total=1))
    ink = [(scene.paint(at).min(axis=2) > 200).sum() for at in (0.0, 0.4, 1.2)]
    assert ink[0] < ink[1] < ink[2]
    bar = scene.bars[0]
    early, late = (scene.paint(at)[bar.y + bar.height // 2, :, 0] > 240 for at in (1.0, 3.0))
    assert early.sum() == pytest.approx(bar.width * 0.25, abs=2)
    assert late.sum() == pytest.approx(bar.width * 0.75, abs=2)


def test_cards_of_different_seeds_look_different() -> None:
    looks = {tuple(storyboard(card(seed=seed)).paint(0.0)[40, 40]) for seed in range(8)}
    assert len(looks) >= 6


def test_long_texts_are_shortened_with_an_ellipsis_and_short_ones_are_not() -> None:
    box = Box(0, 0, 600, 200)
    long = fit("word " * 900, Weight.DISPLAY, box, range(16, 60), 1.2)
    assert long.lines[-1].endswith("…")
    assert long.height <= box.height
    assert "…" not in "".join(fit(PROMPT, Weight.DISPLAY, box, range(16, 60), 1.2).lines)


def test_shorter_texts_are_set_larger() -> None:
    box = Box(0, 0, 600, 300)
    sizes = [fit("words " * count, Weight.DISPLAY, box, range(12, 80), 1.2).size for count in (3, 30, 90)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]


def test_nothing_is_lost_or_reordered_when_text_is_broken_into_lines() -> None:
    block = fit(PROMPT, Weight.DISPLAY, Box(0, 0, 300, 400), range(10, 60), 1.2)
    assert " ".join(block.lines) == PROMPT


@pytest.mark.skipif(not scripts_supported()["CJK"], reason="no CJK font is installed (fonts-noto-cjk)")
def test_chinese_breaks_anywhere_but_never_before_closing_punctuation() -> None:
    for width in range(200, 330, 10):
        block = fit(TEXTS["Chinese"] * 3, Weight.DISPLAY, Box(0, 0, width, 900), range(20, 21), 1.2)
        assert len(block.lines) > 3
        assert not any(line.startswith(("，", "。")) for line in block.lines)


def test_families_flags_and_accents_are_not_torn_apart() -> None:
    assert clusters("e\u0301👩‍🚀🇫🇷👍🏽❤️x") == ["e\u0301", "👩‍🚀", "🇫🇷", "👍🏽", "❤️", "x"]


def test_control_characters_and_empty_lines_are_dropped() -> None:
    assert clean("a\x00 b\r\n\n\t c ") == "a b\nc"


def test_the_bundled_font_sets_latin_and_cyrillic_on_any_machine() -> None:
    supported = scripts_supported()
    assert (supported["Latin"], supported["Cyrillic"]) == (True, True)
    assert set(supported) == {"Latin", "Cyrillic", "Arabic", "Hebrew", "Devanagari", "CJK", "Emoji"}


def test_importing_the_studio_loads_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys, pipelines.media.editor as s; s.MediaEditor();"
        "print([m for m in ('moviepy', 'av', 'PIL', 'numpy', 'imageio_ffmpeg') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

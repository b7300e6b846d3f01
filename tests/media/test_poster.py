"""What stands for a film before it plays: the best frame, a sheet, a loop; and the true last frame."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pipelines.domain.errors import UnplayableMedia
from pipelines.media.clips.frames import samples
from pipelines.media.clips.probe import probe
from pipelines.media.editor import MediaEditor
from pipelines.media.review.best_frame import score
from tests.media import shots
from tests.media.shots import AAC, as_array, clip, good, picture, run, tone


def test_the_poster_is_the_sharp_well_lit_part_of_the_film(editor: MediaEditor, tmp_path: Path) -> None:
    vf = (
        f"{shots.TAGS},gblur=sigma=12:enable='between(t,6,8)',"
        f"drawbox=color=black:t=fill:enable='lt(t,2)',drawbox=color=white:t=fill:enable='between(t,2,4)'"
    )
    film = clip(tmp_path / "film.mp4", *picture(seconds=8), *tone(8), vf=vf)
    chosen = as_array(editor.poster(film, tmp_path / "poster.jpg"))
    assert chosen.shape == (360, 640, 3)
    distances = {at: np.abs(chosen - shots.frame(film, at)).mean() for at in (1, 3, 7)}
    assert min(distances.values()) > 15
    assert min(np.abs(chosen - shots.frame(film, at)).mean() for at in np.arange(4, 6, 0.1)) < 8


def test_scores_prefer_detail_to_blur_and_daylight_to_night() -> None:
    rng = np.random.default_rng(1)
    detailed = Image.fromarray(rng.integers(30, 220, (90, 160, 3), dtype=np.uint8)).resize((640, 360))
    dark = detailed.point(lambda level: level // 10)
    assert score(detailed) > score(detailed.filter(ImageFilter.GaussianBlur(12)))
    assert score(detailed) > score(dark)
    assert score(Image.new("RGB", (640, 360))) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("keyframes", ["10", "600"], ids=["many keyframes", "one keyframe"])
def test_samples_are_spread_over_the_film_whatever_its_keyframes(tmp_path: Path, keyframes: str) -> None:
    film = clip(tmp_path / "film.mp4", *picture(seconds=6), *tone(6), video=[*shots.X264, "-g", keyframes])
    times = [time for time, _ in samples(film, 12)]
    assert len(times) == 12
    assert times == sorted(times)
    assert np.abs(np.array(times) - (np.arange(12) + 0.5) / 2).max() < 0.25


@pytest.mark.parametrize("sound_s", [1, 2, 3.5], ids=["shorter", "equal", "longer"])
def test_the_last_frame_is_the_last_one_however_long_the_sound_is(
    editor: MediaEditor, tmp_path: Path, sound_s: float
) -> None:
    whole = good(tmp_path / "whole.mp4")
    run("-i", str(whole), *tone(sound_s), "-map", "0:v", "-map", "1:a", "-c:v", "copy", *AAC, str(tmp_path / "c.mp4"))
    found = as_array(editor.last_frame(tmp_path / "c.mp4", tmp_path / "last.png"))
    last, before = shots.frame(whole, 59 / 30 - 0.005), shots.frame(whole, 58 / 30 - 0.005)
    assert np.abs(found - last).mean() < 0.5
    assert np.abs(found - before).mean() > np.abs(found - last).mean()


def test_the_last_frame_of_an_untagged_clip_keeps_its_colours(editor: MediaEditor, tmp_path: Path) -> None:
    """Of its size BT.709 is what the film takes it for; smaller ones: test_outside."""
    unmarked = f"{shots.TAGS},setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown"
    video = ["-c:v", "libx264", "-pix_fmt", "yuv420p"]
    source = clip(tmp_path / "g.mp4", *shots.colour("1280x720"), *tone(1), vf=unmarked, video=video)
    found = as_array(editor.last_frame(source, tmp_path / "last.png"))
    assert np.abs(found[360, 640] - shots.GREEN).max() <= 6


def test_a_contact_sheet_shows_twelve_moments_in_order(editor: MediaEditor, tmp_path: Path) -> None:
    grey = "geq=lum='16+200*T/6':cb=128:cr=128,setsar=1"
    film = clip(tmp_path / "film.mp4", *picture(seconds=6), *tone(6), vf=grey)
    sheet = as_array(editor.contact_sheet(film, tmp_path / "sheet.jpg"))
    height, width, _ = sheet.shape
    cells = [
        sheet[int(height * (row + 0.4) / 3), int(width * (column + 0.5) / 4)].mean()
        for row in range(3)
        for column in range(4)
    ]
    assert all(later > earlier + 5 for earlier, later in pairwise(cells))


def test_a_preview_is_short_small_and_silent(editor: MediaEditor, tmp_path: Path) -> None:
    preview = editor.preview(good(tmp_path / "film.mp4", seconds=8), tmp_path / "preview.mp4")
    facts = probe(preview)
    assert facts.audio_codec is None
    assert 2 < facts.duration_s <= 4
    assert (facts.width, facts.height) == (568, 320)
    assert facts.size_bytes < 300_000


@pytest.mark.parametrize("frames", [1, 2, 20])
def test_the_shortest_films_have_everything_too(editor: MediaEditor, tmp_path: Path, frames: int) -> None:
    film = good(tmp_path / "film.mp4", seconds=frames / 30)
    assert as_array(editor.poster(film, tmp_path / "p.jpg")).shape == (360, 640, 3)
    assert as_array(editor.last_frame(film, tmp_path / "l.png")).shape == (360, 640, 3)
    assert as_array(editor.contact_sheet(film, tmp_path / "s.jpg")).shape[1] == 1600
    assert probe(editor.preview(film, tmp_path / "v.mp4")).frames >= 1


@pytest.mark.parametrize("size", ["360x640", "480x480"])
def test_tall_and_square_films_keep_their_shape(editor: MediaEditor, tmp_path: Path, size: str) -> None:
    film = good(tmp_path / "film.mp4", seconds=0.5, size=size)
    width, height = (int(part) for part in size.split("x"))
    assert as_array(editor.poster(film, tmp_path / "p.jpg")).shape == (height, width, 3)
    facts = probe(editor.preview(film, tmp_path / "v.mp4"))
    assert facts.width / facts.height == pytest.approx(width / height, abs=0.02)


@pytest.mark.parametrize("method", ["poster", "contact_sheet", "preview", "last_frame", "thumbnail"])
@pytest.mark.parametrize("content", [b"", b"<html/>", b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 500])
def test_what_is_no_video_is_refused_and_nothing_is_written(
    editor: MediaEditor, tmp_path: Path, method: str, content: bytes
) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(UnplayableMedia):
        getattr(editor, method)(tmp_path / "x.mp4", tmp_path / "dest.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


@pytest.mark.parametrize("size", ["1280x720", "360x640"])
def test_a_thumbnail_is_small_in_pixels_and_bytes_and_from_within_the_clip(
    editor: MediaEditor, tmp_path: Path, size: str
) -> None:
    """Also of a clip of nothing but noise, and of one that begins in black."""
    noise = f"{shots.TAGS},noise=alls=100:allf=t,drawbox=color=black:t=fill:enable='lt(t,0.5)'"
    source = clip(tmp_path / "c.mp4", *picture(seconds=2, size=size), *tone(2), vf=noise)
    made = editor.thumbnail(source, tmp_path / "t.webp")
    width, height = (int(part) for part in size.split("x"))
    with Image.open(made, formats=("WEBP",)) as image:
        assert max(image.size) == 480
        assert image.width / image.height == pytest.approx(width / height, abs=0.01)
    assert made.stat().st_size <= 25_000
    assert as_array(made).mean() > 40

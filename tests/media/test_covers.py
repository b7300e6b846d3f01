"""Thumbnails and cover art that come with a film are not taken for it, wherever they stand in the file."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.domain.errors import UnplayableMedia
from pipelines.media.clips.probe import deviations, probe
from pipelines.media.editor import MediaEditor
from tests.media import shots
from tests.media.shots import TAGS, as_array, clip, remuxed, run, tone

RED = (220, 20, 20)
Maker = Callable[[Path], Path]


def _film(folder: Path, vf: str = TAGS) -> Path:
    return clip(folder / "film.mp4", *shots.colour("640x360", 1), *tone(1), vf=vf)


def _still(folder: Path, kind: str, size: str) -> Path:
    run(*shots.colour(size, 1, RED), "-frames:v", "1", str(folder / f"still.{kind}"))
    return folder / f"still.{kind}"


def _behind(kind: str, size: str, name: str) -> Maker:
    """The film is the second picture track, behind one of a single picture that a player would not start with."""

    def make(folder: Path) -> Path:
        still, film, dest = _still(folder, kind, size), _film(folder), folder / name
        run("-i", str(still), "-i", str(film), "-map", "0", "-map", "1", "-c", "copy", str(dest))
        return dest

    return make


def _behind_moving(folder: Path) -> Path:
    """Thumbnails of every second stand before the film."""
    thumbs, film = shots.colour("160x90", 1, RED), _film(folder)
    inputs = (*thumbs, "-i", str(film), "-map", "0", "-map", "1")
    run(*inputs, "-r:v:0", "5", "-c:v:0", "mjpeg", "-c:v:1", "copy", "-c:a", "copy", str(folder / "moving.mov"))
    return folder / "moving.mov"


def _with_cover(film: Path, dest: Path) -> Path:
    """Cover art in the index, put before the tracks as some taggers do; another decoder counts it as the first one."""
    still, tagged = _still(film.parent, "png", "320x180"), film.with_name("tagged.mp4")
    maps = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic")
    run("-i", str(film), "-i", str(still), *maps, str(tagged))
    data = tagged.read_bytes()
    at = data.rindex(b"moov") - 4
    boxes, place = [], at + 8
    while place < len(data):
        size = struct.unpack_from(">I", data, place)[0]
        boxes.append(data[place : place + size])
        place += size
    boxes.sort(key=lambda box: [b"mvhd", b"udta", b"trak"].index(box[4:8]))
    dest.write_bytes(data[: at + 8] + b"".join(boxes))
    return dest


FILMS: dict[str, Maker] = {
    "a JPEG thumbnail first, in QuickTime": _behind("jpg", "160x90", "thumb.mov"),
    "a JPEG thumbnail first, in MP4": _behind("jpg", "160x90", "thumb.mp4"),
    "a PNG larger than the film first": _behind("png", "1280x720", "large.mov"),
    "moving thumbnails first": _behind_moving,
    "cover art first": lambda folder: _with_cover(_film(folder), folder / "cover.mp4"),
    "cover art first, of a film of another kind": lambda folder: _with_cover(
        _film(folder, vf=f"scale=480:270,{TAGS}"), folder / "cover.mp4"
    ),
}


@pytest.mark.parametrize("make", FILMS.values(), ids=FILMS)
def test_the_film_is_what_is_probed_made_to_fit_and_stood_for(
    make: Maker, prepare: shots.Prepare, editor: MediaEditor, tmp_path: Path
) -> None:
    source = make(tmp_path)
    facts = probe(source)
    assert (facts.video_codec, facts.frames) == ("h264", 30)
    assert facts.duration_s == pytest.approx(1)
    assert facts.width / facts.height == pytest.approx(16 / 9)
    piece = prepare(source)
    assert piece.footage.frames == 30
    assert deviations(piece.path, shots.target()) == ()
    assert np.abs(shots.frame(piece.path, 0.5) - shots.GREEN).max() <= 8
    assert shots.level_db(shots.sound(piece.path)) > -30
    for still in (editor.last_frame(source, tmp_path / "l.png"), editor.poster(source, tmp_path / "p.jpg")):
        assert as_array(still).shape == (facts.height, facts.width, 3)
        assert np.abs(as_array(still) - shots.GREEN).max() <= 12


def test_a_clip_with_cover_art_is_not_touched_for_it(prepare: shots.Prepare, tmp_path: Path) -> None:
    """The index of a film with a cover is as good as any; the cover is not part of the pictures."""
    source = _with_cover(_film(tmp_path), tmp_path / "cover.mp4")
    assert prepare(source).changed == ()


def test_sound_is_mended_beside_a_cover_without_touching_the_picture(prepare: shots.Prepare, tmp_path: Path) -> None:
    mute = remuxed(_film(tmp_path), tmp_path / "mute.mp4", "-an")
    piece = prepare(_with_cover(mute, tmp_path / "cover.mp4"))
    assert piece.changed == ("there is no sound",)
    assert shots.frame_hashes(piece.path) == shots.frame_hashes(mute)


def test_an_empty_picture_track_beside_the_film_is_passed_over(prepare: shots.Prepare, tmp_path: Path) -> None:
    """A thumbnail that was promised and never written."""
    data = bytearray(_behind("jpg", "160x90", "thumb.mov")(tmp_path).read_bytes())
    for box, rows in ((b"stsz", 8), (b"stts", 4), (b"stsc", 4), (b"stco", 4)):
        at = data.index(box) + 4
        struct.pack_into(">I", data, at + rows, 0)
    (tmp_path / "hollow.mov").write_bytes(data)
    piece = prepare(tmp_path / "hollow.mov")
    assert np.abs(shots.frame(piece.path, 0.5) - shots.GREEN).max() <= 8


def test_music_with_a_cover_is_no_film(prepare: shots.Prepare, tmp_path: Path) -> None:
    still, song = _still(tmp_path, "png", "160x90"), tmp_path / "song.mp4"
    maps = ("-map", "0", "-map", "1", "-c:a", "aac", "-c:v", "copy", "-disposition:v", "attached_pic")
    run(*tone(1), "-i", str(still), *maps, str(song))
    with pytest.raises(UnplayableMedia, match="it has no picture"):
        prepare(song)


def test_a_film_in_motion_jpeg_is_still_a_film(prepare: shots.Prepare, tmp_path: Path) -> None:
    """What is a thumbnail beside a film is the film when it is alone."""
    source = clip(tmp_path / "mjpeg.mov", *shots.colour("640x360", 1), *tone(1), vf="null", video=["-c:v", "mjpeg"])
    piece = prepare(source)
    assert piece.footage.frames == 30
    assert np.abs(shots.frame(piece.path, 0.5) - shots.GREEN).max() <= 8

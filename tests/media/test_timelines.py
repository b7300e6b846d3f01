"""When pictures and sound begin and end is as another decoder reads it: nothing lost, nothing out of step."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import av
import numpy as np
import pytest

from pipelines.domain.footage import ClipWork, FilmPlan
from pipelines.media.clips.prepared_clip import SLIGHT_DELAY_S
from pipelines.media.editor import MediaEditor
from pipelines.media.join.assemble import assemble
from pipelines.media.mp4.reader import read_movie
from tests.media.clip_factory import (
    TAGS,
    TARGET,
    ClipFactory,
    ClipShape,
    lag,
    run,
    samples_of,
    seconds_of,
    strictly_decodes,
)

HALF_A_PACKET = 512
STEP = 3
COUNTED = f"geq=lum='16+{STEP}*N':cb=128:cr=128,{TAGS}"
"""Every picture is of one grey, which is its number."""
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")

Maker = Callable[[ClipFactory], Path]


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as libav plays it: time and number of each picture, its end, and the sound from its first moment."""

    pictures: list[tuple[float, int]]
    end: float
    sound: np.ndarray


def _seen(path: Path) -> Seen:
    with av.open(str(path)) as file:
        begin, stream = (file.start_time or 0) / av.time_base, file.streams.video[0]
        frames = [(float(seconds_of(frame.pts, frame.time_base)) - begin, frame) for frame in file.decode(stream)]
        pictures = [(at, _number(frame)) for at, frame in frames]
        end = frames[-1][0] + float(seconds_of(frames[-1][1].duration or 0, stream.time_base) or 1 / 30)
    with av.open(str(path)) as file:
        sound, rate = np.zeros(48_000 * 8, np.float32), av.AudioResampler("fltp", "stereo", 48_000)
        for frame in file.decode(audio=0):
            at = round((float(seconds_of(frame.pts, frame.time_base)) - begin) * 48_000)
            for part in rate.resample(frame):
                heard = part.to_ndarray()[0][max(0, -at) :]
                sound[max(0, at) : max(0, at) + len(heard)] = heard
    return Seen(pictures, end, sound)


def _number(frame: av.VideoFrame) -> int:
    return round((float(frame.to_ndarray(format="yuv420p")[: frame.height].mean()) - 16) / STEP)


def _numbers(path: Path) -> list[int]:
    with av.open(str(path)) as file:
        return [_number(frame) for frame in file.decode(video=0)]


def _counted(clip: ClipFactory, **shape: Unpack[ClipShape]) -> Path:
    return clip(1, seconds=2.0, picture=COUNTED, **shape)


def _changed(clip: ClipFactory, name: str, change: Callable[[bytearray], None], **shape: Unpack[ClipShape]) -> Path:
    source = _counted(clip, **shape)
    data = bytearray(source.read_bytes())
    change(data)
    dest = source.with_name(f"{name}-{source.name}")
    dest.write_bytes(data)
    return dest


def _without_edits(data: bytearray, count: int = 2) -> None:
    data[:] = data.replace(b"edts", b"free", count)


def _edit(path: Path, data: bytearray, track: int, *, seconds: float | None = None, skip: int | None = None) -> None:
    """Change the length and the first media tick of the only entry of a track's edit list."""
    at = -1
    for _ in range(track + 1):
        at = data.index(b"elst", at + 1)
    if seconds is not None:
        struct.pack_into(">i", data, at + 12, round(seconds * read_movie(path).timescale))
    if skip is not None:
        struct.pack_into(">i", data, at + 16, skip)


def _edited(name: str, *, seconds: float, skip: tuple[int, int]) -> Maker:
    def make(clip: ClipFactory) -> Path:
        def change(data: bytearray) -> None:
            for track in (0, 1):
                _edit(_counted(clip), data, track, seconds=seconds, skip=skip[track])

        return _changed(clip, name, change)

    return make


def _moved(clip: ClipFactory, name: str, picture: str, sound: str, *options: str, suffix: str = ".mp4") -> Path:
    """Picture and sound of a clip, each begun later by so many seconds."""
    source = _counted(clip)
    dest = source.with_name(f"{name}-{source.stem}{suffix}")
    if not dest.exists():
        inputs = ("-itsoffset", picture, "-i", source, "-itsoffset", sound, "-i", source)
        run(*inputs, "-map", "0:v", "-map", "1:a", *(options or ("-c", "copy")), dest)
    return dest


TIMELINES: dict[str, Maker] = {
    "as it should be": _counted,
    "picture late": lambda clip: _moved(clip, "v", "0.5", "0"),
    "picture late in WebM": lambda clip: _moved(clip, "v", "0.5", "0", *VP9, suffix=".webm"),
    "picture late in fragments": lambda clip: _moved(
        clip, "frag", "0.5", "0", "-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof"
    ),
    "sound late": lambda clip: _moved(clip, "a", "0", "0.5"),
    "sound late in WebM": lambda clip: _moved(clip, "a", "0", "0.5", *VP9, suffix=".webm"),
    "both late": lambda clip: _moved(clip, "b", "0.7", "0.5"),
    "sound a moment late": lambda clip: _moved(clip, "m", "0", "0.05"),
    "sound much shorter": lambda clip: _counted(clip, sound_seconds=0.6),
    "sound much longer": lambda clip: _counted(clip, sound_seconds=3.5),
    "sound much longer in WebM": lambda clip: _counted(
        clip, sound_seconds=3.5, codec="libvpx-vp9", video=VP9[2:6], audio=VP9[6:], suffix=".webm"
    ),
    "fragments": lambda clip: _counted(clip, container=("-movflags", "frag_keyframe+empty_moov")),
    "no edit lists": lambda clip: _changed(clip, "bare", _without_edits, sound_seconds=2.5),
    "no edit list of the picture": lambda clip: _changed(
        clip, "half", lambda data: _without_edits(data, 1), sound_seconds=2.5
    ),
    "no edit list of the picture, and short sound": lambda clip: _changed(
        clip, "half", lambda data: _without_edits(data, 1)
    ),
    "an edit list that begins inside a group": _edited("inside", seconds=1.3, skip=(1024 + 512 * 21, 1024 + 33_600)),
    "an edit list that ends early": _edited("early", seconds=1.0, skip=(1024, 1024)),
    "an edit list that ends the sound early": lambda clip: _changed(
        clip, "hushed", lambda data: _edit(_counted(clip), data, 1, seconds=1.0)
    ),
    "an edit list that begins the sound later": lambda clip: _changed(
        clip, "begun", lambda data: _edit(_counted(clip), data, 1, seconds=1.5, skip=1024 + 24_000)
    ),
    "cut before a keyframe": lambda clip: clip.edited(_counted(clip), "cut", "-ss", "0.7", "-i", "{}", "-c", "copy"),
}


@pytest.mark.parametrize("name", TIMELINES)
def test_a_piece_shows_and_sounds_what_its_clip_did(
    clip: ClipFactory, editor: MediaEditor, tmp_path: Path, name: str
) -> None:
    """Each picture at its time (the first from the start on), none lost at the end, the sound in step with them.

    A picture that comes a few frames after the sound begins the film; the sound before it is left out.
    """
    source = TIMELINES[name](clip)
    seen = _seen(source)
    start = seen.pictures[0][0]
    skip = start if start <= SLIGHT_DELAY_S else 0.0
    piece = editor.prepare(ClipWork(source=source, target=TARGET), tmp_path / "piece.mp4")

    times = np.array([at for at, _ in seen.pictures]) - skip
    count = round((seen.end - skip) * 30)
    latest = [max(0, int(np.searchsorted(times, k / 30 + 0.5 / 30)) - 1) for k in range(count)]
    wanted = [seen.pictures[place][1] for place in latest]
    assert _numbers(piece.path) == wanted
    assert piece.footage.frames == count
    assert piece.footage.duration_s == pytest.approx(count / 30)

    heard, film = samples_of(piece.path), seen.sound[round(skip * 48_000) :][: count * 1600]
    lead = start - skip
    assert abs(lag(_from_first_picture(heard, piece.path), film, 0)) <= HALF_A_PACKET, f"picture {lead:.3f} s late"


def _from_first_picture(heard: np.ndarray, path: Path) -> np.ndarray:
    """The sound of a piece whose picture may come a few frames late in its own index, from that picture on."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        late = float(seconds_of(stream.start_time or 0, stream.time_base)) - (file.start_time or 0) / av.time_base
    return heard[round(late * 48_000) :]


@pytest.mark.parametrize("name", ["no edit lists", "no edit list of the picture", "nothing taken away"])
def test_clips_without_whole_edit_lists_are_joined_untouched_and_in_step(
    clip: ClipFactory, editor: MediaEditor, tmp_path: Path, name: str
) -> None:
    """Nothing is encoded for it; each clip's sound is within half a packet of its picture."""
    source = (
        _changed(clip, "zero", lambda data: _edit(_counted(clip), data, 0, skip=0), sound_seconds=2.5)
        if name == "nothing taken away"
        else TIMELINES[name](clip)
    )
    assert editor.prepare(ClipWork(source=source, target=TARGET), tmp_path / "piece.mp4").changed == ()
    other = clip(2, seconds=2.0, picture=COUNTED)
    film = assemble(FilmPlan(target=TARGET, pieces=(source, other, source)), tmp_path / "film.mp4")
    assert film.paths == ("table", "table")
    strictly_decodes(film.path)
    assert _numbers(film.path) == list(range(60)) * 3

    seen = _seen(source)
    own, heard = seen.sound[round(seen.pictures[0][0] * 48_000) :], samples_of(film.path)
    assert abs(lag(heard, own[4800:86_400], 4800)) <= HALF_A_PACKET
    assert abs(lag(heard, own[4800:86_400], 4 * 48_000 + 4800)) <= HALF_A_PACKET


def test_a_clip_whose_picture_is_said_to_come_after_days_is_not_waited_for(
    clip: ClipFactory, editor: MediaEditor, tmp_path: Path
) -> None:
    """A number in an index may be anything; the film begins with its picture."""
    source = _moved(clip, "days", "0.5", "0")
    data = bytearray(source.read_bytes())
    at = data.index(b"elst")
    struct.pack_into(">i", data, at + 12, 0x7FFFFFFF)
    (tmp_path / "days.mp4").write_bytes(data)
    piece = editor.prepare(ClipWork(source=tmp_path / "days.mp4", target=TARGET), tmp_path / "piece.mp4")
    assert piece.footage.frames == 60


@pytest.mark.parametrize(("ordered", "held", "shown"), [(1.0, 0, 30), (2.0, 0, 60), (2.3, 9, 60), (3.0, 15, 60)])
def test_a_first_picture_is_held_no_longer_than_the_ordered_length_has_room_for(
    clip: ClipFactory, editor: MediaEditor, tmp_path: Path, ordered: float, held: int, shown: int
) -> None:
    """Where a clip whose picture starts late is too long, it is the head without a picture that goes first."""
    source = TIMELINES["picture late"](clip)
    piece = editor.prepare(ClipWork(source=source, target=TARGET, trim_s=ordered), tmp_path / "piece.mp4")
    assert _numbers(piece.path) == [0] * held + list(range(shown))
    heard = _seen(source).sound[round((0.5 - held / 30) * 48_000) :][: len(samples_of(piece.path))]
    assert abs(lag(samples_of(piece.path), heard, 0)) <= HALF_A_PACKET


@pytest.mark.parametrize("name", ["picture late", "picture late in WebM", "an edit list that ends early", "fragments"])
def test_the_last_picture_is_the_last_that_is_shown(
    clip: ClipFactory, editor: MediaEditor, tmp_path: Path, name: str
) -> None:
    """Whatever the index says of the length."""
    source = TIMELINES[name](clip)
    still = editor.last_frame(source, tmp_path / "last.png")
    run("-i", still, "-vf", "scale=out_color_matrix=bt709,format=yuv420p", tmp_path / "last.mp4")
    assert _numbers(tmp_path / "last.mp4")[0] == pytest.approx(_seen(source).pictures[-1][1], abs=1)


def test_one_picture_is_a_film(clip: ClipFactory, editor: MediaEditor, tmp_path: Path) -> None:
    """A clip of one frame, as it is and from another rate."""
    for number, fps in enumerate(("30", "24")):
        source = clip(1, seconds=1 / float(fps), fps=fps, picture=COUNTED)
        piece = editor.prepare(ClipWork(source=source, target=TARGET), tmp_path / f"{number}.mp4")
        assert _numbers(piece.path) == [0]


def test_a_long_gap_between_two_pictures_is_kept(clip: ClipFactory, editor: MediaEditor, tmp_path: Path) -> None:
    """One picture stands for a second and a half, as long as the clip showed it, and the rest follows in time."""
    gap = f"{COUNTED},select='lt(n,6)+gte(n,51)'"
    source = clip(1, seconds=2.0, picture=gap, video=("-fps_mode:v", "vfr"))
    piece = editor.prepare(ClipWork(source=source, target=TARGET), tmp_path / "piece.mp4")
    assert _numbers(piece.path) == [*range(6), *[5] * 45, *range(51, 60)]
    assert abs(lag(samples_of(piece.path), samples_of(source), 0)) <= HALF_A_PACKET

"""Every way in which a clip can deviate is named, in words for a row, and the film is made all the same."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipelines.domain.footage import Boundary, FilmPlan, Transition
from pipelines.media.clips.prepared_clip import inspect, open_prepared_clip
from pipelines.media.clips.probe import deviations, probe
from pipelines.media.editor import MediaEditor
from pipelines.media.join.assemble import assemble
from pipelines.media.join.table_join import Frames, Stretch, picture_format_of, write_film
from pipelines.media.mp4.avcc import write_avcc
from tests.media.clip_factory import TAGS, TARGET, ClipFactory, frame_hashes, rebuilt, strictly_decodes

Maker = Callable[[ClipFactory], Path]


def _short_lengths(clip: ClipFactory) -> Path:
    """A clip whose NAL units have two-byte lengths."""
    source = clip(1, sound=None)
    dest = source.with_name("two-byte.mp4")
    piece = open_prepared_clip(source)
    assert piece is not None
    data, samples = source.read_bytes(), []
    for offset, size in zip(piece.video.offsets.tolist(), piece.video.sizes.tolist(), strict=True):
        at, parts = offset, []
        while at < offset + size:
            length = int.from_bytes(data[at : at + 4], "big")
            parts.append(struct.pack(">H", length) + data[at + 4 : at + 4 + length])
            at += 4 + length
        samples.append(b"".join(parts))
    sizes = np.array([len(sample) for sample in samples], np.int64)
    look = picture_format_of(piece, [piece.config])
    assert look is not None
    was = write_avcc(piece.config)
    look = replace(look, entry=look.entry.replace(was, was[:4] + bytes((was[4] & 0xFC | 1,)) + was[5:]))
    frames = Frames(np.cumsum(sizes) - sizes, sizes, piece.video.sync, piece.rank)
    write_film([Stretch(b"".join(samples), frames)], look, None, dest)
    return dest


def _edited_index(clip: ClipFactory, name: str, box: str, change: Callable[[bytes], bytes]) -> Path:
    source = clip(1)
    dest = source.with_name(f"{name}.mp4")
    path = [part.encode() for part in ("moov", "trak", "mdia", "minf", "stbl", box)]
    dest.write_bytes(rebuilt(source.read_bytes(), path, change))
    return dest


def _two_descriptions(clip: ClipFactory) -> Path:
    return _edited_index(clip, "two-entries", "stsd", lambda body: body[:4] + struct.pack(">I", 2) + body[8:] * 2)


def _starts_everywhere(clip: ClipFactory) -> Path:
    """Every frame is listed as a place to start from, which they are not."""
    rows = struct.pack(">I", 30) + b"".join(struct.pack(">I", n) for n in range(1, 31))
    return _edited_index(clip, "all-sync", "stss", lambda body: body[:4] + rows)


def _with_x264(params: str, *more: str) -> Maker:
    return lambda clip: clip(1, video=("-x264-params", params, *more))


UNEVEN = "settb=1/3000,setpts='(N+0.4*mod(N\\,3))/30/TB'," + TAGS
ODD: dict[str, tuple[str, Maker]] = {
    "fragments": ("in fragments", lambda clip: clip(1, container=("-movflags", "frag_keyframe+empty_moov"))),
    "hevc": (
        "HEVC",
        lambda clip: clip(1, codec="libx265", video=("-preset", "ultrafast", "-x265-params", "log-level=0")),
    ),
    "av1": ("AV1", lambda clip: clip(1, codec="libsvtav1", video=("-preset", "12", "-svtav1-params", "lp=1"))),
    "webm": (
        "WebM",
        lambda clip: clip(
            1,
            codec="libvpx-vp9",
            video=("-deadline", "realtime", "-cpu-used", "8"),
            audio=("-c:a", "libopus"),
            suffix=".webm",
        ),
    ),
    "size": ("320×180 instead of 192×108", lambda clip: clip(1, size="320x180")),
    "rate": ("24 frames a second instead of 30", lambda clip: clip(1, fps="24")),
    "ntsc": ("29.97 frames a second", lambda clip: clip(1, fps="30000/1001")),
    "uneven": (
        "frames are unevenly timed",
        lambda clip: clip(
            1, picture=UNEVEN, video=("-fps_mode:v", "vfr", "-enc_time_base:v", "1/3000"), sound_seconds=1.2
        ),
    ),
    "tall pixels": ("not square", lambda clip: clip(1, picture=TAGS.replace("setsar=1", "setsar=4/3"))),
    "full range": ("full range", lambda clip: clip(1, picture=TAGS.replace("range=tv", "range=pc"))),
    "bt601": ("not BT.709", lambda clip: clip(1, picture=TAGS.replace("colorspace=bt709", "colorspace=smpte170m"))),
    "untagged": ("not marked as BT.709", lambda clip: clip(1, picture="format=yuv420p,setsar=1")),
    "10 bit": (
        "8 bit 4:2:0",
        lambda clip: clip(1, picture=TAGS.replace("yuv420p", "yuv420p10le"), video=("-profile:v", "high10")),
    ),
    "4:4:4": (
        "8 bit 4:2:0",
        lambda clip: clip(1, picture=TAGS.replace("yuv420p", "yuv444p"), video=("-profile:v", "high444")),
    ),
    "interlaced": ("interlaced", _with_x264("tff=1")),
    "main profile": ("Main profile", lambda clip: clip(1, video=("-profile:v", "main"))),
    "open gop": ("open GOP", _with_x264("open-gop=1:keyint=10:bframes=3:b-adapt=0")),
    "rotated": (
        "turned by",
        lambda clip: clip.edited(clip(1), "turned", "-display_rotation", "90", "-i", "{}", "-c", "copy"),
    ),
    "hidden frames": (
        "hidden",
        lambda clip: clip.edited(clip(1, seconds=2), "hidden", "-ss", "0.7", "-i", "{}", "-c", "copy"),
    ),
    "two-byte lengths": ("packed in an unusual way", _short_lengths),
    "two descriptions": ("changes its settings", _two_descriptions),
    "starts that are none": ("lean on others", _starts_everywhere),
    "subtitles": (
        "subtitles",
        lambda clip: clip.edited(
            clip(1),
            "titled",
            *("-i", "{}", "-f", "srt", "-i", _subtitles(clip), *_maps("0", "1"), "-c", "copy", "-c:s", "mov_text"),
        ),
    ),
    "two sounds": (
        "more than one sound",
        lambda clip: clip.edited(
            clip(1), "twice", "-i", "{}", "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy"
        ),
    ),
    "mono": ("sound is mono", lambda clip: clip(1, audio=("-c:a", "aac", "-ac", "1"))),
    "44.1 kHz": ("44.1 kHz", lambda clip: clip(1, audio=("-c:a", "aac", "-ar", "44100"))),
    "mp3": ("sound is not", lambda clip: clip(1, audio=("-c:a", "libmp3lame"))),
    "short sound": ("sound is 0.4", lambda clip: clip(1, sound_seconds=0.6)),
    "late sound": (
        "sound is hidden or late",
        lambda clip: clip.edited(
            clip(1), "late", "-i", "{}", "-itsoffset", "0.3", "-i", clip(1), "-map", "0:v", "-map", "1:a", "-c", "copy"
        ),
    ),
}


def _maps(*streams: str) -> list[str]:
    return [part for stream in streams for part in ("-map", stream)]


def _subtitles(clip: ClipFactory) -> str:
    path = clip.folder / "words.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:00,900\nWords\n")
    return str(path)


def test_a_clip_that_fits_has_no_deviation(clip: ClipFactory) -> None:
    """Nothing is said about a clip that may be joined as it is."""
    assert deviations(clip(0), TARGET) == ()


@pytest.mark.parametrize("name", ODD)
def test_a_deviation_is_named_and_mended(clip: ClipFactory, tmp_path: Path, name: str) -> None:
    """The odd clip is refused by its tables with the reason, and the film is whole, its other clips untouched."""
    words, make = ODD[name]
    good, odd = clip(0), make(clip)
    assert words in "; ".join(deviations(odd, TARGET))
    report = assemble(FilmPlan(target=TARGET, pieces=(good, odd, good)), tmp_path / "film.mp4")
    strictly_decodes(report.path)
    if name != "starts that are none":
        assert len(report.notes) == 1
    assert report.notes[0].startswith("Scene 2 was encoded again")
    assert report.paths == ("encode", "encode")
    hashes, own = frame_hashes(report.path), frame_hashes(good)
    assert hashes[: len(own)] == own == hashes[-len(own) :]
    assert len(hashes) - 2 * len(own) in range(29, 46)


def test_clips_that_are_fine_alone_but_clash_are_mended(clip: ClipFactory, tmp_path: Path) -> None:
    """The same parameter-set number with other contents, as another crf gives, costs one encode and is said."""
    pieces = (clip(0), clip(1, video=("-crf", "35")), clip(2))
    assert deviations(pieces[1], TARGET) == ()
    report = assemble(FilmPlan(target=TARGET, pieces=pieces), tmp_path / "film.mp4")
    assert report.paths == ("encode", "encode")
    assert "clash" in report.notes[0]
    strictly_decodes(report.path)


@pytest.mark.parametrize("boundary", [Boundary(), Boundary(kind=Transition.CROSSFADE, seconds=0.4)])
def test_a_clash_mended_as_soon_as_both_clips_are_there_gives_the_same_film(
    clip: ClipFactory, tmp_path: Path, boundary: Boundary
) -> None:
    """Only the clip behind the first is encoded, once; the join finds it and what was rendered round it."""
    pieces, editor, ready = (clip(0), clip(1, video=("-crf", "35"))), MediaEditor(), tmp_path / "ready"
    plan = FilmPlan(target=TARGET, pieces=pieces, boundaries=(boundary,))
    late = assemble(plan, tmp_path / "late.mp4")
    fades = (boundary.seconds, 0.0)
    assert editor.beside(pieces[0], clip(2), TARGET, fades, ready) == clip(2)
    mended = editor.beside(pieces[0], pieces[1], TARGET, fades, ready)
    assert editor.beside(pieces[0], pieces[1], TARGET, fades, ready) == mended
    editor.seam(pieces[0], mended, boundary, TARGET, ready)
    made = {path: path.stat().st_ino for path in ready.glob("*.mp4")}
    assert len(made) == 1 + bool(boundary.seconds)
    early = assemble(plan, tmp_path / "early.mp4", ready=ready)
    assert {path: path.stat().st_ino for path in ready.glob("*.mp4")} == made
    assert (early.sha256, early.notes) == (late.sha256, late.notes)


def test_what_is_damaged_is_left_to_the_join(clip: ClipFactory, tmp_path: Path) -> None:
    """Ahead of time nobody is told; and zeros in a mended clip's place, as a power failure leaves, are made again."""
    broken, odd, ready = tmp_path / "broken.mp4", clip(1, video=("-crf", "35")), tmp_path / "ready"
    broken.write_bytes(bytes(10_000))
    assert MediaEditor().beside(broken, odd, TARGET, (0.0, 0.0), ready) == odd
    mended = MediaEditor().beside(clip(0), odd, TARGET, (0.0, 0.0), ready)
    whole = mended.read_bytes()
    mended.write_bytes(bytes(len(whole)))
    assert MediaEditor().beside(clip(0), odd, TARGET, (0.0, 0.0), ready).read_bytes() == whole


def test_a_clip_without_sound_deviates_in_its_sound_only(clip: ClipFactory) -> None:
    """So that it can be given silence without touching its picture."""
    assert deviations(clip(0, sound=None), TARGET) == ("there is no sound",)


@pytest.mark.parametrize("name", ["mono", "44.1 kHz", "mp3", "short sound", "late sound"])
def test_faults_of_the_sound_alone_are_told_by_the_word(clip: ClipFactory, name: str) -> None:
    """Each deviation of such a clip contains "sound", which no deviation of a picture does."""
    assert all("sound" in fault for fault in deviations(ODD[name][1](clip), TARGET))


@pytest.mark.parametrize("name", ["size", "rate", "uneven", "tall pixels", "open gop", "rotated", "fragments"])
def test_faults_of_the_picture_do_not_mention_sound(clip: ClipFactory, name: str) -> None:
    """So that nobody mends the sound alone and believes it done."""
    assert not any("sound" in fault for fault in deviations(ODD[name][1](clip), TARGET))


def test_the_facts_of_a_common_clip(clip: ClipFactory) -> None:
    """Length, size, rate, frames and codecs, without decoding anything."""
    facts = probe(clip(0, seconds=1.5))
    assert (facts.duration_s, facts.width, facts.height, facts.fps, facts.frames) == (1.5, 192, 108, Fraction(30), 45)
    assert (facts.video_codec, facts.audio_codec, facts.sample_rate, facts.channels) == ("h264", "aac", 48_000, 2)
    assert facts.size_bytes == clip(0, seconds=1.5).stat().st_size


@pytest.mark.parametrize(
    ("name", "codec", "audio"),
    [("hevc", "hevc", "aac"), ("av1", "av1", "aac"), ("webm", "vp9", "opus"), ("fragments", "h264", "aac")],
)
def test_the_facts_of_uncommon_files_come_from_libav(clip: ClipFactory, name: str, codec: str, audio: str) -> None:
    """Other codecs and containers are probed as well."""
    facts = probe(ODD[name][1](clip))
    assert (facts.video_codec, facts.audio_codec, facts.width, facts.height) == (codec, audio, 192, 108)
    assert facts.duration_s == pytest.approx(1.0, abs=0.06)
    assert facts.fps == 30


def test_a_turned_clip_says_by_how_much(clip: ClipFactory) -> None:
    """The angle of the display matrix is a fact, not a fault of the probe."""
    assert probe(ODD["rotated"][1](clip)).rotation in (90, 270)


def test_hidden_and_missing_parts_are_found_in_the_index(clip: ClipFactory) -> None:
    """Inspection alone finds them; nothing is decoded."""
    found = inspect(ODD["hidden frames"][1](clip))
    assert any("hidden" in fault for fault in (*found.picture, *found.sound))
    assert not found.joinable

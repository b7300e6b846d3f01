"""Any clip becomes a piece of its cut: only what deviates is touched, and everything that deviates is mended."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import ClipWork, Fit
from pipelines.media.audio.mix import packets_of
from pipelines.media.clips.prepared_clip import PreparedClip, inspect, open_prepared_clip, sound_ends
from pipelines.media.clips.probe import deviations
from pipelines.media.editor import MediaEditor
from pipelines.media.mp4.aac import PACKET
from pipelines.media.mp4.reader import read_movie
from pipelines.media.normalise.normalise import encode_clip
from tests.media import shots
from tests.media.clip_factory import seconds_of
from tests.media.shots import AAC, TAGS, X264, Prepare, clip, good, picture, remuxed, run, tone

Maker = Callable[[Path], Path]


def odd_fps(path: Path) -> Path:
    return clip(path, *picture(rate="24"), *tone())


def odd_size(path: Path) -> Path:
    return clip(path, *picture("854x480"), *tone())


def odd_sar(path: Path) -> Path:
    return clip(path, *picture("480x360"), *tone(), vf="setsar=4/3")


def full_range(path: Path) -> Path:
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-color_range", "pc"]
    return clip(path, *picture(), *tone(), vf="scale=out_range=pc,format=yuvj420p,setsar=1", video=video)


def main_profile(path: Path) -> Path:
    video = ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-pix_fmt", "yuv420p"]
    return clip(path, *picture(), *tone(), video=video)


def uneven(path: Path) -> Path:
    drop = f"select='not(eq(mod(n,7),2))',{TAGS}"
    return clip(path, *picture(), *tone(), vf=drop, video=[*X264, "-fps_mode", "vfr"])


def open_gop(path: Path) -> Path:
    params = "open-gop=1:keyint=20:bframes=5:b-adapt=0"
    video = ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-pix_fmt", "yuv420p"]
    return clip(path, *picture(), *tone(), video=[*video, "-x264-params", params])


def interlaced(path: Path) -> Path:
    weave = f"tinterlace=interleave_top,fieldorder=tff,{TAGS}"
    video = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-flags", "+ildct+ilme"]
    return clip(path, *picture(rate="60"), *tone(), vf=weave, video=video)


def hevc(path: Path) -> Path:
    video = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-tag:v", "hvc1"]
    return clip(path, *picture(), *tone(), video=video)


def av1(path: Path) -> Path:
    return clip(path, *picture(rate="24"), *tone(), video=["-c:v", "libsvtav1", "-preset", "12"])


def webm(path: Path) -> Path:
    video = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"]
    return clip(path.with_suffix(".webm"), *picture(rate="24"), *tone(), video=video, audio=["-c:a", "libopus"])


def fragmented(path: Path) -> Path:
    return remuxed(good(path.with_stem("whole")), path, "-movflags", "frag_keyframe+empty_moov")


def rotated(path: Path) -> Path:
    whole = good(path.with_stem("whole"))
    run("-display_rotation", "90", "-i", str(whole), "-c", "copy", str(path))
    return path


def hidden_head(path: Path) -> Path:
    run("-ss", "0.5", "-i", str(good(path.with_stem("whole"))), "-c", "copy", str(path))
    return path


def two_sound_tracks(path: Path) -> Path:
    whole = good(path.with_stem("whole"))
    run("-i", str(whole), *tone(hertz=880), "-map", "0", "-map", "1:a", "-c:v", "copy", *AAC, str(path))
    return path


def no_sound(path: Path) -> Path:
    return remuxed(good(path.with_stem("whole")), path, "-an")


def with_sound(*options: str) -> Maker:
    def make(path: Path) -> Path:
        run("-i", str(good(path.with_stem("whole"))), "-c:v", "copy", *options, str(path))
        return path

    return make


def short_sound(path: Path) -> Path:
    whole = good(path.with_stem("whole"))
    run("-i", str(whole), *tone(1), "-map", "0:v", "-map", "1:a", "-c:v", "copy", *AAC, str(path))
    return path


def hollow_sound(path: Path) -> Path:
    """A sound track that was promised and never written."""
    data = bytearray(good(path.with_stem("whole")).read_bytes())
    for table, count in ((b"stsz", 8), (b"stts", 4), (b"stsc", 4), (b"stco", 4)):
        struct.pack_into(">I", data, data.rindex(table) + 4 + count, 0)
    path.write_bytes(data)
    return path


def unknown_sound(path: Path) -> Path:
    """Sound of a kind that no decoder here knows."""
    path.write_bytes(good(path.with_stem("whole")).read_bytes().replace(b"mp4a", b"ac-5").replace(b"esds", b"dac5"))
    return path


PICTURE_FAULTS: dict[str, tuple[Maker, int]] = {
    "24 frames a second": (odd_fps, 60),
    "another size": (odd_size, 60),
    "pixels that are not square": (odd_sar, 60),
    "full range": (full_range, 60),
    "Main profile": (main_profile, 60),
    "variable frame rate": (uneven, 60),
    "open GOP": (open_gop, 60),
    "interlaced": (interlaced, 60),
    "HEVC": (hevc, 60),
    "AV1": (av1, 60),
    "WebM": (webm, 60),
    "fragmented": (fragmented, 60),
    "rotated": (rotated, 60),
    "frames hidden by an edit list": (hidden_head, 45),
}
SOUND_FAULTS: dict[str, Maker] = {
    "no sound": no_sound,
    "a sound track with nothing in it": hollow_sound,
    "mono at 44.1 kHz": with_sound("-c:a", "aac", "-ac", "1", "-ar", "44100"),
    "5.1 channels": with_sound("-c:a", "aac", "-ac", "6"),
    "MP3": with_sound("-c:a", "libmp3lame"),
    "Opus": with_sound("-c:a", "libopus"),
    "sound shorter than the picture": short_sound,
    "two sound tracks": two_sound_tracks,
}


@pytest.mark.parametrize(("make", "frames"), PICTURE_FAULTS.values(), ids=PICTURE_FAULTS)
def test_a_picture_that_deviates_is_encoded_once_and_then_fits(
    make: Maker, frames: int, prepare: Prepare, tmp_path: Path
) -> None:
    source = make(tmp_path / "source.mp4")
    assert deviations(source, shots.target())
    piece = prepare(source)
    assert piece.changed
    assert deviations(piece.path, shots.target()) == ()
    assert piece.footage.frames == frames
    assert len(shots.frame_hashes(piece.path)) == frames
    assert abs(len(shots.sound(piece.path)) / 48_000 - frames / 30) < 0.03
    assert shots.level_db(shots.sound(piece.path)) > -30


@pytest.mark.parametrize("make", SOUND_FAULTS.values(), ids=SOUND_FAULTS)
def test_sound_that_deviates_is_mended_without_touching_the_picture(
    make: Maker, prepare: Prepare, tmp_path: Path
) -> None:
    source = make(tmp_path / "source.mp4")
    piece = prepare(source)
    assert piece.changed
    assert all("sound" in change for change in piece.changed)
    assert deviations(piece.path, shots.target()) == ()
    assert shots.frame_hashes(piece.path) == shots.frame_hashes(source)
    assert abs(len(shots.sound(piece.path)) / 48_000 - 2) < 0.03


BEGUN_S = 1.0
BEGINS = f"aevalsrc='if(gte(t,{BEGUN_S}),0.5*sin(2*PI*440*t),0)':s=48000:d={{}}"
"""Silence, and then a tone."""


def begun(path: Path, *options: str, frames: int = 48, seconds: float = 2.0) -> Path:
    """A clip of 24 pictures a second whose tone begins after a second."""
    sound = ["-f", "lavfi", "-i", BEGINS.format(seconds)]
    return clip(path, *picture(rate="24", seconds=frames / 24 - 0.01), *sound, audio=[*AAC, *options])


def sounding(path: Path) -> tuple[PreparedClip, list[bytes], float]:
    """The piece, its packets of sound, and the second at which its tone begins as a player hears it."""
    piece = inspect(path).piece
    assert piece is not None
    return piece, list(packets_of(piece)), int(np.argmax(np.abs(shots.sound(path)[:, 0]) > 0.25)) / 48_000


def with_sound_edit(source: Path, *, skip: int | None = None, seconds: float | None = None) -> Path:
    """The clip with another first sample, or another length, in the edit list of its sound."""
    data, timescale = bytearray(source.read_bytes()), read_movie(source).timescale
    at = data.rindex(b"elst")
    if seconds is not None:
        struct.pack_into(">I", data, at + 12, round(seconds * timescale))
    if skip is not None:
        struct.pack_into(">i", data, at + 16, skip)
    source.write_bytes(data)
    return source


@pytest.mark.parametrize("skip", [0, 1024, 2112])
def test_sound_with_nothing_wrong_stays_packet_for_packet_beside_new_pictures(
    skip: int, prepare: Prepare, tmp_path: Path
) -> None:
    """Its first sample is where it was, and it ends with the picture: no packet is left that begins later."""
    source = with_sound_edit(begun(tmp_path / "s.mp4", seconds=2.1), skip=skip)
    whole, own, onset = sounding(source)
    piece, packets, begins = sounding(prepare(source).path)
    assert packets == own[: len(packets)]
    assert piece.priming == whole.priming == skip
    assert begins == onset == pytest.approx(BEGUN_S + (1024 - skip) / 48_000, abs=0.003)
    assert 0 <= sound_ends(piece) - piece.seconds < Fraction(PACKET, 48_000)


def test_sound_that_stays_ends_with_its_clip_and_gets_another_level_where_one_is_wanted(
    prepare: Prepare, tmp_path: Path
) -> None:
    source = begun(tmp_path / "s.mp4")
    _, own, _ = sounding(source)
    assert sounding(prepare(source).path)[1] == own
    trimmed, packets, _ = sounding(prepare(source, trim_s=1.5).path)
    assert packets == own[: len(packets)]
    assert 0 <= sound_ends(trimmed) - trimmed.seconds < Fraction(PACKET, 48_000)
    assert sounding(prepare(source, target=shots.target(lufs=-23.0)).path)[1] != own


def test_sound_that_its_edit_list_ends_before_the_new_pictures_is_filled_up(prepare: Prepare, tmp_path: Path) -> None:
    """Its packets reach as far as the pictures, and are no fault; a player drops the last two."""
    source = with_sound_edit(begun(tmp_path / "s.mp4", frames=51, seconds=51 / 24), seconds=2.09)
    assert not any("sound" in reason for reason in deviations(source, shots.target()))
    piece, _, begins = sounding(prepare(source).path)
    assert piece.frames == 64
    assert sound_ends(piece) == piece.seconds
    assert begins == pytest.approx(BEGUN_S, abs=0.003)


def test_sound_that_cannot_be_copied_after_all_is_encoded(prepare: Prepare, tmp_path: Path) -> None:
    """Nothing in the index is wrong with packets of no bytes, but no copy has them."""
    source = begun(tmp_path / "s.mp4")
    data, count = bytearray(source.read_bytes()), len(sounding(source)[1])
    sizes = data.rindex(b"stsz") + 16
    data[sizes + 4 * (count - 20) : sizes + 4 * count] = bytes(80)
    source.write_bytes(data)
    assert not any("sound" in reason for reason in deviations(source, shots.target()))
    piece, _, begins = sounding(prepare(source).path)
    assert sound_ends(piece) == piece.seconds == 2
    assert begins == pytest.approx(BEGUN_S, abs=0.003)


@pytest.mark.parametrize(
    "options",
    [
        ("-ac", "1"),
        ("-ar", "44100"),
        ("-c:a", "libopus"),
        ("-c:a", "libmp3lame"),
        ("-map", "0:v", "-map", "1:a", "-map", "1:a"),
    ],
    ids=["mono", "44.1 kHz", "Opus", "MP3", "two tracks"],
)
def test_sound_that_the_join_cannot_take_is_encoded_beside_new_pictures(
    options: tuple[str, ...], prepare: Prepare, tmp_path: Path
) -> None:
    piece = prepare(begun(tmp_path / "s.mp4", *options))
    assert any("sound" in change for change in piece.changed)
    assert deviations(piece.path, shots.target()) == ()
    assert sounding(piece.path)[2] == pytest.approx(BEGUN_S, abs=0.005)


def test_sound_that_begins_late_is_encoded_beside_new_pictures(prepare: Prepare, tmp_path: Path) -> None:
    whole, late = begun(tmp_path / "s.mp4"), tmp_path / "late.mp4"
    run("-i", str(whole), "-itsoffset", "0.3", "-i", str(whole), "-map", "0:v", "-map", "1:a", "-c", "copy", str(late))
    piece = prepare(late)
    assert deviations(piece.path, shots.target()) == ()
    assert sounding(piece.path)[2] == pytest.approx(BEGUN_S + 0.3, abs=0.003)


@pytest.mark.parametrize("lufs", [None, -16.0])
def test_sound_that_nobody_can_decode_becomes_silence_and_is_said(
    lufs: float | None, prepare: Prepare, tmp_path: Path
) -> None:
    source = unknown_sound(tmp_path / "source.mp4")
    piece = prepare(source, target=shots.target(lufs=lufs))
    assert "the sound cannot be decoded and became silence" in piece.changed
    assert deviations(piece.path, shots.target()) == ()
    assert shots.frame_hashes(piece.path) == shots.frame_hashes(tmp_path / "whole.mp4")
    assert shots.level_db(shots.sound(piece.path)) < -90


def test_of_two_sound_tracks_the_one_that_can_be_decoded_is_heard(prepare: Prepare, tmp_path: Path) -> None:
    whole, both = good(tmp_path / "whole.mp4"), tmp_path / "both.mp4"
    pcm = ["-map", "1:a", "-map", "0:a", "-c:v", "copy", "-c:a:0", "aac", "-c:a:1", "copy", "-brand", "isom"]
    run("-i", str(whole), *tone(hertz=880), "-map", "0:v", *pcm, str(both))
    data = bytearray(both.read_bytes())
    at = data.index(b"mp4a", data.index(b"moov"))
    data[at : at + 4] = b"ac-5"
    data[data.index(b"esds", at) : data.index(b"esds", at) + 4] = b"dac5"
    both.write_bytes(data)
    piece = prepare(both, target=shots.target(lufs=-16.0))
    assert shots.level_db(shots.sound(piece.path)) > -30
    spectrum = np.abs(np.fft.rfft(shots.sound(piece.path)[:48_000, 0]))
    assert int(np.argmax(spectrum)) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("count", [1, 3])
def test_damaged_pictures_in_a_clip_that_is_encoded_are_painted_over_and_said(
    count: int, plain: Path, prepare: Prepare, tmp_path: Path
) -> None:
    whole, damaged = open_prepared_clip(plain), tmp_path / "damaged.mp4"
    assert whole is not None
    body = bytearray(plain.read_bytes())
    for size, offset in zip(whole.video.sizes[:count].tolist(), whole.video.offsets[:count].tolist(), strict=True):
        kept = min(1000, size // 2) if offset == whole.video.offsets[0] else 5
        body[offset + kept : offset + size] = bytes(size - kept)
    damaged.write_bytes(body)
    said, small = "damaged pictures in it were painted over", shots.target(320, 180)
    piece = prepare(damaged, target=small)
    assert said in piece.changed
    assert piece.footage.frames == 60
    assert deviations(piece.path, small) == ()
    assert said not in prepare(plain, target=small).changed


def test_all_mended_clips_share_one_set_of_decoder_settings(editor: MediaEditor, tmp_path: Path) -> None:
    pieces = []
    for index, make in enumerate((odd_fps, odd_sar, full_range)):
        source = make(tmp_path / f"source{index}.mp4")
        editor.prepare(ClipWork(source=source, target=shots.target()), tmp_path / f"piece{index}.mp4")
        pieces.append(tmp_path / f"piece{index}.mp4")
    with av.open(str(pieces[0])) as first:
        settings = first.streams.video[0].codec_context.extradata
    for other in pieces[1:]:
        with av.open(str(other)) as file:
            assert file.streams.video[0].codec_context.extradata == settings


def test_a_clip_with_nothing_wrong_keeps_every_byte(plain: Path, prepare: Prepare) -> None:
    piece = prepare(plain)
    assert piece.changed == ()
    assert piece.path.read_bytes() == plain.read_bytes()


def test_sound_that_outlasts_the_picture_is_no_fault(plain: Path, prepare: Prepare, tmp_path: Path) -> None:
    run("-i", str(plain), *tone(3), "-map", "0:v", "-map", "1:a", "-c:v", "copy", *AAC, str(tmp_path / "long.mp4"))
    assert prepare(tmp_path / "long.mp4").changed == ()


def test_sound_keeps_its_place_when_picture_and_sound_are_encoded(prepare: Prepare, tmp_path: Path) -> None:
    clicks = "aevalsrc='if(lt(mod(t,0.5),0.004),0.9*sin(2*PI*2000*t),0)':s=48000:d=2"
    source = clip(tmp_path / "s.mp4", *picture(rate="24"), "-f", "lavfi", "-i", clicks)
    before, after = shots.sound(source)[:, 0], shots.sound(prepare(source).path)[:, 0]
    middle = before[20_000:70_000]
    fits = [float(np.dot(middle, after[20_000 + lag : 70_000 + lag])) for lag in range(-1500, 1500, 4)]
    assert abs(range(-1500, 1500, 4)[int(np.argmax(fits))]) <= 8


@pytest.mark.parametrize("wanted", [1.5, 0.5, 1 / 30])
def test_a_longer_clip_is_trimmed_to_the_frame_with_its_sound(plain: Path, prepare: Prepare, wanted: float) -> None:
    piece = prepare(plain, trim_s=wanted)
    assert piece.footage.frames == round(wanted * 30)
    assert abs(len(shots.sound(piece.path)) / 48_000 - wanted) < 0.03
    assert any("trimmed" in change for change in piece.changed)


def test_a_clip_shorter_than_ordered_is_left_as_long_as_it_is(plain: Path, prepare: Prepare) -> None:
    assert prepare(plain, trim_s=5).changed == ()


def test_bt601_and_untagged_hd_keep_their_colours(prepare: Prepare, tmp_path: Path) -> None:
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    chain = "format=gbrp,scale=out_color_matrix={},format=yuv420p,setsar=1"
    tagged = [*video, "-colorspace", "smpte170m"]
    sd_inputs, hd_inputs = (*shots.colour("640x480"), *tone(1)), (*shots.colour("1280x720"), *tone(1))
    sd = clip(tmp_path / "sd.mp4", *sd_inputs, vf=chain.format("bt601"), video=tagged)
    unmarked = ",setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown"
    hd = clip(tmp_path / "hd.mp4", *hd_inputs, vf=chain.format("bt709") + unmarked, video=video)
    with av.open(str(hd)) as file:
        assert int(file.streams.video[0].codec_context.colorspace) == 2
    for source in (sd, hd):
        centre = shots.frame(prepare(source).path)[180, 320]
        assert np.abs(centre - shots.GREEN).max() <= 6


def test_high_dynamic_range_becomes_ordinary_and_stays_recognisable(prepare: Prepare, tmp_path: Path) -> None:
    to_pq = (
        "scale=out_color_matrix=bt709,format=gbrp,zscale=tin=bt709:pin=bt709:rin=full:min=gbr:"
        "t=smpte2084:p=bt2020:m=bt2020nc:r=tv:npl=100,format=yuv420p10le"
    )
    params = "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    tags = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"]
    video = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", params, *tags]
    source = clip(tmp_path / "hdr.mp4", *shots.colour("640x360", rgb=(200, 40, 40)), *tone(1), vf=to_pq, video=video)
    red, green, blue = shots.frame(prepare(source).path)[180, 320]
    assert red > 120
    assert red > 2 * max(green, blue)


@pytest.mark.parametrize("fit", Fit)
def test_a_tall_clip_fills_a_wide_frame_as_the_order_says(fit: Fit, prepare: Prepare, tmp_path: Path) -> None:
    source = clip(tmp_path / "tall.mp4", *shots.colour("360x640", rgb=(200, 60, 60)), *tone(1))
    image = shots.frame(prepare(source, target=shots.target(fit=fit)).path)
    edge, centre = image[180, 20], image[180, 320]
    assert np.abs(centre - (200, 60, 60)).max() <= 8
    if fit is Fit.CROP:
        assert np.abs(edge - centre).max() <= 8
    elif fit is Fit.LETTERBOX:
        assert edge.max() <= 8
    else:
        assert 60 < edge[0] < 170


@pytest.mark.parametrize("size", [(640, 360), (360, 640)])
def test_anamorphic_pixels_keep_their_shape(size: tuple[int, int], prepare: Prepare, tmp_path: Path) -> None:
    disc = "geq=lum='if(lt(hypot((X-240)*4/3,Y-180),100),235,16)':cb=128:cr=128,setsar=4/3"
    source = clip(tmp_path / "sar.mp4", *picture("480x360", seconds=0.5), *tone(0.5), vf=disc)
    piece = prepare(source, target=shots.target(*size, fit=Fit.LETTERBOX))
    left, top, right, bottom = shots.brightest(shots.frame(piece.path), 128)
    assert abs((right - left) - (bottom - top)) <= 4


def test_a_rotated_clip_stands_upright(prepare: Prepare, tmp_path: Path) -> None:
    whole = clip(
        tmp_path / "w.mp4", *shots.colour("640x360", rgb=(0, 0, 0)), *tone(1),
        vf=f"drawbox=x=0:y=0:w=640:h=90:color=white:t=fill,{TAGS}",
    )  # fmt: skip
    run("-display_rotation", "180", "-i", str(whole), "-c", "copy", str(tmp_path / "r.mp4"))
    image = shots.frame(prepare(tmp_path / "r.mp4").path)
    assert image[340, 320].min() > 200
    assert image[20, 320].max() < 40


@pytest.mark.parametrize("content", [b"", b"<html>not yet</html>", b"\x00" * 4000, b"#EXTM3U\n/etc/passwd\n"])
def test_what_is_no_video_is_refused_and_leaves_nothing_behind(
    content: bytes, prepare: Prepare, tmp_path: Path
) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(UnplayableMedia):
        prepare(tmp_path / "clip.mp4")
    assert not (tmp_path / "out" / "piece.mp4").exists()


def test_keyframes_stand_where_the_cuts_transitions_end_and_begin(prepare: Prepare, tmp_path: Path) -> None:
    piece = prepare(odd_fps(tmp_path / "s.mp4"), fade_in_s=0.4, fade_out_s=0.7)
    with av.open(str(piece.path)) as file:
        times = {
            round(float(seconds_of(p.pts, p.time_base)), 3) for p in file.demux(video=0) if p.size and p.is_keyframe
        }
    assert {0.4, 1.3} <= times


def test_loudness_is_brought_to_the_target_without_touching_the_picture(plain: Path, prepare: Prepare) -> None:
    piece = prepare(plain, target=shots.target(lufs=-16))
    assert piece.loudness_lufs == pytest.approx(-16, abs=0.5)
    assert all("sound" in change for change in piece.changed)
    assert shots.frame_hashes(piece.path) == shots.frame_hashes(plain)
    gain = shots.level_db(shots.sound(piece.path)) - shots.level_db(shots.sound(plain))
    assert 3 < gain < 12


def test_a_gain_never_makes_peaks_clip(prepare: Prepare, tmp_path: Path) -> None:
    spiky = "aevalsrc='0.02*sin(2*PI*440*t)+if(lt(mod(t,1),0.002),0.7,0)':s=48000:d=2"
    source = clip(tmp_path / "s.mp4", *picture(), "-f", "lavfi", "-i", spiky)
    piece = prepare(source, target=shots.target(lufs=-10))
    assert np.abs(shots.sound(piece.path)).max() < 1
    assert piece.loudness_lufs is not None
    assert piece.loudness_lufs < -12


def test_silence_is_not_amplified(prepare: Prepare, tmp_path: Path) -> None:
    piece = prepare(no_sound(tmp_path / "s.mp4"), target=shots.target(lufs=-16))
    assert piece.loudness_lufs is None
    assert shots.level_db(shots.sound(piece.path)) < -90


def test_running_twice_gives_the_same_bytes(editor: MediaEditor, tmp_path: Path) -> None:
    work = ClipWork(source=odd_fps(tmp_path / "s.mp4"), target=shots.target(), caption="Again")
    one, two = editor.prepare(work, tmp_path / "1.mp4"), editor.prepare(work, tmp_path / "2.mp4")
    assert one.path.read_bytes() == two.path.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"s.mp4", "1.mp4", "2.mp4"}


def test_a_clip_that_the_join_refuses_can_be_encoded_all_the_same(plain: Path, tmp_path: Path) -> None:
    piece = encode_clip(ClipWork(source=plain, target=shots.target()), tmp_path / "p.mp4", "its settings clash")
    assert piece.changed == ("its settings clash",)
    assert deviations(piece.path, shots.target()) == ()
    assert piece.path.read_bytes() != plain.read_bytes()

"""Files as other people's programs write them: the film in them is found, shown in its colours, and mended."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import FilmPlan, Target
from pipelines.media.clips.coded_frames import decode_frames
from pipelines.media.clips.prepared_clip import inspect
from pipelines.media.clips.probe import deviations, probe
from pipelines.media.join.assemble import assemble
from pipelines.media.mp4.reader import read_movie
from pipelines.media.review.examine import examine
from pipelines.media.review.poster import last_frame
from tests.media import shots
from tests.media.clip_factory import TARGET, ClipFactory, frame_hashes, rebuilt, run, strictly_decodes
from tests.media.shots import Prepare

pytestmark = pytest.mark.slow

FASTSTART = ("-movflags", "+faststart")
RED, SIDE = (199, 48, 49), 720


# Several picture tracks.

MOVING = ("-f", "lavfi", "-i", "testsrc2=s=192x108:r=30:d=1")
STILLS = ("-f", "lavfi", "-i", "color=c=red:s=384x216:r=1:d=2")
QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def _both(path: Path, *options: str, order: str = "moving first") -> Path:
    inputs = (*MOVING, *STILLS) if order == "moving first" else (*STILLS, *MOVING)
    run(*inputs, "-map", "0:v", "-map", "1:v", *QUICK, *options, path)
    return path


@pytest.mark.parametrize("order", ["moving first", "stills first"])
@pytest.mark.parametrize(
    "options",
    [
        ("-disposition:v:0", "default", "-disposition:v:1", "default"),
        ("-disposition:v:0", "default", "-disposition:v:1", "0"),
        ("-disposition:v:0", "0", "-disposition:v:1", "default"),
        ("-disposition:v:0", "0", "-disposition:v:1", "0"),
        ("-disposition:v:0", "default", "-disposition:v:1", "default", "-movflags", "frag_keyframe+empty_moov"),
        ("-c:v", "libx265", "-x265-params", "log-level=error", "-tag:v", "hev1"),
        ("-c:v:0", "libsvtav1", "-preset:v:0", "12"),
    ],
    ids=["both", "first", "second", "none", "fragments", "hevc", "av1"],
)
def test_the_film_is_the_track_that_moves(tmp_path: Path, order: str, options: tuple[str, ...]) -> None:
    """Neither its place, nor being switched on, nor its size makes a film of a few large stills."""
    footage = probe(_both(tmp_path / "two.mp4", *options, order=order))
    assert (footage.width, footage.height, footage.frames) == (192, 108, 30)


@pytest.mark.parametrize("order", ["moving first", "stills first"])
def test_the_film_is_the_track_that_moves_in_webm(tmp_path: Path, order: str) -> None:
    """Where no index counts the pictures they are counted."""
    vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
    footage = probe(_both(tmp_path / "two.webm", *vp9, order=order))
    assert (footage.width, footage.frames) == (192, 30)


@pytest.mark.parametrize("switched_on", [0, 1])
def test_of_two_renditions_the_one_that_is_switched_on_is_the_film(tmp_path: Path, switched_on: int) -> None:
    """Another rate of the same film moves as well; being the default decides."""
    small, large = (
        ("-f", "lavfi", "-i", f"testsrc2=s={size}:d=1:r={fps}") for size, fps in (("192x108", 50), ("384x216", 25))
    )
    default = {0: ("default", "0"), 1: ("0", "default")}[switched_on]
    says = (word for place, value in enumerate(default) for word in (f"-disposition:v:{place}", value))
    path = tmp_path / "two.mp4"
    run(*small, *large, "-map", "0:v", "-map", "1:v", *QUICK, *says, path)
    assert probe(path).width == (192, 384)[switched_on]


def test_the_film_of_two_tracks_moves(tmp_path: Path, prepare: Prepare) -> None:
    """To the end: what is prepared has the pictures of the moving track."""
    done = prepare(_both(tmp_path / "two.mp4", order="stills first"), target=TARGET)
    assert done.footage.frames == 30
    assert len(set(frame_hashes(done.path))) == 30


# What follows the index.


def _first_box(data: bytes, kind: bytes) -> int:
    return data.index(kind) - 4


def _longer_media(data: bytes) -> bytes:
    at = _first_box(data, b"mdat")
    size = struct.unpack_from(">I", data, at)[0]
    return data[:at] + struct.pack(">I", size + 8) + data[at + 4 :]


def _endless_media(data: bytes) -> bytes:
    at = _first_box(data, b"mdat")
    return data[:at] + bytes(4) + data[at + 4 :]


def _wide_media(data: bytes) -> bytes:
    """The media with a size of 64 bits that is too large, in the place of the `free` box before it."""
    at = _first_box(data, b"mdat")
    size = struct.unpack_from(">I", data, at)[0]
    assert data[at - 4 : at] == b"free"
    return data[: at - 8] + struct.pack(">I4sQ", 1, b"mdat", size + 4000) + data[at + 8 :]


TAILS: dict[str, Callable[[bytes], bytes]] = {
    "bytes behind the last box": lambda data: data + b"provenance: made by a model\n" * 4,
    "zeros": lambda data: data + bytes(1000),
    "a free box of the wrong size": lambda data: data + struct.pack(">I4s", 5000, b"free") + bytes(100),
    "a free box of no size": lambda data: data + struct.pack(">I4s", 3, b"free") + bytes(100),
    "half a header": lambda data: data + b"\0\0\0\x10fr",
    "half a wide header": lambda data: data + struct.pack(">I4s", 1, b"free"),
    "a box to the end": lambda data: data + struct.pack(">I4s", 0, b"free") + bytes(50),
    "thousands of boxes": lambda data: data + struct.pack(">I4s", 8, b"free") * 5000,
}


@pytest.mark.parametrize("shape", ["media first", "index first", "fragments"])
@pytest.mark.parametrize("name", TAILS)
def test_what_follows_the_index_does_not_matter(clip: ClipFactory, tmp_path: Path, shape: str, name: str) -> None:
    """Every player plays these."""
    fragments = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
    container = {"media first": (), "index first": FASTSTART, "fragments": fragments}[shape]
    source, path = clip(1, container=container), tmp_path / "tail.mp4"
    path.write_bytes(TAILS[name](source.read_bytes()))
    assert probe(path).frames == 30
    assert deviations(path, TARGET) == deviations(source, TARGET)


@pytest.mark.parametrize("change", [_longer_media, _endless_media, _wide_media])
def test_media_that_claims_more_than_there_is_plays_when_every_sample_is_there(
    clip: ClipFactory, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    """The index in front says where each sample lies; the size of the media box says nothing more."""
    data = clip(1, container=FASTSTART).read_bytes()
    path = tmp_path / "claims.mp4"
    path.write_bytes(change(data))
    assert deviations(path, TARGET) == ()
    for missing in (1, 100, 20_000):
        path.write_bytes(change(data)[:-missing])
        with pytest.raises(UnplayableMedia, match="cut short"):
            probe(path)


def test_an_index_with_a_size_of_64_bits_is_read(clip: ClipFactory, tmp_path: Path) -> None:
    """Some writers use the wide header for everything."""
    data = clip(1).read_bytes()
    at = _first_box(data, b"moov")
    size = struct.unpack_from(">I", data, at)[0]
    path = tmp_path / "wide.mp4"
    path.write_bytes(data[:at] + struct.pack(">I4sQ", 1, b"moov", size + 8) + data[at + 8 :])
    assert deviations(path, TARGET) == ()
    path.write_bytes(data[:at] + bytes(4) + data[at + 4 :])
    assert deviations(path, TARGET) == ()


@pytest.mark.parametrize("bits", [8, 16])
def test_compact_sample_sizes_are_read(clip: ClipFactory, tmp_path: Path, bits: int) -> None:
    """`stz2` instead of `stsz`: the same sizes in fewer bits."""
    data = clip(1, video=("-crf", "51", "-x264-params", "level=10"), sound=None, size="64x64").read_bytes()
    sizes = np.frombuffer(data, ">u4", 30, data.index(b"stsz") + 16)
    packed = np.minimum(sizes, (1 << bits) - 1).astype(f">u{bits // 8}").tobytes()

    def compact(stbl: bytes) -> bytes:
        at = stbl.index(b"stsz") - 4
        end = at + struct.unpack_from(">I", stbl, at)[0]
        box = struct.pack(">I4sIII", 20 + len(packed), b"stz2", 0, bits, 30) + packed
        return bytes(stbl[:at] + box + stbl[end:])

    path = tmp_path / "compact.mp4"
    path.write_bytes(rebuilt(data, [b"moov", b"trak", b"mdia", b"minf", b"stbl"], compact))
    assert read_movie(path).video[0].sizes.tolist() == np.minimum(sizes, (1 << bits) - 1).tolist()


# Colours.

MATRICES = {"bt709": 1, "bt470bg": 5, "smpte170m": 6, "bt2020nc": 9}


def coloured(
    path: Path, matrix: str, *, full: bool = False, vui: str = "none", rgb: tuple[int, int, int] = RED
) -> Path:
    """A clip of one colour whose stream says nothing of it (or another thing), and whose container has no `colr`."""
    name = {"smpte170m": "bt601", "bt470bg": "bt601", "bt2020nc": "bt2020"}.get(matrix, matrix)
    scale = f"format=gbrp,scale=out_color_matrix={name}:out_range={'pc' if full else 'tv'},format=yuv420p,setsar=1"
    unsaid = "setparams=range=unknown:color_primaries=unknown:color_trc=unknown:colorspace=unknown"
    tags = {"none": unsaid, "bt709": unsaid.replace("unknown", "bt709").replace("range=bt709", "range=tv")}[vui]
    chain = f"{scale},{tags}"
    run(*shots.colour(f"{SIDE}x{SIDE}", 1, RED), "-vf", chain, *QUICK, "-preset", "veryfast", "-crf", "10", path)
    path.write_bytes(path.read_bytes().replace(b"colr", b"free"))
    return path


def with_colr(path: Path, payload: bytes) -> Path:
    """The clip with a `colr` box behind its decoder settings; its media lies before its index."""

    def grown(stsd: bytes) -> bytes:
        entry, colr = stsd[8:], struct.pack(">I4s", len(payload) + 8, b"colr") + payload
        return stsd[:8] + struct.pack(">I", len(entry) + len(colr)) + entry[4:] + colr

    path.write_bytes(rebuilt(path.read_bytes(), [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"], grown))
    return path


def nclx(matrix: str, *, full: bool = False) -> bytes:
    primaries = {"bt2020nc": 9}.get(matrix, MATRICES[matrix])
    transfer = {"bt2020nc": 14, "bt470bg": 6}.get(matrix, MATRICES[matrix])
    return b"nclx" + struct.pack(">3HB", primaries, transfer, MATRICES[matrix], 0x80 if full else 0)


def _shown(film: Path, at: float) -> np.ndarray:
    return np.asarray(shots.frame(film, at)[300:340, 300:340].mean(axis=(0, 1)))


SQUARE = Target(width=SIDE, height=SIDE, fps=Fraction(30))


@pytest.mark.parametrize("first", ["odd", "good"])
@pytest.mark.parametrize(
    ("matrix", "full", "payload"),
    [(matrix, full, nclx(matrix, full=full)) for matrix in MATRICES for full in (False, True)]
    + [("smpte170m", False, b"nclc" + struct.pack(">3H", 6, 1, 6))],
)
def test_colours_that_only_the_container_states_are_converted(
    tmp_path: Path, prepare: Prepare, first: str, matrix: str, full: bool, payload: bytes
) -> None:
    """The pixels of the finished film are the clip's, whichever clip comes first."""
    odd = with_colr(coloured(tmp_path / "odd.mp4", matrix, full=full), payload)
    good = coloured(tmp_path / "good.mp4", "bt709", vui="bt709")
    assert deviations(good, SQUARE) == ("there is no sound",)
    order = (odd, good) if first == "odd" else (good, odd)
    pieces = []
    for number, source in enumerate(order):
        work = prepare(source, target=SQUARE)
        pieces.append(work.path.rename(tmp_path / f"piece-{number}.mp4"))
    film = assemble(FilmPlan(target=SQUARE, pieces=tuple(pieces)), tmp_path / "film.mp4").path
    for at in (0.5, 1.5):
        assert np.abs(_shown(film, at) - RED).max() <= 8, (at, _shown(film, at))


def test_what_the_stream_states_wins_over_the_container(tmp_path: Path) -> None:
    """As in ffmpeg and the players built on it: such a clip is copied, and its film says BT.709 throughout."""
    odd = with_colr(coloured(tmp_path / "odd.mp4", "bt709", vui="bt709"), nclx("smpte170m", full=True))
    assert inspect(odd).picture == ()
    film = assemble(FilmPlan(target=SQUARE, pieces=(odd,)), tmp_path / "film.mp4").path
    data = film.read_bytes()
    colr = data.index(b"colr") + 4
    assert data[colr : colr + 11] == nclx("bt709")
    assert np.abs(_shown(film, 0.5) - RED).max() <= 4


# Damage inside the pictures.


def _frame(data: bytes, index: int, path: Path) -> tuple[int, int]:
    path.write_bytes(data)
    track = read_movie(path).video[0]
    return int(track.offsets[index]), int(track.sizes[index])


def _two_slices(clip: ClipFactory, codec: str) -> bytes:
    if codec == "h264":
        return clip(3, gop=10, video=("-x264-params", "slices=3")).read_bytes()
    params = "log-level=error:slices=2:aud=1:keyint=10"
    return clip(
        3, codec="libx265", video=("-x265-params", params, "-tag:v", "hvc1", "-preset", "ultrafast")
    ).read_bytes()


def _second_length(data: bytes, path: Path, change: Callable[[int, int], int]) -> bytes:
    """The length of the second part of the eighteenth frame changed: by its length and what is left of the frame."""
    at, size = _frame(data, 17, path)
    second = at + 4 + struct.unpack_from(">I", data, at)[0]
    assert second + 4 < at + size
    length = struct.unpack_from(">I", data, second)[0]
    return data[:second] + struct.pack(">I", change(length, at + size - second - 4)) + data[second + 4 :]


LENGTHS: dict[str, Callable[[int, int], int]] = {
    "beyond the frame": lambda length, left: left + 1,
    "four billion": lambda length, left: 0xFFFFFFFF,
    "nothing": lambda length, left: 0,
    "too short": lambda length, left: length - 3,
    "ends in a header": lambda length, left: left - 2,
}


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("name", LENGTHS)
def test_a_wrong_length_inside_a_frame_is_found_and_the_clip_encoded_again(
    clip: ClipFactory, tmp_path: Path, prepare: Prepare, codec: str, name: str
) -> None:
    """Not only the first part of a frame counts, and the report says what was done."""
    path = tmp_path / "damaged.mp4"
    path.write_bytes(_second_length(_two_slices(clip, codec), path, LENGTHS[name]))
    assert "some of its pictures are damaged" in deviations(path, TARGET)
    done = prepare(path, target=TARGET)
    assert "some of its pictures are damaged" in done.changed
    strictly_decodes(done.path)
    assert done.footage.frames == 30
    report = assemble(FilmPlan(target=TARGET, pieces=(done.path,)), tmp_path / "film.mp4")
    strictly_decodes(report.path)


def test_a_film_with_a_wrong_length_in_it_is_not_called_right(clip: ClipFactory, tmp_path: Path) -> None:
    """Also when the damage came after the clip was prepared, in a frame that is not decoded for the examination."""
    plan = FilmPlan(target=TARGET, pieces=(clip(0), clip(2)))
    film = assemble(plan, tmp_path / "film.mp4").path
    at, _ = _frame(film.read_bytes(), 40, film)
    data = film.read_bytes()
    film.write_bytes(data[:at] + struct.pack(">I", 3) + data[at + 4 :])
    verdict = examine(film, plan)
    assert not verdict.ok
    assert verdict.curable


@pytest.mark.parametrize("size", [1, 2])
def test_lengths_of_other_sizes_are_walked(clip: ClipFactory, tmp_path: Path, prepare: Prepare, size: int) -> None:
    """One or two bytes a length are legal and rare: walked as they are, encoded to four."""
    source, path = clip(3, size="64x64", sound=None, video=("-x264-params", "slices=2")), tmp_path / "short.mp4"
    data = bytearray(source.read_bytes())
    path.write_bytes(data)
    track = read_movie(path).video[0]
    at = data.index(b"avcC") + 8
    data[at] = data[at] & 0xFC | size - 1
    for place, length in zip(track.offsets.tolist(), track.sizes.tolist(), strict=True):
        frame, taken, begin = bytes(data[place : place + length]), b"", 0
        while begin < length:
            unit = frame[begin + 4 : begin + 4 + struct.unpack_from(">I", frame, begin)[0]]
            unit = unit if len(unit) < 1 << 8 * size else unit[: (1 << 8 * size) - 1]
            taken += len(unit).to_bytes(size) + unit
            begin += 4 + struct.unpack_from(">I", frame, begin)[0]
        # What is saved is filled with a part that decoders skip.
        rest = length - len(taken)
        while rest:
            part = min(rest - size, 255) if rest - size <= 255 or rest - 255 - size > size else 200
            taken += part.to_bytes(size) + b"\x0c" + bytes([255]) * (part - 2) + b"\x80"
            rest -= part + size
        data[place : place + length] = taken
    path.write_bytes(data)
    assert "some of its pictures are damaged" not in deviations(path, TARGET)
    data[int(track.offsets[5])] ^= 0x7F
    path.write_bytes(data)
    assert "some of its pictures are damaged" in deviations(path, TARGET)
    assert prepare(path, target=TARGET).footage.frames == 30


def test_a_clip_that_is_mostly_damaged_is_refused(clip: ClipFactory, tmp_path: Path) -> None:
    """Fetching it again is better than a film of invented pictures."""
    path = tmp_path / "mostly.mp4"
    data = clip(3).read_bytes()
    path.write_bytes(data)
    track = read_movie(path).video[0]
    changed = bytearray(data)
    for place in track.offsets[:20].tolist():
        changed[place : place + 4] = b"\x7f\xff\xff\xff"
    path.write_bytes(changed)
    with pytest.raises(UnplayableMedia, match="its pictures are damaged"):
        probe(path)


def test_settings_among_the_pictures_that_differ_from_the_header_are_seen(clip: ClipFactory, tmp_path: Path) -> None:
    """Not only in frames that stand alone."""
    path = tmp_path / "sets.mp4"
    data = clip(3, gop=10, video=("-x264-params", "slices=3")).read_bytes()
    at, _ = _frame(data, 17, path)
    changed = bytearray(data)
    changed[at + 4] = 0x68
    path.write_bytes(changed)
    assert "the picture changes its settings in the middle" in deviations(path, TARGET)


# Other containers, and colours that nobody states.

FOREIGN = {
    "clip.ts": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    "clip.mpg": ("-c:v", "mpeg2video", "-c:a", "mp2"),
    "clip.avi": ("-c:v", "mjpeg", "-c:a", "pcm_s16le"),
    "clip.flv": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    "clip.asf": ("-c:v", "wmv2", "-c:a", "wmav2"),
    "clip.ogv": ("-c:v", "libtheora", "-c:a", "libvorbis"),
}
PATTERN = ("-f", "lavfi", "-i", "testsrc2=s=192x108:r=30:d=2")
TONE = ("-f", "lavfi", "-i", "sine=f=440:r=48000:d=2")


@pytest.mark.parametrize("name", FOREIGN)
def test_a_clip_in_another_container_is_taken_and_encoded_anew(tmp_path: Path, prepare: Prepare, name: str) -> None:
    source, twin = tmp_path / name, tmp_path / "twin.mp4"
    run(*PATTERN, *TONE, *FOREIGN[name], source)
    run(*PATTERN, *TONE, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", twin)
    found = probe(source)
    assert (found.width, found.height, found.audio_codec is not None) == (192, 108, True)
    assert found.duration_s == pytest.approx(2.0, abs=0.1)
    assert "instead of MP4 with H.264" in deviations(source, TARGET)[0]
    pieces = tuple(prepare(clip, target=TARGET).path for clip in (source, twin))
    plan = FilmPlan(target=TARGET, pieces=pieces)
    film = assemble(plan, tmp_path / "film.mp4").path
    strictly_decodes(film)
    assert examine(film, plan).faults == ()
    assert abs(last_of(pieces[0]) - last_of(pieces[1])).mean() < 6


def test_a_gif_is_a_clip(tmp_path: Path, prepare: Prepare) -> None:
    source = tmp_path / "clip.gif"
    run("-f", "lavfi", "-i", "testsrc2=s=192x108:r=25:d=2", source)
    found = probe(source)
    assert (found.width, found.height, found.frames, found.duration_s, found.audio_codec) == (192, 108, 50, 2.0, None)
    piece = prepare(source, target=TARGET)
    assert piece.footage.frames == 60
    assert abs(last_of(source) - last_of(piece.path)).mean() < 6


def test_an_encrypted_clip_is_refused_as_such_when_it_arrives(tmp_path: Path) -> None:
    key, source = "76a6c65c5ea762046bd749a2e632ccbb", tmp_path / "locked.mp4"
    locked = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key, "-encryption_kid", key[::-1])
    run(*PATTERN, *QUICK, *locked, source)
    with pytest.raises(UnplayableMedia, match="its pictures are encrypted"):
        probe(source)


@pytest.mark.parametrize("head", [b"GIF89a" + bytes(600), b"RIFF\x10\x00\x00\x00WAVE" + bytes(600), b"G" * 100])
def test_what_only_begins_like_one_is_refused(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "clip").write_bytes(head)
    with pytest.raises(UnplayableMedia):
        probe(tmp_path / "clip")


def last_of(clip: Path) -> np.ndarray:
    return shots.as_array(last_frame(clip, clip.with_suffix(".png"))).astype(int)


@pytest.mark.parametrize("size", ["192x108", "854x480", "1280x720"])
def test_the_last_frame_of_an_untagged_clip_has_the_colours_of_the_film(
    tmp_path: Path, prepare: Prepare, size: str
) -> None:
    source = tmp_path / "clip.mp4"
    run("-f", "lavfi", "-i", f"testsrc2=s={size}:r=30:d=0.5", *QUICK, source)
    width, height = map(int, size.split("x"))
    piece = prepare(source, target=Target(width=width, height=height, fps=Fraction(30))).path
    assert abs(last_of(source) - last_of(piece)).mean() < 4


@pytest.mark.parametrize("degrees", [10, 45, 100, 200, 315])
def test_the_last_frame_of_a_clip_turned_by_any_angle_is_as_the_film_shows_it(
    tmp_path: Path, prepare: Prepare, degrees: int
) -> None:
    whole, source = tmp_path / "whole.mp4", tmp_path / "clip.mp4"
    run("-f", "lavfi", "-i", "smptebars=s=192x108:r=30:d=0.5", *QUICK, whole)
    run("-display_rotation", str(degrees), "-i", whole, "-c", "copy", source)
    piece = prepare(source, target=TARGET).path
    assert abs(last_of(source) - last_of(piece)).mean() < 8


def test_what_a_clip_cuts_off_at_the_left_is_in_none_of_its_pictures(tmp_path: Path) -> None:
    whole, source = tmp_path / "whole.mp4", tmp_path / "clip.mp4"
    run("-f", "lavfi", "-i", "testsrc2=s=212x112:r=30:d=0.5", *QUICK, whole)
    run("-i", whole, "-c", "copy", "-bsf:v", "h264_metadata=crop_left=20:crop_top=4", source)
    run("-i", source, "-update", "1", tmp_path / "shown.png")
    shown = shots.as_array(tmp_path / "shown.png").astype(int)
    assert (shown.shape, abs(last_of(source) - shown).mean()) == ((108, 192, 3), pytest.approx(0, abs=1))
    piece = inspect(source).piece
    assert piece is not None
    assert {(frame.width, frame.height) for frame in decode_frames(piece, 0, piece.frames)} == {(192, 108)}

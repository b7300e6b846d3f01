"""The index of an MP4 is read as libav reads it, and big or unusual ones within their bounds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines.media.clips.prepared_clip import inspect, open_prepared_clip
from pipelines.media.mp4.aac import sound_kind
from pipelines.media.mp4.avcc import parse_avcc, parse_sps, set_number, united, write_avcc
from pipelines.media.mp4.reader import Track, read_movie
from pipelines.media.mp4.writer import TrackTables, header
from tests.media.clip_factory import ClipFactory


def _as_libav_sees(path: Path, kind: str) -> list[tuple[int, int, int, bool]]:
    """(place, size, decode order in time, key) of each packet."""
    with av.open(str(path)) as file:
        stream = next(iter(getattr(file.streams, kind)))
        return [(p.pos, p.size, p.pts, p.is_keyframe) for p in file.demux(stream) if p.size]


def _as_we_see(track: Track) -> list[tuple[int, int, int, bool]]:
    skip = track.edits[0].media_time if track.edits else 0
    times = np.cumsum(track.durations) - track.durations + track.composition - skip
    keys = np.isin(np.arange(len(times)), track.sync)
    return list(zip(track.offsets.tolist(), track.sizes.tolist(), times.tolist(), keys.tolist(), strict=True))


@pytest.mark.parametrize(
    "container", [(), ("-movflags", "+faststart"), ("-video_track_timescale", "90000"), ("-chunk_duration", "100000")]
)
def test_every_sample_is_where_and_when_libav_finds_it(clip: ClipFactory, container: tuple[str, ...]) -> None:
    """Places, sizes, times and keyframes of both tracks agree with another parser."""
    path = clip(1, seconds=1.5, container=container)
    movie = read_movie(path)
    assert _as_we_see(movie.video[0]) == _as_libav_sees(path, "video")
    ours = [(place, size, time) for place, size, time, _ in _as_we_see(movie.audio[0])]
    assert ours == [found[:3] for found in _as_libav_sees(path, "audio")]


def test_the_settings_of_picture_and_sound_are_read(clip: ClipFactory) -> None:
    """Size, shape of pixels, colours and range come from the parameter sets; rate and channels from the sound's."""
    piece = open_prepared_clip(clip(0))
    assert piece is not None
    sps = piece.sps
    assert (sps.width, sps.height, sps.sar, sps.colours, sps.full_range) == (192, 108, Fraction(1), (1, 1, 1), False)
    assert (sps.profile, sps.chroma_format, sps.bit_depth, sps.progressive) == (100, 1, 8, True)
    assert piece.sound is not None
    assert (piece.sound.rate, piece.sound.channels, piece.sound.plain) == (48_000, 2, True)
    assert (piece.frames, piece.frame, piece.priming) == (30, Fraction(1, 30), 1024)


def test_a_decoder_configuration_survives_a_round_trip(clip: ClipFactory) -> None:
    """What is parsed can be written and parsed again without a change."""
    piece = open_prepared_clip(clip(0))
    assert piece is not None
    assert parse_avcc(write_avcc(piece.config)) == piece.config


def test_settings_unite_by_their_numbers_and_clash_only_on_different_contents(clip: ClipFactory) -> None:
    """Different numbers live together; the same number with other bytes does not."""
    zero, other, one = (
        open_prepared_clip(clip(0)),
        open_prepared_clip(clip(0, video=("-crf", "40"))),
        open_prepared_clip(clip(0, video=("-x264-params", "sps-id=1"))),
    )
    assert zero is not None
    assert other is not None
    assert one is not None
    both = united([zero.config, one.config, zero.config])
    assert both is not None
    assert [set_number(nal) for nal in both.sps] == [0, 1]
    assert [set_number(nal) for nal in both.pps] == [0, 1]
    assert united([zero.config, other.config]) is None


def test_scaling_lists_in_a_parameter_set_are_read_over() -> None:
    """A High profile set with a scaling matrix still yields its size."""

    def exp_golomb(number: int) -> str:
        binary = f"{number + 1:b}"
        return "0" * (len(binary) - 1) + binary

    lists = "1" + "1" + exp_golomb(0) * 16 + "0" * 7
    bits = f"{100:08b}{0:08b}{30:08b}" + exp_golomb(3) + exp_golomb(1) + exp_golomb(0) * 2 + "0" + lists
    bits += (
        exp_golomb(0)
        + exp_golomb(2)
        + exp_golomb(4)
        + "0"
        + exp_golomb(19)
        + exp_golomb(11)
        + "1"
        + "1"
        + "0"
        + "0"
        + "1"
    )
    payload = bytes(int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8))
    found = parse_sps(b"\x67" + payload)
    assert (found.number, found.width, found.height) == (3, 320, 192)


def test_sound_with_band_replication_is_not_plain() -> None:
    """HE-AAC, said outright or in the backward compatible way, is told from AAC-LC."""

    def entry(config: bytes) -> bytes:
        specific = bytes((5, len(config))) + config
        decoder = bytes((4, 13 + len(specific))) + bytes(13) + specific
        es = bytes((3, 3 + len(decoder))) + bytes(3) + decoder
        esds = (12 + len(es)).to_bytes(4) + b"esds" + bytes(4) + es
        return (36 + len(esds)).to_bytes(4) + b"mp4a" + bytes(28) + esds

    plain, silent_extension = sound_kind(entry(b"\x11\x90")), sound_kind(entry(b"\x11\x90\x56\xe5\x00"))
    assert plain == silent_extension
    assert plain is not None
    assert plain.plain
    for config in (b"\x2b\x11\x88\x00", b"\x13\x10\x56\xe5\x98"):
        found = sound_kind(entry(config))
        assert found is not None
        assert not found.plain


def test_offsets_beyond_four_gigabytes_are_read(tmp_path: Path, clip: ClipFactory) -> None:
    """A sparse file of more than 4 GiB is indexed with 64-bit places, and its last frames are found there."""
    source = clip(0)
    piece = open_prepared_clip(source)
    assert piece is not None
    hole = 5 << 30
    video = piece.video
    tables = TrackTables(
        entry=video.entries[0],
        timescale=video.timescale,
        delta=int(video.durations[0]),
        sizes=video.sizes,
        offsets=video.offsets + hole,
        skip=video.edits[0].media_time,
        shown=piece.seconds,
        composition=video.composition,
        sync=video.sync,
        width=192,
        height=108,
    )
    big = tmp_path / "big.mp4"
    with big.open("wb") as file:
        head = header([tables], hole + source.stat().st_size, None)
        file.write(head)
        file.seek(len(head) + hole)
        file.write(source.read_bytes())
    found = inspect(big)
    assert found.picture == ()
    assert found.piece is not None
    assert int(found.piece.video.offsets[-1]) > 1 << 32
    with av.open(str(big)) as file:
        assert sum(1 for _ in file.decode(video=0)) == 30

"""Hard cuts: the film's pictures are the clips' own, its clock is even, its sound never drifts."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import Boundary, FilmDraft, FilmPlan, FilmReport
from pipelines.media.clips.prepared_clip import open_prepared_clip
from pipelines.media.editor import MediaEditor
from pipelines.media.join.assemble import assemble
from pipelines.media.join.table_join import join_whole
from pipelines.media.mp4.reader import read_movie
from pipelines.media.mp4.writer import FileRange, write_file
from tests.media.clip_factory import (
    TAGS,
    TARGET,
    ClipFactory,
    frame_hashes,
    lag,
    run,
    samples_of,
    seconds_of,
    strictly_decodes,
)

AWKWARD = (4 / 3, 73 / 30, 1.7, 0.5, 2.0, 31 / 30)


def _film(pieces: Sequence[Path], dest: Path) -> FilmReport:
    return assemble(FilmPlan(target=TARGET, pieces=tuple(pieces)), dest)


def _timestamps(path: Path) -> tuple[list[Fraction], list[Fraction]]:
    with av.open(str(path)) as file:
        packets = [p for p in file.demux(file.streams.video[0]) if p.size]
        return [seconds_of(p.pts, p.time_base) for p in packets], [seconds_of(p.dts, p.time_base) for p in packets]


@pytest.mark.parametrize("count", [1, 2, 30])
def test_the_pictures_of_a_film_are_the_clips_own(clip: ClipFactory, tmp_path: Path, count: int) -> None:
    """Every decoded frame of one, two and thirty clips has the hash it had in its clip, in order."""
    pieces = [clip(number % 4) for number in range(count)]
    report = _film(pieces, tmp_path / "film.mp4")
    assert frame_hashes(report.path) == [found for piece in pieces for found in frame_hashes(piece)]
    assert report.paths == ("table",) * (count - 1)
    assert report.notes == ()
    strictly_decodes(report.path)


def test_the_clock_is_even_from_zero(clip: ClipFactory, tmp_path: Path) -> None:
    """Times of display are exactly one frame apart and begin at 0; decoding never comes after display."""
    pieces = [clip(0, seconds=4 / 3)] * 3
    pts, dts = _timestamps(_film(pieces, tmp_path / "film.mp4").path)
    assert sorted(pts) == [Fraction(n, 30) for n in range(120)]
    assert all(later > earlier for earlier, later in pairwise(dts))
    assert all(shown >= decoded for shown, decoded in zip(pts, dts, strict=True))


def test_clips_of_awkward_lengths_keep_their_sound_with_their_picture(clip: ClipFactory, tmp_path: Path) -> None:
    """Noise found in the film by cross-correlation is never more than half a packet from its picture."""
    pieces = [clip(number, seconds=seconds) for number, seconds in enumerate(AWKWARD)]
    report = _film(pieces, tmp_path / "film.mp4")
    heard = samples_of(report.path)
    lags = [
        lag(heard, samples_of(piece), round(start * 48_000))
        for piece, start in zip(pieces, report.starts_s, strict=True)
    ]
    assert max(map(abs, lags)) <= 512, lags
    pictures = sum(round(seconds * 30) for seconds in AWKWARD)
    assert abs(len(heard) / 48_000 - pictures / 30) <= 0.030


def test_thirty_clips_do_not_drift(clip: ClipFactory, tmp_path: Path) -> None:
    """The thirtieth clip's sound is as close to its picture as the first's."""
    pieces = [clip(number % 4, seconds=1.1) for number in range(30)]
    report = _film(pieces, tmp_path / "film.mp4")
    heard = samples_of(report.path)
    last = lag(heard, samples_of(pieces[-1]), round(report.starts_s[-1] * 48_000))
    assert abs(last) <= 512


def test_a_film_says_in_which_language_it_is(clip: ClipFactory, tmp_path: Path) -> None:
    """In three letters as players read it, and as the whole tag; a film of which nobody said it stays as it was."""
    pieces = [clip(number, seconds=1.1) for number in range(2)]
    plans = {tag: FilmPlan(target=TARGET, pieces=tuple(pieces), language=tag) for tag in ("", "pt-BR", "de")}
    films = {tag: assemble(plan, tmp_path / f"film{tag}.mp4").path for tag, plan in plans.items()}
    for tag, letters in (("", "und"), ("pt-BR", "por"), ("de", "deu")):
        with av.open(str(films[tag])) as opened:
            assert [stream.language for stream in opened.streams] == [letters, letters], tag
        assert films[tag].read_bytes().count(b"elng" + bytes(4) + tag.encode() + b"\0") == (2 if tag else 0)
    packets = [
        [bytes(packet) for packet in av.open(str(path)).demux() if packet.size] for path in (films[""], films["de"])
    ]
    assert packets[0] == packets[1]


def test_sound_is_smooth_across_a_join_of_one_clip_cut_in_two(clip: ClipFactory, tmp_path: Path) -> None:
    """A tone that runs on through a hard cut has no click there; copied packets alone would have one."""
    tone = clip(0, seconds=64 / 30, sound="sine=frequency=750:r=48000")
    plain, smooth = tmp_path / "plain.mp4", tmp_path / "smooth.mp4"
    piece = open_prepared_clip(tone)
    assert piece is not None
    join_whole([piece, piece], plain)
    _film([tone, tone], smooth)

    def roughness(path: Path) -> float:
        """The largest second difference near the join: small for a tone, large for a click."""
        part = samples_of(path)[round(64 / 30 * 48_000) - 3000 :][:6000]
        return float(np.abs(np.diff(part, 2)).max())

    assert roughness(smooth) < 0.3 * roughness(plain)


def test_a_film_without_sound_stays_without_and_one_silent_clip_becomes_silence(
    clip: ClipFactory, tmp_path: Path
) -> None:
    """Sound is neither invented nor dropped: a clip without any is silent among others, wherever it stands."""
    mute, loud = clip(0, sound=None), clip(1)
    assert _film([mute, mute], tmp_path / "mute.mp4").footage.audio_codec is None
    for name, pieces in {"first": [mute, loud], "last": [loud, mute], "middle": [loud, mute, loud]}.items():
        report = _film(pieces, tmp_path / f"{name}.mp4")
        strictly_decodes(report.path)
        heard = samples_of(report.path)
        for piece, start in zip(pieces, report.starts_s, strict=True):
            inside = heard[round(start * 48_000) + 4000 : round((start + 1) * 48_000) - 4000]
            assert (np.abs(inside).max() < 1e-4) == (piece == mute)
        assert report.paths == ("table",) * (len(pieces) - 1)


def test_clips_that_state_no_colours_are_joined_with_those_that_do(clip: ClipFactory, tmp_path: Path) -> None:
    """What is not stated is BT.709: nothing is encoded for the sake of a note."""
    silent = "format=yuv420p,setsar=1,setparams=range=tv:color_primaries=unknown:color_trc=unknown:colorspace=unknown"
    own = ("-x264-params", "sps-id=1")
    looks = ((silent, ()), (TAGS, own), (silent, ()))
    pieces = tuple(clip(0, seconds=0.5, size="1280x720", picture=look, video=more) for look, more in looks)
    target = replace(TARGET, width=1280, height=720)
    report = assemble(FilmPlan(target=target, pieces=pieces), tmp_path / "film.mp4")
    assert report.notes == ()
    strictly_decodes(report.path)
    assert frame_hashes(report.path) == [found for piece in pieces for found in frame_hashes(piece)]


def test_clips_of_one_frame_are_joined(clip: ClipFactory, tmp_path: Path) -> None:
    """Even clips shorter than two packets of sound make a film with every frame in it."""
    pieces = [clip(number, seconds=1 / 30) for number in range(5)]
    report = _film(pieces, tmp_path / "film.mp4")
    strictly_decodes(report.path)
    assert frame_hashes(report.path) == [found for piece in pieces for found in frame_hashes(piece)]
    assert report.footage.frames == 5


def test_other_clocks_and_other_orders_of_decoding_are_joined_by_their_tables(
    clip: ClipFactory, tmp_path: Path
) -> None:
    """A track that ticks otherwise, or uses no B-frames, needs no encoding when its settings have a free number."""
    pieces = [
        clip(0),
        clip(1, container=("-video_track_timescale", "90000"), video=("-x264-params", "sps-id=1")),
        clip(2, video=("-bf", "0", "-x264-params", "sps-id=2")),
        clip(3, video=("-bf", "4", "-b_strategy", "0", "-x264-params", "sps-id=3")),
    ]
    report = _film(pieces, tmp_path / "film.mp4")
    assert report.paths == ("table",) * 3
    assert frame_hashes(report.path) == [found for piece in pieces for found in frame_hashes(piece)]
    pts, dts = _timestamps(report.path)
    assert sorted(pts) == [Fraction(n, 30) for n in range(120)]
    assert all(shown >= decoded for shown, decoded in zip(pts, dts, strict=True))
    strictly_decodes(report.path)


def test_the_film_begins_with_its_index_and_has_one_sample_description(clip: ClipFactory, tmp_path: Path) -> None:
    """A browser can start after the first kilobytes, and never meets a second decoder configuration."""
    report = _film([clip(0), clip(1, video=("-x264-params", "sps-id=1"))], tmp_path / "film.mp4")
    data = report.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    movie = read_movie(report.path)
    assert [len(track.entries) for track in (*movie.video, *movie.audio)] == [1, 1]
    assert movie.video[0].sync.tolist() == [0, 15, 30, 45]


def test_a_film_is_a_pure_function_of_its_clips(clip: ClipFactory, tmp_path: Path) -> None:
    """Made twice, it has the same bytes, and the report names their hash; nothing else is left behind."""
    plan = FilmPlan(target=TARGET, pieces=(clip(0), clip(1)), disclosure="Made with AI – “Reelgrid”")
    one, two = assemble(plan, tmp_path / "a" / "one.mp4"), assemble(plan, tmp_path / "b" / "two.mp4")
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.sha256 == hashlib.sha256(one.path.read_bytes()).hexdigest()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["one.mp4"]


@pytest.mark.parametrize("final", [True, False])
def test_large_files_are_copied_to_the_byte_from_any_place(tmp_path: Path, final: bool) -> None:
    whole = np.random.default_rng(7).integers(0, 256, 9 << 20, np.uint8).tobytes()
    source, dest = tmp_path / "source.bin", tmp_path / "film.bin"
    source.write_bytes(whole)
    ranges = [(0, 4 << 20), (4097, 8_388_607), (len(whole) - 5, 5), (12, 0)]
    write_file(dest, b"head", [FileRange(source, start, length) for start, length in ranges], final=final)
    assert dest.read_bytes() == b"head" + b"".join(whole[start : start + length] for start, length in ranges)


@pytest.mark.parametrize("final", [True, False])
def test_a_clip_that_is_cut_short_after_it_was_opened_makes_no_film(
    clip: ClipFactory, tmp_path: Path, final: bool
) -> None:
    path, dest = tmp_path / "clip.mp4", tmp_path / "film.mp4"
    path.write_bytes(clip(0).read_bytes())
    piece = open_prepared_clip(path)
    assert piece is not None
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(OSError, match=r"clip\.mp4 ended before its time"):
        join_whole([piece, piece], dest, final=final)
    assert [each.name for each in tmp_path.iterdir()] == ["clip.mp4"]


def test_the_disclosure_is_in_the_files_metadata(clip: ClipFactory, tmp_path: Path) -> None:
    """Players and content checkers find the text as comment and description."""
    plan = FilmPlan(target=TARGET, pieces=(clip(0), clip(1)), disclosure="Generated with AI – 由人工智能生成")
    with av.open(str(assemble(plan, tmp_path / "film.mp4").path)) as file:
        assert file.metadata["comment"] == "Generated with AI – 由人工智能生成"
        assert file.metadata["description"] == "Generated with AI – 由人工智能生成"


def test_nothing_to_join_is_said(tmp_path: Path) -> None:
    """A plan without pieces is refused, and no file appears."""
    with pytest.raises(UnplayableMedia, match="nothing to join"):
        _film([], tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


def test_the_sound_round_a_join_is_what_the_clips_sound_like(clip: ClipFactory, tmp_path: Path) -> None:
    """Against the clips' own decoded samples, a join is as true as any encode; copied packets alone are noise there."""
    pieces = [clip(number, seconds=64 / 30) for number in range(2)]
    opened = [piece for piece in map(open_prepared_clip, pieces) if piece is not None]
    join_whole(opened, tmp_path / "plain.mp4")
    _film(pieces, tmp_path / "smooth.mp4")
    ideal = np.concatenate([samples_of(piece)[:102_400] for piece in pieces])

    def fidelity(path: Path) -> float:
        """Signal to error in dB over the 1024 samples after the join, where packets overlap."""
        part = slice(102_400, 103_424)
        error = samples_of(path)[part] - ideal[part]
        return 10 * float(np.log10(np.square(ideal[part]).mean() / np.square(error).mean()))

    assert fidelity(tmp_path / "smooth.mp4") > 9
    assert fidelity(tmp_path / "plain.mp4") < 5


def test_sound_that_was_encoded_ahead_is_used_and_gives_the_same_film(clip: ClipFactory, tmp_path: Path) -> None:
    """For each clip with its neighbours alone, however long the others are taken to be: only their lengths tell where
    packets fall. What is damaged is encoded again.
    """
    pieces = tuple(clip(number % 4, seconds=seconds) for number, seconds in enumerate(AWKWARD))
    frames = tuple(round(seconds * 30) for seconds in AWKWARD)
    late, ready = _film(pieces, tmp_path / "late.mp4"), tmp_path / "ready"
    for at in range(len(pieces)):
        there = {place: pieces[place] for place in (0, at - 1, at) if place >= 0}
        draft = FilmDraft(target=TARGET, frames=frames, joins=(Boundary(),) * (len(pieces) + 1), pieces=there)
        MediaEditor().sound_ahead(draft, at, ready)
    made = {path: path.stat().st_ino for path in ready.glob("sound-*")}
    assert len(made) == len(pieces) - 1
    plan = FilmPlan(target=TARGET, pieces=pieces)
    assert assemble(plan, tmp_path / "early.mp4", ready=ready).sha256 == late.sha256
    assert {path: path.stat().st_ino for path in ready.glob("sound-*")} == made
    for number, path in enumerate(made):
        path.write_bytes(path.read_bytes()[: 40 * number])
    assert assemble(plan, tmp_path / "again.mp4", ready=ready).sha256 == late.sha256


def test_music_changes_the_sound_only(clip: ClipFactory, tmp_path: Path) -> None:
    """Under music the pictures are still the clips' own, and the film has our index with its disclosure."""
    music = tmp_path / "music.wav"
    run("-f", "lavfi", "-i", "sine=frequency=440:r=44100:d=1", music)
    pieces = (clip(0), clip(1))
    plan = FilmPlan(target=TARGET, pieces=pieces, music=music, disclosure="Made with AI")
    report = assemble(plan, tmp_path / "film" / "film.mp4")
    strictly_decodes(report.path)
    assert frame_hashes(report.path) == [found for piece in pieces for found in frame_hashes(piece)]
    assert b"Made with AI" in report.path.read_bytes()[:4096]
    assert abs(len(samples_of(report.path)) / 48_000 - 2) < 0.03
    plain = samples_of(assemble(replace(plan, music=None), tmp_path / "plain.mp4").path)
    assert not np.allclose(samples_of(report.path)[:90_000], plain[:90_000], atol=0.01)
    assert [path.name for path in report.path.parent.iterdir()] == ["film.mp4"]


def test_a_film_can_be_remade_by_encoding_all_of_it(clip: ClipFactory, tmp_path: Path) -> None:
    """The next path for a film that failed its examination; the report says so."""
    plan = FilmPlan(target=TARGET, pieces=(clip(0), clip(1)))
    report = assemble(plan, tmp_path / "film.mp4", encode_all=True)
    strictly_decodes(report.path)
    assert report.paths == ("encode",)
    assert len(report.notes) == 2
    assert report.footage.frames == 60


def test_work_left_by_a_kill_is_used_and_cleaned_up(clip: ClipFactory, tmp_path: Path) -> None:
    """A piece that was already encoded again is not encoded twice, and the folder is gone at the end."""
    plan = FilmPlan(target=TARGET, pieces=(clip(0), clip(1, fps="24")))
    first = assemble(plan, tmp_path / "a" / "film.mp4")
    folder = tmp_path / "b" / ".film.work"
    folder.mkdir(parents=True)
    (folder / "seam-of-an-older-plan.mp4").write_bytes(b"old")
    second = assemble(plan, tmp_path / "b" / "film.mp4")
    assert second.sha256 == first.sha256
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["film.mp4"]


def test_sound_that_cannot_be_decoded_is_copied_and_said(clip: ClipFactory, tmp_path: Path) -> None:
    """A clip whose packets are rotten does not cost the film its pictures."""
    good, rotten = clip(0), tmp_path / "rotten.mp4"
    data = bytearray(clip(1).read_bytes())
    piece = open_prepared_clip(clip(1))
    assert piece is not None
    assert piece.audio is not None
    for place, size in zip(piece.audio.offsets.tolist(), piece.audio.sizes.tolist(), strict=True):
        data[place : place + size] = b"\xff" * size
    rotten.write_bytes(data)
    report = _film([good, rotten], tmp_path / "film.mp4")
    assert report.notes == ("The sound was copied without smoothing its joins: its sound cannot be decoded.",)
    assert frame_hashes(report.path) == [found for path in (good, rotten) for found in frame_hashes(path)]


def test_joining_a_film_loads_nothing_that_reaches_the_network() -> None:
    """The process that joins stays small: what reads pictures from outside is loaded with a logo only."""
    code = "import sys, pipelines.media.join.assemble; print({'httpx', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"

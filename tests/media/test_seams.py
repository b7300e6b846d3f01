"""Transitions touch only the frames round the join; every other frame is the clip's own."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import Boundary, FilmDraft, FilmPlan, Transition
from pipelines.media.clips.coded_frames import Picture
from pipelines.media.clips.prepared_clip import open_prepared_clip
from pipelines.media.clips.timeline import fade_of, joins, lay_out
from pipelines.media.editor import MediaEditor
from pipelines.media.join.assemble import assemble
from pipelines.media.join.seams import render_seam, seam_between
from pipelines.media.mp4.avcc import set_number
from tests.media.clip_factory import TARGET, ClipFactory, frame_hashes, lag, samples_of, seconds_of, strictly_decodes

CROSS = Boundary(kind=Transition.CROSSFADE, seconds=0.4)
BLACK = Boundary(kind=Transition.FADE_BLACK, seconds=0.4)
WHITE = Boundary(kind=Transition.DIP_WHITE, seconds=0.4)
CUT = Boundary()


def _frames(path: Path) -> list[Picture]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="yuv420p").astype(np.uint8) for frame in file.decode(video=0)]


def _psnr(one: Picture, other: Picture) -> float:
    error = float(np.square(one.astype(np.float64) - other).mean())
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def _mixed(one: Picture, other: Picture, share: float) -> Picture:
    return np.rint(one * (1 - share) + other * share)


def _even(path: Path) -> None:
    with av.open(str(path)) as file:
        packets = [p for p in file.demux(file.streams.video[0]) if p.size]
        shown = sorted(seconds_of(p.pts, p.time_base) for p in packets)
        decoded = [p.dts for p in packets if p.dts is not None]
    assert len(decoded) == len(shown)
    assert shown == [Fraction(n, 30) for n in range(len(shown))]
    assert decoded == sorted(set(decoded))


def test_a_crossfade_changes_only_the_frames_round_the_join(clip: ClipFactory, tmp_path: Path) -> None:
    """The bodies keep their hashes; the seam is exactly the frames up to the next place to start from."""
    a, b = clip(0, seconds=2), clip(1, seconds=2)
    report = assemble(FilmPlan(target=TARGET, pieces=(a, b), boundaries=(CROSS,)), tmp_path / "film.mp4")
    strictly_decodes(report.path)
    _even(report.path)
    assert (report.paths, report.starts_s) == (("seam",), (0.0, 1.6))
    got, first, second = frame_hashes(report.path), frame_hashes(a), frame_hashes(b)
    assert len(got) == 108
    changed = [n for n, found in enumerate(got) if found not in ((*first, *second))]
    assert got[-45:] == second[-45:]
    stop = min(changed)
    assert stop <= 48
    assert stop >= 44, "a body should reach to the last closed place before the fade"
    assert got[:stop] == first[:stop]
    assert max(changed) < 63


def test_blended_frames_are_what_mixing_the_clips_gives(clip: ClipFactory, tmp_path: Path) -> None:
    """Weights rise evenly from frame to frame, computed from the clips' own pictures."""
    a, b = clip(0, seconds=2), clip(2, seconds=2)
    report = assemble(FilmPlan(target=TARGET, pieces=(a, b), boundaries=(CROSS,)), tmp_path / "film.mp4")
    got, first, second = _frames(report.path), _frames(a), _frames(b)
    for n in range(12):
        expected = _mixed(first[48 + n], second[n], (n + 1) / 13)
        assert _psnr(got[48 + n], expected) > 36
    for n in range(44, 48):
        assert _psnr(got[n], first[n]) > 36


@pytest.mark.parametrize(("boundary", "luma"), [(BLACK, 16), (WHITE, 235)])
def test_a_fade_through_black_or_white_takes_no_time_away(
    clip: ClipFactory, tmp_path: Path, boundary: Boundary, luma: int
) -> None:
    """The film is as long as its clips, the frames at the join are of one colour, and the bodies are untouched."""
    a, b = clip(0, seconds=2), clip(1, seconds=2)
    report = assemble(FilmPlan(target=TARGET, pieces=(a, b), boundaries=(boundary,)), tmp_path / "film.mp4")
    strictly_decodes(report.path)
    _even(report.path)
    got = _frames(report.path)
    assert len(got) == 120
    for n in (59, 60):
        assert abs(float(got[n][:108].mean()) - luma) < 2
        assert abs(float(got[n][108:].mean()) - 128) < 2
    hashes = frame_hashes(report.path)
    assert hashes[:50] == frame_hashes(a)[:50]
    assert hashes[-45:] == frame_hashes(b)[-45:]
    assert report.starts_s == (0.0, 2.0)


def test_a_film_begins_in_black_and_ends_in_it(clip: ClipFactory, tmp_path: Path) -> None:
    """Only its first and last frames are rendered, evenly rising and falling; the bodies keep their hashes."""
    a, b = clip(0, seconds=2), clip(1, seconds=2)
    report = assemble(FilmPlan(target=TARGET, pieces=(a, b), ends=(BLACK, BLACK)), tmp_path / "film.mp4")
    strictly_decodes(report.path)
    _even(report.path)
    assert (report.paths, report.starts_s) == (("table",), (0.0, 2.0))
    got, first, last = _frames(report.path), _frames(a), _frames(b)[-6:]
    assert len(got) == 120
    for n in range(6):
        black = np.full_like(first[n], 128)
        black[:108] = 16
        assert _psnr(got[n], _mixed(black, first[n], n / 6)) > 36
        assert _psnr(got[114 + n], _mixed(last[n], black, (n + 1) / 6)) > 36
    hashes = frame_hashes(report.path)
    assert hashes[15:60] == frame_hashes(a)[15:]
    assert hashes[60:110] == frame_hashes(b)[:50]


def test_the_sound_comes_up_with_the_picture_and_goes_with_it(clip: ClipFactory, tmp_path: Path) -> None:
    """Silent in the first and last moment, the clips' own in between and in its place."""
    slow = Boundary(kind=Transition.FADE_BLACK, seconds=1.0)
    a, b = clip(0, seconds=3), clip(1, seconds=3)
    heard = samples_of(assemble(FilmPlan(target=TARGET, pieces=(a, b), ends=(slow, slow)), tmp_path / "film.mp4").path)
    loud = np.abs(heard[48_000:96_000]).max()
    assert np.abs(heard[:700]).max() < 0.1 * loud
    assert np.abs(heard[6 * 48_000 - 700 :]).max() < 0.1 * loud
    assert abs(lag(heard, samples_of(a)[60_000:130_000], 60_000)) <= 512
    assert abs(lag(heard, samples_of(b)[10_000:100_000], 3 * 48_000 + 10_000)) <= 512
    assert abs(len(heard) / 48_000 - 6.0) <= 0.030


@pytest.mark.parametrize("seconds", [2, 0.2, 1 / 30])
@pytest.mark.parametrize("sound", ["anoisesrc=color=pink:r=48000", None])
def test_one_clip_however_short_can_come_from_black_and_go_to_it(
    clip: ClipFactory, tmp_path: Path, seconds: float, sound: str | None
) -> None:
    """With one place to start from it has no body of its own; a single frame stays as it is. No length is lost."""
    piece = clip(0, seconds=seconds, gop=300, sound=sound)
    report = assemble(FilmPlan(target=TARGET, pieces=(piece,), ends=(BLACK, BLACK)), tmp_path / "film.mp4")
    strictly_decodes(report.path)
    _even(report.path)
    got = _frames(report.path)
    assert len(got) == round(seconds * 30)
    dark = [abs(float(got[at][:108].mean()) - 16) < 2 for at in (0, -1)]
    assert dark == [len(got) > 1] * 2


def _sound_ahead(plan: FilmPlan, ready: Path) -> None:
    """Clip by clip, each with its neighbours, as they are there."""
    for at in range(len(plan.pieces)):
        there = {place: piece for place, piece in enumerate(plan.pieces) if abs(place - at) <= 1}
        draft = FilmDraft(target=TARGET, frames=(60,) * len(plan.pieces), joins=tuple(joins(plan)), pieces=there)
        MediaEditor().sound_ahead(draft, at, ready)


def test_ends_rendered_ahead_are_used_and_give_the_same_film(clip: ClipFactory, tmp_path: Path) -> None:
    """As soon as the first or the last clip is there, with a crossfade on its other side."""
    pieces = clip(0, seconds=2), clip(1, seconds=2)
    plan = FilmPlan(target=TARGET, pieces=pieces, boundaries=(CROSS,), ends=(BLACK, BLACK))
    late = assemble(plan, tmp_path / "late.mp4")
    ready, editor = tmp_path / "ready", MediaEditor()
    editor.seam(None, pieces[0], BLACK, TARGET, ready, (None, CROSS))
    editor.seam(*pieces, CROSS, TARGET, ready, (BLACK, BLACK))
    editor.seam(pieces[1], None, BLACK, TARGET, ready, (CROSS, None))
    _sound_ahead(plan, ready)
    made = {path: path.stat().st_ino for path in ready.iterdir()}
    assert (len(made), len(list(ready.glob("heard-*")))) == (9, 3)
    early = assemble(plan, tmp_path / "early.mp4", ready=ready)
    assert {path: path.stat().st_ino for path in ready.iterdir()} == made
    assert early.sha256 == late.sha256


@pytest.mark.parametrize("boundary", [CUT, CROSS])
def test_what_needs_two_clips_is_nothing_at_an_end(clip: ClipFactory, tmp_path: Path, boundary: Boundary) -> None:
    """The film is the one without."""
    MediaEditor().seam(None, clip(0), boundary, TARGET, tmp_path / "ready")
    assert not (tmp_path / "ready").exists()
    report = assemble(FilmPlan(target=TARGET, pieces=(clip(0),), ends=(boundary, boundary)), tmp_path / "film.mp4")
    assert frame_hashes(report.path) == frame_hashes(clip(0))


def test_each_boundary_has_its_own_transition(clip: ClipFactory, tmp_path: Path) -> None:
    """Cut, crossfade and dip in one film; the report says the path of each."""
    pieces = tuple(clip(number, seconds=2) for number in range(4))
    plan = FilmPlan(target=TARGET, pieces=pieces, boundaries=(CUT, CROSS, WHITE))
    report = assemble(plan, tmp_path / "film.mp4")
    strictly_decodes(report.path)
    _even(report.path)
    assert report.paths == ("table", "seam", "seam")
    assert report.starts_s == (0.0, 2.0, 3.6, 5.6)
    assert frame_hashes(report.path)[:60] == frame_hashes(pieces[0])


def test_clips_with_one_place_to_start_from_and_very_short_ones_still_fade(clip: ClipFactory, tmp_path: Path) -> None:
    """Without a body of its own a clip is split between its two seams."""
    pieces = (clip(0, seconds=2, gop=300), clip(1, seconds=2, gop=300), clip(2, seconds=0.4), clip(3, seconds=2))
    plan = FilmPlan(target=TARGET, pieces=pieces, boundaries=(CROSS,) * 3)
    report = assemble(plan, tmp_path / "film.mp4")
    strictly_decodes(report.path)
    _even(report.path)
    slots = lay_out([60, 60, 12, 60], plan)
    assert report.footage.frames == slots[-1].stop
    got, sources = _frames(report.path), [_frames(piece) for piece in pieces]
    for slot, source in zip(slots, sources, strict=True):
        middle = slot.into.head + (slot.frames - slot.into.head - slot.out.tail) // 2
        if slot.into.head < middle < slot.frames - slot.out.tail:
            assert _psnr(got[slot.start + middle], source[middle]) > 36


def test_the_sound_of_a_crossfade_is_both_clips_at_equal_power(clip: ClipFactory, tmp_path: Path) -> None:
    """Outside the fade each clip is heard in its place; inside, the loudness does not dip."""
    a, b = clip(0, seconds=3), clip(1, seconds=3)
    plan = FilmPlan(target=TARGET, pieces=(a, b), boundaries=(Boundary(kind=Transition.CROSSFADE, seconds=1.0),))
    report = assemble(plan, tmp_path / "film.mp4")
    heard = samples_of(report.path)
    assert abs(lag(heard, samples_of(a)[:90_000], 0)) <= 512
    assert abs(lag(heard, samples_of(b)[60_000:], 2 * 48_000 + 60_000)) <= 512
    power = [float(np.square(heard[n : n + 24_000]).mean()) for n in range(0, 5 * 48_000 - 24_000, 24_000)]
    assert max(power) / min(power) < 2.5
    assert abs(len(heard) / 48_000 - 5.0) <= 0.030


def test_the_sound_falls_silent_where_the_picture_is_black(clip: ClipFactory, tmp_path: Path) -> None:
    """A fade through black fades the sound with it."""
    slow = Boundary(kind=Transition.FADE_BLACK, seconds=1.0)
    plan = FilmPlan(target=TARGET, pieces=(clip(0, seconds=2), clip(1, seconds=2)), boundaries=(slow,))
    heard = samples_of(assemble(plan, tmp_path / "film.mp4").path)
    assert np.abs(heard[2 * 48_000 - 700 : 2 * 48_000 + 700]).max() < 0.1 * np.abs(heard[:48_000]).max()


def test_a_seam_rendered_ahead_is_used_and_gives_the_same_film(clip: ClipFactory, tmp_path: Path) -> None:
    """Rendered per pair as soon as both clips exist, found by its content, and no byte differs."""
    pieces = tuple(clip(number, seconds=2) for number in range(3))
    plan = FilmPlan(target=TARGET, pieces=pieces, boundaries=(CROSS, BLACK))
    late = assemble(plan, tmp_path / "late.mp4")
    ready = tmp_path / "ready"
    for n, (before, after) in enumerate([(None, BLACK), (CROSS, None)]):
        seam = seam_between(pieces[n], pieces[n + 1], plan.boundaries[n], TARGET, before=before, after=after)
        assert seam is not None
        dest = ready / seam.name
        render_seam(pieces[n], pieces[n + 1], plan.boundaries[n], TARGET, dest, before=before, after=after)
        strictly_decodes(dest)
        dest.chmod(0o444)
    _sound_ahead(plan, ready)
    stamps = {path.name: path.stat().st_mtime_ns for path in ready.iterdir()}
    early = assemble(plan, tmp_path / "early.mp4", ready=ready)
    assert {path.name: path.stat().st_mtime_ns for path in ready.iterdir()} == stamps
    assert early.sha256 == late.sha256


@pytest.mark.parametrize("of_a_film", [True, False])
def test_a_damaged_ready_seam_is_rendered_again(clip: ClipFactory, tmp_path: Path, *, of_a_film: bool) -> None:
    """A seam of other frames under the right name is not believed, nor are zeros that a power failure left."""
    a, b = clip(0, seconds=2), clip(1, seconds=2)
    seam = seam_between(a, b, CROSS, TARGET)
    assert seam is not None
    ready = tmp_path / "ready"
    ready.mkdir()
    (ready / seam.name).write_bytes(a.read_bytes() if of_a_film else bytes(a.stat().st_size))
    plan = FilmPlan(target=TARGET, pieces=(a, b), boundaries=(CROSS,))
    strictly_decodes(assemble(plan, tmp_path / "film.mp4", ready=ready).path)


def test_seams_have_a_number_of_their_own(clip: ClipFactory, tmp_path: Path) -> None:
    """The film's one description holds the clips' settings and the seams' under different numbers."""
    plan = FilmPlan(target=TARGET, pieces=(clip(0, seconds=2), clip(1, seconds=2)), boundaries=(CROSS,))
    piece = open_prepared_clip(assemble(plan, tmp_path / "film.mp4").path)
    assert piece is not None
    assert [set_number(nal) for nal in piece.config.sps] == [0, 2]


def test_a_clip_that_uses_the_seams_number_is_encoded_again(clip: ClipFactory, tmp_path: Path) -> None:
    """Its own settings would clash with the transitions'; joined by a hard cut it is left as it is."""
    pieces = (clip(0, seconds=2), clip(1, seconds=2, video=("-x264-params", "sps-id=2")))
    faded = assemble(FilmPlan(target=TARGET, pieces=pieces, boundaries=(CROSS,)), tmp_path / "faded.mp4")
    assert "transitions" in faded.notes[0]
    strictly_decodes(faded.path)
    assert assemble(FilmPlan(target=TARGET, pieces=pieces), tmp_path / "cut.mp4").notes == ()


@pytest.mark.parametrize("kind", list(Transition))
def test_clips_of_one_frame_have_no_room_for_a_transition(clip: ClipFactory, tmp_path: Path, kind: Transition) -> None:
    """They are cut hard, whatever was asked."""
    pieces = (clip(0, seconds=1 / 30), clip(1, seconds=1 / 30))
    plan = FilmPlan(target=TARGET, pieces=pieces, boundaries=(Boundary(kind=kind, seconds=0.5),))
    report = assemble(plan, tmp_path / "film.mp4")
    assert report.footage.frames == 2


def test_a_hard_cut_has_no_seam(clip: ClipFactory, tmp_path: Path) -> None:
    """Asking for one is an error, planning for one is not."""
    assert seam_between(clip(0), clip(1), CUT, TARGET) is None
    with pytest.raises(UnplayableMedia):
        render_seam(clip(0), clip(1), CUT, TARGET, tmp_path / "seam.mp4")


@pytest.mark.parametrize(("seconds", "frames"), [(0.05, 6), (0.5, 15), (9.0, 60)])
def test_transitions_stay_between_a_fifth_of_a_second_and_two(seconds: float, frames: int) -> None:
    """Shorter and longer wishes are brought into the range."""
    fade = fade_of(Boundary(kind=Transition.CROSSFADE, seconds=seconds), 300, 300, Fraction(30))
    assert (fade.tail, fade.head, fade.overlap) == (frames, frames, frames)

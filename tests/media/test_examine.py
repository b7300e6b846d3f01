"""The verdict on a film is one sentence, and it is right about good films and bad ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.footage import Boundary, FilmPlan, Transition
from pipelines.media.clips.prepared_clip import open_prepared_clip
from pipelines.media.join.assemble import assemble
from pipelines.media.review.examine import examine, judge_ahead
from tests.media.clip_factory import TAGS, TARGET, ClipFactory

BLACK = "drawbox=c=black:t=fill," + TAGS
STILL = "select='eq(n\\,0)',loop=-1:1,trim=end_frame=75,setpts=N/30/TB," + TAGS
CROSS = Boundary(kind=Transition.CROSSFADE, seconds=0.4)


def _plan(*pieces: Path, **changes: Any) -> FilmPlan:
    return replace(FilmPlan(target=TARGET, pieces=pieces), **changes)


def test_a_good_film_is_called_right_in_one_sentence(clip: ClipFactory, tmp_path: Path) -> None:
    """Scenes, length, size and loudness, and that it looks right."""
    plan = _plan(*(clip(number, seconds=2) for number in range(4)))
    verdict = examine(assemble(plan, tmp_path / "film.mp4").path, plan)
    loudness = f"{verdict.measures['loudness_lufs']:.0f}".replace("-", "−")
    assert verdict.sentence == f"4 scenes, 8.0 s, 192×108, sound at {loudness} LUFS: looks right."
    assert verdict.ok
    assert verdict.faults == ()


@pytest.mark.parametrize("kind", [Transition.CROSSFADE, Transition.FADE_BLACK, Transition.DIP_WHITE])
def test_transitions_are_no_faults(clip: ClipFactory, tmp_path: Path, kind: Transition) -> None:
    """A moment of black at a join is meant, and at the film's ends."""
    fade = Boundary(kind=kind, seconds=1.0)
    plan = _plan(clip(0, seconds=2), clip(1, seconds=2), boundaries=(fade,), ends=(fade, fade))
    assert examine(assemble(plan, tmp_path / "film.mp4").path, plan).ok


@pytest.mark.parametrize("gop", [15, 300])
def test_a_black_scene_is_named(clip: ClipFactory, tmp_path: Path, gop: int) -> None:
    """Whether it has many places to start from or one."""
    plan = _plan(clip(0, seconds=2), clip(1, seconds=2.5, picture=BLACK, gop=gop))
    verdict = examine(assemble(plan, tmp_path / "film.mp4").path, plan)
    assert verdict.faults == ("scene 2 is black",)
    assert "scene 2 is black" in verdict.sentence


def test_cards_are_no_scenes(clip: ClipFactory, tmp_path: Path) -> None:
    """They are not counted, and a scene behind one has the number that it has in the row."""
    black = clip(1, seconds=2.5, picture=BLACK, sound="anullsrc=r=48000:cl=stereo")
    pieces = (clip(0, seconds=2), clip(2, seconds=2), black, clip(0, seconds=2))
    plan = _plan(*pieces, has_title_card=True, has_end_card=True)
    verdict = examine(assemble(plan, tmp_path / "film.mp4").path, plan)
    assert verdict.sentence.startswith("2 scenes, 8.5 s")
    assert verdict.faults == ("scene 2 is black",)
    assert "scene 2 is silent" in verdict.sentence
    assert [plan.name(index) for index in (0, 1, 3)] == ["the title card", "scene 1", "the end card"]
    odd = replace(plan, pieces=(*pieces[:2], clip(1, fps="24"), *pieces[3:]))
    assert assemble(odd, tmp_path / "odd.mp4").notes[0].startswith("Scene 2 was encoded again")


@pytest.mark.parametrize("gop", [15, 300])
def test_a_scene_that_does_not_move_is_named(clip: ClipFactory, tmp_path: Path, gop: int) -> None:
    """A frozen picture is a fault of the clip, said before anybody watches it."""
    plan = _plan(clip(1, seconds=2.5, picture=STILL, gop=gop), clip(0, seconds=2))
    assert examine(assemble(plan, tmp_path / "film.mp4").path, plan).faults == ("scene 1 stands still",)


def test_a_stretch_in_which_nothing_happens_is_named_with_its_times(clip: ClipFactory, tmp_path: Path) -> None:
    """Half of a scene may freeze or go black and the other half be fine; encoding it again would not help."""
    frozen = "loop=loop=120:size=1:start=30,setpts=N/30/TB," + TAGS
    dark = "drawbox=c=black:t=fill:enable='between(t,1,4)'," + TAGS
    for picture, what in ((frozen, "stands still from "), (dark, "is black from ")):
        plan = _plan(clip(0, seconds=2), clip(1, seconds=5, picture=picture))
        verdict = examine(assemble(plan, tmp_path / "film.mp4").path, plan)
        (fault,) = verdict.faults
        assert fault.startswith(f"scene 2 {what}")
        assert not verdict.curable


def test_a_scene_that_begins_slowly_does_not_stand_still(clip: ClipFactory, tmp_path: Path) -> None:
    """It holds its first picture for a moment, and has one place to start from."""
    slow = "loop=loop=20:size=1:start=0,setpts=N/30/TB," + TAGS
    plan = _plan(clip(0, seconds=2), clip(1, seconds=4, picture=slow, gop=300))
    assert examine(assemble(plan, tmp_path / "film.mp4").path, plan).ok


@pytest.mark.parametrize("place", [4, 27, 28, 57])
def test_pictures_that_are_painted_over_are_no_pictures(clip: ClipFactory, tmp_path: Path, place: int) -> None:
    """A decoder hides damage; a film with noise round its joins, or where it begins or ends, is not right."""
    end = Boundary(kind=Transition.FADE_BLACK, seconds=0.4)
    plan = _plan(clip(0), clip(1), ends=(end, end))
    film = assemble(plan, tmp_path / "film.mp4").path
    piece = open_prepared_clip(film)
    assert piece is not None
    size, offset = int(piece.video.sizes[place]), int(piece.video.offsets[place])
    body = bytearray(film.read_bytes())
    body[offset + size // 3 : offset + size] = bytes([7]) * (size - size // 3)
    film.write_bytes(body)
    assert "cannot be played" in "".join(examine(film, plan).faults)


def test_silence_is_said_but_is_no_fault(clip: ClipFactory, tmp_path: Path) -> None:
    """A clip without sound may be meant that way."""
    plan = _plan(clip(0), clip(1, sound=None), clip(2))
    verdict = examine(assemble(plan, tmp_path / "film.mp4").path, plan)
    assert verdict.ok
    assert "scene 2 is silent" in verdict.sentence


def test_clipped_sound_is_a_fault(clip: ClipFactory, tmp_path: Path) -> None:
    """Samples at full scale for more than a moment are heard as distortion."""
    loud = clip(1, audio=("-af", "volume=30dB", "-c:a", "aac", "-b:a", "192k", "-ac", "2"))
    plan = _plan(loud, loud)
    assert "clipping" in "".join(examine(assemble(plan, tmp_path / "film.mp4").path, plan).faults)


def test_a_film_of_other_length_size_or_without_sound_is_not_right(clip: ClipFactory, tmp_path: Path) -> None:
    """The film is held against the plan, not against itself."""
    made = assemble(_plan(clip(0), clip(1)), tmp_path / "film.mp4").path
    assert "s long instead of" in examine(made, _plan(clip(0), clip(1), clip(2))).sentence
    wide = replace(TARGET, width=1280, height=720)
    assert "192×108 instead of 1280×720" in examine(made, _plan(clip(0), clip(1), target=wide)).sentence
    mute = assemble(_plan(clip(0, sound=None), clip(1, sound=None)), tmp_path / "mute.mp4").path
    assert "no sound track" in examine(mute, _plan(clip(0), clip(1))).sentence


def test_a_film_whose_sound_ends_early_is_not_right(clip: ClipFactory, tmp_path: Path) -> None:
    """Sound and picture end together, or it is said."""
    plan = _plan(clip(0, seconds=2, sound_seconds=1.2))
    assert "the sound" in "".join(examine(clip(0, seconds=2, sound_seconds=1.2), plan).faults)


def test_loudness_far_from_the_wish_is_remarked(clip: ClipFactory, tmp_path: Path) -> None:
    """The sentence says by how much, and in which direction."""
    quiet = clip(1, audio=("-af", "volume=-20dB", "-c:a", "aac", "-ac", "2"))
    plan = _plan(quiet, quiet, target=replace(TARGET, loudness_lufs=-16.0))
    verdict = examine(assemble(plan, tmp_path / "film.mp4").path, plan)
    assert verdict.ok
    assert "quieter than asked" in verdict.sentence


def test_a_file_that_is_no_film_is_a_verdict_not_an_error(tmp_path: Path, clip: ClipFactory) -> None:
    """The examination never raises for a bad film."""
    bad = tmp_path / "film.mp4"
    bad.write_bytes(b"<html>")
    verdict = examine(bad, _plan(clip(0)))
    assert not verdict.ok
    assert verdict.sentence == "The film: the film cannot be played (it is a web page, not a video)."


def test_pictures_that_were_looked_at_are_not_decoded_again_in_a_film_of_another_sound(
    clip: ClipFactory, tmp_path: Path
) -> None:
    """What was seen of equal packets is taken over, whatever it was; a film's own joins, index and sound are not."""
    shots, sound = [clip(number, seconds=2) for number in range(3)], "anullsrc=r=48000:cl=stereo"
    plan = _plan(*shots, boundaries=(CROSS, Boundary()))
    first = examine(assemble(plan, tmp_path / "film.mp4").path, plan)
    mute = _plan(*(clip(number, seconds=2, sound=sound) for number in range(3)), boundaries=plan.boundaries)
    other = assemble(mute, tmp_path / "mute.mp4").path
    scene = list(first.stretches)[-2]
    second = examine(other, mute, {**first.stretches, scene: "is of another film"})
    assert (second.pictures, second.stretches.keys()) == (first.pictures, first.stretches.keys())
    assert second.faults == ("scene 2 is of another film",)
    assert "silent" in examine(other, mute, first.stretches).sentence


def test_only_what_is_new_in_a_film_is_decoded(clip: ClipFactory, tmp_path: Path) -> None:
    """A hook: its first scene and the join after it. Anything that was painted over is seen all the same."""
    shared = [clip(number, seconds=2) for number in (1, 2)]
    plans = [_plan(clip(0, seconds=2), *shared), _plan(clip(3, seconds=2), *shared)]
    films = [assemble(plan, tmp_path / f"{number}.mp4").path for number, plan in enumerate(plans)]
    before = examine(films[0], plans[0])
    after = examine(films[1], plans[1], before.stretches)
    assert before.pictures != after.pictures
    assert len(after.stretches.keys() - before.stretches.keys()) in {1, 2}
    assert all(
        examine(film, plan).stretches == found.stretches
        for film, plan, found in zip(films, plans, (before, after), strict=True)
    )
    black = _plan(shared[0], clip(2, seconds=2.5, picture=BLACK), shared[1])
    verdict = examine(assemble(black, tmp_path / "black.mp4").path, black, {**before.stretches, **after.stretches})
    assert verdict.faults == ("scene 2 is black",)


def test_what_was_judged_ahead_is_not_decoded_in_the_film(clip: ClipFactory, tmp_path: Path) -> None:
    """Each clip alone, as soon as it has come, before a hard cut or a fade, or beside one of other decoder settings.
    What was not written whole is not believed.
    """
    ready, other = tmp_path / "ready", ("-x264-params", "sps-id=1")
    shots = [clip(0, seconds=2, gop=12), clip(1, seconds=2, gop=12, video=other), clip(2, seconds=2.5, picture=BLACK)]
    plan = _plan(*shots, boundaries=(CROSS, Boundary()))
    film = assemble(plan, tmp_path / "film.mp4", ready=ready).path
    before = examine(film, plan)
    joins = [Boundary(), *plan.boundaries, Boundary()]
    for path, into, out in zip(plan.pieces, joins, joins[1:], strict=False):
        judge_ahead(path, plan.target, into, out, ready)
    seen = sorted(ready.glob("seen-*.json"))
    assert {path.stem.removeprefix("seen-") for path in seen} < before.stretches.keys()
    assert (len(seen), examine(film, plan, ready=ready)) == (len(plan.pieces), before)
    assert before.faults == ("scene 3 is black",)
    for path in seen:
        path.write_text('{"seen": "is of another film"}')
    assert len(examine(film, plan, ready=ready).faults) == len(plan.pieces)
    for path, words in zip(seen, ("", '{"seen": "is', '["seen"]'), strict=True):
        path.write_text(words)
    assert examine(film, plan, ready=ready) == before

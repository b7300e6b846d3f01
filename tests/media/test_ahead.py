"""What is heard and seen of clips before their film is there is what would be heard and seen in the film."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pipelines.domain.footage import Boundary, FilmDraft, FilmPlan, Transition, Verdict
from pipelines.media.clips.timeline import joins
from pipelines.media.editor import MediaEditor
from pipelines.media.ffmpeg.encode import ffmpeg_exe
from pipelines.media.join.assemble import assemble
from pipelines.media.review.examine import examine
from tests.media.clip_factory import TARGET, ClipFactory

LOUD = ("-af", "volume=9dB", "-c:a", "aac", "-b:a", "160k", "-aac_pns", "0", "-ac", "2")
FAINT = ("-af", "volume=-12dB", "-c:a", "aac", "-b:a", "160k", "-aac_pns", "0", "-ac", "2")
CROSS = Boundary(kind=Transition.CROSSFADE, seconds=0.4)


def _plan(clip: ClipFactory, *boundaries: Boundary) -> FilmPlan:
    """Scenes of awkward lengths: loud, faint, silent, as they come."""
    pieces = (
        clip(0, seconds=73 / 30, audio=LOUD),
        clip(1, seconds=1.7, audio=FAINT),
        clip(2, seconds=2.5, sound=None),
        clip(3, seconds=61 / 30),
    )
    return FilmPlan(target=TARGET, pieces=pieces, boundaries=boundaries)


def _ahead(plan: FilmPlan, ready: Path) -> None:
    """Clip by clip, each with its neighbours, as they are there."""
    frames = tuple(round(MediaEditor().probe(piece).duration_s * 30) for piece in plan.pieces)
    for at in range(len(plan.pieces)):
        there = {place: piece for place, piece in enumerate(plan.pieces) if place == 0 or abs(place - at) <= 1}
        draft = FilmDraft(target=TARGET, frames=frames, joins=tuple(joins(plan)), pieces=there)
        MediaEditor().sound_ahead(draft, at, ready)


def _metered(film: Path) -> tuple[float, float]:
    """Loudness in LUFS and true peak in dBFS, by ffmpeg's own sum of the whole film."""
    command = [ffmpeg_exe(), "-nostdin", "-i", str(film), "-af", "ebur128=peak=true", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, check=True, timeout=100).stderr.decode()
    found = [re.findall(rf"{name}:\s*(-?[\d.]+) {unit}", said)[-1] for name, unit in (("I", "LUFS"), ("Peak", "dBFS"))]
    return float(found[0]), float(found[1])


@pytest.mark.parametrize("boundary", [Boundary(), CROSS], ids=["cut", "crossfade"])
def test_what_was_heard_in_stretches_is_what_a_meter_says_of_the_whole(
    clip: ClipFactory, tmp_path: Path, boundary: Boundary
) -> None:
    """A scene without sound is silent across two of them."""
    plan = _plan(clip, boundary, boundary, Boundary())
    verdict = _as_metered(plan, tmp_path / "film.mp4")
    assert ("scene 3 is silent" in verdict.sentence) == (boundary == Boundary())


def test_a_long_scene_is_heard_in_several_stretches(clip: ClipFactory, tmp_path: Path) -> None:
    """So that memory does not grow with it."""
    _as_metered(FilmPlan(target=TARGET, pieces=(clip(0, seconds=26),)), tmp_path / "film.mp4")
    MediaEditor().sound_ahead(
        FilmDraft(target=TARGET, frames=(780,), joins=(Boundary(),) * 2, pieces={0: clip(0, seconds=26)}), 0, tmp_path
    )
    assert len(list(tmp_path.glob("heard-*"))) == 4


def _as_metered(plan: FilmPlan, dest: Path) -> Verdict:
    film = assemble(plan, dest).path
    verdict, (lufs, peak_db) = examine(film, plan), _metered(film)
    assert verdict.measures["loudness_lufs"] == pytest.approx(lufs, abs=0.11)
    assert verdict.measures["true_peak_db"] == pytest.approx(peak_db, abs=0.11)
    return verdict


def test_what_was_heard_ahead_is_not_listened_to_again(clip: ClipFactory, tmp_path: Path) -> None:
    """All of it is known when the last clip has come; what is not whole is listened to again."""
    plan, ready = _plan(clip, CROSS), tmp_path / "ready"
    _ahead(plan, ready)
    film = assemble(plan, tmp_path / "film.mp4", ready=ready).path
    heard = {path: path.stat().st_ino for path in ready.glob("heard-*")}
    assert len(heard) == len(plan.pieces) + 1
    verdict = examine(film, plan, ready=ready)
    assert verdict == examine(film, plan)
    assert {path: path.stat().st_ino for path in ready.glob("heard-*")} == heard
    for path in heard:
        path.write_bytes(path.read_bytes()[:-9])
    assert examine(film, plan, ready=ready) == verdict
    for path in heard:
        path.write_text('{"levels": [-70.0], "peak": 0.0, "clipped": 1000000, "silences": []}')
    assert "clipping" not in examine(film, plan, ready=ready).sentence, "nothing of it is loud"
    assert "silent" in examine(film, plan, ready=ready).sentence


def test_pictures_scored_ahead_are_known_in_the_film(editor: MediaEditor, clip: ClipFactory, tmp_path: Path) -> None:
    """Each clip's as soon as it has come, in whatever film it stands: the poster is the same."""
    pieces, ready = tuple(clip(number, seconds=2) for number in range(3)), tmp_path / "ready"
    plan = FilmPlan(target=TARGET, pieces=pieces)
    film = assemble(plan, tmp_path / "film.mp4").path
    late = editor.poster(film, tmp_path / "late.jpg").read_bytes()
    for piece in pieces:
        editor.judge_ahead(piece, TARGET, Boundary(), Boundary(), ready)
    scored = sorted(ready.glob("score-*"))
    assert len(scored) == 12
    assert editor.poster(film, tmp_path / "early.jpg", ready=ready).read_bytes() == late
    assert sorted(ready.glob("score-*")) == scored
    chosen = set()
    for best in scored:
        for path in scored:
            path.write_text("9.0" if path == best else "1.0")
        chosen.add(editor.poster(film, tmp_path / "other.jpg", ready=ready).read_bytes())
    assert late in chosen
    assert len(chosen) == len(scored), "each of them is looked at by its score alone"
    scored[0].write_text("nothing")
    assert editor.poster(film, tmp_path / "again.jpg", ready=ready).exists()
    assert float(scored[0].read_text()) > 0

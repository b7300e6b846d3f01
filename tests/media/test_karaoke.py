"""Real speech over real MP4s: words lit as they are said, looked at pixel by pixel, and films that are heard."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines.domain.footage import ClipWork, FilmPlan, Voice, Word
from pipelines.domain.planning.narration import Line, estimated_s
from pipelines.media.audio.loudness import measure_loudness
from pipelines.media.audio.voice import fit, seconds_of
from pipelines.media.join.assemble import assemble
from pipelines.media.normalise.normalise import prepare
from pipelines.speech import embedded
from tests.media import shots
from tests.media.shots import clip, sound

HERE = pytest.mark.skipif(
    find_spec("hibari") is None or find_spec("onnxruntime") is None, reason="hibari-tts and onnxruntime are not here"
)
LINES = (
    "A fox wakes up in the snow.",
    "Meet Lumen Four. Light, wherever you are.",
    "It is small, it is bright, and it costs nine dollars.",
    "Every morning starts with one small light at the end of the pier.",
    "You asked for more time; we made a longer day.",
    "Is this the end? No: it is only the beginning!",
    "Take it home, put it down, and watch the room change.",
    "And then it runs, all the way home.",
)
ROOM_S = 9.0


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[Voice]:
    folder, found = tmp_path_factory.mktemp("said"), []
    with embedded.speaking() as narrator:
        for number, text in enumerate(LINES):
            path = folder / f"{number}.wav"
            words = narrator.say(Line(text=text, voice=embedded.VOICE), path).words
            found.append(Voice(path=path, text=text, begins_s=0.3, room_s=ROOM_S, words=words))
    return found


def lit(path: Path) -> Iterator[tuple[float, float]]:
    """For each picture with a lit word its time, and where that word is."""
    with av.open(str(path)) as film:
        for picture in film.decode(video=0):
            image = picture.to_ndarray(format="rgb24").astype(int)
            yellow = (image[..., 0] > 170) & (image[..., 1] > 130) & (image[..., 2] < 100)
            if yellow.sum() > 8:
                rows, columns = np.nonzero(yellow)
                yield float(picture.time or 0.0), float(columns.mean()) + 10_000 * round(rows.mean() / 20)


def begins(samples: np.ndarray, rate: int) -> float:
    """When something is heard first."""
    return float(np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())[0]) / rate


@HERE
@pytest.mark.parametrize("number", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_each_word_is_lit_within_150_ms_of_being_said_and_none_before_the_sound_begins(
    number: int, said: list[Voice], tmp_path: Path
) -> None:
    voice = said[number]
    grey = shots.colour("640x360", rgb=(60, 60, 60), seconds=5)
    source = clip(tmp_path / "s.mp4", *grey, "-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-t", "5")
    work = ClipWork(source=source, target=shots.target(), caption=voice.text, karaoke=True, voice=voice)
    made = prepare(work, tmp_path / "made.mp4").path
    with wave.open(str(voice.path)) as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        shift = begins(sound(made)[:, 0], 48_000) - begins(raw, file.getframerate())
    seen = list(lit(made))
    # A word begins where the light jumps.
    jumps = [seen[0][0], *(at for (_, before), (at, place) in pairwise(seen) if abs(place - before) > 6)]
    exact = [word.start + shift for word in voice.words]
    assert len(jumps) == len(exact)
    errors = np.abs(np.array(jumps) - np.array(exact))
    assert np.quantile(errors, 0.9) <= 0.15
    assert errors.max() < 0.06, "the voice tells them: only the length of a picture is lost"
    assert seen[0][0] >= begins(sound(made)[:, 0], 48_000) - 0.02
    # Before and after it, nothing is lit.
    assert seen[-1][0] <= voice.words[-1].end + shift + 0.1


@HERE
def test_words_that_no_voice_tells_are_estimated_within_150_ms(said: list[Voice], tmp_path: Path) -> None:
    errors: list[float] = []
    for voice in said:
        told = fit(voice, tmp_path).words
        estimated = fit(Voice(path=voice.path, text=voice.text, begins_s=0.3, room_s=ROOM_S), tmp_path).words
        assert [word.text for word in estimated] == [word.text for word in told] == voice.text.split()
        assert estimated[0].start >= 0.3
        errors += [abs(one.start - two.start) for one, two in zip(estimated, told, strict=True)]
    assert np.quantile(errors, 0.9) <= 0.15


@HERE
def test_words_are_faster_with_their_sound_and_those_cut_off_are_not_shown(said: list[Voice], tmp_path: Path) -> None:
    whole = said[2]
    room = {
        name: Voice(path=whole.path, text=whole.text, begins_s=0.3, room_s=seconds, words=whole.words)
        for name, seconds in (("long", ROOM_S), ("faster", 2.6), ("short", 1.5))
    }
    long, faster, short = (fit(voice, tmp_path) for voice in room.values())
    assert faster.tempo > 1.0
    spans = [one.words[-1].end - one.words[0].start for one in (long, faster)]
    assert spans[0] / spans[1] == pytest.approx(faster.tempo, rel=0.02)
    assert short.cut
    assert 0 < len(short.words) < len(long.words)
    assert short.words[-1].end <= 0.3 + 1.5 * 1.16


def test_times_of_another_text_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes((np.random.default_rng(1).normal(0, 3000, 24_000)).astype("<i2").tobytes())
    wrong = (Word(text="Elsewhere", start=5.0, end=6.0),)
    words = fit(Voice(path=path, text="One two", begins_s=0.3, room_s=3.0, words=wrong), tmp_path).words
    assert [word.text for word in words] == ["One", "two"]
    assert words[-1].end <= 1.4


@HERE
def test_how_long_a_line_takes_is_told_before_it_is_spoken_and_hardly_ever_too_much(said: list[Voice]) -> None:
    """Who pays a writer for a shorter line does not pay for one that fits."""
    pairs = [(estimated_s(one.text), seconds_of(one.path)) for one in said]
    assert all(before <= 1.1 * real for before, real in pairs), pairs
    assert sum(before for before, _ in pairs) >= 0.7 * sum(real for _, real in pairs)


def picture_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(video=0) if packet.size]


@HERE
def test_a_film_with_the_built_in_voice_is_as_loud_as_ordered_and_its_picture_packets_are_those_of_the_silent_one(
    said: list[Voice], tmp_path: Path
) -> None:
    """Two scenes of four seconds; one line is twice as long as its clip allows, and moves nothing."""
    own = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-t", "4")
    source = clip(tmp_path / "s.mp4", *shots.picture(seconds=4), *own)
    target = shots.target()
    long = f"{LINES[3]} {LINES[4]} {LINES[5]}"
    path = tmp_path / "long.wav"
    with embedded.speaking() as narrator:
        narrator.say(Line(text=long, voice=embedded.VOICE), path)
    voices = [Voice(path=one.path, text=one.text, begins_s=0.3, room_s=3.5) for one in said[1:2]]
    voices.append(Voice(path=path, text=long, begins_s=0.3, room_s=3.5))
    loud = replace(target, loudness_lufs=-16.0)
    pieces = [
        prepare(ClipWork(source=source, target=loud, voice=voice), tmp_path / f"{number}.mp4")
        for number, voice in enumerate(voices)
    ]
    assert any("ends early" in words for words in pieces[1].changed)
    silent = prepare(ClipWork(source=source, target=target), tmp_path / "silent.mp4")
    film = assemble(FilmPlan(target=loud, pieces=tuple(one.path for one in pieces)), tmp_path / "film.mp4")
    without = assemble(FilmPlan(target=target, pieces=(silent.path, silent.path)), tmp_path / "without.mp4")
    assert picture_packets(film.path) == picture_packets(without.path)
    assert film.footage.frames == without.footage.frames
    measured = measure_loudness(film.path)
    assert measured is not None
    assert abs(measured.lufs + 16) <= 1
    heard = sound(film.path)
    for start in (0.0, 4.0):
        before, during, after = (
            heard[round((start + at) * 48_000) : round((start + to) * 48_000)]
            for at, to in ((0.02, 0.28), (0.5, 2.0), (3.9, 3.98))
        )
        assert shots.level_db(before) < -45
        assert shots.level_db(during) > -30
        assert shots.level_db(after) < -45

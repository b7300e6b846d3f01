"""A spoken line over a clip: in its place, at its level, and the picture as it was."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.domain.footage import ClipWork, FilmPlan, Voice
from pipelines.media.audio.loudness import measure_loudness
from pipelines.media.audio.voice import fit
from pipelines.media.join.assemble import assemble
from pipelines.media.normalise.normalise import prepare
from tests.media.shots import clip, frame_hashes, good, level_db, picture, sound, target

RATE = 24_000


def spoken(path: Path, *spans: float, pause: float = 0.3) -> Path:
    """Words as noise: each span so many seconds, with pauses between, at the level of an untreated voice."""
    noise = np.random.default_rng(7)
    parts = [np.zeros(round(0.2 * RATE))]
    for seconds in spans:
        parts += [noise.normal(0, 0.05, round(seconds * RATE)), np.zeros(round(pause * RATE))]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.concatenate(parts).clip(-1, 1) * 32767).astype("<i2").tobytes())
    return path


def voice(path: Path, seconds: float = 4.0, text: str = "One. Two. Three.") -> Voice:
    return Voice(path=path, text=text, begins_s=0.3, room_s=seconds - 0.5)


def part(samples: np.ndarray, start: float, stop: float) -> np.ndarray:
    return samples[round(start * 48_000) : round(stop * 48_000)]


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of picture whose own sound is silence."""
    return clip(
        tmp_path_factory.mktemp("clip") / "clip.mp4",
        *picture(seconds=4),
        *("-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-t", "4"),
    )


def test_the_line_stands_in_its_own_span_of_the_film_and_the_picture_is_bit_exact(silent: Path, tmp_path: Path) -> None:
    said = prepare(
        ClipWork(source=silent, target=target(), voice=voice(spoken(tmp_path / "a.wav", 3.0))), tmp_path / "a.mp4"
    )
    without = prepare(ClipWork(source=silent, target=target()), tmp_path / "b.mp4")
    films = {}
    for name, one in (("with", said), ("without", without)):
        plan = FilmPlan(target=target(), pieces=(one.path, one.path))
        films[name] = assemble(plan, tmp_path / f"{name}.mp4").path
    assert frame_hashes(films["with"]) == frame_hashes(films["without"])
    heard = sound(films["with"])
    for start in (0.0, 4.0):
        assert level_db(part(heard, start + 0.02, start + 0.28)) < -45
        assert level_db(part(heard, start + 0.5, start + 3.0)) > -30
        assert level_db(part(heard, start + 3.45, start + 3.95)) < -45


def test_a_narrated_clip_has_the_loudness_of_the_film(tmp_path: Path) -> None:
    source = good(tmp_path / "clip.mp4", 4)
    for wanted in (-14.0, -23.0):
        work = ClipWork(
            source=source, target=replace(target(), loudness_lufs=wanted), voice=voice(spoken(tmp_path / "a.wav", 3.2))
        )
        found = measure_loudness(prepare(work, tmp_path / f"said{wanted}.mp4").path)
        assert found is not None
        assert abs(found.lufs - wanted) < 1
        assert found.peak_db < -1


def test_the_clips_own_sound_gives_way_to_the_voice(tmp_path: Path) -> None:
    source = good(tmp_path / "clip.mp4", 4)
    made = prepare(
        ClipWork(source=source, target=target(), voice=voice(spoken(tmp_path / "a.wav", 1.5))), tmp_path / "a.mp4"
    )
    under, after = (_tone(part(sound(made.path), *span)) for span in ((0.8, 1.6), (3.2, 3.9)))
    assert after - under > 6


def _tone(samples: np.ndarray) -> float:
    """The level of 440 Hz alone."""
    spectrum = np.fft.rfft(samples[:, 0])
    spectrum[np.abs(np.fft.rfftfreq(len(samples), 1 / 48_000) - 440) > 10] = 0
    return level_db(np.fft.irfft(spectrum))


def test_what_is_a_little_too_long_is_spoken_faster_and_more_ends_with_a_sentence(tmp_path: Path) -> None:
    close = fit(voice(spoken(tmp_path / "a.wav", 3.8)), tmp_path)
    assert (close.cut, round(close.tempo, 2)) == (False, 1.1)
    long = fit(voice(spoken(tmp_path / "b.wav", 1.5, 1.5, 1.5)), tmp_path)
    with wave.open(str(long.path)) as file:
        seconds = file.getnframes() / file.getframerate()
    assert (long.cut, round(seconds, 1)) == (True, 3.3)
    assert long.tempo == 1.0


def test_a_single_sentence_that_does_not_fit_ends_with_a_word(tmp_path: Path) -> None:
    long = fit(voice(spoken(tmp_path / "a.wav", 2.0, 2.0, 2.0), text="one two three"), tmp_path)
    with wave.open(str(long.path)) as file:
        assert file.getnframes() / file.getframerate() < 4.1
    assert long.cut

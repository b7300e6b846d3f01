"""Music that is made here, by mood: chords, a bass, plucked strings and a beat, from arithmetic alone. Nothing is
downloaded and nobody has a right in it. The same mood is the same sound, and its end leads into its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.domain.footage import Mood
from pipelines.media.audio.chime import write_wave
from pipelines.media.ffmpeg.encode import SAMPLE_RATE, arriving

Samples = NDArray[np.float32]

BARS, BEATS = 16, 4
PEAK = 0.5
_A = 440.0
_SWELL = 0.35
"""So much of a bar a chord needs to come and to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A piece: `root` in semitones from A4, a chord for each bar in semitones above it, and a share for each voice.
    `steps`: which notes of the chord are plucked on the eighths of a bar; None is a rest.
    """

    bpm: int
    root: int
    chords: tuple[tuple[int, ...], ...]
    steps: tuple[int | None, ...]
    pad: float
    pluck: float
    bass: float = 0.0
    bass_eighths: tuple[int, ...] = (0,)
    kick: tuple[int, ...] = ()
    """On which eighths."""
    hat: tuple[int, ...] = ()
    decay_s: float = 0.5
    """Of a plucked string."""

    @property
    def eighth(self) -> int:
        """Samples of an eighth."""
        return round(SAMPLE_RATE * 30 / self.bpm)


SCORES: Mapping[Mood, Score] = {
    Mood.CALM: Score(
        bpm=66,
        root=-21,
        chords=((0, 7, 14, 16), (-3, 4, 12, 19), (-7, 5, 9, 16), (-5, 7, 11, 16)),
        steps=(0, None, 2, None, 3, None, 1, None),
        pad=1.0,
        pluck=0.35,
        decay_s=1.1,
    ),
    Mood.WARM: Score(
        bpm=78,
        root=-16,
        chords=((0, 4, 7, 14), (-5, 4, 7, 11), (-3, 0, 4, 12), (-7, 0, 5, 9)),
        steps=(0, 2, 1, 3, 2, 1, 3, 2),
        pad=0.7,
        pluck=0.5,
        bass=0.6,
        bass_eighths=(0, 5),
        decay_s=0.7,
    ),
    Mood.BRIGHT: Score(
        bpm=104,
        root=-19,
        chords=((0, 4, 7, 12), (-5, 2, 7, 11), (-3, 4, 9, 12), (-7, 0, 5, 9)),
        steps=(0, 1, 2, 3, 2, 3, 1, 2),
        pad=0.4,
        pluck=0.8,
        bass=0.7,
        bass_eighths=(0, 3, 6),
        hat=(1, 3, 5, 7),
        kick=(0, 4),
    ),
    Mood.UPBEAT: Score(
        bpm=120,
        root=-14,
        chords=((0, 4, 7, 12), (-5, 2, 7, 11), (-3, 0, 4, 9), (-7, 0, 5, 9)),
        steps=(0, None, 2, 3, None, 2, 3, 1),
        pad=0.3,
        pluck=0.8,
        bass=0.9,
        bass_eighths=(0, 1, 3, 4, 6, 7),
        hat=(0, 1, 2, 3, 4, 5, 6, 7),
        kick=(0, 2, 4, 6),
        decay_s=0.3,
    ),
    Mood.DREAMY: Score(
        bpm=72,
        root=-17,
        chords=((0, 7, 11, 16), (-8, 4, 8, 11), (-7, 5, 9, 12), (-10, 2, 5, 9)),
        steps=(3, None, None, 2, None, 3, None, None),
        pad=1.0,
        pluck=0.45,
        bass=0.25,
        decay_s=1.6,
    ),
    Mood.DRAMATIC: Score(
        bpm=88,
        root=-19,
        chords=((0, 3, 7, 12), (-4, 0, 3, 8), (-7, 0, 5, 8), (-5, 2, 7, 11)),
        steps=(0, None, None, 1, None, None, 2, None),
        pad=0.9,
        pluck=0.3,
        bass=1.0,
        bass_eighths=(0, 1, 2, 3, 4, 5, 6, 7),
        kick=(0, 3, 6),
        decay_s=0.6,
    ),
}


def compose(mood: Mood) -> Samples:
    """Stereo samples between -1 and 1, of whole bars: played on and on, no seam is heard."""
    score = SCORES[mood]
    film = np.zeros((BARS * 2 * BEATS * score.eighth, 2), np.float32)
    for bar in range(BARS):
        chord = score.chords[bar % len(score.chords)]
        start = bar * 2 * BEATS * score.eighth
        _pad(film, score, chord, start)
        for eighth in range(2 * BEATS):
            _strike(film, score, chord, bar, eighth, start + eighth * score.eighth)
    return np.asarray(film * (PEAK / float(np.abs(film).max())), dtype=np.float32)


def write_music(mood: Mood, dest: Path) -> None:
    """The piece of a mood as a sound file."""
    with arriving(dest) as temporary:
        write_wave(compose(mood), temporary)


def _strike(film: Samples, score: Score, chord: tuple[int, ...], bar: int, eighth: int, at: int) -> None:
    """What begins on an eighth. The second half of the piece plucks an octave higher in every other bar."""
    step = score.steps[eighth]
    if step is not None and score.pluck:
        high = 12 if bar >= BARS // 2 and bar % 2 else 0
        tone = _plucked(_hertz(score.root + 12 + chord[step % len(chord)] + high), score.decay_s)
        side = 0.5 + 0.25 * (-1) ** eighth
        _add(film, at, score.pluck * 0.5 * tone, side)
    if eighth in score.bass_eighths and score.bass:
        _add(film, at, score.bass * 0.6 * _plucked(_hertz(score.root - 12 + chord[0]), 0.45), 0.5)
    if eighth in score.kick:
        _add(film, at, 0.7 * _kick(), 0.5)
    if eighth in score.hat:
        _add(film, at, (0.1 if eighth % 2 else 0.06) * _hat(), 0.6)


def _pad(film: Samples, score: Score, chord: tuple[int, ...], at: int) -> None:
    """A chord that comes and goes with the bars beside it, a little out of tune between the ears."""
    bar = 2 * BEATS * score.eighth
    swell = round(bar * _SWELL)
    times = _times(bar + swell)
    places = np.arange(bar + swell, dtype=np.float32)
    shape = np.minimum(1, np.minimum(places, bar + swell - places) / swell)
    shape = np.sin(shape * np.pi / 2).astype(np.float32)
    for ear, detune in enumerate((-0.04, 0.04)):
        sound = np.zeros_like(times)
        for voice, tone in enumerate(chord):
            turn = 2 * np.pi * _hertz(score.root + tone + detune) * times + voice
            sound += (np.sin(turn) + 0.25 * np.sin(2 * turn) + 0.08 * np.sin(3 * turn)) / (1.6 + 0.4 * voice)
        _add_to(film[:, ear], at - swell // 2, np.asarray(score.pad * 0.3 * sound * shape, dtype=np.float32))


def _add(film: Samples, at: int, sound: Samples, side: float) -> None:
    """Lay a sound over the piece; what rings on beyond its end is heard at its beginning."""
    _add_to(film[:, 0], at, sound * np.float32(np.sqrt(1 - side)))
    _add_to(film[:, 1], at, sound * np.float32(np.sqrt(side)))


def _add_to(ear: Samples, at: int, sound: Samples) -> None:
    at %= len(ear)
    first = min(len(sound), len(ear) - at)
    ear[at : at + first] += sound[:first]
    ear[: len(sound) - first] += sound[first:]


def _hertz(semitones: float) -> float:
    return _A * float(2 ** (semitones / 12))


@cache
def _plucked(hertz: float, decay_s: float) -> Samples:
    """A string: higher overtones fade sooner."""
    times = _times(round(5 * decay_s * SAMPLE_RATE))
    sound = np.zeros_like(times)
    for overtone, level in ((1, 1.0), (2, 0.45), (3, 0.2), (4, 0.1)):
        fade = np.exp(-times * overtone**0.7 / decay_s)
        sound += level * fade * np.sin(2 * np.pi * hertz * overtone * times)
    return np.asarray(sound * _edges(times), dtype=np.float32)


@cache
def _kick() -> Samples:
    times = _times(round(0.35 * SAMPLE_RATE))
    turn = 2 * np.pi * (48 * times + 2.2 * (1 - np.exp(-times / 0.035)))
    return np.asarray(np.sin(turn) * np.exp(-times / 0.11) * _edges(times), dtype=np.float32)


@cache
def _hat() -> Samples:
    times = _times(round(0.12 * SAMPLE_RATE))
    noise = np.random.default_rng(0).standard_normal(len(times) + 1)
    # The difference of neighbours leaves what is high.
    return np.asarray(np.diff(noise) * 0.5 * np.exp(-times / 0.025) * _edges(times), dtype=np.float32)


def _times(samples: int) -> Samples:
    """In seconds."""
    return np.asarray(np.arange(samples) / SAMPLE_RATE, dtype=np.float32)


def _edges(times: Samples) -> Samples:
    """No click at either end."""
    return np.asarray(np.minimum(1, np.minimum(times / 0.004, (times[-1] - times) / 0.02)), dtype=np.float32)

"""The sound under cards and the animatic: a quiet chord that swells and fades, and one soft chime at the start."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.media.ffmpeg.encode import SAMPLE_RATE

Samples = NDArray[np.float32]

CHORDS = ((0, 7, 12, 16), (-3, 4, 12, 16), (-7, 5, 9, 12), (-5, 7, 11, 14), (-3, 7, 12, 14), (-7, 5, 12, 16))
"""Semitones above the root. Neighbours follow each other well, so scenes played in a row make a slow progression."""

ROOT_HZ = 130.81
PEAK = 0.11
"""Of full scale: well under speech, loud enough to hear that there is sound."""

EDGE_S = 0.012
"""Silence-to-sound ramp at both ends, so that a hard cut cannot click."""


def _hertz(semitones: float) -> float:
    return ROOT_HZ * float(2 ** (semitones / 12))


def _pad(times: Samples, semitones: tuple[int, ...], rng: np.random.Generator) -> Samples:
    """Detuned sines with two faint overtones, each voice breathing at its own pace; one column per ear."""
    sound = np.zeros((times.size, 2), np.float32)
    for voice, step in enumerate(semitones):
        breath = 0.75 + 0.25 * np.sin(2 * np.pi * rng.uniform(0.05, 0.12) * times + rng.uniform(0, 6.28))
        for ear, detune in enumerate((-0.035, 0.035)):
            turn = (2 * np.pi * _hertz(step + detune)) * times + np.float32(rng.uniform(0, 6.28))
            tone = np.sin(turn) + 0.22 * np.sin(2 * turn) + 0.06 * np.sin(3 * turn)
            sound[:, ear] += (tone * breath / (1.4 + 0.5 * voice)).astype(np.float32)
    return np.asarray(sound, dtype=np.float32)


def _chime(times: Samples, semitones: tuple[int, ...], rng: np.random.Generator) -> Samples:
    """A struck bell two octaves up, a little to one side."""
    pitch = _hertz(24 + semitones[int(rng.integers(1, len(semitones)))])
    struck = np.clip(times - 0.12, 0, None)
    bell = np.zeros_like(times)
    for overtone, level, decay in ((1.0, 1.0, 1.1), (2.76, 0.28, 0.45), (5.4, 0.08, 0.2)):
        bell += level * np.exp(-struck / decay) * np.sin(2 * np.pi * pitch * overtone * struck)
    side = rng.uniform(0.35, 0.65)
    return np.stack([bell * (1 - side), bell * side], axis=1).astype(np.float32)


def compose(samples: int, seed: int, step: int = 0) -> Samples:
    """Stereo sound of exactly `samples` samples at 48 kHz, between -1 and 1. `step` walks through the chords."""
    rng = np.random.default_rng(seed)
    key = int(rng.integers(-2, 5))
    chord = tuple(key + tone for tone in CHORDS[(seed + step) % len(CHORDS)])
    times = (np.arange(samples, dtype=np.float32) / SAMPLE_RATE).astype(np.float32)
    swell = np.minimum(1, times / 0.9) * np.minimum(1, np.maximum(0.25, (times[-1] - times) / 0.6))
    sound = _pad(times, chord, rng) * swell[:, None] + 0.8 * _chime(times, chord, rng)
    edge = np.minimum(1, np.minimum(times, times[-1] - times) / EDGE_S)
    sound *= edge[:, None] * (PEAK / max(1e-6, float(np.abs(sound).max())))
    return np.asarray(sound, dtype=np.float32)


def write_wave(sound: Samples, path: Path) -> None:
    """Store stereo samples as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())

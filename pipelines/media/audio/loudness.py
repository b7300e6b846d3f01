"""How loud a file is (EBU R 128), what gain brings it to a target without clipping, and where it is silent."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.media.ffmpeg.encode import ffmpeg

TRUE_PEAK_DB = -1.5
"""Ceiling after the gain: what the social platforms ask for, so that their own encoders do not clip."""

SILENCE_LUFS = -60.0
"""At or below this there is nothing to bring up but noise (the meter's own floor is -70)."""

SMALLEST_GAIN_DB = 0.5
"""Less is not audible and not worth another encode of the sound."""

LARGEST_GAIN_DB = 20.0

SILENT_DB = -70.0
"""No sample of a silent stretch is louder than this."""

_METER = "ebur128=framelog=verbose:peak=true"
# framelog=quiet would be terser but is unknown to ffmpeg 5.
_INTEGRATED = re.compile(r"^\s*I:\s*(-?[\d.]+|-inf) LUFS", re.MULTILINE)
_PEAK = re.compile(r"^\s*Peak:\s*(-?[\d.]+|-inf) dBFS", re.MULTILINE)
_SILENCE = re.compile(r"silence_(start|end): (-?[\d.]+)")
_EXTREME = re.compile(r"(?:Min|Max) level: (-?[\d.]+)")
_AT_PEAK, _SAMPLES = re.compile(r"Peak count: ([\d.]+)"), re.compile(r"Number of samples: (\d+)")
_FULL_SCALE = 2**15 - 1


@dataclass(frozen=True, slots=True)
class Loudness:
    """Integrated loudness in LUFS and true peak in dBFS of a whole file."""

    lufs: float
    peak_db: float

    @property
    def silent(self) -> bool:
        """Whether there is nothing to hear."""
        return self.lufs <= SILENCE_LUFS


def measure_loudness(path: Path, input_options: tuple[str, ...] = (), track: int = 0) -> Loudness | None:
    """Measure a sound track, counted from 0; None when there is nothing to measure. Raises `UnplayableMedia`."""
    source = ("-v", "info", *input_options, "-i", str(path), "-map", f"0:a:{track}")
    return _loudness(ffmpeg(*source, "-af", _METER, "-f", "null", "-"))


def _loudness(said: str) -> Loudness | None:
    integrated, peak = _INTEGRATED.findall(said), _PEAK.findall(said)
    if not integrated or not peak:
        return None
    return Loudness(float(integrated[-1]), float(peak[-1]))


def gain_db(measured: Loudness, target_lufs: float) -> float:
    """The plain gain towards the target, held back so that true peaks stay below the ceiling; 0 when not worth it."""
    if measured.silent:
        return 0.0
    gain = min(target_lufs - measured.lufs, TRUE_PEAK_DB - measured.peak_db, LARGEST_GAIN_DB)
    return round(gain, 2) if abs(gain) >= SMALLEST_GAIN_DB else 0.0


@dataclass(frozen=True, slots=True)
class Sound:
    """A film's sound as a whole: how loud, what share of its samples is cut off, and its silent stretches."""

    loudness: Loudness | None
    clipped: float
    silences: tuple[tuple[float, float], ...]

    def silent(self, start_s: float, stop_s: float) -> bool:
        """Whether nothing is to be heard between two times."""
        return any(begin <= start_s and stop_s <= end for begin, end in self.silences)


def measure_sound(film: Path) -> Sound:
    """Listen to all of a film of ours, once. Raises `UnplayableMedia`, also for sound that cannot be decoded."""
    meters = f"silencedetect=noise={SILENT_DB}dB:duration=0.1,{_METER}+sample"
    # As the meter gives them on, so that nothing has to be converted.
    said = ffmpeg(*_LISTENING, *_sound_of(film), "-af", meters, "-c:a", "pcm_f64le", "-f", "null", "-")
    sample_peaks = _PEAK.findall(said)[:1]
    clipped = _clipped(film) if any(float(peak) >= 0 for peak in sample_peaks) else 0.0
    return Sound(_loudness(said), clipped, tuple(_silences(said)))


_LISTENING = ("-v", "info", "-nostats", "-xerror")


def _sound_of(film: Path) -> tuple[str, ...]:
    return ("-f", "mov", "-i", str(film), "-map", "0:a:0")


def _clipped(film: Path) -> float:
    """The share of samples that are cut off. Only where a sample is at full scale there are any: else nobody need count
    them, which takes as long as all the rest.
    """
    # Whole numbers of 16 bits: what is louder than they can be is at their end, as in every player.
    counted = "aformat=sample_fmts=s16,astats"
    said = ffmpeg(*_LISTENING, *_sound_of(film), "-af", counted, "-f", "null", "-")
    extremes = [abs(float(level)) for level in _EXTREME.findall(said)]
    at_peak, samples = _AT_PEAK.findall(said), _SAMPLES.findall(said)
    whole = bool(extremes and samples) and max(extremes) >= _FULL_SCALE
    return float(at_peak[-1]) / max(1, int(samples[-1])) if whole else 0.0


def _silences(said: str) -> Iterator[tuple[float, float]]:
    begin: float | None = None
    for edge, time in _SILENCE.findall(said):
        if edge == "start":
            begin = float(time)
        elif begin is not None:
            yield begin, float(time)
            begin = None
    if begin is not None:
        yield begin, math.inf

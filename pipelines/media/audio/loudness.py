"""How loud a file is (EBU R 128), and what gain brings it to a target without clipping."""

from __future__ import annotations

import re
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

METER = "framelog=verbose:peak=true"
"""Of the filter `ebur128`. To log `quiet`ly would be terser but is unknown to ffmpeg 5."""
_INTEGRATED = re.compile(r"^\s*I:\s*(-?[\d.]+|-inf) LUFS", re.MULTILINE)
_PEAK = re.compile(r"^\s*Peak:\s*(-?[\d.]+|-inf) dBFS", re.MULTILINE)


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
    return _loudness(ffmpeg(*source, "-af", f"ebur128={METER}", "-f", "null", "-"))


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

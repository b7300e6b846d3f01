"""How loud a film is: ITU-R BS.1770-4 loudness, peaks and silence, from samples, in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipelines.media.audio.mix import Samples

STEP_S = 0.1
"""Energies are kept per tenth of a second; loudness looks at four of them together."""

_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -10.0
_OFFSET_LUFS = -0.691
_SILENT_DB = -70.0
_FULL_SCALE = 0.9995
_TAIL_S = 0.4
_GRAIN = 76_800
"""Transforms are a multiple of this long: quick to compute, and few enough for their filters to be kept."""
_LOUDEST_WINDOWS, _WINDOW, _OVERSAMPLING = 8, 2048, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Loudness in LUFS (None: silent), true peak in dBFS, share of clipped samples, energy per tenth of a second."""

    loudness: float | None
    peak_db: float
    clipped: float
    energies: NDArray[np.float64]

    def silent(self, start_s: float, stop_s: float) -> bool:
        """Whether nothing is to be heard between two times."""
        part = self.energies[round(start_s / STEP_S) : max(round(start_s / STEP_S) + 1, round(stop_s / STEP_S))]
        return not len(part) or float(part.max()) < 10 ** (_SILENT_DB / 10)


def measure(chunks: Iterable[Samples], rate: int) -> Levels:
    """Measure samples that come in chunks of any length, shape (channels, samples)."""
    step = round(rate * STEP_S)
    meter = _Meter(step, rate)
    rest: Samples | None = None
    for chunk in chunks:
        joined = chunk if rest is None else np.concatenate((rest, chunk), axis=1)
        whole = joined.shape[1] // step * step
        if whole:
            meter.add(joined[:, :whole])
        rest = joined[:, whole:]
    return meter.result()


class _Meter:
    """Running sums over whole tenths of a second."""

    def __init__(self, step: int, rate: int) -> None:
        self._step, self._rate = step, rate
        self._before: Samples | None = None
        self._weighted: list[NDArray[np.float64]] = []
        self._plain: list[NDArray[np.float64]] = []
        self._clipped = self._count = 0
        self._peak = 0.0

    def add(self, samples: Samples) -> None:
        lead = round(self._rate * _TAIL_S)
        before = self._before if self._before is not None else np.zeros((samples.shape[0], lead), np.float32)
        weighted = _weigh(np.concatenate((before, samples), axis=1), self._rate)[:, before.shape[1] :]
        self._before = samples[:, -lead:]
        self._weighted.append(self._energies(weighted))
        self._plain.append(self._energies(samples) / samples.shape[0])
        magnitude = np.abs(samples)
        self._clipped += int((magnitude >= _FULL_SCALE).sum())
        self._count += magnitude.size
        self._peak = max(self._peak, _true_peak(samples, magnitude))

    def _energies(self, samples: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean square per tenth of a second, channels added."""
        squares = np.square(samples, dtype=np.float64).reshape(samples.shape[0], -1, self._step)
        energies: NDArray[np.float64] = squares.mean(axis=2).sum(axis=0)
        return energies

    def result(self) -> Levels:
        weighted = np.concatenate(self._weighted) if self._weighted else np.zeros(0)
        return Levels(
            loudness=_gated(weighted),
            peak_db=20 * float(np.log10(max(self._peak, 1e-6))),
            clipped=self._clipped / max(1, self._count),
            energies=np.concatenate(self._plain) if self._plain else np.zeros(0),
        )


def _gated(energies: NDArray[np.float64]) -> float | None:
    """Integrated loudness: blocks of 0.4 s, an absolute and a relative gate."""
    if not len(energies):
        return None
    width = min(4, len(energies))
    blocks = np.convolve(energies, np.full(width, 1 / width), "valid")
    for _ in range(2):
        loud = blocks[blocks > 10 ** ((_GATE_LUFS - _OFFSET_LUFS) / 10)]
        if not len(loud):
            return None
        blocks = loud[loud > loud.mean() * 10 ** (_RELATIVE_GATE_LU / 10)]
    return _OFFSET_LUFS + 10 * float(np.log10(blocks.mean()))


def _weigh(samples: Samples, rate: int) -> NDArray[np.floating]:
    """The K weighting, applied in the frequency domain to samples followed by silence."""
    size = samples.shape[1] + round(rate * _TAIL_S)
    size += -size % _GRAIN
    spectrum = np.fft.rfft(samples, size) * _response(size, rate)
    weighted: NDArray[np.floating] = np.fft.irfft(spectrum, size)[:, : samples.shape[1]]
    return weighted


@lru_cache(maxsize=4)
def _response(size: int, rate: int) -> NDArray[np.complex64]:
    """Both filters of BS.1770 at the frequencies of a transform; their coefficients are given for 48 kHz."""
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(size) * 48_000 / rate) if rate != 48_000 else None  # noqa: PLR2004 - the standard's own rate
    z = delay if delay is not None else np.exp(-2j * np.pi * np.fft.rfftfreq(size))
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    # As precise as the samples: the transform back then takes half of the memory.
    response: NDArray[np.complex64] = (shelf * high).astype(np.complex64)
    return response


def _true_peak(samples: Samples, magnitude: Samples) -> float:
    """The peak between samples, looked for where the samples themselves are loudest."""
    windows = magnitude.shape[1] // _WINDOW
    if not windows:
        return float(magnitude.max(initial=0.0))
    peaks = magnitude[:, : windows * _WINDOW].reshape(magnitude.shape[0], windows, _WINDOW).max(axis=(0, 2))
    highest = float(magnitude.max())
    for index in np.argsort(peaks)[-_LOUDEST_WINDOWS:].tolist():
        part = samples[:, index * _WINDOW : (index + 1) * _WINDOW] * np.hanning(_WINDOW) ** 0.25
        fine = np.fft.irfft(np.fft.rfft(part), _WINDOW * _OVERSAMPLING) * _OVERSAMPLING
        highest = max(highest, float(np.abs(fine).max()))
    return highest

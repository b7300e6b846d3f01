"""How a film sounds: heard in stretches, each from the middle of one scene to the middle of the next.

A stretch is known by its packets and by where in them it begins. So it is listened to as soon as the clips that meet
in it are there, while others are still missing, and the film only adds up what was heard.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NoMore
from av.filter import Graph
from numpy.typing import NDArray

from pipelines.media.audio.loudness import METER, Loudness
from pipelines.media.audio.mix import WARM_UP, Samples, decoded
from pipelines.media.clips.timeline import Slot
from pipelines.media.ffmpeg import encode
from pipelines.media.mp4.aac import PACKET
from pipelines.media.mp4.boxes import damaged

RUN_UP = 6
"""Tenths of a second that are heard before a stretch: a level is that of the last four, and the meter's filters know
by then what came before.
"""
LONGEST = 100
"""Tenths of a second of a stretch at most, so that memory does not grow with a scene."""
SILENT_DB = -70.0
"""No sample of a silent stretch is louder than this."""

_AT_ONCE = 2
_LAYOUTS = {1: "mono", 2: "stereo"}
_EDITION = 2
"""One more when it is listened otherwise: what was heard before is not taken for it."""
_SHORTEST_SILENCE_S = 0.1
_LEAST_LUFS, _GATE_LU = -70.0, -10.0
_LEAST_PEAK = 1e-5
_FULL_SCALE = (2**15 - 1.5) / 2**15
"""From here on a sample is the last whole number of 16 bits, in every player."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A film's sound as a whole: how loud, what share of its samples is cut off, and where it is silent, in seconds."""

    loudness: Loudness | None
    clipped: float
    silences: tuple[tuple[float, float], ...]

    def silent(self, start_s: float, stop_s: float) -> bool:
        """Whether nothing is to be heard between two times."""
        return any(begin <= start_s and stop_s <= end for begin, end in self.silences)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTrack:
    """A film's sound in `count` packets, and how they are decoded. `samples` of it are heard, `priming` samples after
    its beginning, `rate` in a second. `packets` reads those from one place to another.
    """

    config: bytes
    rate: int
    channels: int
    priming: int
    samples: int
    count: int
    packets: Callable[[int, int], Sequence[bytes]]

    def reach(self, begin: int, end: int) -> tuple[int, int, int]:
        """For a stretch in samples: from which sample on it is heard, and the packets that are decoded for that."""
        low = max(0, begin - RUN_UP * (self.rate // 10))
        first = max(0, (low + self.priming) // PACKET - WARM_UP)
        return low, first, min(self.count, -(-(end + self.priming) // PACKET))


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in a stretch: the level in LUFS of the 400 ms that end with each of its tenths of a second, its
    true peak as a part of full scale, how many samples are cut off, and where it is silent, in samples from where it
    begins.
    """

    levels: tuple[float, ...]
    peak: float
    clipped: int
    silences: tuple[tuple[int, int], ...]


def stretches_heard(slots: Sequence[Slot], frame: Fraction, rate: int, samples: int) -> list[tuple[int, int]]:
    """Begin and end of each stretch, in samples, of a film laid out so that is heard for so many."""
    tenth, seconds = rate // 10, [(slot.start + Fraction(slot.frames, 2)) * frame for slot in slots]
    middles = sorted({place for place in (int(10 * middle) * tenth for middle in seconds) if 0 < place < samples})
    return [
        (begin, min(begin + LONGEST * tenth, end))
        for first, end in pairwise([0, *middles, samples])
        for begin in range(first, end, LONGEST * tenth)
    ]


def listen(track: SoundTrack, stretches: Sequence[tuple[int, int]], ready: Path | None = None) -> Sound:
    """Listen to all of a film. What was heard of equal packets, and kept in the folder `ready`, is known. Raises
    `UnplayableMedia` for sound that cannot be decoded.
    """
    heard = hear_each(track, stretches, ready)
    if not heard:
        return Sound(None, 0.0, ())
    levels = [level for one in heard for level in one.levels]
    peak_db = 20 * math.log10(max(_LEAST_PEAK, *(one.peak for one in heard)))
    loudness = Loudness(round(_integrated(levels), 1), round(peak_db, 1))
    quiet = [
        (begin + first, begin + last)
        for (begin, _), one in zip(stretches, heard, strict=True)
        for first, last in one.silences
    ]
    clipped = sum(one.clipped for one in heard) / max(1, track.samples * track.channels)
    return Sound(loudness, clipped, tuple((first / track.rate, last / track.rate) for first, last in _joined(quiet)))


def hear_each(track: SoundTrack, stretches: Sequence[tuple[int, int]], ready: Path | None) -> list[Heard]:
    """What is heard in each stretch: known, or listened to now and kept in the folder `ready`. Raises
    `UnplayableMedia`.
    """
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(lambda stretch: _hear(track, stretch[0], stretch[1], ready), stretches))


def _hear(track: SoundTrack, begin: int, end: int, ready: Path | None) -> Heard:
    if ready is None:
        return _heard(track, begin, end)
    place = ready / f"heard-{_mark(track, begin, end)}.json"
    try:
        return _kept(place)
    except (OSError, ValueError, LookupError, TypeError):
        found = _heard(track, begin, end)
    with encode.arriving(place) as temporary:
        temporary.write_text(json.dumps(asdict(found)))
    return found


def _kept(place: Path) -> Heard:
    """Without pydantic: the process that joins loads little."""
    told = json.loads(place.read_bytes())
    return Heard(
        levels=tuple(float(level) for level in told["levels"]),
        peak=float(told["peak"]),
        clipped=int(told["clipped"]),
        silences=tuple((int(begin), int(end)) for begin, end in told["silences"]),
    )


def _mark(track: SoundTrack, begin: int, end: int) -> str:
    """A name for all that decides what is heard in a stretch."""
    low, first, last = track.reach(begin, end)
    places = (low == 0, low + track.priming - first * PACKET, begin - low, end - low)
    digest = hashlib.sha256(repr((_EDITION, track.rate, track.channels, track.config, places)).encode())
    for packet in track.packets(first, last):
        digest.update(len(packet).to_bytes(4) + packet)
    return digest.hexdigest()[:32]


def _heard(track: SoundTrack, begin: int, end: int) -> Heard:
    low, first, last = track.reach(begin, end)
    blocks = list(decoded(track.config, track.packets(first, last)))
    if len(blocks) != last - first or {len(block) for block in blocks} != {track.channels}:
        raise damaged("its sound is not what it says")
    samples = np.concatenate(blocks, axis=1)[:, low + track.priming - first * PACKET :][:, : end - low]
    own, tenth = samples[:, begin - low :], track.rate // 10
    levels, peak = _metered(samples, track.rate, opening=low == 0)
    skipped = (begin - low) // tenth
    loudest = np.abs(own)
    return Heard(
        levels=tuple(levels[skipped : skipped + own.shape[1] // tenth]),
        peak=peak,
        clipped=int(np.count_nonzero(loudest >= _FULL_SCALE)),
        silences=tuple(_silences(loudest.max(axis=0), round(_SHORTEST_SILENCE_S * track.rate))),
    )


def _metered(samples: Samples, rate: int, *, opening: bool) -> tuple[list[float], float]:
    """The levels after each tenth of a second, in LUFS, and the true peak as a part of full scale. Unless the film
    opens here, the first moment is faded in: a leap out of nothing would be a peak that nobody hears.
    """
    tenth = rate // 10
    fed = np.pad(samples, ((0, 0), (0, -samples.shape[1] % tenth)))
    if not opening:
        fed[:, : tenth // 2] *= np.linspace(0, 1, tenth // 2, dtype=np.float32)
    layout = _LAYOUTS[len(fed)]
    graph = Graph()
    source = graph.add_abuffer(format="fltp", sample_rate=rate, layout=layout, time_base=Fraction(1, rate))
    sink = graph.add("abuffersink")
    graph.link_nodes(source, graph.add("ebur128", f"{METER}:metadata=1"), sink).configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(fed), "fltp", layout)
    frame.sample_rate, frame.pts = rate, 0
    graph.push(frame)
    graph.push(None)
    levels, peak = list[float](), 0.0
    try:
        while True:
            told = graph.pull().metadata
            levels.append(float(told["lavfi.r128.M"]))
            peak = max(peak, float(told["lavfi.r128.true_peak"]))
    except (NothingYet, NoMore):
        return levels, peak


def _silences(loudest: Samples, shortest: int) -> list[tuple[int, int]]:
    """Where nothing is louder than silence for long enough; at the ends of a stretch however short, since it may go on
    in the next.
    """
    quiet = loudest <= 10 ** (SILENT_DB / 20)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False]))))
    spans = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [span for span in spans if span[1] - span[0] >= shortest or span[0] == 0 or span[1] == len(quiet)]


def _joined(silences: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Silences in order, those that touch each other as one."""
    found = list[tuple[int, int]]()
    for first, last in silences:
        goes_on = bool(found) and found[-1][1] == first
        found.append((found.pop()[0] if goes_on else first, last))
    return found


def _integrated(levels: Sequence[float]) -> float:
    """The loudness of a programme (ITU-R BS.1770): the mean of what is neither silence nor far below the rest."""
    there = np.array([level for level in levels if level >= _LEAST_LUFS])
    if not len(there):
        return _LEAST_LUFS
    return _mean(there[there >= _mean(there) + _GATE_LU])


def _mean(levels: NDArray[np.float64]) -> float:
    return 10 * math.log10(float(np.mean(10 ** (levels / 10))))

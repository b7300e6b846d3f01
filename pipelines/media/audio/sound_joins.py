"""Sound rendered only where the film's pieces meet; every other packet is the clip's own.

A packet of AAC overlaps its neighbours by half, so the first packet of a clip put behind a strange one decodes to
noise. A few packets round each join are therefore encoded from the mixed samples. Where ours take over from the
clip's and hand back to it, both must have cut their windows alike, or the overlap does not cancel: the places are
chosen by comparing the packets' window headers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from pipelines.media.audio.mix import Part, Samples, mix
from pipelines.media.mp4.aac import PACKET, window

LEAD_IN, LEAD_OUT = 3, 2
"""Packets encoded and thrown away, so that the encoder knows what came before and what follows."""

REACH = 3
"""How many packets further the hand-over may lie when the nearest place does not match."""

_BIT_RATE = 192_000
_ENCODER = {"aac_coder": "fast", "aac_pns": "0"}
"""At 192 kbit/s the fast coder has the fidelity of the slow one at 128, in a quarter of its time (measured)."""

_CHUNK = 256
_CLOSE = 2 * (REACH + LEAD_IN)


@dataclass(frozen=True, slots=True)
class Zone:
    """Packets `first` to `last` of the film, encoded by us."""

    first: int
    last: int
    packets: tuple[bytes, ...] = ()


Mixer = Callable[[Samples, int], Samples]
"""Works on samples of the whole film (channels, samples) at a rate in Hz: music under the scenes."""


def encode(blocks: Iterator[Samples], rate: int, channels: int) -> Iterator[bytes]:
    """AAC packets of blocks of samples; each packet spans the block of its number and the one before it."""
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "stereo" if channels == 2 else "mono", "fltp"  # noqa: PLR2004 - two channels are stereo
    encoder.bit_rate, encoder.time_base = _BIT_RATE, Fraction(1, rate)
    encoder.options = dict(_ENCODER)
    for number, block in enumerate(blocks):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", encoder.layout.name)
        frame.sample_rate, frame.pts = rate, number * PACKET
        yield from (bytes(packet) for packet in encoder.encode(frame))
    yield from (bytes(packet) for packet in encoder.encode(None))


def film_blocks(parts: Sequence[Part], first: int, last: int, channels: int) -> Iterator[Samples]:
    """The film's blocks one after the other, mixed a few seconds at a time."""
    for begin in range(first, last, _CHUNK):
        end = min(last, begin + _CHUNK)
        chunk = mix(parts, begin, end, channels)
        yield from (chunk[:, at : at + PACKET] for at in range(0, chunk.shape[1], PACKET))


def render(parts: Sequence[Part], first: int, last: int, rate: int, channels: int) -> list[bytes]:
    """Packets `first` to `last` of the film, encoded from the mix."""
    begin = first - LEAD_IN
    packets = list(encode(film_blocks(parts, begin, last + LEAD_OUT, channels), rate, channels))
    # The encoder's own first packet is its priming, hence one later.
    return packets[LEAD_IN + 1 : LEAD_IN + 1 + last - first]


def merged(spans: Sequence[tuple[int, int]], total: int) -> list[tuple[int, int]]:
    """Zones widened by their reach; those that come too close become one. All within the film."""
    found: list[tuple[int, int]] = []
    for first, last in spans:
        if found and first - found[-1][1] < _CLOSE:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return [(0 if first < _CLOSE else first, total if total - last < _CLOSE else last) for first, last in found]


def zone(
    parts: Sequence[Part], first: int, last: int, total: int, rate: int, channels: int, own: Callable[[int], bytes]
) -> Zone:
    """Encode packets `first` to `last`, or a few more where that makes the hand-over cancel.

    `own(k)` is the clip's packet at the film's place k.
    """
    low = 0 if first == 0 else first - REACH - 1
    high = total if last == total else last + REACH + 1
    ours = render(parts, low, high, rate, channels)

    def alike(place: int) -> bool:
        return window(own(place)) == window(ours[place - low])

    if first:
        first = next((place for place in range(first, first - REACH, -1) if alike(place - 1)), first)
    if last != total:
        last = next((place for place in range(last, last + REACH) if alike(place - 1)), last)
    return Zone(first, last, tuple(ours[first - low : last - low]))

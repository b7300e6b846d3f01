"""Sound rendered only where the film's pieces meet; every other packet is the clip's own.

A packet of AAC overlaps its neighbours by half, so the first packet of a clip put behind a strange one decodes to
noise. A few packets round each join are therefore encoded from the mixed samples. Where ours take over from the
clip's and hand back to it, both must have cut their windows alike, or the overlap does not cancel: the places are
chosen by comparing the packets' window headers.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import av
import numpy as np

from pipelines.media.audio.mix import Part, Samples, ingredients, mix
from pipelines.media.ffmpeg import encode as encode_settings
from pipelines.media.mp4.aac import PACKET, window

LEAD_IN, LEAD_OUT = 3, 2
"""Packets encoded and thrown away, so that the encoder knows what came before and what follows."""

REACH = 3
"""How many packets further the hand-over may lie when the nearest place does not match."""

_BIT_RATE = 192_000
_ENCODER = {"aac_coder": "fast", "aac_pns": "0"}
"""At 192 kbit/s the fast coder has the fidelity of the slow one at 128, in a quarter of its time (measured)."""

_RECIPE = "1"
"""Part of the name of what is kept: raise it when packets would come out differently."""

_CHUNK = 256
_CLOSE = 2 * (REACH + LEAD_IN)


@dataclass(frozen=True, slots=True)
class Zone:
    """Packets `first` to `last` of the film, encoded by us."""

    first: int
    last: int
    packets: tuple[bytes, ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The film's sound in which zones lie: its parts, how many packets it has, its rate in Hz and its channels.

    `own(k)` is the clip's packet at the film's place k.
    """

    parts: Sequence[Part]
    total: int
    rate: int
    channels: int
    own: Callable[[int], bytes]

    def reach(self, span: tuple[int, int]) -> tuple[int, int]:
        """The packets that are encoded for a zone, of which those are kept that cancel with the clips' own."""
        first, last = span
        return (0 if first == 0 else first - REACH - 1), (self.total if last == self.total else last + REACH + 1)

    def heard(self, span: tuple[int, int]) -> tuple[int, int]:
        """The blocks that the encoder is given for a zone."""
        low, high = self.reach(span)
        return low - LEAD_IN, high + LEAD_OUT


def zone(film: Surroundings, span: tuple[int, int], ready: Path | None = None) -> Zone:
    """Encode the packets of a span, or a few more where that makes the hand-over cancel. What is made here stays in the
    folder `ready`, for `ready_zone`.
    """
    low, high = film.reach(span)
    ours = render(film.parts, low, high, film.rate, film.channels)
    if ready is not None:
        keep(ready / zone_name(film, span), ours)
    return _handed_over(film, span, ours)


def ready_zone(film: Surroundings, span: tuple[int, int], ready: Path) -> Zone | None:
    """The same as it was made ahead of the film; None where it is not there, or not whole."""
    low, high = film.reach(span)
    ours = kept(ready / zone_name(film, span), high - low)
    return None if ours is None else _handed_over(film, span, ours)


def _handed_over(film: Surroundings, span: tuple[int, int], ours: Sequence[bytes]) -> Zone:
    (first, last), low = span, film.reach(span)[0]

    def alike(place: int) -> bool:
        return window(film.own(place)) == window(ours[place - low])

    if first:
        first = next((place for place in range(first, first - REACH, -1) if alike(place - 1)), first)
    if last != film.total:
        last = next((place for place in range(last, last + REACH) if alike(place - 1)), last)
    return Zone(first, last, tuple(ours[first - low : last - low]))


def zone_name(film: Surroundings, span: tuple[int, int]) -> str:
    """The content address of the packets that are encoded for a span: all that they are made of."""
    digest = hashlib.sha256(repr((_RECIPE, film.rate, film.channels, span[1] - span[0])).encode())
    for part in ingredients(film.parts, *film.heard(span)):
        digest.update(part)
    return f"sound-{digest.hexdigest()[:32]}.aac"


def keep(place: Path, packets: Sequence[bytes]) -> None:
    """Write packets to a file of this machine, with what shows later whether it is whole."""
    sizes = struct.pack(f">{len(packets)}I", *map(len, packets))
    body = b"".join((sizes, *packets))
    with encode_settings.arriving(place) as temporary:
        temporary.write_bytes(hashlib.sha256(body).digest() + body)


def kept(place: Path, count: int) -> list[bytes] | None:
    """So many packets from such a file; None where it is not there or not whole."""
    try:
        found = place.read_bytes()
    except OSError:
        return None
    head = hashlib.sha256().digest_size
    body = found[head:]
    if hashlib.sha256(body).digest() != found[:head]:
        return None
    sizes = struct.unpack_from(f">{count}I", body)
    return [body[begin:end] for begin, end in pairwise(accumulate(sizes, initial=4 * count))]

"""The film's sound as samples: every piece at its place on the grid, faded where pictures fade.

Blocks are stretches of 1024 samples, counted as a decoder of the film would put them out; block 0 is the priming.
A piece is decoded from its own packets, a stretch at a time, so memory does not grow with the film.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from pipelines.media.audio.packet_grid import Share
from pipelines.media.clips.prepared_clip import PreparedClip
from pipelines.media.mp4.aac import PACKET
from pipelines.media.mp4.boxes import damaged

Samples = NDArray[np.float32]
"""Shape (channels, samples), full scale at 1."""

WARM_UP = 2
"""Packets before the first that is heard: each is decoded with the one before it."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """A fade in samples of the film's stream: gain goes from one end to the other with equal power."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One piece in the film's sound: it is heard from sample `start` to `stop` of the film's stream."""

    piece: PreparedClip
    share: Share
    start: int
    stop: int
    rise: Ramp | None = None
    fall: Ramp | None = None


def decode_blocks(piece: PreparedClip, first: int, last: int, channels: int) -> Samples:
    """Blocks `first` to `last` of a piece as its decoder puts them out; silence where it has no packets."""
    found = np.zeros((channels, (last - first) * PACKET), np.float32)
    audio = piece.audio
    if audio is None or piece.sound is None:
        return found
    begin, end = max(0, first - WARM_UP), min(last, len(audio.sizes))
    for block, samples in zip(
        range(begin, end), decoded(piece.sound.config, packets_of(piece, begin, end)), strict=False
    ):
        at = (block - first) * PACKET
        if at >= 0:
            found[:, at : at + PACKET] = samples
    return found


def decoded(config: bytes, packets: Iterable[bytes]) -> Iterator[Samples]:
    """The 1024 samples of each packet. Raises `UnplayableMedia` when one cannot be decoded."""
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = config
    try:
        for packet in packets:
            for frame in decoder.decode(av.Packet(packet)):
                samples = frame.to_ndarray()
                if samples.shape[-1] != PACKET or samples.dtype != np.float32:
                    raise damaged("its sound is not what it says")
                yield samples.astype(np.float32, copy=False)
    except FFmpegError as error:
        raise damaged("its sound cannot be decoded") from error


def packets_of(piece: PreparedClip, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Packets `begin` to `end` of a piece, as far as it has any; all of them unless said."""
    audio = piece.audio
    if audio is None:
        return
    places = zip(audio.offsets[begin:end].tolist(), audio.sizes[begin:end].tolist(), strict=True)
    with piece.path.open("rb", buffering=0) as file:
        yield from (os.pread(file.fileno(), size, offset) for offset, size in places)


def mix(parts: Sequence[Part], first: int, last: int, channels: int) -> Samples:
    """Blocks `first` to `last` of the film."""
    total = np.zeros((channels, (last - first) * PACKET), np.float32)
    for part in parts:
        low, high = max(first * PACKET, part.start), min(last * PACKET, part.stop)
        if low < high:
            total[:, low - first * PACKET : high - first * PACKET] += _heard(part, low, high, channels)
    return total


def ingredients(parts: Sequence[Part], first: int, last: int) -> Iterator[bytes]:
    """All that decides how blocks `first` to `last` of the film sound, with places counted from the first of them:
    where these are equal, so are the samples, wherever in a film they stand.
    """
    origin = first * PACKET
    for part in parts:
        low, high = max(origin, part.start), min(last * PACKET, part.stop)
        if low >= high:
            continue
        own = part.share.first - part.share.start
        begin, end = low // PACKET + own, -(-high // PACKET) + own
        packets = list(packets_of(part.piece, max(0, begin - WARM_UP), max(0, end)))
        ramps = [(ramp.start - origin, ramp.stop - origin) for ramp in (part.rise, part.fall) if ramp]
        sides = (part.rise is None, part.fall is None, part.piece.sound.config if part.piece.sound else None)
        places = (low - origin, high - origin, max(0, begin - WARM_UP) - begin, [len(packet) for packet in packets])
        yield repr((places, ramps, sides)).encode()
        yield from packets


def _heard(part: Part, low: int, high: int, channels: int) -> Samples:
    """Samples `low` to `high` of the film's stream as this part brings them, with its fades."""
    first, last = low // PACKET, -(-high // PACKET)
    own = part.share.first - part.share.start
    samples = decode_blocks(part.piece, first + own, last + own, channels)
    samples = samples[:, low - first * PACKET : high - first * PACKET]
    places = np.arange(low, high)
    if part.rise:
        samples *= np.sin(_progress(part.rise, places))
    if part.fall:
        samples *= np.cos(_progress(part.fall, places))
    return samples


def _progress(ramp: Ramp, places: NDArray[np.int64]) -> Samples:
    share = np.clip((places - ramp.start) / max(1, ramp.stop - ramp.start), 0, 1)
    return (share * (np.pi / 2)).astype(np.float32)


def stream_place(seconds: Fraction, rate: int, priming: int) -> int:
    """The sample of the film's stream that is heard at a time of the film."""
    return round(seconds * rate) + priming

"""Whose packets sound when: one grid of 1024 samples for the whole film, so that no error can accumulate.

A packet of AAC cannot be cut, and a clip's length is rarely a whole number of packets. Each clip is therefore given
the packets that lie nearest to its picture on the film's own grid: never more than half a packet away (10.7 ms at
48 kHz), whatever the clips before it were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipelines.media.clips.prepared_clip import PreparedClip
from pipelines.media.mp4.aac import PACKET
from pipelines.media.mp4.boxes import Ints

SILENT_PACKETS = {1: bytes.fromhex("01182007"), 2: bytes.fromhex("211004608c1c")}
"""AAC-LC silence for one and two channels, at any rate: no band carries anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Packets:
    """Packets of sound in film order: places in their source, and sizes."""

    offsets: Ints
    sizes: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one piece brings to the film's sound: `count` packets from `first`, then `silence` packets of nothing.

    `start` is the number of packets the film has before it; `late` how many samples its sound is behind its picture.
    """

    start: int
    first: int
    count: int
    silence: int
    silent_packet: bytes
    late: Fraction


def nearest(value: Fraction) -> int:
    """The nearest whole number; halves go up, so that the same film always gets the same grid."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def shares(
    pieces: Sequence[PreparedClip], starts: Sequence[Fraction], end: Fraction, rate: int, priming: int
) -> list[Share]:
    """Split the film's grid among its pieces, each from its start (in seconds of the film) to the next one's.

    `priming` in samples stands before the film's first picture.
    """
    channels = next(piece.sound.channels for piece in pieces if piece.sound)
    silent = SILENT_PACKETS[channels]
    found, place = [], 0
    for piece, start, stop in zip(pieces, starts, [*starts[1:], end], strict=True):
        heard = place * PACKET - priming - start * rate
        following = max(place, nearest((stop * rate + priming) / PACKET))
        found.append(_share(piece, place, following - place, heard, silent))
        place = following
    return found


def _share(piece: PreparedClip, start: int, wanted: int, heard: Fraction, silent: bytes) -> Share:
    """`heard` is the film's sound position less the piece's picture position, in samples, where the piece begins."""
    available = len(piece.audio.sizes) if piece.audio else 0
    first = max(0, nearest((heard + piece.priming) / PACKET))
    count = max(0, min(wanted, available - first))
    late = heard + piece.priming - first * PACKET
    return Share(start=start, first=first, count=count, silence=wanted - count, silent_packet=silent, late=late)

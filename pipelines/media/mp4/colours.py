"""What a clip states of its colours, in its stream and in its container, and which of the two counts.

The stream wins where it says something, and the container fills what the stream leaves open: so read ffmpeg and the
players built on it (Chromium, VLC, mpv). What neither says is BT.709, as in all that we make.
"""
# ruff: noqa: PLR2004 - the numbers are the format's own, named by the text beside them.

from __future__ import annotations

import struct
from dataclasses import dataclass

from pipelines.media.mp4.avcc import Sps
from pipelines.media.mp4.boxes import Box, Parts, box, children

UNSPECIFIED = 2
SMPTE170M = 6
"""Code point "unspecified" in ITU-T H.273, for primaries, transfer and matrix alike."""

BT709 = 1
PQ, HLG = 16, 18
"""H.273 transfer characteristics of high dynamic range."""

_RESERVED = 3


@dataclass(frozen=True, slots=True)
class Colours:
    """Primaries, transfer and matrix (2 where nobody says), and whether the full range is used (None: unsaid)."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    full_range: bool | None = None

    @property
    def codes(self) -> tuple[int, int, int]:
        """The three code points."""
        return self.primaries, self.transfer, self.matrix

    def shown(self) -> tuple[int, int, int]:
        """The three code points as they are shown: what nobody says is BT.709."""
        primaries, transfer, matrix = (BT709 if code == UNSPECIFIED else code for code in self.codes)
        return primaries, transfer, matrix


def of_container(entry: bytes, inner: Parts) -> Colours:
    """What the `colr` box of a sample entry states: `nclx` with a range, QuickTime's `nclc` without one."""
    colr = inner.get(b"colr")
    if colr is None or colr.end - colr.start < 10 or entry[colr.start : colr.start + 4] not in {b"nclx", b"nclc"}:
        return Colours()
    primaries, transfer, matrix = struct.unpack_from(">3H", entry, colr.start + 4)
    ranged = entry[colr.start : colr.start + 4] == b"nclx" and colr.end - colr.start > 10
    return _colours(primaries, transfer, matrix, bool(entry[colr.start + 10] & 0x80) if ranged else None)


def of_stream(sps: Sps) -> Colours:
    """What the parameter set states."""
    return _colours(*(sps.colours or (UNSPECIFIED,) * 3), sps.full_range)


def _colours(primaries: int, transfer: int, matrix: int, full_range: bool | None) -> Colours:  # noqa: FBT001 - one of four
    """Reserved codes state nothing; a matrix of 0 does (RGB), primaries and a transfer of 0 are reserved."""
    known = [UNSPECIFIED if code in {0, _RESERVED} else code for code in (primaries, transfer)]
    return Colours(known[0], known[1], UNSPECIFIED if matrix == _RESERVED else matrix, full_range)


def effective(stream: Colours, container: Colours) -> Colours:
    """Both together, the stream first."""
    pairs = zip(stream.codes, container.codes, strict=True)
    primaries, transfer, matrix = (other if said == UNSPECIFIED else said for said, other in pairs)
    full = stream.full_range if stream.full_range is not None else container.full_range
    return Colours(primaries, transfer, matrix, full)


def _agrees(entry: bytes, colr: Box, colours: Colours) -> bool:
    """Whether a `colr` box states nothing that is otherwise."""
    said = of_container(entry, Parts({b"colr": colr}))
    return effective(said, colours) == effective(colours, said)


def kept_boxes(entry: bytes, start: int, colours: Colours) -> list[bytes]:
    """The boxes of a sample entry that say how its pictures are shown (`colr`, `pasp`), for a film of these colours.

    A `colr` that says otherwise is written anew: some players (Apple's) believe it rather than the stream.
    """
    found = [inner for inner in children(entry, start, len(entry)) if inner.kind in {b"colr", b"pasp"}]
    wrong = [inner for inner in found if inner.kind == b"colr" and not _agrees(entry, inner, colours)]
    right = [entry[inner.start - 8 : inner.end] for inner in found if inner.kind != b"colr" or not wrong]
    if not wrong:
        return right
    range_byte = 0x80 if colours.full_range else 0
    return [box(b"colr", b"nclx", struct.pack(">3HB", *colours.shown(), range_byte)), *right]

"""Where each picture's parts (NAL units) begin and end, walked by their lengths to the end of each frame.

Nothing is decoded: a length that points beyond its frame, a part of no length or a frame without a slice is damage
that a decoder would meet, found for the price of reading a few bytes of each frame. After ISO/IEC 14496-15 (samples
of length-prefixed units), ITU-T H.264 7.3.1 and H.265 7.3.1.2 (headers of units).
"""
# ruff: noqa: PLR2004 - the numbers are the format's own, named by the text beside them.

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.media.mp4.boxes import Box, Ints, parts
from pipelines.media.mp4.reader import Track

VISUAL_ENTRY_HEAD = 86
"""Bytes of a picture's sample entry before the boxes inside it."""

MOST_UNITS = 1_000_000
"""Parts read of one clip; eight slices a frame for an hour of film are fewer. What is beyond is not looked at."""

MOST_PARTS = 4_000
"""Parts of one frame; a slice for every row of the largest picture, and as many messages, are fewer."""

Bools = NDArray[np.bool_]


class Syntax(Enum):
    """How the header of a unit is read."""

    H264 = "h264"
    H265 = "h265"


_SYNTAX = dict.fromkeys(("avc1", "avc3"), Syntax.H264) | dict.fromkeys(("hvc1", "hev1", "dvh1", "dvhe"), Syntax.H265)
_CONFIGURATION = {Syntax.H264: (b"avcC", 4), Syntax.H265: (b"hvcC", 21)}
"""The box of the decoder's settings, and the place of the byte whose two lowest bits say how long lengths are."""

_H264_SETS = (7, 8)


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Which frames are damaged, and where parameter sets stand among the pictures: (place in the file, bytes)."""

    damaged: Bools
    sets: tuple[tuple[int, int], ...]


def walk(path: Path, track: Track) -> Units | None:
    """Walk the frames of a track; None when it is of a codec without such parts, or its settings are missing."""
    syntax = _SYNTAX.get(track.codec)
    size = _length_size(track, syntax) if syntax else None
    if syntax is None or size is None:
        return None
    with path.open("rb", buffering=0) as file:
        return _walk(file.fileno(), track, syntax, size)


def _length_size(track: Track, syntax: Syntax) -> int | None:
    entry = track.entries[0]
    name, place = _CONFIGURATION[syntax]
    box = parts(entry, Box(b"", VISUAL_ENTRY_HEAD, len(entry))).get(name) if len(entry) > VISUAL_ENTRY_HEAD else None
    if box is None or box.end - box.start <= place:
        return None
    return (entry[box.start + place] & 3) + 1


def _walk(descriptor: int, track: Track, syntax: Syntax, size: int) -> Units:
    """All frames side by side: round by round the next part of each, until every frame has come to its end."""
    bad = np.ones(len(track.sizes), np.bool_)
    pictured, sets, read = np.zeros(len(bad), np.bool_), list[tuple[int, int]](), 0
    frames, at, ends = np.arange(len(bad)), track.offsets, track.offsets + track.sizes
    for _ in range(MOST_PARTS):
        room = at + size < ends
        frames, at, ends = frames[room], at[room], ends[room]
        read += len(frames)
        if not len(frames) or read > MOST_UNITS:
            break
        lengths, heads = _heads(descriptor, at, size)
        after = at + size + lengths
        right = (lengths > (syntax is Syntax.H265)) & (after <= ends) & (heads < 128)
        kinds = heads & 31 if syntax is Syntax.H264 else heads >> 1
        pictured[frames[right & _slices(kinds, syntax)]] = True
        if syntax is Syntax.H264:
            chosen = right & np.isin(kinds, _H264_SETS)
            sets += zip((at[chosen] + size).tolist(), lengths[chosen].tolist(), strict=True)
        bad[frames[right & (after == ends)]] = False
        frames, at, ends = frames[right], after[right], ends[right]
    if read > MOST_UNITS:
        bad[frames] = False
        pictured[frames] = True
    return Units(bad | ~pictured, tuple(sets))


def _slices(kinds: Ints, syntax: Syntax) -> Bools:
    return (kinds >= 1) & (kinds <= 5) if syntax is Syntax.H264 else kinds < 32


def _heads(descriptor: int, at: Ints, size: int) -> tuple[Ints, Ints]:
    """Length and first byte of the parts at these places."""
    read = b"".join([os.pread(descriptor, size + 1, place) for place in at.tolist()])
    columns = np.frombuffer(read, np.uint8).reshape(-1, size + 1).astype(np.int64)
    return columns[:, :size] @ (1 << 8 * np.arange(size)[::-1]), columns[:, size]

"""Which characters a font file has glyphs for, by its own `cmap` table (OpenType 1.9, chapter cmap)."""
# ruff: noqa: PLR2004 - the numbers are the format's own, named by the text beside them.

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path

import numpy as np

_UNICODE = {(0, 3): 4, (0, 4): 12, (0, 6): 12, (3, 1): 4, (3, 10): 12}
"""Platform and encoding of the tables that map Unicode, and the format that is read of each."""


@lru_cache(maxsize=512)
def characters(path: Path) -> frozenset[int]:
    """The code points that have a glyph in the file's (first) face; empty for a file that is no font."""
    try:
        data = path.read_bytes()
        start = struct.unpack_from(">I", data, 12)[0] if data[:4] == b"ttcf" else 0
        table = _table(data, start, b"cmap")
        return frozenset() if table is None else _mapped(data, table)
    except (OSError, struct.error, ValueError):
        return frozenset()


def _table(data: bytes, start: int, tag: bytes) -> int | None:
    count = struct.unpack_from(">H", data, start + 4)[0]
    for index in range(count):
        name, _, offset, _ = struct.unpack_from(">4sIII", data, start + 12 + 16 * index)
        if name == tag:
            return int(offset)
    return None


def _mapped(data: bytes, at: int) -> frozenset[int]:
    found: set[int] = set()
    for index in range(struct.unpack_from(">H", data, at + 2)[0]):
        platform, encoding, offset = struct.unpack_from(">HHI", data, at + 4 + 8 * index)
        layout = struct.unpack_from(">H", data, at + offset)[0]
        if (platform, encoding) in _UNICODE and layout == 12:
            found |= _segmented_coverage(data, at + offset)
        elif (platform, encoding) in _UNICODE and layout == 4:
            found |= _segment_mapping(data, at + offset)
    return frozenset(found)


def _segmented_coverage(data: bytes, at: int) -> set[int]:
    """Format 12: groups of consecutive characters."""
    groups = np.frombuffer(data, ">u4", 3 * struct.unpack_from(">I", data, at + 12)[0], at + 16).reshape(-1, 3)
    found: set[int] = set()
    for first, last, glyph in groups.tolist():
        found.update(range(first + (glyph == 0), min(last, 0x10FFFF) + 1))
    return found


def _segment_mapping(data: bytes, at: int) -> set[int]:
    """Format 4: segments with a difference, or with places in an array of glyphs, where 0 is none."""
    segments = struct.unpack_from(">H", data, at + 6)[0] // 2
    place = at + 14
    ends = np.frombuffer(data, ">u2", segments, place).tolist()
    starts, deltas, ranges = (
        np.frombuffer(data, ">u2", segments, place + 2 + 2 * segments * number).tolist() for number in (1, 2, 3)
    )
    found: set[int] = set()
    for index, (first, last, delta, offset) in enumerate(zip(starts, ends, deltas, ranges, strict=True)):
        where = place + 2 + 6 * segments + 2 * index + offset
        for code in range(first, last + 1):
            glyph = code
            if offset:
                glyph = struct.unpack_from(">H", data, where + 2 * (code - first))[0]
                if not glyph:
                    continue
            if (glyph + delta) & 0xFFFF:
                found.add(code)
    found.discard(0xFFFF)
    return found

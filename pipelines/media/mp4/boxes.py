"""ISO base media boxes: walking them with every size held against its parent, and building them.

Sizes, counts and offsets in a file from outside are claims; nothing here trusts one before it is bounded.
Knows no codec and no film.
"""
# ruff: noqa: PLR2004 - the numbers are the format's own, named by the text beside them.

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.domain.errors import UnplayableMedia

Ints = NDArray[np.int64]

U32, I32, U64 = np.dtype(">u4"), np.dtype(">i4"), np.dtype(">u8")
"""Columns of tables."""

MAX_BOXES = 2_000
"""Boxes in one parent. Real files have a few dozen; a file of empty boxes must not keep us busy."""


_head = struct.Struct(">I4s").unpack_from
_one = struct.Struct(">I").unpack_from


class Box(NamedTuple):
    """A box inside a buffer: its four-character code and where its payload begins and ends."""

    kind: bytes
    start: int
    end: int


def damaged(reason: str) -> UnplayableMedia:
    """The one error of this room, with one reason for both readers."""
    return UnplayableMedia(reason, marketer=f"The file is not a playable video: {reason}.")


def children(data: bytes, start: int, end: int) -> list[Box]:
    """The boxes in `data[start:end]`; zero bytes at the end are padding.

    Raises `UnplayableMedia` when a box reaches beyond its parent.
    """
    found: list[Box] = []
    while end - start >= 8:
        size, kind = _head(data, start)
        header = 8
        if size == 1 and end - start >= 16:
            size, header = struct.unpack_from(">Q", data, start + 8)[0], 16
        if size == 0:
            return found
        if size < header or size > end - start:
            raise damaged("a part of its index reaches beyond its place")
        if len(found) == MAX_BOXES:
            raise damaged("its index has too many parts")
        found.append(Box(kind, start + header, start + size))
        start += size
    return found


class Parts(dict[bytes, Box]):
    """The boxes of one parent by kind; of several the first. Looking up a missing one raises `UnplayableMedia`."""

    def __missing__(self, kind: bytes) -> Box:
        raise damaged(f"its index lacks {kind.decode('latin-1')!r}")


def parts(data: bytes, parent: Box, skip: int = 0) -> Parts:
    """The boxes inside a parent, after `skip` bytes of its own fields."""
    found = Parts()
    for inner in children(data, parent.start + skip, parent.end):
        found.setdefault(inner.kind, inner)
    return found


def fields(layout: str, data: bytes, box: Box, offset: int = 0) -> tuple[Any, ...]:
    """Unpack numbers at an offset of a box's payload, inside its bounds."""
    if offset + struct.calcsize(layout) > box.end - box.start:
        raise _too_short(box)
    return struct.unpack_from(layout, data, box.start + offset)


def _too_short(box: Box) -> UnplayableMedia:
    return damaged(f"the {box.kind.decode('latin-1')!r} part of its index is too short")


def table(data: bytes, box: Box, columns: int, dtype: np.dtype[Any] = U32, skip: int = 4) -> NDArray[Any]:
    """The numbers of a counted table, row after row. `skip` bytes stand before the 32-bit count of rows."""
    room = box.end - box.start - skip - 4
    if room < 0:
        raise _too_short(box)
    count = _one(data, box.start + skip)[0] * columns
    if count * dtype.itemsize > room:
        raise damaged(f"the {box.kind.decode('latin-1')!r} part of its index claims more rows than it has")
    return np.frombuffer(data, dtype, count, box.start + skip + 4)


def box(kind: bytes, *payload: bytes) -> bytes:
    """Build a box with a 32-bit size."""
    body = b"".join(payload)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """Build a box that begins with a version byte and 24 bits of flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


def run_lengths(values: Ints) -> tuple[Ints, Ints]:
    """Run-length code: (lengths of the runs, their values)."""
    if not len(values):
        return values, values
    edges = np.flatnonzero(np.diff(values)) + 1
    starts = np.concatenate(([0], edges)).astype(np.int64)
    return np.diff(np.append(starts, len(values))), values[starts]


def big_endian(values: Ints, dtype: str = ">u4") -> bytes:
    """The bytes of a table column as the file wants them."""
    return values.astype(dtype).tobytes()

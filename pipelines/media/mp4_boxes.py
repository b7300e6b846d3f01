"""ISO base media boxes: walking them with every size held against its parent, and building them.

Sizes, counts and offsets in a file from outside are claims; nothing here trusts one before it is bounded.
Knows no codec and no film.
"""
# ruff: noqa: PLR2004 - the numbers are the format's own, named by the text beside them.

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.domain.errors import UnplayableMedia

Ints = NDArray[np.int64]

MAX_BOXES = 2_000
"""Boxes in one parent. Real files have a few dozen; a file of empty boxes must not keep us busy."""


class Box(NamedTuple):
    """A box inside a buffer: its four-character code and where its payload begins and ends."""

    kind: bytes
    start: int
    end: int


def damaged(reason: str) -> UnplayableMedia:
    """The one error of this room, with one reason for both readers."""
    return UnplayableMedia(reason, marketer=f"The file is not a playable video: {reason}.")


def children(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Walk the boxes in `data[start:end]`; zero bytes at the end are padding.

    Raises `UnplayableMedia` when a box reaches beyond its parent.
    """
    for _ in range(MAX_BOXES):
        if end - start < 8:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1 and end - start >= 16:
            size, header = struct.unpack_from(">Q", data, start + 8)[0], 16
        if size == 0:
            return
        if size < header or size > end - start:
            raise damaged("a part of its index reaches beyond its place")
        yield Box(kind, start + header, start + size)
        start += size
    raise damaged("its index has too many parts")


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
        raise damaged(f"the {box.kind.decode('latin-1')!r} part of its index is too short")
    return struct.unpack_from(layout, data, box.start + offset)


def table(data: bytes, box: Box, columns: int, dtype: str = ">u4", skip: int = 4) -> NDArray[np.generic]:
    """The rows of a counted table: shape (count, columns). `skip` bytes stand before the 32-bit count."""
    count = fields(">I", data, box, skip)[0]
    width = np.dtype(dtype).itemsize * columns
    if count * width > box.end - box.start - skip - 4:
        raise damaged(f"the {box.kind.decode('latin-1')!r} part of its index claims more rows than it has")
    rows = np.frombuffer(data, dtype, count * columns, box.start + skip + 4)
    return rows.reshape(count, columns)


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

"""A ZIP archive whose files are stored as they are, as a list of spans: any part of it can be read alone.

Lengths and check sums are known before, so there are no data descriptors and nothing is buffered. Layout: PKWARE's
APPNOTE 6.3.10; ZIP64 is used where a number does not fit.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_LOCAL, _CENTRAL, _END = 0x04034B50, 0x02014B50, 0x06054B50
_END64, _END64_LOCATOR = 0x06064B50, 0x07064B50
_ZIP64 = 1
"""The id of the extra field that holds what does not fit into 32 bits."""
_UTF8_NAMES = 0x800
_PLAIN, _WITH_64 = 20, 45
"""The versions that a reader needs."""
_MADE_ON_UNIX = 3 << 8
_READABLE = 0o100644 << 16
_FULL, _FULL_COUNT = 0xFFFFFFFF, 0xFFFF
_FIRST_YEAR = 1980


@dataclass(frozen=True, slots=True)
class Member:
    """One file: what it is called, how long it is, and its CRC-32."""

    name: str
    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of the archive: its own, or those of the member with this number."""

    start: int
    size: int
    own: bytes = b""
    member: int | None = None


def spans(members: Sequence[Member], at: float) -> list[Span]:
    """The whole archive in order. `at` is every file's time, in Unix seconds; the same input gives the same bytes."""
    found: list[Span] = []
    central, offset, stamp = b"", 0, _dos_time(at)
    for number, member in enumerate(members):
        head = _local(member, stamp)
        central += _listed(member, stamp, offset)
        found += [Span(offset, len(head), head), Span(offset + len(head), member.size, member=number)]
        offset += len(head) + member.size
    tail = central + _end(len(members), len(central), offset)
    return [*found, Span(offset, len(tail), tail)]


def read(
    archive: Sequence[Span], start: int, length: int, member: Callable[[int, int, int], Iterator[bytes]]
) -> Iterator[bytes]:
    """`length` bytes from `start`; `member(number, start, length)` reads a part of a file."""
    stop = start + length
    for span in archive:
        first, last = max(start, span.start) - span.start, min(stop, span.start + span.size) - span.start
        if first >= last:
            continue
        if span.member is None:
            yield span.own[first:last]
        else:
            yield from member(span.member, first, last - first)


def size_of(archive: Sequence[Span]) -> int:
    """Bytes of the whole."""
    return archive[-1].start + archive[-1].size


def _dos_time(at: float) -> tuple[int, int]:
    moment = time.gmtime(max(at, 0.0))
    if moment.tm_year < _FIRST_YEAR:
        return 0, 1 << 5 | 1
    day = (moment.tm_year - _FIRST_YEAR) << 9 | moment.tm_mon << 5 | moment.tm_mday
    return moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2, day


def _local(member: Member, stamp: tuple[int, int]) -> bytes:
    name, large = member.name.encode(), member.size >= _FULL
    extra = struct.pack("<HHQQ", _ZIP64, 16, member.size, member.size) if large else b""
    size, needs = (_FULL, _WITH_64) if large else (member.size, _PLAIN)
    lengths = len(name), len(extra)
    return (
        struct.pack("<IHHHHHIIIHH", _LOCAL, needs, _UTF8_NAMES, 0, *stamp, member.crc32, size, size, *lengths)
        + name
        + extra
    )


def _listed(member: Member, stamp: tuple[int, int], offset: int) -> bytes:
    name, large, far = member.name.encode(), member.size >= _FULL, offset >= _FULL
    wide = (struct.pack("<QQ", member.size, member.size) if large else b"") + (
        struct.pack("<Q", offset) if far else b""
    )
    extra = struct.pack("<HH", _ZIP64, len(wide)) + wide if wide else b""
    size, needs = _FULL if large else member.size, _WITH_64 if wide else _PLAIN
    head = struct.pack(
        "<IHHHHHHIIIHHHHHII",
        *(_CENTRAL, _MADE_ON_UNIX | needs, needs, _UTF8_NAMES, 0, *stamp, member.crc32, size, size),
        *(len(name), len(extra), 0, 0, 0, _READABLE, _FULL if far else offset),
    )
    return head + name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    wide = b""
    if count >= _FULL_COUNT or size >= _FULL or offset >= _FULL:
        head = (_END64, 44, _MADE_ON_UNIX | _WITH_64, _WITH_64, 0, 0, count, count, size, offset)
        wide = struct.pack("<IQHHIIQQQQ", *head) + struct.pack("<IIQI", _END64_LOCATOR, 0, offset + size, 1)
    short = min(count, _FULL_COUNT), min(count, _FULL_COUNT), min(size, _FULL), min(offset, _FULL)
    return wide + struct.pack("<IHHHHIIH", _END, 0, 0, *short, 0)

"""Writing an MP4: the header from tables, then the bytes of its sources in one pass.

Everything is decided before the first byte is written: where each sample will lie, how long the header is, whether
sizes need 64 bits. Nothing in the file depends on when or where it was made.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import mmap
import os
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import numpy as np

from pipelines.domain.languages import LANGUAGES
from pipelines.media.mp4.boxes import Ints, big_endian, box, full_box, run_lengths

_MATRIX = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_COPY_BYTES = 1 << 20
_WINDOW_BYTES = 4 << 20
_AHEAD_BYTES = 8 << 20
_MAPPED = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
_UNDETERMINED = 0x55C4
_NARROW = 1 << 32
_HEADROOM = 16 << 20

_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)
"""Linux's own call, which `os` lacks."""
_BEGIN_WRITING = 2


@dataclass(frozen=True, slots=True)
class FileRange:
    """A stretch of bytes in a file."""

    path: Path
    start: int
    length: int


Source = FileRange | bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackTables:
    """One track to be written. Offsets count from the first byte of the film's media data; times in `timescale`.

    `composition` is None when display follows decoding; `sync` (from 0) is None when every sample stands alone.
    `skip` is where the edit list starts the track, `shown` how long it shows it, in seconds.
    """

    entry: bytes
    timescale: int
    delta: int
    sizes: Ints
    offsets: Ints
    skip: int
    shown: Fraction
    composition: Ints | None = None
    sync: Ints | None = None
    width: int = 0
    height: int = 0
    language: str = ""
    """A BCP 47 tag; empty where nobody said it."""

    @property
    def ticks(self) -> int:
        """Length of all samples."""
        return len(self.sizes) * self.delta


def source_length(source: Source) -> int:
    """Bytes a source brings."""
    return len(source) if isinstance(source, bytes) else source.length


def header(tracks: Sequence[TrackTables], payload: int, comment: str | None) -> bytes:
    """Everything before the media data: `ftyp`, `moov` and the head of an `mdat` of `payload` bytes."""
    clock = tracks[0].timescale
    ftyp = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
    wide = payload + _HEADROOM + sum(len(track.sizes) * 64 for track in tracks) >= _NARROW
    length = len(_moov(tracks, clock, 0, comment, wide=wide))
    head = struct.pack(">I4sQ", 1, b"mdat", payload + 16) if wide else struct.pack(">I4s", payload + 8, b"mdat")
    moov = _moov(tracks, clock, len(ftyp) + length + len(head), comment, wide=wide)
    if len(moov) != length:
        raise AssertionError("the header's length depends on its offsets")
    return ftyp + moov + head


def _moov(tracks: Sequence[TrackTables], clock: int, base: int, comment: str | None, *, wide: bool) -> bytes:
    longest = max(_ticks(track.shown, clock) for track in tracks)
    head = struct.pack(">II", 1 << 16, 1 << 24) + bytes(8) + _MATRIX + bytes(24) + struct.pack(">I", len(tracks) + 1)
    return box(
        b"moov",
        _timed(b"mvhd", 0, struct.pack(">I", clock), longest, head, head=0),
        *(_trak(track, number, clock, base, wide=wide) for number, track in enumerate(tracks, 1)),
        _notes(comment) if comment else b"",
    )


def _ticks(seconds: Fraction, clock: int) -> int:
    return round(seconds * clock)


def _timed(kind: bytes, flags: int, clock: bytes, length: int, rest: bytes, *, head: int) -> bytes:
    """A box with creation time, modification time and a length, 64 bits wide only when it must be."""
    version = int(length >= _NARROW)
    number = ">Q" if version else ">I"
    return full_box(
        kind, version, flags, bytes(16 if version else 8), clock, struct.pack(number, length), bytes(head), rest
    )


def _trak(track: TrackTables, number: int, clock: int, base: int, *, wide: bool) -> bytes:
    picture = track.width > 0
    shown = _ticks(track.shown, clock)
    layer = struct.pack(">hhh", 0, 0, 0 if picture else 256) + bytes(2) + _MATRIX
    size = struct.pack(">II", track.width << 16, track.height << 16)
    language = struct.pack(">HH", _packed(track.language), 0)
    media = full_box(b"vmhd", 0, 1, bytes(8)) if picture else full_box(b"smhd", 0, 0, bytes(4))
    handler = b"vide" if picture else b"soun"
    data = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    return box(
        b"trak",
        _timed(b"tkhd", 3, struct.pack(">II", number, 0), shown, layer + size, head=8),
        box(b"edts", _edit(shown, track.skip)),
        box(
            b"mdia",
            _timed(b"mdhd", 0, struct.pack(">I", track.timescale), track.ticks, language, head=0),
            full_box(b"elng", 0, 0, track.language.encode(), bytes(1)) if track.language else b"",
            full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(13)),
            box(b"minf", media, data, _stbl(track, base, wide=wide)),
        ),
    )


def _packed(tag: str) -> int:
    """The three letters of ISO 639-2, five bits each; the whole tag stands beside them, in `elng`."""
    if tag not in LANGUAGES:
        return _UNDETERMINED
    first, second, third = (ord(letter) - 0x60 for letter in LANGUAGES[tag].iso)
    return first << 10 | second << 5 | third


def _edit(shown: int, skip: int) -> bytes:
    version = int(shown >= _NARROW or skip >= _NARROW // 2)
    return full_box(b"elst", version, 0, struct.pack(">I" + ("Qq" if version else "Ii") + "I", 1, shown, skip, 1 << 16))


def _stbl(track: TrackTables, base: int, *, wide: bool) -> bytes:
    count = len(track.sizes)
    chunk_first = _chunk_starts(track)
    lengths, values = run_lengths(np.diff(np.append(chunk_first, count)))
    firsts = np.cumsum(lengths) - lengths + 1
    places = track.offsets[chunk_first] + base
    to_chunk = np.stack([firsts, values, np.ones_like(firsts)], axis=1)
    return box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), track.entry),
        full_box(b"stts", 0, 0, struct.pack(">III", 1, count, track.delta)),
        b"" if track.sync is None else _counted(b"stss", track.sync + 1),
        b"" if track.composition is None else _composition(track.composition),
        _counted(b"stsc", to_chunk),
        full_box(b"stsz", 0, 0, struct.pack(">II", 0, count), big_endian(track.sizes)),
        _counted(b"co64", places, ">u8") if wide else _counted(b"stco", places),
    )


def _chunk_starts(track: TrackTables) -> Ints:
    """Index of the first sample of each maximal run of samples that lie side by side."""
    apart = track.offsets[1:] != track.offsets[:-1] + track.sizes[:-1]
    starts: Ints = np.concatenate(([0], np.flatnonzero(apart) + 1)).astype(np.int64)
    return starts


def _counted(kind: bytes, rows: Ints, dtype: str = ">u4") -> bytes:
    return full_box(kind, 0, 0, struct.pack(">I", len(rows)), big_endian(rows, dtype))


def _composition(offsets: Ints) -> bytes:
    lengths, values = run_lengths(offsets)
    return _counted(b"ctts", np.stack([lengths, values], axis=1))


def _notes(comment: str) -> bytes:
    """The comment and description that players and content checkers show, as iTunes and ffmpeg write them."""
    text = comment.encode()
    items = [box(kind, box(b"data", struct.pack(">II", 1, 0), text)) for kind in (b"\xa9cmt", b"desc")]
    handler = full_box(b"hdlr", 0, 0, bytes(4), b"mdirappl", bytes(9))
    return box(b"udta", full_box(b"meta", 0, 0, handler, box(b"ilst", *items)))


class _Digest:
    """SHA-256 of what is written, computed beside the writing; buffers come back when they are hashed."""

    def __init__(self, buffers: int = 4) -> None:
        self._digest = hashlib.sha256()
        self._full: SimpleQueue[memoryview | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        for _ in range(buffers):
            self._free.put(memoryview(bytearray(_COPY_BYTES)))
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def buffer(self) -> memoryview:
        return self._free.get()

    def update(self, view: memoryview) -> None:
        self._full.put(view)

    def _run(self) -> None:
        while (view := self._full.get()) is not None:
            self._digest.update(view)
            if not view.readonly:
                self._free.put(memoryview(view.obj))

    def finish(self) -> str:
        self._full.put(None)
        self._thread.join()
        return self._digest.hexdigest()


def write_file(dest: Path, head: bytes, sources: Sequence[Source], *, final: bool = True) -> str:
    """Write to a temporary name beside `dest` and rename.

    The SHA-256 in hex of a `final` file is returned, "" for a work file. Neither is forced to the disk: storage does
    that with what it takes, and until then it can be made again. But the disk is given the bytes of a `final` file
    while others are still copied and hashed, so that storage has little to wait for.
    """
    dest.parent.mkdir(parents=True, exist_ok=True)
    temporary = dest.with_name(f".{dest.stem[:40]}.{uuid.uuid4().hex}{dest.suffix}")
    try:
        with temporary.open("xb", buffering=0) as out:
            _reserve(out.fileno(), len(head) + sum(map(source_length, sources)))
            result = _pour_and_hash(out.fileno(), head, sources) if final else _pour(out.fileno(), head, sources)
        temporary.replace(dest)
    finally:
        temporary.unlink(missing_ok=True)
    return result


def _reserve(descriptor: int, length: int) -> None:
    """Ask for the space at once: a full disk is known before the first byte, and writing is a quarter faster."""
    if not hasattr(os, "posix_fallocate"):  # macOS has none
        return
    try:
        os.posix_fallocate(descriptor, 0, length)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _pour_and_hash(descriptor: int, head: bytes, sources: Sequence[Source]) -> str:
    digest = _Digest()
    try:
        _pour(descriptor, head, sources, digest)
    finally:
        found = digest.finish()
    return found


def _pour(descriptor: int, head: bytes, sources: Sequence[Source], digest: _Digest | None = None) -> str:
    """Everything in order, in large pieces: faster than letting the kernel copy from file to file (measured)."""
    written = begun = 0
    for source in (head, *sources):
        if isinstance(source, bytes):
            if digest:
                digest.update(memoryview(source))
            _write_all(descriptor, memoryview(source))
        elif digest:
            _copy_hashed(source, descriptor, digest)
        else:
            _copy(source, descriptor)
        written += source_length(source)
        if digest and written - begun >= _AHEAD_BYTES:
            _begin_writing(descriptor, begun, written - begun)
            begun = written
    return ""


def _begin_writing(descriptor: int, start: int, length: int) -> None:
    """Let the disk begin with these bytes. It waits only where the disk's queue is full, and promises nothing: where it
    fails nothing is lost but the head start, and an error of the disk comes with the fsync.
    """
    if _sync_file_range is not None:  # macOS has none
        _sync_file_range(descriptor, ctypes.c_int64(start), ctypes.c_int64(length), _BEGIN_WRITING)


def _write_all(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view) :]


def _copy(source: FileRange, descriptor: int) -> None:
    """Straight from the pages that hold the file: a tenth faster than through memory of our own (measured).

    Nobody but the kernel reads what is mapped, so a file that is cut short meanwhile is an error like any other.
    """
    at, end = source.start, source.start + source.length
    with source.path.open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size < end:
            raise _ended(source)
        while at < end:
            begin = at - at % mmap.ALLOCATIONGRANULARITY
            length = min(_WINDOW_BYTES, end - begin)
            with mmap.mmap(file.fileno(), length, _MAPPED, mmap.PROT_READ, offset=begin) as mapped:
                _write_all(descriptor, memoryview(mapped)[at - begin :])
            at = begin + length


def _copy_hashed(source: FileRange, descriptor: int, digest: _Digest) -> None:
    left = source.length
    with source.path.open("rb", buffering=0) as file:
        file.seek(source.start)
        while left:
            buffer = digest.buffer()
            got = file.readinto(buffer[: min(left, _COPY_BYTES)])
            if not got:
                raise _ended(source)
            digest.update(buffer[:got])
            _write_all(descriptor, buffer[:got])
            left -= got


def _ended(source: FileRange) -> OSError:
    return OSError(f"{source.path.name} ended before its time")

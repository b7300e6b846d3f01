"""Reading the index of an MP4: per track one array value per sample, bounded by the file it came from.

Takes about a tenth of a millisecond per clip because only the headers of the outer boxes and `moov` are read.
Knows no codec; what a track's sample entry says is read by `avcc` and `aac`.
"""
# ruff: noqa: PLR2004 - the numbers are the format's own, named by the text beside them.

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipelines.media.mp4.boxes import (
    I32,
    MAX_BOXES,
    U32,
    U64,
    Box,
    Ints,
    Parts,
    children,
    damaged,
    fields,
    parts,
    table,
)

MAX_INDEX_BYTES = 64 << 20
MAX_SAMPLES = 4_000_000
MAX_FRAGMENT_BOXES = 200_000
_FRAGMENT = {b"moof", b"mdat"}
_MAX_EDITS = 16
_ENABLED = 1
_WIDE_EDIT = np.dtype("V20")
_BRANDS = {b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid"}
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"


class Edit(NamedTuple):
    """One entry of an edit list: length in movie ticks, first media tick (-1: empty), rate in 16.16."""

    length: int
    media_time: int
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """One track. Arrays hold one value per sample in decode order; times in ticks of `timescale`."""

    kind: str
    timescale: int
    entries: tuple[bytes, ...]
    sizes: Ints
    offsets: Ints
    durations: Ints
    composition: Ints
    sync: Ints
    edits: tuple[Edit, ...]
    width: int
    height: int
    rotation: int
    upright: bool
    irregular: bool
    enabled: bool = True

    @property
    def codec(self) -> str:
        """Four-character code of the first sample entry, such as `avc1` or `mp4a`."""
        return self.entries[0][4:8].decode("latin-1") if self.entries else ""

    @property
    def seconds(self) -> Fraction:
        """Length of all samples, in seconds."""
        return Fraction(int(self.durations.sum()), self.timescale)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Movie:
    """A parsed file. `others` are the kinds of tracks that are neither picture nor sound."""

    path: Path
    size: int
    timescale: int
    video: tuple[Track, ...]
    audio: tuple[Track, ...]
    others: tuple[str, ...]
    fragmented: bool


FOREIGN = {
    "gif": b"GIF8",
    "mpegts": b"\x47",
    "mpeg": b"\x00\x00\x01\xba",
    "avi": b"RIFF",
    "flv": b"FLV\x01",
    "asf": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    "ogg": b"OggS",
}
"""Other containers in which a paid clip may come, by libav's name and their first bytes: they are played and encoded
anew, never joined as they are.
"""
_PACKET = 188


def sniff(path: Path) -> str:
    """`mp4`, `webm` or one of `FOREIGN`, by the first bytes. Raises `UnplayableMedia` for everything else."""
    try:
        with path.open("rb") as file:
            head = file.read(_PACKET + 1)
    except OSError as error:
        raise damaged(f"it cannot be read ({error.strerror})") from error
    if not head:
        raise damaged("it is empty")
    if head[:4] == _EBML:
        return "webm"
    if head[4:8] in _BRANDS:
        return "mp4"
    foreign = next((name for name, start in FOREIGN.items() if head.startswith(start)), None)
    proof = {"mpegts": head[_PACKET:] == FOREIGN["mpegts"], "avi": head[8:12] == b"AVI "}
    if foreign is not None and proof.get(foreign, True):
        return foreign
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if text == b"<":
        raise damaged("it is a web page, not a video")
    if text in (b"{", b"["):
        raise damaged("it is a text message, not a video")
    raise damaged("it is neither MP4 nor WebM, nor any other video that we know")


def promises_more(path: Path) -> bool:
    """Whether the one large element of a WebM (its segment) is to be longer than the file is. Live writers leave its
    length open, and some write it wrong: only together with a film that ends early it means a file cut short.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(256)
    length, taken = _ebml_number(head, 4)
    at = 4 + taken + length
    if head[at : at + 4] != _SEGMENT:
        return False
    whole, taken = _ebml_number(head, at + 4)
    unknown = whole == (1 << 7 * taken) - 1
    return bool(taken) and not unknown and at + 4 + taken + whole > size


def _ebml_number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length and how many bytes it takes; (0, 0) where there is none."""
    first = data[at] if at < len(data) else 0
    taken = 9 - first.bit_length()
    if not first or at + taken > len(data):
        return 0, 0
    return int.from_bytes(data[at : at + taken], "big") & ((1 << 7 * taken) - 1), taken


def read_movie(path: Path) -> Movie:
    """Parse the index. Raises `UnplayableMedia` with one reason when the file is damaged or cut short."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        data, header = _load_index(file.fileno(), size)
    root = Box(b"moov", header, len(data))
    index = parts(data, root)
    head = index[b"mvhd"]
    timescale = fields(">I", data, head, 20 if fields(">B", data, head)[0] == 1 else 12)[0]
    traks = [box for box in children(data, root.start, root.end) if box.kind == b"trak"]
    fragmented = b"mvex" in index
    tracks: list[Track] = []
    others: list[str] = []
    for trak in traks:
        outer = parts(data, trak)
        media = parts(data, outer[b"mdia"])
        kind = fields(">4s", data, media[b"hdlr"], 8)[0].decode("latin-1")
        if kind in {"vide", "soun"}:
            tracks.append(_track(data, outer, media, kind, size, empty=fragmented))
        else:
            others.append(kind)
    if sum(int(track.sizes.sum()) for track in tracks) > size:
        raise damaged("its index claims more bytes than the file has")
    return Movie(
        path=path,
        size=size,
        timescale=max(timescale, 1),
        video=tuple(track for track in tracks if track.kind == "vide"),
        audio=tuple(track for track in tracks if track.kind == "soun"),
        others=tuple(others),
        fragmented=fragmented,
    )


def _load_index(descriptor: int, size: int) -> tuple[bytes, int]:
    """Walk the outer boxes by their headers alone; returns `moov`, header included, and the length of its header.

    What follows the index does not matter, as to any player: each sample is held against the end of the file by its
    own place. Only of a file in fragments the rest is walked, because there the samples' places follow the index.
    """
    at = 0
    for _ in range(MAX_BOXES):
        if size - at < 8:
            raise damaged("it has no index (moov); the file is cut short or not finished")
        kind, header, length = _outer_box(descriptor, at, size)
        if length < header or length > size - at:
            raise damaged(f"it is cut short: {size:,} bytes are there, {at + length:,} were promised")
        if kind == b"moov":
            break
        at += length
    else:
        raise damaged("it has too many parts")
    if length > MAX_INDEX_BYTES:
        raise damaged("its index is larger than any clip's")
    data = os.pread(descriptor, length, at)
    if b"mvex" in data:
        _walk_fragments(descriptor, at + length, size)
    return data, header


def _outer_box(descriptor: int, at: int, size: int) -> tuple[bytes, int, int]:
    """Kind, length of the header and length of the box at a place with at least eight bytes behind it."""
    head = os.pread(descriptor, 16, at)
    length, kind = struct.unpack_from(">I4s", head)
    if length == 1 and len(head) == 16:
        return kind, 16, struct.unpack_from(">Q", head, 8)[0]
    return kind, 8, size - at if length == 0 else length


def _walk_fragments(descriptor: int, at: int, size: int) -> None:
    """Raise `UnplayableMedia` when a fragment reaches beyond the end. Bytes behind the last one do not matter."""
    for _ in range(MAX_FRAGMENT_BOXES):
        if size - at < 8:
            return
        kind, header, length = _outer_box(descriptor, at, size)
        beyond = length < header or length > size - at
        if beyond and kind in _FRAGMENT:
            raise damaged(f"it is cut short: {size:,} bytes are there, {at + length:,} were promised")
        if beyond:
            return
        at += length
    raise damaged("it has too many parts")


def _track(data: bytes, outer: Parts, media: Parts, kind: str, file_size: int, *, empty: bool) -> Track:
    tables = parts(data, parts(data, media[b"minf"])[b"stbl"])
    head = media[b"mdhd"]
    timescale = fields(">I", data, head, 20 if fields(">B", data, head)[0] == 1 else 12)[0]
    if not timescale:
        raise damaged("a track's clock does not tick")
    sizes = np.zeros(0, np.int64) if empty else _sizes(data, tables, file_size)
    durations, irregular = _runs(data, tables[b"stts"], U32, len(sizes))
    width, height, rotation, upright = _geometry(data, outer[b"tkhd"])
    enabled = bool(fields(">I", data, outer[b"tkhd"])[0] & _ENABLED)
    return Track(
        kind=kind,
        timescale=timescale,
        entries=_entries(data, tables[b"stsd"]),
        sizes=sizes,
        offsets=_offsets(data, tables, sizes, file_size) if len(sizes) else sizes,
        durations=durations,
        composition=_composition(data, tables, len(sizes)),
        sync=_sync(data, tables, len(sizes)),
        edits=_edits(data, outer),
        width=width,
        height=height,
        rotation=rotation,
        upright=upright,
        irregular=irregular,
        enabled=enabled,
    )


def _entries(data: bytes, stsd: Box) -> tuple[bytes, ...]:
    return tuple(
        struct.pack(">I4s", entry.end - entry.start + 8, entry.kind) + data[entry.start : entry.end]
        for entry in children(data, stsd.start + 8, stsd.end)
    )


def _sizes(data: bytes, tables: Parts, file_size: int) -> Ints:
    """Bytes of each sample. The count is bounded before anything is allocated."""
    if b"stz2" in tables:
        return _compact_sizes(data, tables[b"stz2"], file_size)
    stsz = tables[b"stsz"]
    constant, count = fields(">II", data, stsz, 4)
    if count > min(MAX_SAMPLES, file_size) or constant * count > file_size:
        raise damaged("its index claims more pictures or sound than the file can hold")
    if constant:
        return np.full(count, constant, np.int64)
    return table(data, stsz, 1, skip=8).astype(np.int64)


def _compact_sizes(data: bytes, stz2: Box, file_size: int) -> Ints:
    """Bytes of each sample from the compact table, whose numbers have 4, 8 or 16 bits."""
    bits, count = fields(">BI", data, stz2, 7)
    room = (stz2.end - stz2.start - 12) * 8
    if bits not in {4, 8, 16} or count > min(MAX_SAMPLES, file_size) or count * bits > room:
        raise damaged("its index claims more pictures or sound than the file can hold")
    dtype = np.dtype(">u2") if bits == 16 else np.dtype(">u1")
    values = np.frombuffer(data, dtype, -(-count * bits // (dtype.itemsize * 8)), stz2.start + 12).astype(np.int64)
    return np.column_stack((values >> 4, values & 15)).ravel()[:count] if bits == 4 else values


def _runs(data: bytes, box: Box, dtype: np.dtype[Any], samples: int) -> tuple[Ints, bool]:
    """Expand (count, value) runs to one value per sample; True when the counts do not add up."""
    counts = table(data, box, 2)[0::2].astype(np.int64)
    values = table(data, box, 2, dtype)[1::2].astype(np.int64)
    if counts.sum() == samples:
        return values.repeat(counts), False
    kept = np.minimum(np.maximum(samples - (np.cumsum(counts) - counts), 0), counts)
    expanded = values.repeat(kept)
    if len(expanded) < samples:
        expanded = np.append(expanded, np.full(samples - len(expanded), values[-1] if len(values) else 0))
    return expanded, True


def _composition(data: bytes, tables: Parts, samples: int) -> Ints:
    """Offsets from decode to display time; read as signed in both versions, as players do."""
    ctts = tables.get(b"ctts")
    return np.zeros(samples, np.int64) if ctts is None else _runs(data, ctts, I32, samples)[0]


def _sync(data: bytes, tables: Parts, samples: int) -> Ints:
    """Indices (from 0) of the samples that are marked as places to start from."""
    stss = tables.get(b"stss")
    if stss is None:
        return np.arange(samples, dtype=np.int64)
    marked = table(data, stss, 1).astype(np.int64) - 1
    if (marked[1:] <= marked[:-1]).any():
        marked = np.unique(marked)
    if not len(marked) or (marked[0] >= 0 and marked[-1] < samples):
        return marked
    inside: Ints = marked[(marked >= 0) & (marked < samples)]
    return inside


def _per_chunk(data: bytes, stsc: Box, chunks: int) -> Ints:
    """How many samples the index puts into each chunk."""
    runs = table(data, stsc, 3).astype(np.int64)
    first = runs[0::3] - 1
    if not len(first) or first[0] != 0 or first[-1] >= chunks:
        raise damaged("the places of its samples contradict each other")
    lengths = np.empty(len(first), np.int64)
    np.subtract(first[1:], first[:-1], out=lengths[:-1])
    lengths[-1] = chunks - first[-1]
    if lengths.min() <= 0:
        raise damaged("the places of its samples contradict each other")
    return runs[1::3].repeat(lengths)


def _offsets(data: bytes, tables: Parts, sizes: Ints, file_size: int) -> Ints:
    """Where each sample lies in the file, from the chunk tables."""
    narrow = b"stco" in tables
    chunks = table(data, tables[b"stco" if narrow else b"co64"], 1, U32 if narrow else U64)
    if len(chunks) and chunks.max() > file_size:
        raise damaged("it is cut short: its index points beyond the end of the file")
    chunks = chunks.astype(np.int64)
    counts = _per_chunk(data, tables[b"stsc"], len(chunks))
    upto = counts.cumsum()
    if upto[-1] != len(sizes) or not counts.all():
        counts = np.minimum(np.maximum(len(sizes) - upto + counts, 0), counts)
        chunks, counts = chunks[counts > 0], counts[counts > 0]
        upto = counts.cumsum()
        if not len(upto) or upto[-1] != len(sizes):
            raise damaged("its index places fewer samples than it counts")
    after = sizes.cumsum()
    into = after - sizes
    offsets: Ints = (chunks - into[upto - counts]).repeat(counts) + into
    if (offsets + sizes).max() > file_size:
        raise damaged("it is cut short: its index points beyond the end of the file")
    return offsets


def _edits(data: bytes, outer: Parts) -> tuple[Edit, ...]:
    elst = parts(data, outer[b"edts"]).get(b"elst") if b"edts" in outer else None
    if elst is None:
        return ()
    if fields(">B", data, elst)[0] == 1:
        wide = table(data, elst, 1, _WIDE_EDIT)
        return tuple(Edit(*struct.unpack(">Qqi", row.tobytes())) for row in wide[:_MAX_EDITS])
    rows = table(data, elst, 3, I32).reshape(-1, 3)[:_MAX_EDITS].tolist()
    return tuple(Edit(length & 0xFFFFFFFF, media, rate) for length, media, rate in rows)


def _geometry(data: bytes, tkhd: Box) -> tuple[int, int, int, bool]:
    """(width, height, clockwise rotation in degrees, whether the matrix is the identity)."""
    place = 52 if fields(">B", data, tkhd)[0] == 1 else 40
    matrix = fields(">9i", data, tkhd, place)
    width, height = fields(">II", data, tkhd, place + 36)
    rotation = round(math.degrees(math.atan2(matrix[1], matrix[0]))) % 360
    identity = matrix == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    return width >> 16, height >> 16, rotation, identity

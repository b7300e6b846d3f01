"""The table join: many clips become one film by writing a new index and copying the bytes once.

A film is a list of stretches. Each brings bytes (a range of a clip's file, or memory) and says which pictures and
which packets of sound lie in them. No picture is decoded, so no picture can change.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np

from pipelines.media.audio.packet_grid import Packets, Share, shares
from pipelines.media.clips.prepared_clip import PreparedClip
from pipelines.media.mp4.avcc import AvcConfig, united, write_avcc
from pipelines.media.mp4.boxes import Ints, box, children
from pipelines.media.mp4.coded_units import VISUAL_ENTRY_HEAD
from pipelines.media.mp4.colours import kept_boxes
from pipelines.media.mp4.writer import FileRange, Source, TrackTables, header, source_length, write_file


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Pictures in decode order: places in their source, sizes, indices that stand alone, ranks of display from 0."""

    offsets: Ints
    sizes: Ints
    sync: Ints
    rank: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Bytes of the film and what lies in them."""

    source: Source
    frames: Frames | None = None
    packets: Packets | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFormat:
    """What the film's index says once for every picture. `step` is one picture in ticks of `timescale`."""

    entry: bytes
    timescale: int
    step: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundFormat:
    """What the film's index says once for all sound: sample entry, rate in Hz, samples to skip at the start."""

    entry: bytes
    rate: int
    priming: int


def clash(first: PreparedClip, other: PreparedClip, config: AvcConfig) -> str | None:
    """Why a piece cannot follow in a film begun by `first` whose decoder settings so far are `config`."""
    if (first.sps.width, first.sps.height) != (other.sps.width, other.sps.height):
        return "another size"
    if first.frame != other.frame:
        return "another frame rate"
    if united((config, other.config)) is None:
        return "decoder settings that clash"
    if _meaning(first) != _meaning(other):
        return "another colour description"
    if first.sound and other.sound and first.sound != other.sound:
        return "another kind of sound"
    return None


def _meaning(piece: PreparedClip) -> tuple[object, ...]:
    """What is stated once for all: shape of pixels, colours. What is not stated is BT.709, as in all that we make."""
    return (piece.sps.sar or Fraction(1), piece.colours.shown(), bool(piece.colours.full_range))


def picture_format_of(first: PreparedClip, configs: Sequence[AvcConfig]) -> PictureFormat | None:
    """The film's look from its first piece and the decoder settings of all; None when those clash."""
    config = united(configs)
    if config is None:
        return None
    entry = first.video.entries[0]
    kept = kept_boxes(entry, VISUAL_ENTRY_HEAD, first.colours)
    body = entry[8:VISUAL_ENTRY_HEAD]
    return PictureFormat(
        entry=box(b"avc1", body, box(b"avcC", write_avcc(config)), *kept),
        timescale=first.video.timescale,
        step=int(first.video.durations[0]),
        width=first.sps.width,
        height=first.sps.height,
    )


def sound_format_of(pieces: Sequence[PreparedClip]) -> SoundFormat | None:
    """The film's voice from the first piece that has sound; None when no piece has any."""
    spoken = next((piece for piece in pieces if piece.audio and piece.sound), None)
    if spoken is None or spoken.audio is None or spoken.sound is None:
        return None
    priming = spoken.priming if pieces[0].audio else 1024
    return SoundFormat(entry=_without_bitrate(spoken.audio.entries[0]), rate=spoken.sound.rate, priming=priming)


def _without_bitrate(entry: bytes) -> bytes:
    """Drop `btrt`: it describes one clip, not the film."""
    head = 36
    inner = [entry[part.start - 8 : part.end] for part in children(entry, head, len(entry)) if part.kind == b"esds"]
    return struct.pack(">I4s", head + sum(map(len, inner)), b"mp4a") + entry[8:head] + b"".join(inner)


def frames_of(piece: PreparedClip, start: int, stop: int, base: int) -> Frames:
    """Frames `start` to `stop` (in decode order, both at closed places), their offsets counted from `base`."""
    sync = piece.video.sync
    return Frames(
        offsets=piece.video.offsets[start:stop] - base,
        sizes=piece.video.sizes[start:stop],
        sync=sync[(sync >= start) & (sync < stop)] - start,
        rank=piece.rank[start:stop] - start,
    )


def whole(piece: PreparedClip, share: Share | None, low: int = 0, high: int = 1 << 40) -> Iterator[Stretch]:
    """A piece as it is, with its share of the film's sound: its range of bytes, then silence for what it lacks.

    `low` and `high` are places of the film's sound; packets outside them are left out.
    """
    video, audio = piece.video, piece.audio
    start, stop = int(video.offsets.min()), int((video.offsets + video.sizes).max())
    packets = None
    if share is not None:
        low, real = max(low, share.start), share.start + share.count
        high = min(high, real + share.silence)
        if audio is not None and low < min(real, high):
            chosen = slice(low - share.start + share.first, min(real, high) - share.start + share.first)
            offsets, sizes = audio.offsets[chosen], audio.sizes[chosen]
            start, stop = min(start, int(offsets.min())), max(stop, int((offsets + sizes).max()))
            packets = Packets(offsets - start, sizes)
    yield Stretch(FileRange(piece.path, start, stop - start), frames_of(piece, 0, piece.frames, start), packets)
    if share is not None and high > max(low, real):
        yield silent_stretch(share.silent_packet, high - max(low, real))


def silent_stretch(packet: bytes, count: int) -> Stretch:
    """Packets of silence, from memory."""
    sizes = np.full(count, len(packet), np.int64)
    return Stretch(packet * count, packets=Packets(np.cumsum(sizes) - sizes, sizes))


def join_whole(
    pieces: Sequence[PreparedClip], dest: Path, comment: str | None = None, *, final: bool = True, language: str = ""
) -> str | None:
    """Join pieces end to end by hard cuts, every packet of sound copied. Returns as `write_film`, None on a clash."""
    look = picture_format_of(pieces[0], [piece.config for piece in pieces])
    if look is None:
        return None
    voice = sound_format_of(pieces)
    starts = list(accumulate((piece.seconds for piece in pieces), initial=Fraction(0)))
    split = shares(pieces, starts[:-1], starts[-1], voice.rate, voice.priming) if voice else [None] * len(pieces)
    stretches = [stretch for piece, share in zip(pieces, split, strict=True) for stretch in whole(piece, share)]
    return write_film(stretches, look, voice, dest, comment, final=final, language=language)


def write_film(
    stretches: Sequence[Stretch],
    look: PictureFormat,
    voice: SoundFormat | None,
    dest: Path,
    comment: str | None = None,
    *,
    final: bool = True,
    language: str = "",
) -> str:
    """Write the film: index first, then every stretch's bytes in order.

    Returns its SHA-256 in hex; a work file (not `final`) is not hashed, and "" is returned.
    """
    places = np.cumsum([0, *(source_length(stretch.source) for stretch in stretches)]).tolist()
    tracks = [_picture_track(stretches, places, look)]
    if voice is not None:
        tracks.append(_sound_track(stretches, places, voice, tracks[0].shown))
    sources = [stretch.source for stretch in stretches]
    tracks = [replace(track, language=language) for track in tracks]
    return write_file(dest, header(tracks, places[-1], comment), sources, final=final)


def _picture_track(stretches: Sequence[Stretch], places: Sequence[int], look: PictureFormat) -> TrackTables:
    found = [(stretch.frames, place) for stretch, place in zip(stretches, places, strict=False) if stretch.frames]
    counts = [len(frames.sizes) for frames, _ in found]
    before = np.cumsum([0, *counts]).tolist()
    rank = np.concatenate([frames.rank + first for (frames, _), first in zip(found, before, strict=False)])
    sync = np.concatenate([frames.sync + first for (frames, _), first in zip(found, before, strict=False)])
    total = len(rank)
    lead = np.arange(total) - rank
    delay = max(0, int(lead.max()))
    composition = (delay - lead) * look.step
    return TrackTables(
        entry=look.entry,
        timescale=look.timescale,
        delta=look.step,
        sizes=np.concatenate([frames.sizes for frames, _ in found]),
        offsets=np.concatenate([frames.offsets + place for frames, place in found]),
        skip=delay * look.step,
        shown=Fraction(total * look.step, look.timescale),
        composition=composition if composition.any() else None,
        sync=sync if len(sync) != total else None,
        width=look.width,
        height=look.height,
    )


def _sound_track(
    stretches: Sequence[Stretch], places: Sequence[int], voice: SoundFormat, picture: Fraction
) -> TrackTables:
    found = [(stretch.packets, place) for stretch, place in zip(stretches, places, strict=False) if stretch.packets]
    sizes = np.concatenate([packets.sizes for packets, _ in found])
    heard = Fraction(len(sizes) * 1024 - voice.priming, voice.rate)
    return TrackTables(
        entry=voice.entry,
        timescale=voice.rate,
        delta=1024,
        sizes=sizes,
        offsets=np.concatenate([packets.offsets + place for packets, place in found]),
        skip=voice.priming,
        shown=min(picture, heard),
    )

"""The film's sound as a list of packets: the clips' own wherever possible, ours round every join."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from pipelines.domain.footage import FilmDraft, Transition
from pipelines.media.audio.hearing import SoundTrack, hear_each, stretches_heard
from pipelines.media.audio.mix import Part, Ramp, packets_of, stream_place
from pipelines.media.audio.packet_grid import Packets, Share, shares
from pipelines.media.audio.sound_joins import Surroundings, Zone, merged, ready_zone, zone
from pipelines.media.clips.prepared_clip import PreparedClip, open_prepared_clip
from pipelines.media.clips.timeline import Fade, Slot, slots_of
from pipelines.media.join.table_join import SoundFormat, Stretch, sound_format_of
from pipelines.media.mp4.aac import PACKET, sound_kind
from pipelines.media.mp4.boxes import Ints

_ZONES_AT_A_TIME = 2
_MARGIN = 2
"""Packets on either side of a join that carry a part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPlan:
    """Whose packets sound where: each piece's share of the grid, and the zones we encode in their stead."""

    shares: tuple[Share, ...]
    total: int
    zones: tuple[Zone, ...]


def plan_sound(
    pieces: Sequence[PreparedClip], slots: Sequence[Slot], voice: SoundFormat, ready: Path | None = None
) -> SoundPlan:
    """Plan the film's sound and encode what no clip has, or take it from `ready`. Raises `UnplayableMedia` when a
    clip's sound does not decode.
    """
    split, film = _laid(pieces, slots, voice)
    wanted = _spans(pieces, slots, split, voice, film.total)
    # One after the other: threads that only read small files wait for each other longer than they work.
    zones = [ready_zone(film, span, ready) if ready is not None else None for span in wanted]
    with ThreadPoolExecutor(max_workers=_ZONES_AT_A_TIME) as pool:
        missing = [span for span, found in zip(wanted, zones, strict=True) if found is None]
        made = pool.map(lambda span: zone(film, span, ready), missing)
        whole = tuple(found or next(made) for found in zones)
    return SoundPlan(shares=tuple(split), total=film.total, zones=whole)


def render_sound(draft: FilmDraft, at: int, ready: Path) -> None:
    """Encode the sound of the joins at both sides of a place ahead of the film, and listen to what is heard from there
    to its neighbours, as far as their clips are there: under the names by which `plan_sound` and `hearing.listen` look
    for it. Raises `UnplayableMedia`.
    """
    there = {place: piece for place, path in draft.pieces.items() if (piece := open_prepared_clip(path)) is not None}
    voice = sound_format_of([there[place] for place in sorted(there)]) if at in there else None
    kind = sound_kind(voice.entry) if voice else None
    if voice is None or kind is None or any(piece.frame * draft.target.fps != 1 for piece in there.values()):
        return
    silent = replace(there[at], audio=None, sound=None)
    pieces = [there.get(place, silent) for place in range(len(draft.frames))]
    slots = slots_of(draft.frames, draft.joins, draft.target.fps)
    split, film = _laid(pieces, slots, voice)

    def is_there(first: int, last: int) -> bool:
        """Whether all that is heard in these blocks is there, and this place with it."""
        parts = enumerate(film.parts)
        heard = {place for place, part in parts if part.start < last * PACKET and part.stop > first * PACKET}
        return at in heard and heard <= there.keys()

    spans = _spans(pieces, slots, split, voice, film.total)
    there_now = [span for span in spans if is_there(*film.heard(span))]
    zones = {span: ready_zone(film, span, ready) or zone(film, span, ready) for span in there_now}
    there_already = SoundPlan(shares=tuple(split), total=film.total, zones=tuple(zones.values()))
    track = SoundTrack(
        config=kind.config,
        rate=film.rate,
        channels=film.channels,
        priming=voice.priming,
        samples=min(film.total * PACKET - voice.priming, int(slots[-1].stop * pieces[0].frame * film.rate)),
        count=film.total,
        packets=partial(packets_between, pieces, there_already),
    )
    heard = list[tuple[int, int]]()
    for begin, end in stretches_heard(slots, pieces[0].frame, track.rate, track.samples):
        _, first, last = track.reach(begin, end)
        touched = {span for span in spans if film.reach(span)[0] < last and film.reach(span)[1] > first}
        if touched <= zones.keys() and is_there(first, last):
            heard.append((begin, end))
    hear_each(track, heard, ready)


def _laid(
    pieces: Sequence[PreparedClip], slots: Sequence[Slot], voice: SoundFormat
) -> tuple[list[Share], Surroundings]:
    """Whose packets sound where, and how the film sounds."""
    frame = pieces[0].frame
    starts = [slot.start * frame for slot in slots]
    split = shares(pieces, starts, slots[-1].stop * frame, voice.rate, voice.priming)

    def own(place: int) -> bytes:
        index = max(number for number, share in enumerate(split) if share.start <= place)
        return packet_of(pieces[index], split[index], place)

    film = Surroundings(
        parts=[_part(*each, voice) for each in zip(pieces, slots, split, [*split[1:], None], strict=True)],
        total=split[-1].start + split[-1].count + split[-1].silence,
        rate=voice.rate,
        channels=next(piece.sound.channels for piece in pieces if piece.sound),
        own=own,
    )
    return split, film


def _spans(
    pieces: Sequence[PreparedClip], slots: Sequence[Slot], split: Sequence[Share], voice: SoundFormat, total: int
) -> list[tuple[int, int]]:
    """The packets of the film that are ours to encode."""
    frame = pieces[0].frame
    spans = [_span(slot, share, frame, voice) for slot, share in zip(slots, split, strict=True)]
    ends = [_end(slots[-1], total, frame, voice)] if slots[-1].out.tail else []
    return merged([*(spans if slots[0].into.head else spans[1:]), *ends], total)


def packet_of(piece: PreparedClip, share: Share, place: int) -> bytes:
    """The bytes of the piece's packet at a place of the film."""
    index = place - share.start
    if piece.audio is None or index >= share.count:
        return share.silent_packet
    index += share.first
    with piece.path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), int(piece.audio.sizes[index]), int(piece.audio.offsets[index]))


def _part(piece: PreparedClip, slot: Slot, share: Share, following: Share | None, voice: SoundFormat) -> Part:
    """A piece is heard in its own share, and longer where it fades into the next."""

    def place(frames: int) -> int:
        return stream_place((slot.start + frames) * piece.frame, voice.rate, voice.priming)

    end = place(slot.frames)
    hard = slot.out.overlap == 0 and following is not None
    rise = Ramp(place(0), place(slot.into.head)) if slot.into.head else None
    fall = Ramp(place(slot.frames - slot.out.tail), end) if slot.out.tail else None
    return Part(
        piece=piece,
        share=share,
        start=place(0) if slot.into.overlap else share.start * PACKET,
        stop=following.start * PACKET if hard and following else end + PACKET,
        rise=rise,
        fall=fall,
    )


def _span(slot: Slot, share: Share, frame: Fraction, voice: SoundFormat) -> tuple[int, int]:
    """The packets that a join touches: where it happens, and the half that overlaps on either side."""
    fade: Fade = slot.into
    first = last = share.start
    if fade.kind is not Transition.CUT:
        begin = slot.start if fade.overlap else slot.start - fade.tail
        first = min(first, stream_place(begin * frame, voice.rate, voice.priming) // PACKET)
        last = max(last, -(-stream_place((slot.start + fade.head) * frame, voice.rate, voice.priming) // PACKET))
    return max(0, first - _MARGIN), last + _MARGIN


def _end(slot: Slot, total: int, frame: Fraction, voice: SoundFormat) -> tuple[int, int]:
    """The packets in which the film's sound fades out."""
    first = stream_place((slot.stop - slot.out.tail) * frame, voice.rate, voice.priming) // PACKET
    return max(0, first - _MARGIN), total


def kept(share: Share, end: int, zones: Sequence[Zone]) -> tuple[int, int]:
    """The places of a piece's packets that no zone replaces; empty (n, n) when none is left."""
    low, high = share.start, end
    for each in zones:
        if each.first <= low < each.last:
            low = each.last
        if low < each.first < high:
            high = each.first
    return (low, high) if low < high else (low, low)


def packets_between(pieces: Sequence[PreparedClip], found: SoundPlan, first: int, last: int) -> list[bytes]:
    """The packets of the film from one place to another, in order."""
    packets: list[bytes] = []
    for piece, share in zip(pieces, found.shares, strict=True):
        end, place = share.start + share.count, share.first - share.start
        low, high = max(first, share.start), min(last, end)
        if low < high:
            packets += packets_of(piece, low + place, high + place)
        packets += [share.silent_packet] * max(0, min(last, end + share.silence) - max(first, end))
    for each in found.zones:
        low, high = max(first, each.first), min(last, each.last)
        if low < high:
            packets[low - first : high - first] = each.packets[low - each.first : high - each.first]
    return packets


def spoken(packets: Sequence[bytes]) -> Stretch:
    """Packets as a stretch of the film, from memory."""
    sizes: Ints = np.array([len(packet) for packet in packets], np.int64)
    return Stretch(b"".join(packets), packets=Packets(np.cumsum(sizes) - sizes, sizes))

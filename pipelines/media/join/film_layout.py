"""From pieces, seams and sound to the film's stretches, in the order in which a player reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from pipelines.media.audio.sound_joins import Zone
from pipelines.media.clips.prepared_clip import PreparedClip
from pipelines.media.join.film_sound import SoundPlan, kept, packets_between, spoken
from pipelines.media.join.table_join import Frames, SoundFormat, Stretch, frames_of, whole
from pipelines.media.mp4.aac import PACKET
from pipelines.media.mp4.boxes import Ints
from pipelines.media.mp4.writer import FileRange


@dataclass(frozen=True, slots=True)
class Body:
    """The frames of a piece that are copied (in decode order), the seam that follows them, if any, and the one that
    stands before them at the start of a film.
    """

    piece: PreparedClip
    start: int
    stop: int
    seam: Stretch | None = None
    opening: Stretch | None = None

    @property
    def untouched(self) -> bool:
        """Whether the whole piece is copied, with hard cuts on both sides."""
        seams = (self.opening, self.seam)
        return seams == (None, None) and (self.start, self.stop) == (0, self.piece.frames)


def stretches(bodies: Sequence[Body], score: SoundPlan | None, voice: SoundFormat | None) -> list[Stretch]:
    """The film: pieces as they lie in their files when only hard cuts join them, else picture and sound by turns."""
    if all(body.untouched for body in bodies):
        return list(_as_they_lie(bodies, score))
    packets = packets_between([body.piece for body in bodies], score, 0, score.total) if score else []
    return list(by_turns(bodies, packets, voice))


def _as_they_lie(bodies: Sequence[Body], score: SoundPlan | None) -> Iterator[Stretch]:
    if score is None:
        for body in bodies:
            yield from whole(body.piece, None)
        return
    waiting: list[Zone] = list(score.zones)
    for body, share in zip(bodies, score.shares, strict=True):
        end = share.start + share.count + share.silence
        low, high = kept(share, end, score.zones)
        while waiting and waiting[0].first <= low and waiting[0].first < end:
            yield spoken(waiting.pop(0).packets)
        yield from whole(body.piece, share, low, high)
        while waiting and waiting[0].first < end:
            yield spoken(waiting.pop(0).packets)


def by_turns(bodies: Sequence[Body], packets: Sequence[bytes], voice: SoundFormat | None) -> Iterator[Stretch]:
    """About a second of sound, then its pictures, so that a player never has to reach far."""
    shown, said = 0, 0
    frame = bodies[0].piece.frame
    for stretch in _pictures(bodies):
        shown += len(stretch.frames.sizes) if stretch.frames else 0
        if voice is not None and said < len(packets):
            until = -(-(shown * frame * voice.rate + voice.priming) // PACKET)
            yield spoken(packets[said : int(until)])
            said = int(until)
        yield stretch
    if said < len(packets):
        yield spoken(packets[said:])


def _pictures(bodies: Sequence[Body]) -> Iterator[Stretch]:
    for body in bodies:
        if body.opening is not None:
            yield body.opening
        second = max(1, round(Fraction(1) / body.piece.frame))
        for start, stop in pairwise([*range(body.start, body.stop, second), body.stop]):
            yield _range(frames_of(body.piece, start, stop, 0), body.piece)
        if body.seam is not None:
            yield body.seam


def _range(frames: Frames, piece: PreparedClip) -> Stretch:
    """The bytes from the first to the last of some frames."""
    low = int(frames.offsets.min())
    high = int((frames.offsets + frames.sizes).max())
    moved: Ints = np.asarray(frames.offsets - low)
    return Stretch(FileRange(piece.path, low, high - low), Frames(moved, frames.sizes, frames.sync, frames.rank))

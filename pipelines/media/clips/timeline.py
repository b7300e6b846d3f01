"""Which frames of which piece the film shows when. Arithmetic in whole frames; touches no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipelines.domain.footage import Boundary, FilmPlan, Transition

SHORTEST_S, LONGEST_S = 0.2, 2.0
"""Transitions shorter than this look like a fault; longer ones leave too little of a clip."""


@dataclass(frozen=True, slots=True)
class Fade:
    """A transition in frames: how many last frames of one piece and first frames of the next it changes.

    A crossfade shows them at the same time; a fade through black or white shows one after the other.
    """

    kind: Transition
    tail: int
    head: int

    @property
    def overlap(self) -> int:
        """Frames that two pieces share."""
        return self.tail if self.kind is Transition.CROSSFADE else 0


HARD = Fade(Transition.CUT, 0, 0)


@dataclass(frozen=True, slots=True)
class Slot:
    """A piece in the film: its first frame's place, its length, and the transitions at its two ends."""

    start: int
    frames: int
    into: Fade
    out: Fade

    @property
    def stop(self) -> int:
        """The place after its last frame."""
        return self.start + self.frames


def fade_of(boundary: Boundary, before: int, after: int, fps: Fraction) -> Fade:
    """A boundary between pieces of `before` and `after` frames, in frames; no more than half of either is used. At the
    film's start there is nothing before, at its end nothing after: 0 frames.
    """
    if boundary.kind is Transition.CUT or boundary.seconds <= 0:
        return HARD
    seconds = min(LONGEST_S, max(SHORTEST_S, boundary.seconds))
    frames = max(1, round(Fraction(seconds).limit_denominator(1000) * fps))
    if boundary.kind is Transition.CROSSFADE:
        frames = min(frames, before // 2, after // 2)
        return Fade(boundary.kind, frames, frames) if frames else HARD
    half = max(1, frames // 2)
    tail, head = min(half, before // 2), min(half, after // 2)
    return Fade(boundary.kind, tail, head) if tail or head else HARD


def joins(plan: FilmPlan) -> list[Boundary]:
    """How the film goes into each of its pieces, and out of the last. Missing boundaries are hard cuts."""
    between = len(plan.pieces) - 1
    given = plan.boundaries[:between]
    return [plan.ends[0], *given, *[Boundary()] * (between - len(given)), plan.ends[1]]


def lay_out(frames: Sequence[int], plan: FilmPlan) -> list[Slot]:
    """Place the pieces, which have so many frames, one after the other."""
    return slots_of(frames, joins(plan), plan.target.fps)


def slots_of(frames: Sequence[int], joins: Sequence[Boundary], fps: Fraction) -> list[Slot]:
    """The same for a film of which only the lengths are known; there is one boundary more than pieces."""
    fades = [
        fade_of(boundary, before, after, fps)
        for boundary, before, after in zip(joins, [0, *frames], [*frames, 0], strict=True)
    ]
    slots, start = [], 0
    for count, into, out in zip(frames, fades[:-1], fades[1:], strict=True):
        slots.append(Slot(start - into.overlap, count, into, out))
        start += count - into.overlap
    return slots

"""Transitions, rendered only round the join: a seam replaces the frames it changes and as few others as it can.

A clip's body is copied from the first place a decoder can begin after its opening transition to the last place
before its closing one where no frame leans across. What lies between two bodies is the seam. It depends on the two
clips and the transitions at their ends only, so it can be rendered as soon as both clips exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import numpy as np

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import Boundary, Target, Transition
from pipelines.media.clips.coded_frames import BLACK, WHITE, Coded, Picture, blend, decode, encode, is_closed, plain
from pipelines.media.clips.prepared_clip import PreparedClip, open_prepared_clip
from pipelines.media.clips.timeline import Fade, fade_of
from pipelines.media.join.table_join import Frames, Stretch, picture_format_of, whole, write_film
from pipelines.media.mp4.avcc import AvcConfig
from pipelines.media.mp4.boxes import damaged

_RECIPE = "1"
"""Part of every seam's name: raise it when seams would come out differently."""


def body(piece: PreparedClip, head: int, tail: int) -> tuple[int, int]:
    """Frames that can be copied when the first `head` and the last `tail` are changed; empty (n, n) if none can."""
    end = piece.frames - tail
    start = 0 if head == 0 else next((i for i in piece.video.sync.tolist() if i >= head and is_closed(piece, i)), end)
    stop = piece.frames if tail == 0 else _closed_stop(piece, end)
    if start < stop:
        return start, stop
    # Half of what is left goes to either seam, so that both can still be rendered alone.
    middle = head + (end - head) // 2
    return middle, middle


def _closed_stop(piece: PreparedClip, at: int) -> int:
    """The last place at or before `at` at which exactly the frames before it are decoded and shown."""
    closed = np.flatnonzero(np.maximum.accumulate(piece.rank[:at]) == np.arange(at))
    return int(closed[-1]) + 1 if len(closed) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """What lies between two bodies: the last frames of `a` from `stop`, a transition, those of `b` up to `start`.

    At the film's start and end one clip is both `a` and `b`, and no frame is taken from it on the far side.
    """

    a: PreparedClip
    b: PreparedClip
    fade: Fade
    stop: int
    start: int

    @property
    def frames(self) -> int:
        """Pictures in the seam."""
        return self.a.frames - self.stop + self.start - self.fade.overlap

    @property
    def name(self) -> str:
        """The content address: both clips' bytes and everything that decides which frames it holds."""
        parts = (_RECIPE, content_hash(self.a.path), content_hash(self.b.path), self.fade, self.stop, self.start)
        return f"seam-{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}.mp4"


def content_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seam_between(
    a: Path | None,
    b: Path | None,
    boundary: Boundary,
    target: Target,
    *,
    before: Boundary | None = None,
    after: Boundary | None = None,
) -> Seam | None:
    """The seam of two prepared clips; None for a hard cut. May be asked as soon as both exist. At the film's start
    there is no `a`, at its end no `b`.

    `before` and `after` are the boundaries at the far sides of `a` and `b` (hard cuts if left out); they matter when
    a clip is too short, or has too few places to start from, for a body of its own.
    Raises `UnplayableMedia` when a clip cannot be joined by its tables.
    """
    one, two = _prepared(a), _prepared(b)
    fade = fade_of(boundary, one.frames if one else 0, two.frames if two else 0, target.fps)
    left, right = one or two, two or one
    if fade.kind is Transition.CUT or left is None or right is None:
        return None
    head = fade_of(before, one.frames, one.frames, target.fps).head if before and one else 0
    tail = fade_of(after, two.frames, two.frames, target.fps).tail if after and two else 0
    stop = body(one, head, fade.tail)[1] if one else left.frames
    start = body(two, fade.head, tail)[0] if two else 0
    return Seam(a=left, b=right, fade=fade, stop=stop, start=start)


def _prepared(path: Path | None) -> PreparedClip | None:
    piece = open_prepared_clip(path) if path is not None else None
    if path is not None and piece is None:
        raise damaged("it is not prepared for a transition")
    return piece


def render_seam(
    a: Path | None,
    b: Path | None,
    boundary: Boundary,
    target: Target,
    dest: Path,
    *,
    before: Boundary | None = None,
    after: Boundary | None = None,
) -> Path:
    """Render the pictures between the bodies of two prepared clips, ahead of the film.

    Give `dest` the name `seam_between(…).name` in a folder that is later handed to `assemble` as `ready`.
    Raises `UnplayableMedia` when a clip cannot be joined by its tables or the boundary is a hard cut.
    """
    seam = seam_between(a, b, boundary, target, before=before, after=after)
    if seam is None:
        raise damaged("a hard cut has no pictures of its own")
    return render(seam, dest)


def render(seam: Seam, dest: Path) -> Path:
    """Decode, mix and encode a seam into a small MP4 of its own."""
    config, coded = encode(pictures(seam), 1 / seam.a.frame, seam.a)
    look = picture_format_of(seam.a, [config])
    if look is None:
        raise damaged("its decoder settings clash")
    write_film([stretch_of(coded)], look, None, dest, final=False)
    return dest


def load(path: Path, seam: Seam) -> tuple[AvcConfig, Stretch] | None:
    """A rendered seam as a stretch of the film; None when the file is damaged or not what this seam wants."""
    try:
        piece = open_prepared_clip(path)
    except UnplayableMedia:
        return None
    if piece is None or piece.frames != seam.frames or piece.frame != seam.a.frame:
        return None
    return piece.config, next(iter(whole(piece, None)))


def pictures(seam: Seam) -> Iterator[Picture]:
    """The seam's frames in order: plain ones, the transition, plain ones."""
    fade = seam.fade
    ahead = decode(seam.a, seam.stop, seam.a.frames)
    behind = decode(seam.b, 0, seam.start)
    yield from islice(ahead, seam.a.frames - fade.tail - seam.stop)
    if fade.kind is Transition.CROSSFADE:
        for number in range(fade.tail):
            yield blend(next(ahead), next(behind), Fraction(number + 1, fade.tail + 1))
    else:
        yield from _through(ahead, behind, fade)
    yield from chain(ahead, behind)


def _through(ahead: Iterator[Picture], behind: Iterator[Picture], fade: Fade) -> Iterator[Picture]:
    """Fade out to black or white, then in from it."""
    luma = BLACK if fade.kind is Transition.FADE_BLACK else WHITE
    for number in range(fade.tail):
        picture = next(ahead)
        yield blend(picture, plain(picture, luma), Fraction(number + 1, fade.tail))
    for number in range(fade.head):
        picture = next(behind)
        yield blend(plain(picture, luma), picture, Fraction(number, fade.head))


def stretch_of(coded: list[Coded]) -> Stretch:
    """Encoded pictures as a stretch of the film, from memory."""
    sizes = np.array([len(picture.data) for picture in coded], np.int64)
    frames = Frames(
        offsets=np.cumsum(sizes) - sizes,
        sizes=sizes,
        sync=np.flatnonzero([picture.alone for picture in coded]).astype(np.int64),
        rank=np.array([picture.rank for picture in coded], np.int64),
    )
    return Stretch(b"".join(picture.data for picture in coded), frames)

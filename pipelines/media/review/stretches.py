"""What the coded pictures of a stretch of a film are known by: equal ones need not be decoded to be judged again."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np

from pipelines.media.clips.prepared_clip import PreparedClip
from pipelines.media.mp4.avcc import write_avcc

EDITION = 1
"""One more when pictures are judged otherwise: what was judged before is not taken for it."""
_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Stretches:
    """A film in groups that a decoder can begin with, `starts`, each by the hash of its packets and their order."""

    setting: bytes
    starts: tuple[int, ...]
    groups: tuple[bytes, ...]
    frames: int

    def mark(self, kind: str, low: int, high: int) -> str:
        """A name for what a decoder is given to show frames `low` to `high`: all groups that have to do with them."""
        begin = max(0, bisect_right(self.starts, low) - 1)
        end = max(begin + 1, bisect_left(self.starts, high))
        first = self.starts[begin]
        what = f"{EDITION} {kind} {low - first} {high - first} {high == self.frames}".encode()
        return hashlib.sha256(b"\0".join((what, self.setting, *self.groups[begin:end]))).hexdigest()[:_DIGITS]

    @property
    def whole(self) -> str:
        """A name for all pictures of the film."""
        return self.mark("film", 0, self.frames)


def stretches_of(piece: PreparedClip) -> Stretches:
    """Reads all of its pictures once and decodes none."""
    shown = np.maximum.accumulate(piece.rank)
    starts = [index for index in piece.video.sync.tolist() if index == 0 or int(shown[index - 1]) == index - 1]
    starts = starts if starts and starts[0] == 0 else [0, *starts]
    setting = f"{piece.frame} {piece.sps.width}x{piece.sps.height}".encode() + write_avcc(piece.config)
    groups = []
    with piece.path.open("rb", buffering=0) as file:
        for first, last in zip(starts, [*starts[1:], piece.frames], strict=True):
            group = hashlib.sha256((piece.rank[first:last] - first).astype(">i8").tobytes())
            group.update(np.isin(np.arange(first, last), piece.video.sync).tobytes())
            for size, offset in zip(
                piece.video.sizes[first:last].tolist(), piece.video.offsets[first:last].tolist(), strict=True
            ):
                group.update(size.to_bytes(8) + os.pread(file.fileno(), size, offset))
            groups.append(group.digest())
    return Stretches(setting, tuple(starts), tuple(groups), piece.frames)

"""What the coded pictures of a stretch of a film are known by: equal ones need not be decoded to be judged again.

A clip's pictures are known by the same name in a file of their own and in a film: so they are judged as soon as the
clip has come.
"""

from __future__ import annotations

import hashlib
import json
import os
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.media.clips.prepared_clip import PreparedClip
from pipelines.media.ffmpeg import encode
from pipelines.media.mp4.avcc import used_sets

EDITION = 2
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
        what = f"{EDITION} {kind} {low - first} {high - first}".encode()
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
    setting = f"{piece.frame} {piece.sps.width}x{piece.sps.height}".encode()
    groups = []
    with piece.path.open("rb", buffering=0) as file:
        for first, last in zip(starts, [*starts[1:], piece.frames], strict=True):
            group = hashlib.sha256((piece.rank[first:last] - first).astype(">i8").tobytes())
            group.update(np.isin(np.arange(first, last), piece.video.sync).tobytes())
            sets = set[bytes]()
            for size, offset in zip(
                piece.video.sizes[first:last].tolist(), piece.video.offsets[first:last].tolist(), strict=True
            ):
                coded = os.pread(file.fileno(), size, offset)
                sets.add(used_sets(coded, piece.config))
                group.update(size.to_bytes(8) + coded)
            group.update(b"\0".join(sorted(sets)))
            groups.append(group.digest())
    return Stretches(setting, tuple(starts), tuple(groups), piece.frames)


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found to be wrong with stretches, by their marks ("" where they are right): in other films, and ahead
    in the folder `ready` of this machine.
    """

    known: Mapping[str, str]
    ready: Path | None = None

    def get(self, mark: str) -> str | None:
        """None where nobody has looked, or what was written is not whole."""
        if mark in self.known or self.ready is None:
            return self.known.get(mark)
        try:
            found = json.loads(_place(self.ready, mark).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found["seen"] if isinstance(found, dict) and isinstance(found.get("seen"), str) else None


def keep_ahead(ready: Path, mark: str, seen: str) -> None:
    """For the film that the stretch will stand in."""
    with encode.arriving(_place(ready, mark)) as temporary:
        temporary.write_text(json.dumps({"seen": seen}), "utf-8")


def _place(ready: Path, mark: str) -> Path:
    return ready / f"seen-{mark}.json"

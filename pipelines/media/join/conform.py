"""A prepared clip that cannot stand in its film beside the others is encoded once more, with settings of our own.

The result is named by a hash of what it is made of. So it can be made ahead, as soon as the clip that it clashes with
is there, and is found by the join, which alone decides what the film is made of.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import ClipWork, Target
from pipelines.media.clips.prepared_clip import PreparedClip, open_prepared_clip
from pipelines.media.join.seams import content_hash
from pipelines.media.join.table_join import clash
from pipelines.media.normalise.normalise import encode_clip

Fades = tuple[float, float]
"""Seconds of the transitions at both ends of a piece."""

_RECIPE = "2"
"""Part of every name: raise it when pieces would come out differently."""


def conformed(source: Path, target: Target, fades: Fades, reason: str, folder: Path) -> PreparedClip:
    """The piece encoded again: found in the folder, or made there. Raises `UnplayableMedia` when it cannot be."""
    target = replace(target, loudness_lufs=None)
    recipe = repr((_RECIPE, content_hash(source), target, fades))
    dest = folder / f"mended-{hashlib.sha256(recipe.encode()).hexdigest()[:32]}.mp4"
    found = _opened(dest) if dest.exists() else None
    if found is None:
        encode_clip(ClipWork(source=source, target=target, fade_in_s=fades[0], fade_out_s=fades[1]), dest, reason)
        found = _opened(dest)
    if found is None:
        raise UnplayableMedia("it cannot be joined even after encoding it again")
    return found


def beside(first: Path, piece: Path, target: Target, fades: Fades, folder: Path) -> Path:
    """The piece as it stands in a film whose first clip is `first`: itself, or encoded again into the folder where
    the two clash. Raises `UnplayableMedia` when one of them is damaged.
    """
    one, other = open_prepared_clip(first), open_prepared_clip(piece)
    reason = clash(one, other, one.config) if one is not None and other is not None else None
    return piece if reason is None else conformed(piece, target, fades, reason, folder).path


def _opened(path: Path) -> PreparedClip | None:
    try:
        return open_prepared_clip(path)
    except UnplayableMedia:
        return None

"""Which picture stands for a film: of some that need no other, the one that scores best. Those of a clip are scored as
soon as it has come, and known again in the film by their bytes.
"""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipelines.media.clips.coded_frames import decode_alone
from pipelines.media.clips.frames import samples, to_image
from pipelines.media.clips.prepared_clip import PreparedClip, open_prepared_clip
from pipelines.media.ffmpeg import encode
from pipelines.media.mp4.avcc import used_sets
from pipelines.media.mp4.reader import sniff

CANDIDATES = 12
SCORED_PX = 320
"""Candidates are compared at this width: what is sharp here is sharp in a grid of rows."""
_EDITION = 1
"""One more when pictures are scored otherwise: what was scored before is not taken for it."""


def score(image: Image.Image) -> float:
    """How well a picture stands for a film: sharp, neither dark nor blown out, with contrast and some colour."""
    rgb = np.asarray(image, dtype=np.float32)
    luma: NDArray[np.float32] = rgb @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    edges = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    sharpness = float(np.log1p(edges.var()))
    clipped = float(np.mean((luma < 10) | (luma > 247)))  # noqa: PLR2004 - of 255: no detail left
    exposure = float(np.exp(-(((float(luma.mean()) - 118) / 75) ** 2))) * (1 - clipped)
    contrast = min(1.0, float(luma.std()) / 50)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    colour = min(1.0, float(spread.mean()) / 60)
    return sharpness * (0.25 + exposure) * (0.4 + 0.6 * contrast) * (0.8 + 0.2 * colour)


def score_ahead(path: Path, ready: Path) -> None:
    """Score what a clip offers, into the folder `ready`. Of one that offers more than a film looks at, nobody knows
    which. Raises `UnplayableMedia`.
    """
    piece = open_prepared_clip(path)
    places = piece.video.sync.tolist() if piece else []
    if piece is not None and len(places) <= CANDIDATES:
        for place in places:
            _scored(piece, place, ready)


def best_frame(film: Path, between_s: tuple[float, float] | None, ready: Path | None) -> Image.Image:
    """The best of some pictures spread over the film, or over a part of it. Raises `UnplayableMedia`."""
    start, end = between_s or (0.0, math.inf)
    piece = open_prepared_clip(film) if sniff(film) == "mp4" else None
    if piece is not None and len(piece.video.sync) >= CANDIDATES // 2:
        places = _spread(piece)
        chosen = [place for place in places if start <= _shown_s(piece, place) < end] or places
        best = max(dict.fromkeys(chosen), key=lambda place: _scored(piece, place, ready))
        return to_image(decode_alone(piece, best), container=piece.colours)
    found = samples(film, CANDIDATES, enough=CANDIDATES // 2)
    frames = [frame for at, frame in found if start <= at < end] or [frame for _, frame in found]
    return to_image(max(dict.fromkeys(frames), key=lambda frame: score(to_image(frame, SCORED_PX))))


def _shown_s(piece: PreparedClip, place: int) -> float:
    return float(int(piece.rank[place]) * piece.frame)


def _spread(piece: PreparedClip) -> list[int]:
    """The pictures that need no other, nearest to moments spread evenly."""
    places = piece.video.sync.tolist()
    moments = [float(piece.seconds) * (index + 0.5) / CANDIDATES for index in range(CANDIDATES)]
    return [min(places, key=lambda place: abs(_shown_s(piece, place) - moment)) for moment in moments]


def _scored(piece: PreparedClip, place: int, ready: Path | None) -> float:
    """The score of one picture: known by its bytes and how they are decoded, or found now."""
    kept = ready / f"score-{_mark(piece, place)}.txt" if ready else None
    try:
        return float(kept.read_text("ascii")) if kept else _score_of(piece, place)
    except (OSError, ValueError):
        found = _score_of(piece, place)
    if kept is not None:
        with encode.arriving(kept) as temporary:
            temporary.write_text(repr(found), "ascii")
    return found


def _score_of(piece: PreparedClip, place: int) -> float:
    return score(to_image(decode_alone(piece, place), SCORED_PX, piece.colours))


def _mark(piece: PreparedClip, place: int) -> str:
    with piece.path.open("rb", buffering=0) as file:
        coded = os.pread(file.fileno(), int(piece.video.sizes[place]), int(piece.video.offsets[place]))
    told = repr((_EDITION, piece.colours)).encode()
    return hashlib.sha256(b"\0".join((told, used_sets(coded, piece.config), coded))).hexdigest()[:32]

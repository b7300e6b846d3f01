"""The sound of a film as a file of its own: its packets as they are, for exactly as long as the film has them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from pipelines.media.mp4.boxes import damaged
from pipelines.media.mp4.reader import read_movie
from pipelines.media.mp4.writer import FileRange, TrackTables, header, write_file


def write_soundtrack(film: Path, dest: Path, language: str) -> None:
    """Nothing is decoded. Raises UnplayableMedia for a film without sound."""
    movie = read_movie(film)
    if not movie.audio or not len(movie.audio[0].sizes):
        raise damaged("it has no sound")
    track = movie.audio[0]
    edit = next((one for one in track.edits if one.media_time >= 0), None)
    ends = np.cumsum(track.sizes)
    apart = np.flatnonzero(track.offsets[1:] != track.offsets[:-1] + track.sizes[:-1]) + 1
    firsts, lasts = [0, *apart.tolist()], [*apart.tolist(), len(track.sizes)]
    runs = [
        FileRange(film, int(track.offsets[first]), int(track.sizes[first:last].sum()))
        for first, last in zip(firsts, lasts, strict=True)
    ]
    tables = TrackTables(
        entry=track.entries[0],
        timescale=track.timescale,
        delta=int(track.durations[0]),
        sizes=track.sizes,
        offsets=ends - track.sizes,
        skip=edit.media_time if edit else 0,
        shown=Fraction(edit.length, movie.timescale) if edit else track.seconds,
        language=language,
    )
    write_file(dest, header([tables], int(ends[-1]), None), runs)

"""Glyphs in any script: clusters that stay whole, direction, a font for each run, widths and ink.

Lines are ordered by the Unicode bidirectional algorithm (see `direction`); inside a run the shaping library does the
rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby
from pathlib import Path

from PIL import Image, ImageDraw

from pipelines.media.text.characters import clusters, is_ignorable
from pipelines.media.text.direction import is_rtl, visual_order
from pipelines.media.text.fonts import (
    COLOUR_STRIKE_PX,
    Face,
    bundled_face,
    collection_index,
    is_colour,
    load,
    setting,
    shaping,
)

REFERENCE_PX = 100
"""Widths are measured once at this size and scaled."""

ASCENT, DESCENT = 1.02, 0.34
"""A line's ink box in ems, wide enough for stacked marks."""

_NUMBER = re.compile(r"\d[\d.,:/]*\d")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Run:
    text: str
    face: Path
    rtl: bool


def settable(text: str, weight: Face) -> str:
    """The text without what no font here can set, and without the double spaces that this leaves."""
    lines = (
        "".join(part for part in clusters(line) if part.isspace() or setting(part, weight)) for line in text.split("\n")
    )
    kept = (" ".join(line.split()) for line in lines)
    return "\n".join(line for line in kept if line)


def _settings(parts: list[str], weight: Face) -> list[tuple[str, Path] | None]:
    """What is set for each cluster, and by which face; spaces stay with the face before them."""
    found: list[tuple[str, Path] | None] = []
    current = bundled_face(weight)
    for part in parts:
        if part.isspace():
            chosen: tuple[str, Path] | None = part, bundled_face(weight) if is_colour(current) else current
        else:
            chosen = setting(part, weight)
        current = chosen[1] if chosen else current
        found.append(chosen)
    return found


@lru_cache(maxsize=4096)
def _runs(text: str, weight: Face, base_rtl: bool) -> tuple[_Run, ...]:  # noqa: FBT001 - lru_cache wants it plain
    """The pieces of one line in the order they are drawn, left to right."""
    parts = clusters(text)
    starts = (
        dict(zip(accumulate(map(len, parts[:-1]), initial=0), _settings(parts, weight), strict=True)) if parts else {}
    )
    order = [(starts[at], rtl) for at, rtl in visual_order(text, base_rtl=base_rtl) if starts.get(at)]
    drawn = [(chosen[0], chosen[1], rtl) for chosen, rtl in order if chosen is not None]
    runs: list[_Run] = []
    for (face, rtl), group in groupby(drawn, key=lambda item: (item[1], item[2])):
        texts = [part for part, _, _ in group]
        runs.append(_Run("".join(texts[::-1] if rtl else texts), face, rtl))
    return tuple(runs)


def _direction(run: _Run) -> str | None:
    if not shaping():
        return None
    return "rtl" if run.rtl else "ltr"


def _visible(run: _Run) -> str:
    """Without the shaping library, what is left to do by hand: visual order of right-to-left runs, no joiners."""
    if shaping():
        return run.text
    plain = "".join(char for char in run.text if not is_ignorable(char))
    if not run.rtl:
        return plain
    mirrored = plain[::-1].translate(_MIRRORED)
    return _NUMBER.sub(lambda number: number[0][::-1], mirrored)


def _run_width(run: _Run, size: int) -> float:
    if is_colour(run.face):
        strike = load(run.face, COLOUR_STRIKE_PX)
        return float(strike.getlength(run.text)) * size / COLOUR_STRIKE_PX
    font = load(run.face, size, collection_index(run.face, run.text))
    return float(font.getlength(_visible(run), direction=_direction(run)))


@lru_cache(maxsize=8192)
def reference_width(text: str, weight: Face) -> float:
    """The line's advance width at `REFERENCE_PX`."""
    return sum(_run_width(run, REFERENCE_PX) for run in _runs(text, weight, is_rtl(text)))


def measure(text: str, weight: Face, size: int) -> float:
    """The line's advance width in pixels."""
    return reference_width(text, weight) * size / REFERENCE_PX


def _draw_colour_run(canvas: Image.Image, run: _Run, size: int, x: float, baseline: int) -> None:
    strike = load(run.face, COLOUR_STRIKE_PX)
    width = max(1, round(strike.getlength(run.text)))
    tile = Image.new("RGBA", (width, round(COLOUR_STRIKE_PX * 1.3)))
    ImageDraw.Draw(tile).text((0, COLOUR_STRIKE_PX), run.text, font=strike, embedded_color=True, anchor="ls")
    scale = size / COLOUR_STRIKE_PX
    small = tile.resize((max(1, round(tile.width * scale)), max(1, round(tile.height * scale))), Image.Resampling.BOX)
    canvas.alpha_composite(small, (max(0, round(x)), max(0, baseline - round(COLOUR_STRIKE_PX * scale))))


def draw_line(text: str, weight: Face, size: int, colour: Colour, *, rtl: bool = False) -> Image.Image:
    """One line on a transparent picture of its own: its advance wide, its ink box high (see `baseline`)."""
    runs = _runs(text, weight, rtl)
    width = max(1, round(sum(_run_width(run, size) for run in runs)) + 2)
    canvas = Image.new("RGBA", (width, round(size * (ASCENT + DESCENT))), (*colour, 0))
    draw = ImageDraw.Draw(canvas)
    x = 0.0
    for run in runs:
        if is_colour(run.face):
            _draw_colour_run(canvas, run, size, x, baseline(size))
        else:
            font = load(run.face, size, collection_index(run.face, run.text))
            place = (x, baseline(size))
            draw.text(place, _visible(run), fill=(*colour, 255), font=font, anchor="ls", direction=_direction(run))
        x += _run_width(run, size)
    return canvas


def draw_tracked(text: str, weight: Face, size: int, colour: Colour, tracking: float) -> Image.Image:
    """A short label with `tracking` ems of air between its characters."""
    letters = [draw_line(part, weight, size, colour) for part in clusters(text)]
    air = size * tracking
    width = round(sum(letter.width - 2 for letter in letters) + air * max(0, len(letters) - 1)) + 2
    canvas = Image.new("RGBA", (max(1, width), round(size * (ASCENT + DESCENT))), (*colour, 0))
    x = 0.0
    for letter in letters:
        canvas.alpha_composite(letter, (min(round(x), max(0, canvas.width - letter.width)), 0))
        x += letter.width - 2 + air
    return canvas


def baseline(size: int) -> int:
    """Where letters stand in a picture made by `draw_line`, in pixels from its top."""
    return round(size * ASCENT)

"""Glyphs in any script: clusters that stay whole, direction, a font for each run, widths and ink.

Lines are ordered by a small part of the Unicode bidirectional algorithm (strong letters, digits with what precedes
them, neutrals with equal neighbours, one level of embedding), which is what prompts and captions need; inside a run
the shaping library does the rest.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw

from pipelines.media.text.fonts import (
    COLOUR_STRIKE_PX,
    Weight,
    bundled_face,
    collection_index,
    face_for,
    is_colour,
    is_emoji,
    load,
    shaping,
)

REFERENCE_PX = 100
"""Widths are measured once at this size and scaled."""

ASCENT, DESCENT = 1.02, 0.34
"""A line's ink box in ems, wide enough for stacked marks."""

SKIN_TONES = range(0x1F3FB, 0x1F400)
VARIATION_SELECTORS = range(0xFE00, 0xFE10)
REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)

_ZWJ = "\u200d"
_NUMBER = re.compile(r"\d[\d.,:/]*\d")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Run:
    text: str
    face: Path
    rtl: bool


def is_rtl(text: str) -> bool:
    """Whether the first letter with a direction is a right-to-left one."""
    directions = (unicodedata.bidirectional(char) for char in text)
    return next((d in {"R", "AL"} for d in directions if d in {"L", "R", "AL"}), False)


def _extends(previous: str, char: str) -> bool:
    code = ord(char)
    modifier = code in SKIN_TONES or code in VARIATION_SELECTORS
    flag = code in REGIONAL_INDICATORS and len(previous) == 1 and ord(previous) in REGIONAL_INDICATORS
    mark = unicodedata.category(char).startswith("M") or char == _ZWJ
    return bool(previous) and (modifier or flag or mark or previous.endswith(_ZWJ))


def clusters(text: str) -> list[str]:
    """Characters with the marks, joiners and modifiers that belong to them: what must not be torn apart."""
    found: list[str] = []
    for char in text:
        if found and _extends(found[-1], char):
            found[-1] += char
        else:
            found.append(char)
    return found


def _directions(parts: list[str], *, base_rtl: bool) -> list[bool]:
    """For each cluster whether it runs right to left; neutrals follow their equal neighbours, else the line."""
    strong: list[bool | None] = []
    last: bool | None = None
    for part in parts:
        kind = unicodedata.bidirectional(part[0])
        if kind in {"L", "R", "AL"}:
            last = kind != "L"
        strong.append(last if kind in {"L", "R", "AL", "EN", "AN", "NSM"} else None)
    return [base_rtl if value is None else value for value in _neutrals(strong, base_rtl=base_rtl)]


def _neutrals(strong: list[bool | None], *, base_rtl: bool) -> Iterator[bool | None]:
    following: list[bool | None] = [None] * len(strong)
    ahead: bool | None = base_rtl
    for index in range(len(strong) - 1, -1, -1):
        ahead = strong[index] if strong[index] is not None else ahead
        following[index] = ahead
    behind: bool | None = base_rtl
    for index, value in enumerate(strong):
        behind = value if value is not None else behind
        yield behind if behind == following[index] else None


def _faces(parts: list[str], weight: Weight) -> list[Path | None]:
    """A face per cluster; spaces stay with the face before them, pictures nothing can set are None and dropped."""
    faces: list[Path | None] = []
    current = bundled_face(weight)
    for part in parts:
        if part.isspace():
            face: Path | None = bundled_face(weight) if is_colour(current) else current
        else:
            face = face_for(part[0], weight)
        if face is None and not is_emoji(part[0]):
            face = bundled_face(weight)
        current = face or current
        faces.append(face)
    return faces


@lru_cache(maxsize=4096)
def _runs(text: str, weight: Weight, base_rtl: bool) -> tuple[_Run, ...]:  # noqa: FBT001 - lru_cache wants it plain
    """The pieces of one line in the order they are drawn, left to right."""
    parts = clusters(text)
    tagged = zip(parts, _faces(parts, weight), _directions(parts, base_rtl=base_rtl), strict=True)
    kept = [(part, face, rtl) for part, face, rtl in tagged if face is not None]
    groups: list[list[_Run]] = []
    for rtl, group in groupby(kept, key=lambda item: item[2]):
        runs = [
            _Run("".join(part for part, _, _ in same), face, rtl)
            for face, same in groupby(group, key=lambda item: item[1])
        ]
        groups.append(runs[::-1] if rtl else runs)
    ordered = groups[::-1] if base_rtl else groups
    return tuple(run for group in ordered for run in group)


def _direction(run: _Run) -> str | None:
    if not shaping():
        return None
    return "rtl" if run.rtl else "ltr"


def _visible(run: _Run) -> str:
    """Without the shaping library, what is left to do by hand: visual order of right-to-left runs, no joiners."""
    if shaping():
        return run.text
    plain = "".join(char for char in run.text if char != _ZWJ and ord(char) not in VARIATION_SELECTORS)
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
def reference_width(text: str, weight: Weight) -> float:
    """The line's advance width at `REFERENCE_PX`."""
    return sum(_run_width(run, REFERENCE_PX) for run in _runs(text, weight, is_rtl(text)))


def measure(text: str, weight: Weight, size: int) -> float:
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


def draw_line(text: str, weight: Weight, size: int, colour: Colour, *, rtl: bool = False) -> Image.Image:
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


def draw_tracked(text: str, weight: Weight, size: int, colour: Colour, tracking: float) -> Image.Image:
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

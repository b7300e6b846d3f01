"""Setting text: safe areas, line breaking, and fitting to a box.

Words are measured once and their widths scaled, so that fitting 2,000 characters is arithmetic.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from pipelines.media.text.characters import clusters, is_emoji
from pipelines.media.text.direction import is_rtl
from pipelines.media.text.fonts import Face
from pipelines.media.text.shaping import REFERENCE_PX, measure, reference_width, settable

KERNING_SLACK = 0.985
"""Words measured apart and set together differ by a little; lines are broken for this share of the width."""

LONGEST_WHOLE_WORD = 24
"""Longer runs without a space (addresses, hashes) may be broken anywhere."""

ELLIPSIS = "…"

TALL, SQUARISH = 0.7, 1.2
"""Width to height below which a frame is a phone's, and below which it is a square or a portrait post."""

BALANCE_PX = 4


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column outside."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row outside."""
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Block:
    """Text broken into lines at one size; `width` is the widest line's."""

    lines: tuple[str, ...]
    size: int
    leading: int
    width: int
    rtl: bool

    @property
    def height(self) -> int:
        """From the first line's top to the last line's bottom, in pixels."""
        return self.leading * len(self.lines)


def safe_area(width: int, height: int) -> Box:
    """Where text may stand: broadcast title safety for wide frames, and for tall ones clear of the buttons and
    captions that the phone apps of the social networks lay over the picture.
    """
    ratio = width / height
    if ratio < TALL:
        left, top, right, bottom = 0.075, 0.12, 0.075, 0.18
    elif ratio < SQUARISH:
        left, top, right, bottom = 0.075, 0.075, 0.075, 0.075
    else:
        left, top, right, bottom = 0.065, 0.09, 0.065, 0.09
    x, y = round(width * left), round(height * top)
    return Box(x, y, round(width * (1 - right)) - x, round(height * (1 - bottom)) - y)


def clean(text: str) -> str:
    """The text without control characters, each paragraph on one line, no empty lines."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    kept = (char for line in lines if line for char in (*line, "\n"))
    return "".join(char for char in kept if char == "\n" or unicodedata.category(char) != "Cc").strip()


def _breaks_anywhere(char: str) -> bool:
    """Whether lines may be broken beside the character: ideographs and kana; Korean has spaces."""
    wide = unicodedata.east_asian_width(char) in {"W", "F"} and not is_emoji(char)
    return wide and not unicodedata.name(char, "").startswith("HANGUL")


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    width: float
    space_before: bool


def _pieces(word: str) -> list[str]:
    """Where a word may be broken: beside ideographs, anywhere if it is overlong, but never before a closing mark."""
    parts = clusters(word)
    overlong = len(parts) > LONGEST_WHOLE_WORD
    pieces: list[str] = []
    for part in parts:
        closing = unicodedata.category(part[0]) in {"Pe", "Po", "Pf"}
        free = overlong or any(_breaks_anywhere(char) for char in (part[0], pieces[-1][-1] if pieces else part[0]))
        if pieces and (closing or not free):
            pieces[-1] += part
        else:
            pieces.append(part)
    return pieces


def _words(paragraph: str, weight: Face) -> list[_Word]:
    return [
        _Word(piece, reference_width(piece, weight), space_before=index == 0)
        for word in paragraph.split(" ")
        for index, piece in enumerate(_pieces(word))
    ]


def _break(words: list[_Word], room: float, space: float) -> list[str]:
    """Greedy lines no wider than `room` (at the reference size); a word wider than that has a line to itself."""
    lines: list[str] = []
    line, used = "", 0.0
    for word in words:
        gap = space if word.space_before and line else 0.0
        if line and used + gap + word.width > room:
            lines.append(line)
            line, used, gap = "", 0.0, 0.0
        line += (" " if gap else "") + word.text
        used += gap + word.width
    return [*lines, line] if line else lines


class _Copy:
    """A text measured once, to be broken at many sizes."""

    def __init__(self, text: str, weight: Face) -> None:
        self.weight = weight
        self.rtl = is_rtl(text)
        self.paragraphs = [_words(paragraph, weight) for paragraph in settable(clean(text), weight).split("\n")]
        self.space = reference_width("n n", weight) - reference_width("nn", weight)
        self.widest_word = max((word.width for words in self.paragraphs for word in words), default=0.0)

    def lines(self, width: float, size: int) -> list[str]:
        room = width * KERNING_SLACK * REFERENCE_PX / size
        return [line for words in self.paragraphs for line in _break(words, room, self.space)]

    def fits(self, box: Box, size: int, leading: float) -> bool:
        whole = self.widest_word * size / REFERENCE_PX <= box.width * KERNING_SLACK
        return whole and len(self.lines(box.width, size)) * round(size * leading) <= box.height

    def largest(self, box: Box, sizes: range, leading: float) -> int:
        low, high = sizes.start, sizes.stop - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.fits(box, middle, leading) else (low, middle - 1)
        return low

    def balanced(self, width: int, size: int) -> list[str]:
        """As few lines as the full width needs, but of nearly equal length."""
        count = len(self.lines(width, size))
        low, high = width // 2, width
        while high - low > BALANCE_PX:
            middle = (low + high) // 2
            low, high = (low, middle) if len(self.lines(middle, size)) <= count else (middle, high)
        return self.lines(high, size)


def _shorten(line: str, weight: Face, size: int, width: int) -> str:
    """The line with an ellipsis, cut so that both fit."""
    parts = clusters(line)
    while parts and measure("".join(parts).rstrip(" ,.;:–-") + ELLIPSIS, weight, size) > width:
        parts.pop()
    return "".join(parts).rstrip(" ,.;:–-") + ELLIPSIS


def _squeeze(lines: list[str], weight: Face, size: int, box: Box, most: int) -> list[str]:
    """What does not fit even at the smallest size ends in an ellipsis: below, and on lines that are too wide."""
    kept = lines[:most]
    if len(lines) > most:
        kept[-1] = _shorten(kept[-1], weight, size, box.width)
    wide = [measure(line, weight, size) > box.width for line in kept]
    return [_shorten(line, weight, size, box.width) if over else line for line, over in zip(kept, wide, strict=True)]


def fit(text: str, weight: Face, box: Box, sizes: range, leading: float) -> Block:
    """The text as large as `sizes` and the box allow, in balanced lines; shortened if even the smallest overflows."""
    copy = _Copy(text, weight)
    size = copy.largest(box, sizes, leading)
    step = round(size * leading)
    lines = _squeeze(copy.balanced(box.width, size), weight, size, box, max(1, box.height // step))
    width = max((round(measure(line, weight, size)) for line in lines), default=0)
    return Block(tuple(lines), size, step, width, copy.rtl)

"""What is burned into a clip: a caption, a logo and the AI label, painted once as a transparent picture of its size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from PIL import Image

from pipelines.domain.brands.contrast import BLACK, LEAST, WHITE, contrast, on_footage
from pipelines.domain.footage import ClipWork, Colour, Corner, Lettering, Logo, Word
from pipelines.media.text.fonts import Face, Weight, face_of
from pipelines.media.text.layout import ELLIPSIS, Block, Box, clean, fit, safe_area
from pipelines.media.text.plates import ai_label, fill_plate
from pipelines.media.text.shaping import baseline, draw_line, measure, settable

CAPTION_SIZES = (3.6, 5.8)
"""Smallest and largest type in hundredths of the shorter side: at least 14 points on a phone held upright."""

CAPTION_LEADING = 1.26
CAPTION_SHARE = 0.34
"""The most of the safe area's height that a caption may take."""

LIT: Colour = (255, 214, 10)
"""The word that is being said, among white ones."""
SILENT_LETTERS = 2
"""Every word takes so much longer than its letters, for the breath after it."""
PAGE_LETTERS = 72
"""So many letters are shown at a time of what is said."""
PAGE_EARLY_S = 0.3
"""So long before its first word is said, a page is there to be read."""
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")
LOGO_WIDTH, LOGO_HEIGHT = 0.22, 0.12
"""The box a logo is scaled into, as shares of the frame's shorter side and of its height."""

_LEFT = {Corner.TOP_LEFT, Corner.BOTTOM_LEFT}
_BOTTOM = {Corner.BOTTOM_LEFT, Corner.BOTTOM_RIGHT}


@dataclass(frozen=True, slots=True)
class Style:
    """How the words of a caption are set: the house's way, or a brand's as far as it can be read."""

    face: Face
    ink: Colour
    plate: Colour
    opacity: int
    lit: Colour

    @classmethod
    def of(cls, lettering: Lettering | None, words: str) -> Style:
        """The style of these words. Captions are never so large that less contrast would do."""
        brand = lettering or Lettering()
        ink, plate, opacity = on_footage(brand.ink, brand.plate)
        lights = (brand.accent, LIT, WHITE, BLACK)
        seen = (one for one in lights if one and one != ink and contrast(one, plate) >= LEAST)
        return cls(face_of(brand.font, words, Weight.BOLD), ink, plate, opacity, next(seen, ink))


def paint_overlay(work: ClipWork, dest: Path) -> bool:
    """Write the overlay as PNG; False, and no file, when there is nothing to show.

    Raises `InvalidOrder` when the logo is no picture.
    """
    words = settable(clean(work.caption or ""), Weight.BOLD)
    if not words and work.logo is None and work.ai_label is None:
        return False
    canvas = _ground(work)
    if words:
        _paint_caption(canvas, words, Style.of(work.lettering, words))
    canvas.save(dest, "PNG", compress_level=1)
    return True


def _ground(work: ClipWork) -> Image.Image:
    """What stands on every picture of the clip alike."""
    canvas = Image.new("RGBA", (work.target.width, work.target.height))
    if work.logo is not None:
        _paint_logo(canvas, work.logo)
    if work.ai_label is not None:
        label, box = ai_label(*canvas.size, work.ai_label)
        canvas.alpha_composite(label, (box.x, box.y))
    return canvas


def paint_karaoke(work: ClipWork, seconds: float, folder: Path) -> Path:
    """Write one overlay for each word of the caption, that word lit, and the list by which ffmpeg shows them in turn:
    each for a part of `seconds` by its length. Raises `InvalidOrder` when the logo is no picture.
    """
    ground = _ground(work)
    words = settable(clean(work.caption or ""), Weight.BOLD)
    style = Style.of(work.lettering, words)
    block, _, _ = _set_caption(*ground.size, words, style.face)
    turns = [(row, place) for row, line in enumerate(block.lines) for place in range(len(line.split(" ")))]
    sizes = [len(block.lines[row].split(" ")[place]) + SILENT_LETTERS for row, place in turns]
    listed = ["ffconcat version 1.0"]
    for number, (turn, letters) in enumerate(zip(turns, sizes, strict=True)):
        canvas = ground.copy()
        _paint_caption(canvas, words, style, lit=(turn,))
        canvas.save(folder / f"word-{number}.png", "PNG", compress_level=1)
        listed += [f"file word-{number}.png", f"duration {seconds * letters / sum(sizes):.4f}"]
    dest = folder / "words.ffconcat"
    dest.write_text("\n".join([*listed, ""]), encoding="utf-8")
    return dest


def paint_spoken(work: ClipWork, words: Sequence[Word], seconds: float, folder: Path) -> Path:
    """The same for words that are said, each lit while it is, as many at a time as are easily read."""
    ground, lettering = _ground(work), work.lettering
    turns = list(_turns(list(_pages(ground.size, words, lettering))))
    starts = [*accumulate((min(seconds, turn[2]) for turn in turns), max), seconds]
    listed = ["ffconcat version 1.0"]
    for number, (shown, lit, _) in enumerate(turns):
        lasts = starts[number + 1] - starts[number]
        if round(lasts, 3) <= 0:
            continue
        canvas = ground.copy()
        if shown:
            style = Style.of(lettering, " ".join(shown))
            block, _, _ = _set_caption(*ground.size, " ".join(shown), style.face)
            places = () if lit is None else _places(shown, lit, block)
            _paint_caption(canvas, " ".join(shown), style, lit=places)
        canvas.save(folder / f"word-{number}.png", "PNG", compress_level=1)
        # By itself a picture lasts a 25th of a second, in which their times would be counted.
        listed += [f"file word-{number}.png", "option framerate 1000", f"duration {lasts:.6f}"]
    dest = folder / "words.ffconcat"
    dest.write_text("\n".join([*listed, ""]), encoding="utf-8")
    return dest


@dataclass(frozen=True, slots=True)
class _Page:
    """Words that are shown together, as they can be set, and when they are said."""

    shown: tuple[str, ...]
    said: tuple[Word, ...]


def _pages(size: tuple[int, int], words: Sequence[Word], lettering: Lettering | None) -> Iterator[_Page]:
    """A page has two usual lines at most, ends where a sentence does, and has no more than fits."""
    page = _Page((), ())
    for word in words:
        shown = settable(clean(word.text), Weight.BOLD)
        if not shown:
            continue
        text = " ".join((*page.shown, shown))
        full = len(text) > PAGE_LETTERS or not has_room_for(*size, text, lettering)
        if page.shown and (full or page.shown[-1].endswith(_SENTENCE_ENDS)):
            yield page
            page = _Page((), ())
        page = _Page((*page.shown, shown), (*page.said, word))
    if page.shown:
        yield page


def _turns(pages: Sequence[_Page]) -> Iterator[tuple[tuple[str, ...], int | None, float]]:
    """What is shown, which of its words is lit, and from when on: nothing is lit before it is said, a page is there a
    moment before its first word, and goes with its last.
    """
    until = 0.0
    for page in pages:
        appears = max(until, page.said[0].start - PAGE_EARLY_S)
        if appears > until:
            yield (), None, until
        if page.said[0].start > appears:
            yield page.shown, None, appears
        for place, word in enumerate(page.said):
            yield page.shown, place, word.start
        until = page.said[-1].end
    yield (), None, until


def _places(words: Sequence[str], lit: int, block: Block) -> list[tuple[int, int]]:
    """Where a word stands: its line and its place there; one that was too long for a line has several."""
    found: list[tuple[int, int]] = []
    number = letters = 0
    for row, line in enumerate(block.lines):
        for place, part in enumerate(line.split(" ")):
            found += [(row, place)] * (number == lit)
            letters += len(part)
            if number < len(words) and letters >= len(words[number]):
                number, letters = number + 1, 0
    return found


def has_room_for(width: int, height: int, caption: str, lettering: Lettering | None = None) -> bool:
    """Whether a caption fits into the frame whole; a longer one ends with an ellipsis."""
    block, _, _ = _set_caption(width, height, clean(caption), Style.of(lettering, clean(caption)).face)
    return not block.lines or clean(caption).endswith(ELLIPSIS) or not block.lines[-1].endswith(ELLIPSIS)


def _set_caption(width: int, height: int, words: str, face: Face) -> tuple[Block, int, int]:
    """The caption in lines, and the room left and right and above and below it on its plate."""
    safe, unit = safe_area(width, height), min(width, height) / 100
    pad_x, pad_y = round(2.4 * unit), round(1.5 * unit)
    room = Box(0, 0, safe.width - 2 * pad_x, round(safe.height * CAPTION_SHARE) - 2 * pad_y)
    smallest, largest = (round(units * unit) for units in CAPTION_SIZES)
    return fit(words, face, room, range(smallest, largest + 1), CAPTION_LEADING), pad_x, pad_y


def _paint_caption(canvas: Image.Image, words: str, style: Style, lit: Collection[tuple[int, int]] = ()) -> None:
    """Bold text in the lower middle of the safe area, on a plate just large enough. `lit`: the lines and the words in
    them that stand out.
    """
    safe, unit = safe_area(*canvas.size), min(canvas.size) / 100
    block, pad_x, pad_y = _set_caption(*canvas.size, words, style.face)
    width = min(safe.width, block.width + 2 * pad_x)
    height = block.height + 2 * pad_y
    plate = Box(safe.x + (safe.width - width) // 2, safe.bottom - height, width, height)
    fill_plate(canvas, plate, round(1.6 * unit), (*style.plate, style.opacity))
    for index, line in enumerate(block.lines):
        ink = draw_line(line, style.face, block.size, style.ink, rtl=block.rtl)
        x = plate.x + (plate.width - ink.width) // 2
        y = plate.y + pad_y + index * block.leading + round(block.leading * 0.77) - baseline(block.size)
        canvas.alpha_composite(ink, (max(0, x), max(0, y)))
        for _, place in (one for one in lit if one[0] == index):
            start, end = _span(line, place, block, style.face)
            bright = draw_line(line, style.face, block.size, style.lit, rtl=block.rtl).crop((start, 0, end, ink.height))
            canvas.alpha_composite(bright, (max(0, x) + start, max(0, y)))


def _span(line: str, place: int, block: Block, face: Face) -> tuple[int, int]:
    """Where a word of a line begins and ends, in pixels from the line's left."""
    words = line.split(" ")
    before = "".join(f"{word} " for word in words[:place])
    start, end, width = (
        round(measure(text, face, block.size)) if text else 0 for text in (before, before + words[place], line)
    )
    return (width - end, width - start) if block.rtl else (start, end)


def _paint_logo(canvas: Image.Image, logo: Logo) -> None:
    # Not at the top: a film is joined without any logo, and without what reads pictures from outside.
    from pipelines.media.normalise.pictures import open_picture

    safe = safe_area(*canvas.size)
    picture = open_picture(logo.path, "Logo")
    box = picture.getchannel("A").getbbox()
    picture = picture.crop(box) if box else picture
    room = (round(min(canvas.size) * LOGO_WIDTH), round(canvas.height * LOGO_HEIGHT))
    scale = min(room[0] / picture.width, room[1] / picture.height)
    # A hairline stays visible.
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    opacity = min(1.0, max(0.0, logo.opacity))
    picture.putalpha(picture.getchannel("A").point(lambda level: round(level * opacity)))
    x = safe.x if logo.corner in _LEFT else safe.right - picture.width
    y = safe.bottom - picture.height if logo.corner in _BOTTOM else safe.y
    canvas.alpha_composite(picture, (x, y))

"""Title and end cards, and what every card is made of: the grid, easing text, a scene ready to be painted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from pipelines.domain.brands.contrast import LEAST, LEAST_LARGE, contrast, least_contrast, readable
from pipelines.domain.footage import Card, Lettering
from pipelines.media.cards.backdrop import BRIGHTEST, Backdrop, Picture, Plain
from pipelines.media.cards.compositing import Bar, Layer, with_shadow
from pipelines.media.ffmpeg.encode import frame_count
from pipelines.media.text.direction import is_rtl
from pipelines.media.text.fonts import Face, Weight, face_of
from pipelines.media.text.layout import Block, Box, fit, safe_area
from pipelines.media.text.plates import ai_label
from pipelines.media.text.shaping import Colour, baseline, draw_line, draw_tracked

WHITE: Colour = (255, 255, 255)
QUIET: Colour = (205, 208, 220)
TITLE_LEADING = 1.12
SHADOW = 0.45
"""How dark the shadow of letters is on moving light."""
MOST_TRACKED = 40
"""Longer headings are set as plain text: letters drawn one by one lose their kerning."""

RULE_WIDTH, RULE_HEIGHT = 9, 0.5
"""The short line under a title, in hundredths of the frame's shorter side."""


@dataclass(slots=True)
class Scene:
    """Everything one card shows, ready to be painted for any moment."""

    card: Card
    seconds: float
    backdrop: Backdrop
    layers: list[Layer] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    current: int = 0
    _frame: Picture = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._frame = np.empty((self.backdrop.height, self.backdrop.width, 3), np.uint8)

    def paint(self, seconds: float) -> Picture:
        """The frame at this moment; the same array every time."""
        self.backdrop.paint(self._frame, seconds)
        for layer in self.layers:
            layer.paint(self._frame, seconds)
        for index, bar in enumerate(self.bars):
            bar.paint(self._frame, self._share(index, seconds))
        return self._frame

    def _share(self, index: int, seconds: float) -> float:
        if index != self.current:
            return 1.0 if index < self.current else 0.0
        return seconds / self.seconds


@dataclass(frozen=True, slots=True)
class Grid:
    """The measures of one frame size: `unit` is a hundredth of the shorter side."""

    width: int
    height: int
    safe: Box
    unit: float

    @classmethod
    def of(cls, width: int, height: int) -> Grid:
        """The grid that fits a frame."""
        return cls(width, height, safe_area(width, height), min(width, height) / 100)

    def px(self, units: float) -> int:
        """Units in pixels, at least one."""
        return max(1, round(self.unit * units))


def pace(seconds: float) -> float:
    """How long the words take to come in, as a share of the usual; in clips too short to read they stand at once."""
    return min(1.0, max(0.0, (seconds - 0.5) / 2.5))


def text_layers(
    block: Block,
    box: Box,
    grid: Grid,
    weight: Face,
    *,
    tempo: float = 1.0,
    centred: bool = False,
    ink: Colour = WHITE,
    shadow: float = SHADOW,
) -> list[Layer]:
    """A block of text in the upper left (or the middle) of the box, line after line easing in."""
    radius = grid.px(1.1)
    stagger = tempo * min(0.09, 0.5 / max(1, len(block.lines)))
    layers = []
    for index, line in enumerate(block.lines):
        drawn = draw_line(line, weight, block.size, ink, rtl=block.rtl)
        x = box.x + (box.width - drawn.width) // 2 if centred else box.right - drawn.width if block.rtl else box.x
        y = box.y + index * block.leading + round(block.leading * 0.78) - baseline(block.size)
        image = with_shadow(drawn, radius, shadow)
        enters, takes = 0.15 * tempo + stagger * index, 0.55 * tempo
        layers.append(Layer(image, x - 2 * radius, y - 2 * radius, enters, takes, grid.px(2.4)))
    return layers


def one_line(text: str, weight: Face, size: int, width: int, ink: Colour = QUIET) -> Image.Image:
    """Quiet text on one line, shortened to the width."""
    block = fit(text, weight, Box(0, 0, max(1, width), round(size * 1.3)), range(size, size + 1), 1.3)
    return draw_line(block.lines[0] if block.lines else "", weight, size, ink, rtl=block.rtl)


def title(card: Card) -> Scene:
    """A title or end card: everything centred; heading above, text large, footer below a short line."""
    grid = Grid.of(card.target.width, card.target.height)
    brand = card.lettering or Lettering()
    face = face_of(brand.font, card.text, Weight.DISPLAY)
    head, foot = grid.px(8) if card.heading else 0, grid.px(13) if card.footer else grid.px(7)
    box = Box(grid.safe.x, 0, grid.safe.width, grid.safe.height - head - foot)
    block = fit(card.text, face, box, range(grid.px(3.6), grid.px(12.5) + 1), TITLE_LEADING)
    ink, backdrop = _ground(card, grid, brand, block.size)
    scene = Scene(card, shown_seconds(card), backdrop)
    tempo, shadow = pace(scene.seconds), SHADOW if brand.plate is None else 0.0
    top = grid.safe.y + (grid.safe.height - head - block.height - foot) // 2
    placed = Box(grid.safe.x, top + head, grid.safe.width, block.height)
    scene.layers = [
        *_kicker(card, grid, top, scene.backdrop.look.accent),
        *text_layers(block, placed, grid, face, tempo=tempo, centred=True, ink=ink, shadow=shadow),
        *_rule(grid, placed.bottom, scene.backdrop.look.accent, tempo),
        *_credit(card, grid, placed.bottom, tempo, QUIET if brand.plate is None else ink),
        *_ai_label(card),
    ]
    return scene


def _ground(card: Card, grid: Grid, brand: Lettering, size: int) -> tuple[Colour, Backdrop]:
    """The ink of a card, and what it stands on: a brand's colour, or the house's moving light."""
    if brand.plate is None:
        backdrop = Backdrop(grid.width, grid.height, card.seed)
        backdrop.look = replace(backdrop.look, accent=brand.accent) if brand.accent else backdrop.look
        seen = brand.ink is not None and contrast(brand.ink, (BRIGHTEST,) * 3) >= LEAST_LARGE
        return brand.ink if brand.ink and seen else WHITE, backdrop
    least = LEAST if card.footer else least_contrast(size, min(grid.width, grid.height))
    ink, plate = readable(brand.ink or WHITE, brand.plate, least)
    return ink, Plain(grid.width, grid.height, plate, brand.accent or ink)


def shown_seconds(card: Card) -> float:
    """The card's length in whole frames, in seconds."""
    return float(frame_count(card.seconds, card.target.fps) / card.target.fps)


def _kicker(card: Card, grid: Grid, top: int, accent: Colour) -> list[Layer]:
    if not card.heading:
        return []
    size = grid.px(2.9)
    if is_rtl(card.heading) or len(card.heading) > MOST_TRACKED:
        ink = one_line(card.heading, Weight.BOLD, size, grid.safe.width)
    else:
        ink = draw_tracked(card.heading.upper(), Weight.BOLD, size, accent, 0.14)
    if ink.width > grid.safe.width:
        ink = one_line(card.heading, Weight.BOLD, size, grid.safe.width)
    return [Layer(ink, (grid.width - ink.width) // 2, top, 0.0, 0.4)]


def _rule(grid: Grid, bottom: int, accent: Colour, tempo: float) -> list[Layer]:
    line = Image.new("RGBA", (grid.px(RULE_WIDTH), grid.px(RULE_HEIGHT)), (*accent, 255))
    return [Layer(line, (grid.width - line.width) // 2, bottom + grid.px(4.5), 0.45 * tempo, 0.5 * tempo)]


def _ai_label(card: Card) -> list[Layer]:
    """There from the first picture on, where the film's clips have it."""
    if card.ai_label is None:
        return []
    label, box = ai_label(card.target.width, card.target.height, card.ai_label)
    return [Layer(label, box.x, box.y)]


def _credit(card: Card, grid: Grid, bottom: int, tempo: float, colour: Colour) -> list[Layer]:
    if not card.footer:
        return []
    face = face_of(card.lettering.font if card.lettering else None, card.footer, Weight.REGULAR)
    ink = one_line(card.footer, face, grid.px(3.1), grid.safe.width, colour)
    return [Layer(ink, (grid.width - ink.width) // 2, bottom + grid.px(8), 0.55 * tempo, 0.5 * tempo)]

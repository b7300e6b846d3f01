"""One scene as a moving storyboard card: its number, its prompt, its place in the film.

This is what marketers look at before they pay, so the words must read at phone size in any format and any script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.domain.footage import Card, Footage
from pipelines.media.backdrop import Backdrop, Picture
from pipelines.media.encode import SAMPLE_RATE, frame_count
from pipelines.media.glyphs import Colour, baseline, draw_line, draw_tracked, measure
from pipelines.media.layers import Bar, Layer, with_shadow
from pipelines.media.score import compose
from pipelines.media.typefaces import Weight
from pipelines.media.typeset import Block, Box, fit, safe_area

WHITE: Colour = (255, 255, 255)
PROMPT_LEADING = 1.24
NUMERAL_LEVELS, RAIL_LEVELS = 11, 46
MOST_SEGMENTS = 24
"""Films with more scenes get one bar for the whole instead of one per scene."""


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
    block: Block, box: Box, grid: Grid, weight: Weight, *, tempo: float = 1.0, centred: bool = False
) -> list[Layer]:
    """A block of text in the upper left (or the middle) of the box, line after line easing in."""
    radius = grid.px(1.1)
    stagger = tempo * min(0.09, 0.5 / max(1, len(block.lines)))
    layers = []
    for index, line in enumerate(block.lines):
        ink = draw_line(line, weight, block.size, WHITE, rtl=block.rtl)
        x = box.x + (box.width - ink.width) // 2 if centred else box.right - ink.width if block.rtl else box.x
        y = box.y + index * block.leading + round(block.leading * 0.78) - baseline(block.size)
        image = with_shadow(ink, radius, 0.45)
        enters, takes = 0.15 * tempo + stagger * index, 0.55 * tempo
        layers.append(Layer(image, x - 2 * radius, y - 2 * radius, enters, takes, grid.px(2.4)))
    return layers


def _label(card: Card, grid: Grid, accent: Colour) -> list[Layer]:
    """The head: scene number at the left; the film's title or the length at the right."""
    size = grid.px(2.7)
    top = grid.safe.y
    number = "ANIMATIC" if card.number is None else f"SCENE {card.number}"
    left = draw_tracked(number, Weight.BOLD, size, accent, 0.12)
    layers = [Layer(left, grid.safe.x, top, 0.0, 0.4)]
    if card.number is not None and card.total:
        rest = draw_tracked(f"OF {card.total}", Weight.REGULAR, size, (205, 208, 220), 0.12)
        layers.append(Layer(rest, grid.safe.x + left.width + grid.px(1.4), top, 0.0, 0.4))
    used = sum(layer.image.width for layer in layers) + grid.px(6)
    right = _one_line(card.heading or f"{card.seconds:g} s", Weight.REGULAR, size, grid.safe.width - used)
    layers.append(Layer(right, grid.safe.right - right.width, top, 0.0, 0.4))
    return layers


def _one_line(text: str, weight: Weight, size: int, width: int) -> Image.Image:
    block = fit(text, weight, Box(0, 0, max(1, width), round(size * 1.3)), range(size, size + 1), 1.3)
    return draw_line(block.lines[0], weight, size, (205, 208, 220), rtl=block.rtl)


def _numeral(card: Card, grid: Grid, backdrop: Backdrop) -> None:
    """The scene's number, very large and barely there, in the ground itself."""
    if card.number is None:
        return
    text = f"{card.number:02d}"
    size = round(min(grid.height * 0.95, grid.width * 0.62))
    mask = np.asarray(draw_line(text, Weight.DISPLAY, size, WHITE).getchannel("A"))
    x = grid.width - round(measure(text, Weight.DISPLAY, size)) + round(size * 0.05)
    backdrop.brighten(mask, x, grid.height - baseline(size) + round(size * 0.06), NUMERAL_LEVELS)


def _bars(card: Card, grid: Grid, backdrop: Backdrop) -> tuple[list[Bar], int]:
    """The line at the foot: one piece per scene, filled up to now."""
    total = card.total if card.number is not None and card.total and card.total <= MOST_SEGMENTS else 1
    gap, height = (grid.px(1.0), grid.px(0.6))
    y = grid.safe.bottom - height
    edges = np.linspace(0, grid.safe.width + gap, total + 1).round().astype(int)
    bars = [Bar(grid.safe.x + int(a), y, int(b - a) - gap, height) for a, b in pairwise(edges)]
    for bar in bars:
        backdrop.brighten(np.full((height, bar.width), 255, np.uint8), bar.x, y, RAIL_LEVELS)
    return bars, (card.number or 1) - 1 if total > 1 else 0


def build(card: Card) -> Scene:
    """Set the card for its size."""
    grid = Grid.of(card.target.width, card.target.height)
    frames = frame_count(card.seconds, card.target.fps)
    scene = Scene(card, float(frames / card.target.fps), Backdrop(grid.width, grid.height, card.seed))
    _numeral(card, grid, scene.backdrop)
    scene.bars, scene.current = _bars(card, grid, scene.backdrop)
    head, foot = grid.px(7.5), grid.px(9 if card.footer else 6)
    box = Box(grid.safe.x, grid.safe.y + head, grid.safe.width, grid.safe.height - head - foot)
    block = fit(card.text, Weight.DISPLAY, box, range(grid.px(3.3), grid.px(9.4) + 1), PROMPT_LEADING)
    placed = Box(box.x, box.y + (box.height - block.height) // 2, box.width, block.height)
    scene.layers = [
        *_label(card, grid, scene.backdrop.look.accent),
        *text_layers(block, placed, grid, Weight.DISPLAY, tempo=pace(scene.seconds)),
        *_footer(card, grid),
    ]
    return scene


def _footer(card: Card, grid: Grid) -> list[Layer]:
    if not card.footer:
        return []
    size = grid.px(2.3)
    line = _one_line(card.footer, Weight.REGULAR, size, grid.safe.width)
    return [Layer(line, grid.safe.x, grid.safe.bottom - grid.px(2.2) - round(size * 1.4), 0.5, 0.5)]


def animatic(card: Card, dest: Path) -> Footage:
    """Render the card to `dest` and say what it became. The same card gives the same bytes.

    Raises `UnplayableMedia` when the encoder fails.
    """
    from pipelines.media.probe import probe
    from pipelines.media.render import write_clip

    scene = build(card)
    frames = frame_count(card.seconds, card.target.fps)
    samples = round(frames / card.target.fps * SAMPLE_RATE)
    write_clip(scene.paint, frames, card.target, compose(samples, card.seed, card.number or 0), dest)
    return probe(dest)

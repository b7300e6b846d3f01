"""One scene as a moving storyboard card: its number, its prompt, its place in the film.

This is what marketers look at before they pay, so the words must read at phone size in any format and any script.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from pipelines.domain.footage import Card, Footage
from pipelines.media.audio.chime import compose
from pipelines.media.cards.backdrop import Backdrop
from pipelines.media.cards.cards import QUIET, WHITE, Grid, Scene, one_line, pace, shown_seconds, text_layers, title
from pipelines.media.cards.compositing import Bar, Layer
from pipelines.media.ffmpeg.encode import SAMPLE_RATE, frame_count
from pipelines.media.text.fonts import Weight
from pipelines.media.text.layout import Box, fit
from pipelines.media.text.shaping import Colour, baseline, draw_line, draw_tracked, measure

PROMPT_LEADING = 1.24
NUMERAL_LEVELS, RAIL_LEVELS = 11, 46
MOST_SEGMENTS = 24
"""Films with more scenes get one bar for the whole instead of one per scene."""


def _label(card: Card, grid: Grid, accent: Colour) -> list[Layer]:
    """The head: scene number at the left; the film's title or the length at the right."""
    size = grid.px(2.7)
    top = grid.safe.y
    left = draw_tracked(f"SCENE {card.number}", Weight.BOLD, size, accent, 0.12)
    layers = [Layer(left, grid.safe.x, top, 0.0, 0.4)]
    if card.total:
        rest = draw_tracked(f"OF {card.total}", Weight.REGULAR, size, QUIET, 0.12)
        layers.append(Layer(rest, grid.safe.x + left.width + grid.px(1.4), top, 0.0, 0.4))
    used = sum(layer.image.width for layer in layers) + grid.px(6)
    right = one_line(card.heading or f"{card.seconds:g} s", Weight.REGULAR, size, grid.safe.width - used)
    layers.append(Layer(right, grid.safe.right - right.width, top, 0.0, 0.4))
    return layers


def _numeral(card: Card, grid: Grid, backdrop: Backdrop) -> None:
    """The scene's number, very large and barely there, in the ground itself."""
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


def storyboard(card: Card) -> Scene:
    """A scene's card, set for its size."""
    grid = Grid.of(card.target.width, card.target.height)
    backdrop = Backdrop(grid.width, grid.height, card.seed)
    scene = Scene(card, shown_seconds(card), backdrop)
    _numeral(card, grid, backdrop)
    scene.bars, scene.current = _bars(card, grid, backdrop)
    head, foot = grid.px(7.5), grid.px(9 if card.footer else 6)
    box = Box(grid.safe.x, grid.safe.y + head, grid.safe.width, grid.safe.height - head - foot)
    block = fit(card.text, Weight.DISPLAY, box, range(grid.px(3.3), grid.px(9.4) + 1), PROMPT_LEADING)
    placed = Box(box.x, box.y + (box.height - block.height) // 2, box.width, block.height)
    scene.layers = [
        *_label(card, grid, backdrop.look.accent),
        *text_layers(block, placed, grid, Weight.DISPLAY, tempo=pace(scene.seconds)),
        *_footer(card, grid),
    ]
    return scene


def _footer(card: Card, grid: Grid) -> list[Layer]:
    if not card.footer:
        return []
    size = grid.px(2.3)
    line = one_line(card.footer, Weight.REGULAR, size, grid.safe.width)
    return [Layer(line, grid.safe.x, grid.safe.bottom - grid.px(2.2) - round(size * 1.4), 0.5, 0.5)]


def animatic(card: Card, dest: Path) -> Footage:
    """Render the card to `dest` and say what it became. The same card gives the same bytes.

    A card with a number is a scene's storyboard; one without is a title or an end card.

    Raises `UnplayableMedia` when the encoder fails.
    """
    from pipelines.media.cards.render import write_clip
    from pipelines.media.clips.probe import probe

    scene = title(card) if card.number is None else storyboard(card)
    frames = frame_count(card.seconds, card.target.fps)
    samples = round(frames / card.target.fps * SAMPLE_RATE)
    write_clip(scene.paint, frames, card.target, compose(samples, card.seed, card.number or 0), dest)
    return probe(dest)

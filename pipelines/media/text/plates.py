"""Words on a plate of their own, which can be read whatever picture is behind them."""

from __future__ import annotations

from PIL import Image, ImageDraw

from pipelines.domain.brands.contrast import BLACK, WHITE
from pipelines.domain.footage import Corner
from pipelines.media.text.fonts import Weight
from pipelines.media.text.layout import Box, safe_area
from pipelines.media.text.shaping import baseline, draw_line, measure

AI = "AI"
"""What the label says: the letters that the EU's code of practice names, in every language."""
LABEL_SIZE = 4.2
"""Of its type, in hundredths of the shorter side: on a phone held upright 16 points."""
LABEL_OPACITY = 200
"""Of its plate, of 255: over white footage white letters still have a contrast of 11."""


def fill_plate(canvas: Image.Image, plate: Box, radius: int, colour: tuple[int, int, int, int]) -> None:
    """A rounded rectangle, drawn four times as large and scaled down for smooth corners."""
    large = Image.new("L", (plate.width * 4, plate.height * 4))
    ImageDraw.Draw(large).rounded_rectangle((0, 0, large.width - 1, large.height - 1), radius * 4, fill=colour[3])
    shade = Image.new("RGBA", (plate.width, plate.height), colour[:3])
    shade.putalpha(large.resize(shade.size, Image.Resampling.BOX))
    canvas.alpha_composite(shade, (plate.x, plate.y))


def label_box(width: int, height: int, corner: Corner) -> Box:
    """Where the AI label stands in a frame: in a corner of the safe area."""
    safe, unit = safe_area(width, height), min(width, height) / 100
    size = round(LABEL_SIZE * unit)
    wide, high = round(measure(AI, Weight.BOLD, size) + 2.4 * unit), round(size * 1.3)
    x = safe.x if corner in {Corner.TOP_LEFT, Corner.BOTTOM_LEFT} else safe.right - wide
    y = safe.y if corner in {Corner.TOP_LEFT, Corner.TOP_RIGHT} else safe.bottom - high
    return Box(x, y, wide, high)


def ai_label(width: int, height: int, corner: Corner) -> tuple[Image.Image, Box]:
    """The label for a frame of this size, and its place."""
    box, unit = label_box(width, height, corner), min(width, height) / 100
    size = round(LABEL_SIZE * unit)
    canvas = Image.new("RGBA", (box.width, box.height))
    fill_plate(canvas, Box(0, 0, box.width, box.height), round(unit), (*BLACK, LABEL_OPACITY))
    letters = draw_line(AI, Weight.BOLD, size, WHITE)
    at = ((box.width - letters.width) // 2, round(box.height * 0.77) - baseline(size))
    canvas.alpha_composite(letters, (max(0, at[0]), max(0, at[1])))
    return canvas, box

"""Pictures laid over moving frames: they ease in, then stay, at the cost of their own area only."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Picture = NDArray[np.uint8]
Wide = NDArray[np.uint16]


def ease(progress: float) -> float:
    """Fast at first, gentle at the end; 0 before 0 and 1 after 1."""
    left = 1 - min(1.0, max(0.0, progress))
    return 1 - left**3


def with_shadow(image: Image.Image, radius: int, strength: float) -> Image.Image:
    """The picture over its own soft shadow, so that light text stands on any ground. Grows by 2 × radius each way."""
    pad = 2 * radius
    canvas = Image.new("RGBA", (image.width + 2 * pad, image.height + 2 * pad))
    shade = Image.new("L", canvas.size)
    shade.paste(image.getchannel("A"), (pad, pad + radius // 3))
    shade = shade.filter(ImageFilter.GaussianBlur(radius)).point(lambda level: min(255, round(level * strength)))
    canvas.putalpha(shade)
    canvas.alpha_composite(image, (pad, pad))
    return canvas


@dataclass(slots=True)
class Layer:
    """An RGBA picture at a place. It enters at `enters_s` within `takes_s`, rising by `rise` pixels."""

    image: Image.Image
    x: int
    y: int
    enters_s: float = 0.0
    takes_s: float = 0.0
    rise: int = 0
    _ink: Wide = field(init=False, repr=False)
    _alpha: Wide = field(init=False, repr=False)
    _through: Wide = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pixels = np.asarray(self.image.convert("RGBA"), dtype=np.uint16)
        self._alpha = pixels[..., 3:]
        self._ink = pixels[..., :3] * self._alpha
        self._through = 255 - self._alpha

    def _progress(self, seconds: float) -> float:
        if self.takes_s <= 0:
            return 1.0 if seconds >= self.enters_s else 0.0
        return ease((seconds - self.enters_s) / self.takes_s)

    def paint(self, frame: Picture, seconds: float) -> None:
        """Blend the layer into the frame as it stands at this moment."""
        shown = self._progress(seconds)
        if shown <= 0:
            return
        top = self.y + round(self.rise * (1 - shown))
        y0, y1 = max(0, top), min(frame.shape[0], top + self._alpha.shape[0])
        x0, x1 = max(0, self.x), min(frame.shape[1], self.x + self._alpha.shape[1])
        if y0 >= y1 or x0 >= x1:
            return
        part = (slice(y0 - top, y1 - top), slice(x0 - self.x, x1 - self.x))
        region = frame[y0:y1, x0:x1]
        self._blend(region, part, shown)

    def _blend(self, region: Picture, part: tuple[slice, slice], shown: float) -> None:
        if shown >= 1:
            ink, through = self._ink[part], self._through[part]
        else:
            share = np.uint16(round(shown * 255))
            ink, through = self._ink[part] // 255 * share, 255 - self._alpha[part] * share // 255
        mixed = region * through
        mixed += ink
        mixed += 128  # with the shifts below: division by 255, rounded, within 16 bits
        region[...] = (mixed + (mixed >> 8)) >> 8


@dataclass(frozen=True, slots=True)
class Bar:
    """A thin line that fills from left to right while its part of the time goes by."""

    x: int
    y: int
    width: int
    height: int

    def paint(self, frame: Picture, progress: float) -> None:
        """Draw the share `progress` (0 to 1) of the bar in white, with a soft leading edge."""
        end = min(1.0, max(0.0, progress)) * self.width
        whole, part = int(end), end % 1
        rows = slice(self.y, self.y + self.height)
        frame[rows, self.x : self.x + whole] = 255
        if part and whole < self.width:
            edge = frame[rows, self.x + whole]
            edge[...] = (edge + (255 - edge) * part).astype(np.uint8)

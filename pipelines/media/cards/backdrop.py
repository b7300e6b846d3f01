"""The moving light behind the text: a gradient and two veils of soft glow that drift against each other.

The veils are painted once, larger than the frame, in eight bits with the dither baked in; a frame is then two integer
additions of shifted crops. Their sum cannot pass 255 because each has its share of the range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
Rgb = tuple[int, int, int]

COARSE = 8
"""The glow is computed on a grid this many times coarser than the frame; it has no detail to lose."""

DRIFT = 0.07
"""How far the veils may wander from the middle, as a share of the frame's shorter side."""

PERIOD_S = 19.0
GRAIN = 1.6
"""Width of the dither in levels; enough to hide banding on phone screens, too little to see."""

BRIGHTEST = 150
"""No channel of ground and veils together passes this (of 255): white text keeps its contrast, sums cannot wrap."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Two ends of the ground and the colours of the two veils. Dark enough for white text everywhere."""

    name: str
    high: Rgb
    low: Rgb
    first: Rgb
    second: Rgb
    accent: Rgb


PALETTES = (
    Palette("dusk", (30, 27, 62), (10, 9, 26), (104, 52, 116), (28, 66, 120), (255, 170, 138)),
    Palette("harbour", (10, 40, 58), (5, 14, 24), (16, 96, 116), (92, 60, 40), (255, 196, 110)),
    Palette("pine", (14, 42, 36), (6, 16, 16), (24, 98, 74), (70, 84, 36), (190, 236, 150)),
    Palette("ember", (52, 22, 24), (18, 9, 14), (124, 54, 34), (84, 26, 66), (255, 190, 120)),
    Palette("polar", (18, 34, 66), (8, 12, 28), (36, 88, 134), (54, 48, 112), (150, 222, 255)),
    Palette("plum", (44, 18, 52), (15, 8, 24), (112, 36, 92), (44, 42, 118), (255, 168, 214)),
    Palette("slate", (30, 38, 48), (11, 14, 20), (62, 82, 100), (88, 62, 58), (255, 214, 160)),
    Palette("lagoon", (8, 46, 52), (4, 16, 24), (14, 108, 98), (24, 62, 122), (140, 244, 214)),
)


def palette(seed: int) -> Palette:
    """The look that belongs to a seed."""
    return PALETTES[seed % len(PALETTES)]


def _headroom(look: Palette) -> float:
    """The share of the veils' colours that the ground leaves room for."""
    channels = zip(look.high, look.first, look.second, strict=True)
    return min(1.0, *((BRIGHTEST - high) / (first + second) for high, first, second in channels))


def _dithered(levels: NDArray[np.float32], rng: np.random.Generator) -> Picture:
    noise = rng.random(levels.shape[:2], dtype=np.float32)[..., None] * GRAIN - (GRAIN - 1) / 2
    return np.clip(levels + noise, 0, 255).astype(np.uint8)


def _smooth(coarse: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """A coarse field enlarged without steps."""
    image = Image.fromarray(coarse, mode=None)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)


def _ground(width: int, height: int, look: Palette, rng: np.random.Generator) -> Picture:
    """A slanted gradient, darker towards the corners."""
    y, x = np.mgrid[0 : math.ceil(height / COARSE), 0 : math.ceil(width / COARSE)].astype(np.float32)
    x, y = x / max(1, x.max()), y / max(1, y.max())
    slope = _smooth(np.clip(0.25 * x + 0.75 * y, 0, 1), width, height)[..., None]
    vignette = _smooth(1 - 0.35 * np.clip(np.hypot(x - 0.5, y - 0.5) * 1.3, 0, 1) ** 2, width, height)[..., None]
    high, low = np.array(look.high, np.float32), np.array(look.low, np.float32)
    return _dithered((high * (1 - slope) + low * slope) * vignette, rng)


def _veil(width: int, height: int, colour: Rgb, strength: float, rng: np.random.Generator) -> Picture:
    """Three soft lights of one colour in random places."""
    y, x = np.mgrid[0 : math.ceil(height / COARSE), 0 : math.ceil(width / COARSE)].astype(np.float32)
    x, y = x * COARSE / width, y * COARSE / height
    aspect = width / height
    field = np.zeros_like(x)
    for share in (1.0, 0.6, 0.45):
        centre_x, centre_y = rng.uniform(0.05, 0.95), rng.uniform(-0.05, 0.75)
        radius = rng.uniform(0.22, 0.42)
        squared = ((x - centre_x) * max(1.0, aspect)) ** 2 + ((y - centre_y) * max(1.0, 1 / aspect)) ** 2
        field += share * np.exp(-squared / (2 * radius**2))
    light = _smooth(field / max(1.0, float(field.max())), width, height)
    return _dithered(light[..., None] * np.array(colour, np.float32) * strength, rng)


class Backdrop:
    """Paints the background of any moment into a frame."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        self.width, self.height = width, height
        self.look = palette(seed)
        self.reach = max(2, round(min(width, height) * DRIFT))
        rng = np.random.default_rng(seed)
        self.phase = float(rng.uniform(0, math.tau))
        wide, tall = width + 2 * self.reach, height + 2 * self.reach
        self.ground = _ground(width, height, self.look, rng)
        room = _headroom(self.look)
        self.veils: tuple[Picture, ...] = tuple(
            _veil(wide, tall, colour, room, rng) for colour in (self.look.first, self.look.second)
        )

    def brighten(self, mask: NDArray[np.uint8], x: int, y: int, levels: int) -> None:
        """Let a shape shine through the ground for the whole clip: `levels` more where the mask is 255."""
        top, left = max(0, y), max(0, x)
        part = mask[top - y : self.height - y, left - x : self.width - x]
        region = self.ground[top : top + part.shape[0], left : left + part.shape[1]]
        region += (part.astype(np.uint16) * levels // 255).astype(np.uint8)[..., None]

    def _crop(self, veil: Picture, angle: float, ratio: float) -> Picture:
        x = round(self.reach * (1 + math.cos(angle)))
        y = round(self.reach * (1 + ratio * math.sin(angle)))
        return veil[y : y + self.height, x : x + self.width]

    def paint(self, frame: Picture, seconds: float) -> None:
        """Fill the frame with the background as it is at this moment."""
        angle = self.phase + math.tau * seconds / PERIOD_S
        first: Any = self._crop(self.veils[0], angle, 0.6)
        second: Any = self._crop(self.veils[1], -angle, 0.8)
        np.add(self.ground, first, out=frame)
        np.add(frame, second, out=frame)


class Plain(Backdrop):
    """A ground of one colour, as a brand wants it: nothing drifts over it."""

    def __init__(self, width: int, height: int, colour: Rgb, accent: Rgb) -> None:
        self.width, self.height, self.reach, self.phase = width, height, 0, 0.0
        self.look = Palette("brand", colour, colour, colour, colour, accent)
        self.ground = np.full((height, width, 3), colour, np.uint8)
        self.veils = ()

    def paint(self, frame: Picture, seconds: float) -> None:  # noqa: ARG002 - it does not move
        """Fill the frame."""
        frame[...] = self.ground

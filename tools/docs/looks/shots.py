"""Two painted shots, a logo and a bar of music: what the stills of the documents are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pipelines.domain.footage import Fit, Target
from pipelines.media.cards.render import write_clip
from pipelines.media.ffmpeg.encode import ffmpeg

FPS = Fraction(24)
WIDE, TALL, SQUARE, PORTRAIT = (960, 540), (540, 960), (720, 720), (720, 900)


def target(size: tuple[int, int] = WIDE, fit: Fit = Fit.CROP, lufs: float | None = None) -> Target:
    """A small target for the docs."""
    return Target(width=size[0], height=size[1], fps=FPS, fit=fit, loudness_lufs=lufs)


def _sky(width: int, height: int, colours: list[tuple[int, int, int]]) -> Image.Image:
    rows = np.linspace(0, len(colours) - 1, height)
    stops = np.array(colours, float)
    low = np.floor(rows).astype(int).clip(0, len(colours) - 2)
    share = (rows - low)[:, None]
    column = stops[low] * (1 - share) + stops[low + 1] * share
    return Image.fromarray(np.repeat(column[:, None, :], width, axis=1).astype(np.uint8))


def _glow(image: Image.Image, centre: tuple[int, int], radius: int, colour: tuple[int, int, int]) -> Image.Image:
    light = Image.new("RGB", image.size)
    x, y = centre
    ImageDraw.Draw(light).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    light = light.filter(ImageFilter.GaussianBlur(radius * 0.9))
    return Image.fromarray(np.minimum(255, np.asarray(image, np.uint16) + np.asarray(light)).astype(np.uint8))


def _ridge(image: Image.Image, base: float, rise: float, seed: int, colour: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(seed)
    x = np.arange(image.width)
    waves = np.zeros(image.width)
    for n in (1, 2, 4, 9):
        waves += rng.uniform(0.3, 1) / n * np.sin(x * n / image.width * 6 + rng.uniform(0, 6))
    y = image.height * (base - rise * waves)
    ImageDraw.Draw(image).polygon(
        [(0, image.height), *zip(x.tolist(), y.tolist(), strict=True), (image.width, image.height)], fill=colour
    )


def lighthouse(width: int, height: int) -> Image.Image:
    """A lighthouse at dusk, with room at the sides."""
    image = _sky(width, height, [(24, 26, 62), (92, 52, 104), (226, 112, 88), (255, 190, 120)])
    image = _glow(image, (int(width * 0.28), int(height * 0.66)), int(height * 0.12), (255, 190, 110))
    draw = ImageDraw.Draw(image)
    sea = int(height * 0.7)
    image.paste(_sky(width, height - sea, [(150, 84, 92), (44, 34, 72), (16, 16, 40)]), (0, sea))
    rng = np.random.default_rng(5)
    for _ in range(240):
        row = int(rng.uniform(sea, height))
        left, length = (
            int(rng.normal(width * 0.28, width * 0.12)),
            int(rng.uniform(4, 40) * (row - sea) / height * 3 + 4),
        )
        draw.line((left, row, left + length, row), fill=(255, 190, 130), width=1)
    _ridge(image, 0.86, 0.05, 3, (14, 12, 28))
    x, top, bottom = width * 0.56, height * 0.22, height * 0.86
    draw = ImageDraw.Draw(image)
    half = width * 0.022
    draw.polygon(
        [(x - half, bottom), (x + half, bottom), (x + half * 0.66, top), (x - half * 0.66, top)], fill=(236, 226, 220)
    )
    for band in (0.34, 0.52, 0.7):
        y = height * band
        draw.rectangle((x - half * 0.86, y, x + half * 0.86, y + height * 0.07), fill=(186, 46, 52))
    draw.rectangle((x - half, top - height * 0.012, x + half, top), fill=(20, 18, 34))
    draw.rectangle((x - half * 0.5, top - height * 0.07, x + half * 0.5, top - height * 0.012), fill=(255, 236, 170))
    draw.polygon(
        [(x - half * 0.7, top - height * 0.07), (x + half * 0.7, top - height * 0.07), (x, top - height * 0.11)],
        fill=(20, 18, 34),
    )
    return _glow(image, (int(x), int(top - height * 0.04)), int(height * 0.05), (255, 220, 140))


def valley(width: int, height: int) -> Image.Image:
    """Hills in the morning."""
    image = _sky(width, height, [(96, 164, 206), (170, 208, 214), (250, 228, 186)])
    image = _glow(image, (int(width * 0.7), int(height * 0.34)), int(height * 0.1), (255, 236, 180))
    greens = [(140, 178, 168), (96, 148, 122), (58, 112, 84), (28, 72, 56)]
    for index, colour in enumerate(greens):
        _ridge(image, 0.5 + index * 0.13, 0.06, 11 + index, colour)
    return image


def shot(
    paint: Callable[[int, int], Image.Image], size: tuple[int, int], seconds: float, dest: Path, tone: float
) -> Path:
    """A clip that pans slowly over a painting, with a soft tone that comes and goes."""
    width, height = size
    painting = np.asarray(paint(width + 48, height))
    frames = round(seconds * FPS)
    times = np.arange(round(seconds * 48_000)) / 48_000
    wave = 0.05 * np.sin(2 * np.pi * tone * times) * (np.sin(np.pi * times / seconds) ** 8)

    def frame(at: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        x = round(48 * min(1.0, at / seconds))
        return np.ascontiguousarray(painting[:, x : x + width])

    write_clip(frame, frames, target(size), np.stack([wave, wave], 1).astype(np.float32), dest)
    return dest


@dataclass(frozen=True)
class Kit:
    """What the stills are made from."""

    folder: Path
    night: Path
    day: Path
    logo: Path
    song: Path

    def path(self, name: str) -> Path:
        """A work file."""
        return self.folder / name


def make_kit(folder: Path) -> Kit:
    """Paint the shots, the logo and a bar of music."""
    logo = Image.new("RGBA", (640, 240))
    draw = ImageDraw.Draw(logo)
    draw.rounded_rectangle((0, 0, 639, 239), 120, fill=(255, 255, 255, 255))
    draw.ellipse((36, 36, 204, 204), fill=(226, 92, 74, 255))
    draw.rounded_rectangle((240, 84, 590, 112), 14, fill=(30, 30, 50, 255))
    draw.rounded_rectangle((240, 136, 480, 160), 12, fill=(120, 120, 140, 255))
    logo.save(folder / "logo.png")
    beat = "aevalsrc='0.4*sin(2*PI*110*t)*exp(-6*mod(t,0.5))+0.2*sin(2*PI*330*t)*exp(-3*mod(t,0.25))':s=48000:d=4"
    ffmpeg("-v", "error", "-f", "lavfi", "-i", beat, str(folder / "song.wav"))
    night = shot(lighthouse, WIDE, 3, folder / "night.mp4", 196)
    day = shot(valley, WIDE, 3, folder / "day.mp4", 262)
    return Kit(folder, night, day, folder / "logo.png", folder / "song.wav")

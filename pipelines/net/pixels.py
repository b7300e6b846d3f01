"""Pictures from outside: only the decoders of PNG, JPEG and WebP can be reached, and every mode becomes RGBA right."""

from __future__ import annotations

from typing import IO

import numpy as np
from PIL import Image, ImageCms

FORMATS = ("PNG", "JPEG", "WEBP")
"""What every video service takes, and the only decoders of Pillow that a file from outside may reach."""

ORDINARY = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
"""Modes that everybody who reads those formats reads alike; 16-bit grey and print colours (CMYK) are not."""

_EIGHT_BIT = 255


def open_plain(source: str | IO[bytes]) -> Image.Image:
    """Open a PNG, JPEG or WebP. Raises as Pillow does, also for every other format."""
    return Image.open(source, formats=FORMATS)


def to_rgba(image: Image.Image) -> Image.Image:
    """Any mode of Pillow as RGBA in eight bits, as it is meant to look."""
    mode = image.mode
    if mode in {"I", "F"} or mode.startswith("I;16"):
        return _from_deep_grey(image)
    if mode == "La":
        return image.convert("LA").convert("RGBA")
    if mode == "LAB":
        return _from_lab(image).convert("RGBA")
    if mode in {"HSV", "CMYK", "YCbCr"}:
        return image.convert("RGB").convert("RGBA")
    return image.convert("RGBA")


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB; what is transparent lies on white, as on a page."""
    picture = to_rgba(image)
    ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or fractions: which range it uses is told by its mode, else by its largest value."""
    levels = np.asarray(image).astype(np.float64)
    levels = np.nan_to_num(levels, nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(levels.max(initial=0.0))
    if image.mode.startswith("I;16") or largest > _EIGHT_BIT:
        scale = 1 / 257
    else:
        scale = float(_EIGHT_BIT) if image.mode == "F" and largest <= 1 else 1.0
    grey = Image.fromarray(np.clip(np.rint(levels * scale), 0, _EIGHT_BIT).astype(np.uint8))
    picture = grey.convert("RGBA")
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        opaque = np.where(levels == clear, 0, _EIGHT_BIT).astype(np.uint8)
        picture.putalpha(Image.fromarray(opaque))
    return picture


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if converted is None:
        raise ValueError("the colours cannot be converted")
    return converted

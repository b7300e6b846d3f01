"""Pictures as vendors want them: of exactly the size of the video, or within what a model takes."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.ports import MediaInput
from pipelines.providers.video_object import is_number

if TYPE_CHECKING:
    from PIL.Image import Image

_PLAIN = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLimits:
    """What a model takes, in pixels: every edge between the two, and none `widest` times the other."""

    shortest: int = 0
    longest: int = 100_000
    widest: float = 100.0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """What a card's options say, where they say it as numbers."""
        told = options.get("pictures")
        known = told if isinstance(told, Mapping) else {}
        return cls(**{name: known[name] for name in cls.__slots__ if is_number(known.get(name)) and known[name] > 0})

    def allow(self, width: int, height: int) -> bool:
        """Whether a picture may go as it is. Whether the bounds themselves are allowed is not told everywhere."""
        short, long = sorted((width, height))
        return self.shortest < short and long < self.longest and long < self.widest * short

    def around(self, width: int, height: int) -> tuple[int, int]:
        """The least frame that is allowed and has room for all of a picture."""
        short, long = sorted((width, height))
        short = max(short, math.floor(long / self.widest) + 1)
        scale = max(1.0, (self.shortest + 1) / short) * min(1.0, (self.longest - 1) / long)
        short = min(math.ceil(short * scale), math.ceil(self.longest) - 1)
        edges = short, max(short, math.floor(long * scale))
        return edges if width < height else edges[::-1]


def within(picture: MediaInput, limits: PictureLimits) -> tuple[bytes, str] | None:
    """All of a picture that must not go as it is, on a white ground, as (bytes, media type). Raises InvalidOrder for
    what is no picture.
    """
    from PIL import Image, ImageOps

    from pipelines.net.pixels import to_rgb

    with _upright(picture) as (image, plain):
        if plain and limits.allow(*image.size):
            return None
        frame = limits.around(*image.size)
        out = io.BytesIO()
        ImageOps.pad(to_rgb(image), frame, Image.Resampling.LANCZOS, color="white").save(out, "JPEG", quality=95)
    return out.getvalue(), "image/jpeg"


def sized(picture: MediaInput, width: int, height: int) -> tuple[bytes, str, str]:
    """The picture at `width` × `height` pixels as (bytes, media type, file ending).

    A picture of that size goes out untouched; another is scaled and cropped in the middle. Raises InvalidOrder for
    what is no picture.
    """
    from PIL import Image, ImageOps

    from pipelines.net.pixels import to_rgb

    with _upright(picture) as (image, plain):
        if plain and image.size == (width, height):
            return picture.path.read_bytes(), picture.content_type, _PLAIN[picture.content_type]
        out = io.BytesIO()
        ImageOps.fit(to_rgb(image), (width, height), Image.Resampling.LANCZOS).save(out, "PNG")
    return out.getvalue(), "image/png", "png"


@contextmanager
def _upright(picture: MediaInput) -> Iterator[tuple[Image, bool]]:
    """The picture as it is meant to stand, and whether its file shows it so in a common encoding."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    from pipelines.net.pixels import open_plain

    try:
        with open_plain(str(picture.path)) as image:
            upright = ImageOps.exif_transpose(image)
            yield upright, picture.content_type in _PLAIN and upright.size == image.size
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise InvalidOrder([Problem("references", "is not a picture that can be read.")]) from error

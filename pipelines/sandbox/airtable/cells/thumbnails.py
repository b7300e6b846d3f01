"""Previews of images and videos: three JPEGs beside the file, as Airtable's small, large and full."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

SIZES = {"small": (9999, 36), "large": (512, 512), "full": (3000, 3000)}


@dataclass
class Preview:
    """Width and height are known for images only; thumbnails map a size's name to (width, height) in pixels."""

    width: int = 0
    height: int = 0
    thumbnails: dict[str, tuple[int, int]] = field(default_factory=dict)


def preview(path: Path, content_type: str) -> Preview | None:
    """Write `<path>.<size>.jpg` files; None when the bytes show no picture."""
    if content_type.startswith("image/"):
        picture = _image(path)
    elif content_type.startswith("video/"):
        picture = _first_frame(path)
    else:
        return None
    if picture is None:
        return None
    width, height = picture.size if content_type.startswith("image/") else (0, 0)
    return Preview(width, height, {name: _write(picture, path, name) for name in SIZES})


def _write(picture: Image.Image, path: Path, name: str) -> tuple[int, int]:
    small = picture.copy()
    small.thumbnail(SIZES[name])
    small.save(path.with_suffix(f".{name}.jpg"), "JPEG", quality=80)
    return small.width, small.height


def _image(path: Path) -> Image.Image | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as picture:
            plain: Image.Image = picture.convert("RGB")
            return plain
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None


def _first_frame(path: Path) -> Image.Image | None:
    import av
    from PIL import Image

    try:
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0), None)
            return Image.fromarray(frame.to_ndarray(format="rgb24")) if frame else None
    except (av.FFmpegError, OSError, ValueError, IndexError):
        return None

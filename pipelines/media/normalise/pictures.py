"""Pictures that people name: logos and references in any common format, read with bounds on their size and time.

PNG, JPEG and WebP are read by Pillow, the others by ffmpeg in a process of its own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from pipelines.domain.errors import InvalidOrder, Problem, Unavailable, UnplayableMedia
from pipelines.media.ffmpeg import encode
from pipelines.net.pixels import ORDINARY, open_plain, to_rgba

LARGEST_PX = 50_000_000
_DECODE_S = 20.0
_HEAD = 32
_UNREADABLE = "The file is no picture we can read; use PNG, JPEG or WebP."
_TOO_LARGE = "The picture is too large; use one of at most 50 megapixels."

_STARTS = {b"GIF8": "gif", b"BM": "bmp_pipe", b"II*\0": "tiff_pipe", b"MM\0*": "tiff_pipe"}
"""How files of other formats begin, and ffmpeg's reader of them."""

_HEIF_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


def open_picture(path: Path, field: str) -> Image.Image:
    """A picture that came from outside, upright, with transparency. Raises `InvalidOrder` naming the field."""
    reader = _reader(path)
    try:
        return _read(path, field) if reader is None else _converted(path, reader, field)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise InvalidOrder([Problem(field, _UNREADABLE)]) from error


def plain_picture(path: Path, dest: Path, field: str) -> bool:
    """Write the picture as PNG to `dest` where it is of a format or a mode that not every service reads; False where
    it is fine as it is. Raises `InvalidOrder` naming the field.
    """
    picture = open_picture(path, field)
    if _reader(path) is None:
        with open_plain(str(path)) as image:
            if image.mode in ORDINARY:
                return False
    with encode.arriving(dest) as temporary:
        picture.save(temporary, "PNG")
    return True


def _reader(path: Path) -> str | None:
    """Ffmpeg's reader for the file, by its first bytes; None where Pillow is to read it, or nobody can."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head[4:8] == b"ftyp" and any(brand in head[8:] for brand in _HEIF_BRANDS):
        return "mov"
    return next((reader for start, reader in _STARTS.items() if head.startswith(start)), None)


def _read(path: Path, field: str) -> Image.Image:
    with open_plain(str(path)) as image:
        if image.width * image.height > LARGEST_PX:
            raise InvalidOrder([Problem(field, _TOO_LARGE)])
        return to_rgba(ImageOps.exif_transpose(image))


def _converted(path: Path, reader: str, field: str) -> Image.Image:
    """The first picture of the file, through ffmpeg, which turns it as the file says."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "picture.png"
        bounds = ("-protocol_whitelist", "file", "-max_pixels", str(LARGEST_PX), "-threads", "1")
        try:
            encode.ffmpeg(
                *("-v", "error", *bounds, "-f", reader, "-i", str(path)),
                *("-frames:v", "1", "-vf", "format=rgba", "-update", "1", "-f", "image2", "-c:v", "png", str(made)),
                timeout=_DECODE_S,
            )
            return _read(made, field)
        except (UnplayableMedia, Unavailable) as error:
            raise InvalidOrder([Problem(field, _UNREADABLE)]) from error

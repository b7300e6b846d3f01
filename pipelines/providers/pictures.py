"""Pictures as vendors want them: of exactly the size of the video, in a common encoding."""

from __future__ import annotations

import io

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.ports import MediaInput

_PLAIN = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


def sized(picture: MediaInput, width: int, height: int) -> tuple[bytes, str, str]:
    """The picture at `width` × `height` pixels as (bytes, media type, file ending).

    A picture of that size goes out untouched; another is scaled and cropped in the middle. Raises InvalidOrder for
    what is no picture.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    from pipelines.net.pixels import open_plain, to_rgb

    raw = picture.path.read_bytes()
    try:
        with open_plain(io.BytesIO(raw)) as image:
            upright = ImageOps.exif_transpose(image)
            if picture.content_type in _PLAIN and image.size == (width, height) == upright.size:
                return raw, picture.content_type, _PLAIN[picture.content_type]
            fitted = ImageOps.fit(to_rgb(upright), (width, height), Image.Resampling.LANCZOS)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise InvalidOrder([Problem("references", "is not a picture that can be read.")]) from error
    out = io.BytesIO()
    fitted.save(out, "PNG")
    return out.getvalue(), "image/png", "png"

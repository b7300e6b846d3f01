"""Reading reference images as vendors do: an uploaded file, a data: URL, a link that is fetched, base64."""

from __future__ import annotations

import base64
import binascii
import io
import ssl

import httpx
from PIL import Image, UnidentifiedImageError

from pipelines.sandbox.vendors.kernel.engine import VendorSays

MAX_BYTES = 20 * 1024 * 1024
FETCH_TIMEOUT_S = 10.0


def image_from_bytes(raw: bytes, *, param: str) -> Image.Image:
    """A decoded picture, or VendorSays `invalid`."""
    try:
        image = Image.open(io.BytesIO(raw), formats=("PNG", "JPEG", "WEBP"))
        image.load()
    except (UnidentifiedImageError, OSError) as problem:
        raise VendorSays("invalid", "The reference is not an image that can be read.", param=param) from problem
    return image


def image_from_base64(text: str, *, param: str) -> Image.Image:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise VendorSays("invalid", "The reference is not valid base64.", param=param) from problem
    return image_from_bytes(raw, param=param)


def image_from_url(url: str, *, param: str) -> Image.Image:
    """A `data:` URL is decoded, anything else fetched, as the vendor's own servers would."""
    if url.startswith("data:"):
        return image_from_base64(url.partition(",")[2], param=param)
    try:
        trust = ssl.create_default_context()
        answer = httpx.get(url, timeout=FETCH_TIMEOUT_S, follow_redirects=True, trust_env=False, verify=trust)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise VendorSays("invalid", f"The image could not be downloaded: {problem}", param=param) from problem
    if not answer.is_success or len(answer.content) > MAX_BYTES:
        raise VendorSays("invalid", f"The image could not be downloaded: HTTP {answer.status_code}.", param=param)
    return image_from_bytes(answer.content, param=param)

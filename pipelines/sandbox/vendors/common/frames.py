"""Picture sizes by resolution and aspect ratio, as vendors name them."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.sandbox.vendors.kernel.engine import VendorSays

Sizes = Mapping[str, Mapping[str, tuple[int, int]]]
"""By shape, then by the vendor's own name of the resolution."""
H3_SIZES: Sizes = {
    "16:9": {"480P": (832, 480), "768P": (1344, 768), "2K": (2560, 1440)},
    "9:16": {"480P": (480, 832), "768P": (768, 1344), "2K": (1440, 2560)},
    "1:1": {"480P": (480, 480), "768P": (768, 768), "2K": (1440, 1440)},
}
"""MiniMax's H3, whoever sells it."""

SHORT_EDGE = {"360p": 360, "480p": 480, "720p": 720, "768p": 768, "1080p": 1080, "1k": 1080, "2k": 1440, "4k": 2160}


def frame(resolution: str, aspect_ratio: str) -> tuple[int, int]:
    """Width and height with the named short edge, both even. Raises VendorSays `invalid` for unknown words."""
    short = SHORT_EDGE.get(resolution.lower())
    if short is None:
        raise VendorSays("invalid", f"Unsupported resolution '{resolution}'.", param="resolution")
    across, _, down = aspect_ratio.partition(":")
    if not (across.isdigit() and down.isdigit() and int(across) and int(down)):
        raise VendorSays("invalid", f"Unsupported aspect ratio '{aspect_ratio}'.", param="aspect_ratio")
    ratio = int(across) / int(down)
    long = 2 * round(short * max(ratio, 1 / ratio) / 2)
    return (long, short) if ratio >= 1 else (short, long)

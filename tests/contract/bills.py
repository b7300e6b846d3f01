"""What the sandbox has billed so far, in the whole micro-dollars that it tells."""

from __future__ import annotations

import httpx


def spent_micro(url: str) -> int:
    """Billed for texts, pictures and speech by the sandbox at ``url``, in millionths of a dollar."""
    return round(float(httpx.get(f"{url}/bill", timeout=60.0).json()["text_usd"]) * 1_000_000)

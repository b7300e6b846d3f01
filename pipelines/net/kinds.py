"""What kind of picture a file is, by its first bytes: servers and addresses say all sorts of things."""

from __future__ import annotations

from pathlib import Path

_HEAD = 12
_STARTS = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg"}


def picture_suffix(path: Path) -> str | None:
    """`.png`, `.jpg` or `.webp`; None for anything else."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"RIFF") and head.endswith(b"WEBP"):
        return ".webp"
    return next((suffix for start, suffix in _STARTS.items() if head.startswith(start)), None)

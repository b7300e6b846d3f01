"""Tiny real videos: encoded once per length, told apart by a box that players skip."""

from __future__ import annotations

import struct
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import VideoFrame

SIDE, FPS = 32, 8


def tiny_mp4(seconds: float, mark: str = "", fps: int = FPS) -> bytes:
    """A playable H.264 MP4 of `seconds`, 32 pixels square. Another `mark` gives other bytes of the same picture."""
    text = mark.encode()
    return _encoded(round(seconds * fps), fps) + struct.pack(">I4s", 8 + len(text), b"free") + text


def _black(frame: VideoFrame) -> VideoFrame:
    """A fresh frame holds what was in memory: the same clip would have other bytes in each process."""
    for plane, value in zip(frame.planes, (16, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


@cache
def _encoded(frames: int, fps: int) -> bytes:
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.mp4"
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=fps)
            stream.width = stream.height = SIDE
            stream.pix_fmt = "yuv420p"
            for _ in range(max(1, frames)):
                file.mux(stream.encode(_black(av.VideoFrame(SIDE, SIDE, "yuv420p"))))
            file.mux(stream.encode(None))
        return path.read_bytes()

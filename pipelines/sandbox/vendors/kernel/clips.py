"""Real MP4s, cheap to make: a flat colour that identifies the clip, its prompt as text, a bar that tells the time.

How a test reads a clip: the top eighth of the picture is exactly the background colour; the bar near the bottom has
its left edge at `t / duration` of the free width; the tone is silent for the first 40 ms of each second but the first.
H.264 High 4:2:0, BT.709, closed GOPs of two seconds, AAC-LC 48 kHz stereo, moov first; equal settings, so clips join.
"""

from __future__ import annotations

import base64
import colorsys
import io
import tempfile
import textwrap
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from PIL import Image, ImageDraw, ImageFont

Planes = npt.NDArray[np.uint8]

FPS = 24
SAMPLE_RATE = 48_000
GAP_S = 0.04
CACHE_BYTES = 96 * 1024 * 1024
_GOLDEN_ANGLE = 0.381966
_WHITE_Y = 235
_BT709_RED, _BT709_BLUE = 0.2126, 0.0722


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that decides a clip's bytes. `channels` 0 means no sound track; `reference` is a small PNG in base64."""

    width: int
    height: int
    seconds: float
    colour: str
    text: str
    label: str
    tone_hz: float
    fps: int = FPS
    channels: int = 2
    sar: Fraction = Fraction(1)
    reference: str | None = None

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds * self.fps))


def colour_of(number: int) -> str:
    """A background for the n-th job, far from its neighbours' colours: the hue walks by the golden angle."""
    hue = number * _GOLDEN_ANGLE % 1.0
    level = (0.62, 0.42, 0.8)[number // 8 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, level)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def tone_of(number: int) -> float:
    """A tone in Hz for the n-th job: two octaves of semitones over 220 Hz."""
    return round(220 * 2 ** (number * 7 % 24 / 12), 2)


def thumbnail_png(image: Image.Image) -> str:
    """A small PNG of a reference image in base64, kept with the job so that its clip can be drawn again."""
    small = image.convert("RGB")
    small.thumbnail((160, 160))
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def still(picture: Picture) -> Image.Image:
    """The clip's picture without the bar."""
    image = Image.new("RGB", (picture.width, picture.height), picture.colour)
    draw = ImageDraw.Draw(image)
    size = max(10, min(picture.width, picture.height) // 18)
    body, small = ImageFont.load_default(size), ImageFont.load_default(max(9, size * 2 // 3))
    columns = max(12, int(picture.width * 0.84 / (size * 0.52)))
    lines = textwrap.wrap(picture.text, columns, max_lines=7, placeholder=" …") or [""]
    left, top = picture.width * 0.08, picture.height * 0.3
    draw.text((left, top - size * 1.4), picture.label, font=small, fill=(255, 255, 255))
    draw.multiline_text((left, top), "\n".join(lines), font=body, fill=(255, 255, 255), spacing=size * 0.3)
    if picture.reference:
        raw = io.BytesIO(base64.b64decode(picture.reference))
        pasted = Image.open(raw, formats=("PNG", "JPEG", "WEBP")).convert("RGB")
        edge = max(16, min(picture.width, picture.height) // 4)
        pasted.thumbnail((edge, edge))
        image.paste(pasted, (round(picture.width * 0.92) - pasted.width, round(picture.height * 0.86) - pasted.height))
    return image


def _planes(image: Image.Image) -> Planes:
    """RGB to 4:2:0 limited-range BT.709 by the standard's own coefficients, so that colours survive to the pixel."""
    rgb = np.asarray(image, dtype=np.float32) / 255
    luma = rgb @ np.array([_BT709_RED, 1 - _BT709_RED - _BT709_BLUE, _BT709_BLUE], dtype=np.float32)
    blue = (rgb[..., 2] - luma) / (2 * (1 - _BT709_BLUE))
    red = (rgb[..., 0] - luma) / (2 * (1 - _BT709_RED))
    height, width = luma.shape

    def halved(plane: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        quartered: npt.NDArray[np.floating] = plane.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
        return quartered

    chroma = [np.rint(halved(plane) * 224 + 128).reshape(-1, width) for plane in (blue, red)]
    return np.concatenate([np.rint(luma * 219 + 16), *chroma]).astype(np.uint8)


def _frames(picture: Picture) -> Iterator[av.VideoFrame]:
    base = _planes(still(picture))
    bar = max(4, picture.width // 24)
    top, bottom = round(picture.height * 0.9), round(picture.height * 0.95)
    for index in range(picture.frames):
        planes = base.copy()
        left = round(index / picture.frames * (picture.width - bar))
        planes[top:bottom, left : left + bar] = _WHITE_Y
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, picture.fps)
        yield frame


def _sound(picture: Picture) -> av.AudioFrame:
    count = round(picture.seconds * SAMPLE_RATE)
    time = np.arange(count, dtype=np.float64) / SAMPLE_RATE
    wave = 0.2 * np.sin(2 * np.pi * picture.tone_hz * time)
    wave[(time >= 1) & (time % 1 < GAP_S)] = 0
    samples = np.repeat(wave.astype(np.float32)[None, :], picture.channels, axis=0)
    layout = "mono" if picture.channels == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    return frame


def _encode(picture: Picture, path: Path) -> None:
    options = {"movflags": "+faststart", "video_track_timescale": str(picture.fps * 512)}
    settings = f"keyint={picture.fps * 2}:min-keyint={picture.fps * 2}:scenecut=0:open-gop=0"
    with av.open(str(path), "w", options=options) as box:
        video = box.add_stream(
            "libx264",
            rate=picture.fps,
            options={"preset": "superfast", "profile": "high", "crf": "20", "x264-params": settings},
        )
        video.width, video.height, video.pix_fmt = picture.width, picture.height, "yuv420p"
        codec = video.codec_context
        codec.sample_aspect_ratio, codec.time_base, codec.thread_count = picture.sar, Fraction(1, picture.fps), 1
        codec.color_primaries, codec.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
        audio = None
        if picture.channels:
            audio = box.add_stream("aac", rate=SAMPLE_RATE, layout="mono" if picture.channels == 1 else "stereo")
            audio.bit_rate = 128_000
        for frame in _frames(picture):
            box.mux(video.encode(frame))
        box.mux(video.encode())
        if audio:
            box.mux(audio.encode(_sound(picture)))
            box.mux(audio.encode())


def render(picture: Picture) -> bytes:
    """The clip's bytes. 4 s of 720p take about half a CPU second."""
    with tempfile.TemporaryDirectory(prefix="sandbox-clip-") as folder:
        path = Path(folder) / "clip.mp4"
        _encode(picture, path)
        return path.read_bytes()


class ClipCache:
    """Clips by content: rendered once, kept in memory up to `CACHE_BYTES`, the least recently read given up first."""

    def __init__(self) -> None:
        self._clips: OrderedDict[Picture, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._rendering: dict[Picture, threading.Lock] = {}

    def get(self, picture: Picture) -> bytes:
        with self._lock:
            gate = self._rendering.setdefault(picture, threading.Lock())
        with gate:
            found = self._peek(picture)
            if found is None:
                found = render(picture)
                self._keep(picture, found)
        return found

    def _peek(self, picture: Picture) -> bytes | None:
        with self._lock:
            if picture in self._clips:
                self._clips.move_to_end(picture)
            return self._clips.get(picture)

    def _keep(self, picture: Picture, clip: bytes) -> None:
        with self._lock:
            self._clips[picture] = clip
            self._rendering.pop(picture, None)
            while sum(map(len, self._clips.values())) > CACHE_BYTES and len(self._clips) > 1:
                self._clips.popitem(last=False)

"""Small real clips of every kind, made by the bundled ffmpeg, and ways to look into the results."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import subprocess
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from pipelines.domain.footage import Corner, Fit, Lettering, Logo, Prepared, Target
from pipelines.media.ffmpeg.encode import ffmpeg_exe

WIDTH, HEIGHT = 640, 360
GREEN = (14, 222, 4)
BT709 = ["-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"]
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-profile:v", "high", *BT709]
AAC = ["-c:a", "aac", "-b:a", "96k", "-ac", "2", "-ar", "48000"]
TAGS = "format=gbrp,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,"
TAGS += "setsar=1,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"


def target(
    width: int = WIDTH, height: int = HEIGHT, fps: int = 30, fit: Fit = Fit.CROP, lufs: float | None = None
) -> Target:
    return Target(width=width, height=height, fps=Fraction(fps), fit=fit, loudness_lufs=lufs)


class Prepare(Protocol):
    """The fixture `prepare`: a clip made ready for a cut, by default of the target's size."""

    def __call__(
        self,
        source: Path,
        *,
        target: Target = ...,
        trim_s: float | None = None,
        caption: str | None = None,
        karaoke: bool = False,
        logo: Logo | None = None,
        lettering: Lettering | None = None,
        ai_label: Corner | None = None,
        fade_in_s: float = 0.0,
        fade_out_s: float = 0.0,
    ) -> Prepared: ...


def run(*args: str) -> bytes:
    done = subprocess.run([ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *args], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def picture(size: str = f"{WIDTH}x{HEIGHT}", rate: str = "30", seconds: float = 2) -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"]


def colour(size: str, seconds: float = 1, rgb: tuple[int, int, int] = GREEN) -> list[str]:
    return ["-f", "lavfi", "-i", f"color=c=0x{bytes(rgb).hex()}:s={size}:r=30:d={seconds}"]


def tone(seconds: float = 2, hertz: int = 440) -> list[str]:
    return ["-f", "lavfi", "-i", f"sine=f={hertz}:d={seconds}:sample_rate=48000"]


def clip(
    path: Path, *inputs: str, vf: str = TAGS, video: list[str] | None = None, audio: list[str] | None = None
) -> Path:
    """Encode the inputs into `path`, by default as the cutting room wants it; equal ones once in a process."""
    options = (*inputs, "-vf", vf, *(X264 if video is None else video), *(AAC if audio is None else audio))
    made = _made() / f"{hashlib.sha256(repr(options).encode()).hexdigest()}{path.suffix}"
    if not made.exists():
        run(*options, str(made))
    shutil.copyfile(made, path)
    return path


@cache
def _made() -> Path:
    folder = tempfile.mkdtemp(prefix="clips-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def good(path: Path, seconds: float = 2, size: str = f"{WIDTH}x{HEIGHT}") -> Path:
    """A clip with nothing to mend when the target has its size and 30 frames a second."""
    return clip(path, *picture(size, seconds=seconds), *tone(seconds))


def remuxed(source: Path, path: Path, *options: str) -> Path:
    run("-i", str(source), "-c", "copy", *options, str(path))
    return path


def frame(path: Path, at: float = 0.0) -> np.ndarray:
    """The picture at a time as an array (height, width, 3) of ints."""
    args = ["-ss", f"{at:.4f}", "-i", str(path), "-frames:v", "1", "-vf", "scale=in_color_matrix=bt709,format=rgb24"]
    raw = run(*args, "-f", "image2pipe", "-c:v", "ppm", "-")
    header, _, rest = raw.partition(b"\n255\n")
    width, height = (int(word) for word in header.split()[1:3])
    return np.frombuffer(rest, np.uint8).reshape(height, width, 3).astype(int)


def frame_hashes(path: Path) -> list[str]:
    """A hash per decoded picture, strictly decoded."""
    args = ["-xerror", "-err_detect", "explode", "-i", str(path), "-map", "0:v:0", "-f", "framemd5", "-"]
    lines = run(*args).decode().splitlines()
    return [line.rsplit(",", 1)[1].strip() for line in lines if not line.startswith("#")]


def sound(path: Path) -> np.ndarray:
    """The sound as an array (samples, 2) at 48 kHz, decoded in sequence."""
    raw = run("-i", str(path), "-map", "0:a:0", "-ac", "2", "-ar", "48000", "-f", "f32le", "-")
    return np.frombuffer(raw, np.float32).reshape(-1, 2)


def level_db(samples: np.ndarray) -> float:
    """Root mean square in dB of full scale."""
    return float(20 * np.log10(np.sqrt(np.mean(samples.astype(float) ** 2)) + 1e-9))


def brightest(image: np.ndarray, above: int) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) round everything brighter than `above` in all channels."""
    rows, columns = np.where(image.min(axis=2) > above)
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def as_array(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)

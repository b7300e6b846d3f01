"""Real clips for tests: small, quick to make, different enough to tell apart by colour and by sound."""

from __future__ import annotations

import hashlib
import struct
import subprocess
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypedDict

import numpy as np

from pipelines.domain.footage import Target
from pipelines.media.ffmpeg.encode import ffmpeg_exe

SIZE = "192x108"
TARGET = Target(width=192, height=108, fps=Fraction(30))
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "teal", "gray")
TAGS = "format=yuv420p,setsar=1,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"


def run(*args: str | Path) -> str:
    """Run the bundled ffmpeg and return what it prints; a failure is an error."""
    command = [ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, args)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


class ClipShape(TypedDict, total=False):
    """What a clip may be asked to be; `ClipFactory` says what it is otherwise."""

    fps: str
    size: str
    gop: int
    video: Sequence[str]
    sound: str | None
    audio: Sequence[str]
    sound_seconds: float | None
    container: Sequence[str]
    suffix: str
    codec: str


class ClipFactory:
    """Makes each clip once per session; the arguments are its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        number: int = 0,
        *,
        seconds: float = 1.0,
        fps: str = "30",
        size: str = SIZE,
        gop: int = 15,
        picture: str = TAGS,
        video: Sequence[str] = (),
        sound: str | None = "anoisesrc=color=pink:r=48000:amplitude=0.5",
        audio: Sequence[str] = ("-c:a", "aac", "-b:a", "160k", "-aac_pns", "0", "-ac", "2"),
        sound_seconds: float | None = None,
        container: Sequence[str] = (),
        suffix: str = ".mp4",
        codec: str = "libx264",
    ) -> Path:
        described = repr([value for key, value in sorted(locals().items()) if key != "self"])
        dest = self.folder / f"clip{number}-{hashlib.sha256(described.encode()).hexdigest()[:16]}{suffix}"
        if dest.exists():
            return dest
        colour = COLOURS[number % len(COLOURS)]
        moving = f"testsrc2=s={size}:r={fps}:d={seconds},drawbox=w=iw/2:h=ih:c={colour}:t=fill"
        source = f"{moving},noise=alls=4:allf=t:all_seed={number},{picture}"
        heard = f"{sound}:d={sound_seconds or seconds}" + (f":seed={number + 1}" if sound and "noise" in sound else "")
        x264 = (
            "-preset",
            "veryfast",
            "-crf",
            "23",
            "-profile:v",
            "high",
            "-bf",
            "2",
            "-g",
            str(gop),
            "-sc_threshold",
            "0",
        )
        temporary = dest.with_name("making-" + dest.name)
        run(
            *("-f", "lavfi", "-i", source),
            *(("-f", "lavfi", "-i", heard) if sound else ()),
            *("-c:v", codec, *(x264 if codec == "libx264" else ()), *video),
            *(audio if sound else ()),
            *container,
            temporary,
        )
        return temporary.rename(dest)

    def edited(self, source: Path, name: str, *args: str | Path) -> Path:
        """A clip run through ffmpeg once more; `{}` among the arguments is the source."""
        dest = source.with_name(f"{name}-{source.name}")
        if not dest.exists():
            run(*[source if arg == "{}" else arg for arg in args], dest)
        return dest


def seconds_of(ticks: int | None, time_base: Fraction | None) -> Fraction:
    """A time that libav must know."""
    assert ticks is not None
    assert time_base
    return ticks * time_base


def strictly_decodes(path: Path) -> None:
    """The whole file decodes without one complaint."""
    command = [ffmpeg_exe(), "-nostdin", "-v", "error", "-xerror", "-err_detect", "explode", "-i", str(path)]
    done = subprocess.run([*command, "-f", "null", "-"], capture_output=True, check=False, timeout=100)
    assert (done.returncode, done.stderr.decode()) == (0, "")


def frame_hashes(path: Path) -> list[str]:
    """Hash of every decoded picture, in the order of display."""
    lines = run("-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-").splitlines()
    return [line.split(",")[-1].strip() for line in lines if not line.startswith("#")]


def samples_of(path: Path) -> np.ndarray:
    """All sound as decoded in sequence, first channel, from the film's first moment."""
    command = [ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(path), "-map", "0:a:0", "-f", "f32le", "-ac", "2"]
    done = subprocess.run([*command, "-ar", "48000", "-"], capture_output=True, check=True, timeout=100)
    return np.frombuffer(done.stdout, "<f4").reshape(-1, 2)[:, 0]


def lag(film: np.ndarray, clip: np.ndarray, at: int, window: int = 96_000) -> int:
    """Samples by which the clip's sound in the film is behind place `at`, by cross-correlation."""
    begin = max(0, at - window)
    part = film[begin : at + len(clip) + window]
    size = 1 << (len(part) + len(clip)).bit_length()
    found = np.fft.irfft(np.fft.rfft(part, size) * np.conj(np.fft.rfft(clip, size)), size)
    place = int(np.argmax(np.abs(found)))
    return (place - size if place > size // 2 else place) + begin - at


def rebuilt(data: bytes, path: Sequence[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """The file with the payload of one box changed and the sizes of all boxes round it corrected.

    The media data must lie before the index, so that no offset moves.
    """
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == path[0]:
            body = data[at + 8 : at + size]
            inner = change(body) if len(path) == 1 else rebuilt(body, path[1:], change)
            return data[:at] + struct.pack(">I4s", len(inner) + 8, kind) + inner + data[at + size :]
        at += size
    raise AssertionError(f"no {path[0]!r}")

"""The one way we run ffmpeg, and the one frozen setting everything we encode has.

Pieces encoded with this setting have byte-equal parameter sets (id 1) whatever they were before, so they join with
each other, with the animatic's clips and with title cards by their tables, without another encode. Another crf or
preset would change the picture parameter set under the same id: never vary them per clip.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from pipelines.domain.errors import Unavailable, UnplayableMedia
from pipelines.domain.footage import Target

TIMEOUT_S = 900.0
GOP_S = 2
LEAST_TICKS = 10_000
SAMPLE_RATE = 48_000
PRESET = "veryfast"
CRF = 18
X264_PARAMS = "sps-id=1:open-gop=0:subme=1:qcomp=0.65"
"""A less thorough search for movement takes a quarter less time than the preset's own, and bits that are spread more
evenly give back what it loses: the same PSNR for a tenth more bytes (measured on noise, zooms and test pictures).
"""
AUDIO_BITRATE = "128k"
DEFAULT_FADE_S = 0.5
"""The transition we prepare for when nobody said: keyframes stand this far from both ends."""

COLOUR_TAGS = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
"""Last in every chain: ffmpeg 9 ignores the encoder's own colour options after a filter."""


@lru_cache(maxsize=1)
def ffmpeg_exe() -> str:
    """The bundled binary; production has no ffmpeg of its own."""
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg(*args: str, timeout: float = TIMEOUT_S) -> str:
    """Run ffmpeg and return what it said.

    Raises `UnplayableMedia` with its last words when it fails, `Unavailable` when it needs longer than `timeout`
    seconds.
    """
    command = [ffmpeg_exe(), "-nostdin", "-hide_banner", "-y", *args]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        said = f"ffmpeg was still busy after {timeout:.0f} s: {' '.join(args)}"
        raise Unavailable(said, marketer="The film takes too long to make just now; it is tried again.") from late
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0:
        raise UnplayableMedia(f"ffmpeg ended with {done.returncode}: {last_words(said)} (arguments: {' '.join(args)})")
    return said


def last_words(said: str, lines: int = 4) -> str:
    """The end of a program's complaints, on one line."""
    return " | ".join(line.strip() for line in said.strip().splitlines()[-lines:])


@contextmanager
def arriving(dest: Path) -> Iterator[Path]:
    """A name beside `dest` to write to; it becomes `dest` at once if all goes well and vanishes if not."""
    dest.parent.mkdir(parents=True, exist_ok=True)
    temporary = dest.with_name(f".{dest.stem[:40]}.{uuid.uuid4().hex}{dest.suffix}")
    try:
        yield temporary
        temporary.replace(dest)
    finally:
        temporary.unlink(missing_ok=True)


def frame_count(seconds: float | Fraction, fps: Fraction) -> int:
    """How many frames a clip of this length has, at least one."""
    return max(1, round(Fraction(seconds).limit_denominator(1_000_000) * fps))


def timescale(fps: Fraction) -> int:
    """The track's ticks per second: a multiple of the rate, at least `LEAST_TICKS`, as ffmpeg's muxer chooses it."""
    ticks = fps.numerator
    while ticks < LEAST_TICKS:
        ticks *= 2
    return ticks


def keyframes(frames: int, fps: Fraction, fade_in_s: float, fade_out_s: float) -> list[str]:
    """Force a keyframe where a transition ends and where one begins, so that rendering it touches no other frame."""
    wanted = {round(fade_in_s * fps), frames - round(fade_out_s * fps)}
    # A little early: ffmpeg takes the first frame at or after the time, and times are rounded.
    times = [f"{float((frame - Fraction(1, 4)) / fps):.6f}" for frame in sorted(wanted) if 0 < frame < frames]
    return ["-force_key_frames", ",".join(times)] if times else []


def video_options(target: Target) -> list[str]:
    """The frozen video setting, after the codec and the preset."""
    return [
        *("-crf", str(CRF), "-profile:v", "high", "-x264-params", X264_PARAMS),
        *("-g", str(round(GOP_S * target.fps)), "-video_track_timescale", str(timescale(target.fps))),
        *("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"),
    ]


def video_encoder(target: Target) -> list[str]:
    """All of the frozen video setting; the pixel format is said on the output, where no filter can change it."""
    return ["-c:v", "libx264", "-preset", PRESET, "-pix_fmt", "yuv420p", *video_options(target)]


def audio_options() -> list[str]:
    """The frozen sound setting, after the codec."""
    return ["-b:a", AUDIO_BITRATE, "-ac", "2", "-ar", str(SAMPLE_RATE)]


def audio_encoder() -> list[str]:
    """All of the frozen sound setting."""
    return ["-c:a", "aac", *audio_options()]


def container() -> list[str]:
    """Plain MP4, header first, nothing in it that changes from run to run or comes from the source."""
    return ["-movflags", "+faststart", "-map_metadata", "-1", "-map_chapters", "-1", "-f", "mp4"]


def rate(fps: Fraction) -> str:
    """A frame rate as ffmpeg reads it, exactly."""
    return f"{fps.numerator}/{fps.denominator}"


def last_options(parts: Sequence[str]) -> str:
    """A filter chain that ends in square pixels and our colour tags."""
    return ",".join([*parts, "format=yuv420p", "setsar=1", COLOUR_TAGS])

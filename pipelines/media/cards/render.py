"""Turning painted frames into a clip with MoviePy, so that it joins by its tables with everything else we encode.

MoviePy gives its frames to ffmpeg; every argument that it would choose differently (colour matrix and tags, sample
aspect ratio, AAC, parameter-set id, exact rate) is said here. See `pipelines.media.ffmpeg.encode` for why.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import Target
from pipelines.media.audio.chime import Samples, write_wave
from pipelines.media.ffmpeg import encode

Picture = NDArray[np.uint8]


def _options(target: Target, frames: int) -> list[str]:
    # MoviePy gives rates with two decimals; frames are numbered again so that 30000/1001 stays exact.
    exact = f"settb={target.fps.denominator}/{target.fps.numerator},setpts=N"
    chain = encode.last_options([exact, "scale=out_color_matrix=bt709:out_range=tv"])
    return [
        *("-vf", chain, "-r", encode.rate(target.fps), "-map", "0:v", "-map", "1:a"),
        *encode.video_options(target),
        *encode.audio_options(),
        *encode.keyframes(frames, target.fps, encode.DEFAULT_FADE_S, encode.DEFAULT_FADE_S),
        *encode.container(),
    ]


def write_clip(paint: Callable[[float], Picture], frames: int, target: Target, sound: Samples, dest: Path) -> None:
    """Encode `frames` pictures, painted at their times in seconds, with the sound.

    `paint` may return the same array each time. Raises `UnplayableMedia` when the encoder fails.
    """
    from moviepy import VideoClip

    fps = float(target.fps)
    # Half a frame more than needed, because MoviePy rounds the number of frames down.
    clip = VideoClip(paint, duration=(frames + 0.5) / fps)
    with encode.arriving(dest) as temporary, tempfile.TemporaryDirectory(dir=dest.parent) as folder:
        wave_file = Path(folder) / "sound.wav"
        write_wave(sound, wave_file)
        try:
            clip.write_videofile(
                str(temporary),
                fps=fps,
                codec="libx264",
                preset=encode.PRESET,
                audio=str(wave_file),
                audio_codec="aac",
                ffmpeg_params=_options(target, frames),
                logger=None,
            )
        except OSError as broken:
            raise UnplayableMedia(f"MoviePy could not encode the card: {encode.last_words(str(broken))}") from broken
        finally:
            clip.close()

"""The way out for a piece that cannot be joined as it is: encode it once, with the frozen setting of our own clips.

Pieces normally come prepared; this is for the rest, for settings that clash between clips that are each fine, and
for a film that failed its inspection. What comes out of it always joins with what else came out of it.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.domain.footage import Fit, Footage, Target
from pipelines.media.encode import (
    arriving,
    audio_encoder,
    container,
    ffmpeg,
    frame_count,
    keyframes,
    last_options,
    rate,
    video_encoder,
)
from pipelines.media.mp4_read import sniff
from pipelines.media.probe import probe

_HD = 720
_DEMUXERS = {"mp4": "mp4", "webm": "matroska"}


def mend(source: Path, target: Target, dest: Path, *, fade_in_s: float = 0.0, fade_out_s: float = 0.0) -> Path:
    """Encode a piece for a target: size, rate, colours, sound. Keyframes stand where its transitions end.

    Raises `UnplayableMedia` when it cannot be decoded.
    """
    footage = probe(source)
    frames = frame_count(footage.duration_s, target.fps)
    seconds = f"{float(frames / target.fps):.6f}"
    silence = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo"]
    with arriving(dest) as place:
        ffmpeg(
            *("-f", _DEMUXERS[sniff(source)], "-i", str(source)),
            *(silence if footage.audio_codec is None else []),
            *("-map", "0:v:0", "-map", "1:a:0" if footage.audio_codec is None else "0:a:0"),
            *("-vf", _picture_filter(footage, target), "-af", "aresample=48000:first_pts=0,apad"),
            *video_encoder(target),
            *keyframes(frames, target.fps, fade_in_s, fade_out_s),
            *audio_encoder(),
            *("-frames:v", str(frames), "-t", seconds),
            *container(),
            str(place),
        )
    return dest


def _picture_filter(footage: Footage, target: Target) -> str:
    """Square pixels first, then the frame, then the rate; an untagged HD source is BT.709 by every player's rule."""
    size = f"{target.width}:{target.height}"
    crop = target.fit is Fit.CROP
    frame = f"crop={size}" if crop else f"pad={size}:(ow-iw)/2:(oh-ih)/2"
    hint = "in_color_matrix=bt709:" if min(footage.width, footage.height) >= _HD else ""
    grow = "increase" if crop else "decrease"
    return last_options(
        [
            "scale=w=trunc(iw*sar/2)*2:h=ih",
            "setsar=1",
            f"scale={size}:force_original_aspect_ratio={grow}:in_range=auto:out_range=tv:{hint}out_color_matrix=bt709",
            frame,
            f"fps={rate(target.fps)}",
            # The last picture is held when rounding the length would leave the film a frame short.
            "tpad=stop_mode=clone:stop_duration=1",
        ]
    )

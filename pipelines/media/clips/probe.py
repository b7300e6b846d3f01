"""The facts of a file, and what deviates from a cut's target.

H.264/AAC in a plain MP4 is read by our own parser; what that leaves (HEVC, AV1, WebM, fragments, several tracks)
is opened by libav, told which container to expect, so that a play list or a script is never followed.
"""
# ruff: noqa: PLR2004 - the numbers are the format's own, named by the text beside them.

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.error import ExitError, FFmpegError

from pipelines.domain.errors import Unavailable
from pipelines.domain.footage import Footage, Target
from pipelines.media.clips.prepared_clip import Inspection, PreparedClip, codec_name, inspect, shown_seconds
from pipelines.media.clips.video_track import VideoTrack, film_track, read_video_track
from pipelines.media.mp4.boxes import damaged
from pipelines.media.mp4.reader import FOREIGN, promises_more, sniff

_CONTAINERS = {"mp4": "mp4", "webm": "matroska", **{name: name for name in FOREIGN}}
_CALLED = {"webm": "WebM", "mpegts": "an MPEG stream", "mpeg": "an MPEG stream"}
_PATIENCE_S = 20.0
_MISSING_S = Fraction(1, 10)
_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended"}
_HIGH = 100


def probe(path: Path, *, thorough: bool = True) -> Footage:
    """The facts of a playable file. Raises `UnplayableMedia` with one clear reason. Of a file of ours that was looked
    at before, or is about to be, the index is enough: not `thorough`.
    """
    container = sniff(path)
    if container == "mp4":
        found = inspect(path, thorough=thorough)
        if found.piece is not None and (found.piece.audio is None or found.piece.sound is not None):
            return _footage(found.piece)
    return _ask_libav(path, _CONTAINERS[container])


def _footage(piece: PreparedClip) -> Footage:
    video = piece.video
    seconds = video.seconds
    return Footage(
        duration_s=float(shown_seconds(piece)),
        width=piece.sps.width,
        height=piece.sps.height,
        fps=piece.frames / seconds if seconds else Fraction(0),
        frames=piece.frames,
        video_codec="h264",
        audio_codec="aac" if piece.sound else None,
        size_bytes=piece.movie.size,
        sample_rate=piece.sound.rate if piece.sound else None,
        channels=piece.sound.channels if piece.sound else None,
        rotation=video.rotation,
    )


def _ask_libav(path: Path, container: str) -> Footage:
    """Open with libav and decode the first picture. Raises `UnplayableMedia`; `Unavailable` if libav was not done in
    time, which says nothing about the file.
    """
    try:
        with av.open(str(path), format=container, timeout=_PATIENCE_S, options={"protocol_whitelist": "file"}) as file:
            stream = film_track(file)
            track = read_video_track(file, stream)
            missing = Fraction(file.duration or 0, av.time_base) - track.stop
            if container == _CONTAINERS["webm"] and missing > _MISSING_S and promises_more(path):
                raise damaged("it is cut short: its pictures end before its length")
            return _libav_footage(path, stream, track)
    except ExitError as late:
        said = f"libav was still busy with {path.name} after {_PATIENCE_S:.0f} s"
        raise Unavailable(said, marketer="A clip takes too long to look at just now; it is tried again.") from late
    except (FFmpegError, ValueError) as error:
        raise damaged("its pictures cannot be decoded") from error


def _libav_footage(path: Path, stream: av.VideoStream, reel: VideoTrack) -> Footage:
    audio = reel.sound
    rate = Fraction(stream.average_rate or stream.guessed_rate or 0)
    return Footage(
        duration_s=float(reel.seconds),
        width=stream.width,
        height=stream.height,
        fps=rate,
        frames=reel.frames,
        video_codec=stream.codec_context.name.removeprefix("lib").replace("dav1d", "av1").replace("vpx-", ""),
        audio_codec=audio.codec_context.name if audio else None,
        size_bytes=path.stat().st_size,
        sample_rate=audio.rate if audio else None,
        channels=audio.channels if audio else None,
        rotation=round(reel.picture.rotation) % 360,
    )


def deviations(path: Path, target: Target) -> tuple[str, ...]:
    """What keeps the file from being table-joined in a cut of this target, in words for the row; empty if nothing.

    Faults of the sound alone are the ones that contain the word "sound"; they can be mended without touching the
    picture. Whether its decoder settings can live with another clip's is not asked here: see `conform.beside`.
    Raises `UnplayableMedia` when the file is no usable video.
    """
    container = sniff(path)
    if container != "mp4":
        footage, called = probe(path), _CALLED.get(container, container.upper())
        return (f"the file is {called} with {codec_name(footage.video_codec)} instead of MP4 with H.264",)
    found = inspect(path)
    if found.piece is None:
        probe(path)
    faults = [*faults_of(found, target), *_settings_reasons(found.piece)]
    if found.piece is not None and found.piece.sound is None and not found.sound:
        faults.append("there is no sound")
    return tuple(faults)


def faults_of(found: Inspection, target: Target) -> tuple[str, ...]:
    """What keeps an inspected file from a cut of this target, whatever the other clips are.

    No sound is no fault here: silence costs a join nothing.
    """
    if found.piece is None:
        return (*found.picture, *found.sound)
    return (*found.picture, *_target_reasons(found.piece, target), *found.sound, *_sound_target(found))


def _target_reasons(piece: PreparedClip, target: Target) -> Iterator[str]:
    sps = piece.sps
    if (sps.width, sps.height) != (target.width, target.height):
        yield f"{sps.width}×{sps.height} instead of {target.width}×{target.height}"
    even = (piece.video.durations == piece.video.durations[0]).all()
    if even and piece.frame and 1 / piece.frame != target.fps:
        yield f"{_rate(1 / piece.frame)} frames a second instead of {_rate(target.fps)}"


def _settings_reasons(piece: PreparedClip | None) -> Iterator[str]:
    if piece is not None and piece.sps.profile != _HIGH:
        yield f"H.264 {_PROFILES.get(piece.sps.profile, 'of another')} profile instead of High"


def _sound_target(found: Inspection) -> Iterator[str]:
    sound = found.piece.sound if found.piece else None
    if sound is None or found.sound:
        return
    if sound.rate != 48_000:
        yield f"sound at {sound.rate / 1000:g} kHz instead of 48 kHz"
    if sound.channels != 2:
        yield "the sound is mono" if sound.channels == 1 else "the sound is not stereo"


def _rate(fps: Fraction) -> str:
    return f"{float(fps):.2f}".rstrip("0").rstrip(".")

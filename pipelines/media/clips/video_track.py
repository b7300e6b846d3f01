"""Which track of a file is the film, and from when to when its pictures are shown, as libav reads it.

A player shows neither cover art nor the thumbnails some cameras and editors put before the film.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.error import InvalidDataError
from av.stream import Disposition

from pipelines.media.clips.prepared_clip import skipped
from pipelines.media.mp4.boxes import damaged

_STILLS = {"mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpeg2000", "jpegls"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTrack:
    """The first picture, how many there are, and when they are shown, in seconds after the file's first moment.

    `sound` is the track to be heard, None when there is none that can be decoded; `garbled` says that there is one
    that cannot.
    """

    picture: av.VideoFrame
    frames: int
    start: Fraction
    stop: Fraction
    sound: av.AudioStream | None
    garbled: bool

    @property
    def skipped(self) -> Fraction:
        """Seconds at the head of the sound that are left out, because the film begins with its first picture."""
        return skipped(self.start)

    @property
    def seconds(self) -> Fraction:
        """Length of the film."""
        return self.stop - self.skipped


def film_track(file: av.container.InputContainer) -> av.VideoStream:
    """The picture track that is the film. Raises `UnplayableMedia` when there is none but covers."""
    best = max(file.streams.video, key=_weight, default=None)
    if best is None or best.disposition & Disposition.attached_pic:
        raise damaged("it has no picture")
    return best


def _weight(stream: av.VideoStream) -> tuple[bool, bool, bool, bool, int]:
    """Covers last; then what moves, what is no still by its codec, what is switched on, what is largest."""
    codec = stream.codec_context
    return (
        not stream.disposition & Disposition.attached_pic,
        stream.frames != 1,
        codec is not None and codec.name not in _STILLS,
        bool(stream.disposition & Disposition.default),
        codec.width * codec.height if codec is not None else 0,
    )


def read_video_track(file: av.container.InputContainer, stream: av.VideoStream) -> VideoTrack:
    """Walk the packets of a file just opened and decode the first picture. Raises `UnplayableMedia` without any.

    The walk costs a reading of the file; what an index says of the length may be missing (WebM) or be the sound's.
    """
    picture: av.VideoFrame | None = None
    spans: list[tuple[int, int]] = []
    heard: set[int] = set()
    for packet in file.demux(stream, *file.streams.audio):
        if packet.stream_index != stream.index:
            heard |= {packet.stream_index} if packet.size else set()
            continue
        if picture is None:
            picture = _decoded(stream, packet)
        if packet.pts is not None and not packet.is_discard:
            spans.append((packet.pts, packet.duration or 0))
    if picture is None or not spans:
        raise damaged("it has no pictures that can be decoded")
    tick, begin = Fraction(stream.time_base or 0), Fraction(file.start_time or 0, av.time_base)
    last, lasting = max(spans)
    shown = lasting * tick or 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
    start = max(Fraction(0), min(spans)[0] * tick - begin)
    sound = _sound_track(file, heard)
    return VideoTrack(
        picture=picture,
        frames=len(spans),
        start=start,
        stop=max(start, last * tick - begin) + shown,
        sound=sound,
        garbled=bool(heard) and sound is None,
    )


def _decoded(stream: av.VideoStream, packet: av.Packet[Any]) -> av.VideoFrame | None:
    """A picture, if one is ready; none for a damaged packet, behind which others may be whole."""
    with suppress(InvalidDataError):
        return next(iter(stream.decode(packet)), None)
    return None


def _sound_track(file: av.container.InputContainer, heard: set[int]) -> av.AudioStream | None:
    """Of the tracks with sound in them, the first one that is switched on, if libav knows how to decode it."""
    known = [stream for stream in file.streams.audio if stream.index in heard and stream.codec_context is not None]
    return max(known, key=lambda stream: bool(stream.disposition & Disposition.default), default=None)

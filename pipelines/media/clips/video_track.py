"""Which track of a file is the film, and from when to when its pictures are shown, as libav reads it.

A player shows neither cover art nor the thumbnails some cameras and editors put before the film.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.codec.context import Flags as CodecFlags
from av.error import InvalidDataError
from av.stream import Disposition

from pipelines.media.clips.prepared_clip import moves, skipped
from pipelines.media.mp4.boxes import damaged
from pipelines.media.mp4.colours import Colours, effective

_NEVER_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_RANGES = {1: False, 2: True}
"""libav's codes for the limited and the full range; 0 is not said."""

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
    """The picture track that is the film. Raises `UnplayableMedia` when there is none but covers, or none that libav
    has a decoder for (`codec_context` is None then, whatever the stubs say).
    """
    tracks = [stream for stream in file.streams.video if not stream.disposition & Disposition.attached_pic]
    if not tracks:
        raise damaged("it has no picture")
    tracks = [stream for stream in tracks if stream.codec_context is not None]
    if not tracks:
        raise damaged("its pictures cannot be decoded")
    film = tracks[0] if len(tracks) == 1 else _moving(file, tracks)
    # Without it libav leaves pixels at the left that the stream cuts off; ffmpeg and players do cut them off.
    film.codec_context.flags |= CodecFlags.unaligned
    return film


def _moving(file: av.container.InputContainer, tracks: list[av.VideoStream]) -> av.VideoStream:
    """Of several picture tracks the film: not the thumbnails, and not the few large stills that phones put beside a
    video as another enabled track. Of those that move, what is switched on comes first, then what is largest.
    """
    counts = _counts(file, tracks)
    most = max(counts.values())

    def weight(stream: av.VideoStream) -> tuple[bool, bool, bool, bool, int]:
        codec = stream.codec_context
        return (
            not stream.disposition & _NEVER_FILM,
            moves(counts[stream.index], most),
            codec.name not in _STILLS,
            bool(stream.disposition & Disposition.default),
            codec.width * codec.height,
        )

    return max(tracks, key=weight)


def _counts(file: av.container.InputContainer, tracks: list[av.VideoStream]) -> dict[int, int]:
    """Pictures of each track by its index; where the file does not say (fragments, WebM) its packets are counted."""
    counts = {stream.index: stream.frames for stream in tracks}
    if all(counts.values()):
        return counts
    walked = dict.fromkeys(counts, 0)
    for packet in file.demux(*tracks):
        walked[packet.stream_index] += bool(packet.size)
    file.seek(0)
    return walked


def container_colours(stream: av.VideoStream) -> Colours:
    """What the container states of a track's colours: to be asked before anything is decoded, because a decoder puts
    what the stream says in its place, even that it is not said.
    """
    context = stream.codec_context
    codes = int(context.color_primaries), int(context.color_trc), int(context.colorspace)
    return Colours(*codes, full_range=_RANGES.get(int(context.color_range)))


def frame_colours(frame: av.VideoFrame, container: Colours) -> Colours:
    """What a decoded picture states, filled from the container."""
    codes = int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace)
    full = True if frame.format.name.startswith("yuvj") else _RANGES.get(int(frame.color_range))
    return effective(Colours(*codes, full_range=full), container)


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

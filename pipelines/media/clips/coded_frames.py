"""Single pictures in and out of H.264, without a container: decoded from a piece's own index, blended, encoded.

Planes stay in YUV 4:2:0 from decoder to encoder; nothing is converted, so nothing shifts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.error import FFmpegError
from av.video.frame import PictureType
from numpy.typing import NDArray

from pipelines.media.clips.prepared_clip import PreparedClip
from pipelines.media.mp4.avcc import AvcConfig, config_from_annex_b, length_prefixed, write_avcc
from pipelines.media.mp4.boxes import damaged

Picture = NDArray[np.uint8]
"""Shape (height × 3/2, width): the luma plane, then both chroma planes."""
Luma = NDArray[np.uint8]
"""Shape (height, width): brightness alone."""

SEAM_SET = 2
"""Parameter-set id of everything rendered for a transition; 0 is the providers', 1 is our normalised clips'."""

BLACK, WHITE = 16, 235
_NEUTRAL = 128


@dataclass(frozen=True, slots=True)
class Coded:
    """An encoded picture: its bytes as MP4 stores them, its place in the order of display, whether it is an IDR."""

    data: bytes
    rank: int
    alone: bool


def closed_start(piece: PreparedClip, at: int) -> int:
    """The last place at or before frame `at` where a decoder can begin: an IDR with all before it shown."""
    places = [index for index in piece.video.sync.tolist() if index <= at and is_closed(piece, index)]
    return places[-1] if places else 0


def is_closed(piece: PreparedClip, index: int) -> bool:
    """Whether exactly the first `index` frames are shown by the first `index` decoded."""
    return index == 0 or int(piece.rank[:index].max()) == index - 1


def decode(piece: PreparedClip, start: int, stop: int) -> Iterator[Picture]:
    """Frames `start` to `stop` in the order of display. Raises `UnplayableMedia` when one is missing."""
    for frame in decode_frames(piece, start, stop):
        yield frame.to_ndarray(format="yuv420p").astype(np.uint8, copy=False)


def decode_frames(piece: PreparedClip, start: int, stop: int) -> Iterator[av.VideoFrame]:
    """The same as libav has them, for those who only look."""
    begin = closed_start(piece, start)
    place = begin
    for frame in _decoded(piece, begin):
        if place >= stop:
            break
        if place >= start:
            yield frame
        place += 1
    if place < stop:
        raise damaged("a picture cannot be decoded")


def decode_alone(piece: PreparedClip, index: int) -> av.VideoFrame:
    """A frame that needs no other. Raises `UnplayableMedia` when it does not decode."""
    frame = next(_decoded(piece, index, index + 1), None)
    if frame is None:
        raise damaged("a picture cannot be decoded")
    return frame


def luma(frame: av.VideoFrame) -> Luma:
    """The brightness of a frame in 8-bit 4:2:0, read where it lies."""
    plane = frame.planes[0]
    # A plane is a buffer; PyAV's annotations leave that out.
    rows = np.frombuffer(cast("bytes", plane), np.uint8).reshape(-1, plane.line_size)
    shown: Luma = rows[: frame.height, : frame.width]
    return shown


def _decoded(piece: PreparedClip, begin: int, end: int | None = None) -> Iterator[av.VideoFrame]:
    """Feed frames in the order of decoding, straight from the file by the index."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = write_avcc(piece.config)
    # One thread: a decoder with frame threads that is dropped half-way never comes back (PyAV 18.1, seen).
    decoder.thread_count = 1
    # Else pixels at the left that the stream cuts off stay.
    decoder.flags |= CodecFlags.unaligned
    chosen = slice(begin, end)
    sizes, offsets = piece.video.sizes[chosen].tolist(), piece.video.offsets[chosen].tolist()
    with piece.path.open("rb", buffering=0) as file:
        try:
            for size, offset in zip(sizes, offsets, strict=True):
                # A packet with memory of its own: one that borrows Python's is freed in a decoder's thread, which waits
                # for the interpreter for ever when the decoder is being closed.
                packet = av.Packet(size)
                packet.update(os.pread(file.fileno(), size, offset))
                yield from _whole(decoder.decode(packet))
            yield from _whole(decoder.decode(None))
        except FFmpegError as error:
            raise damaged("a picture cannot be decoded") from error


def _whole(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Frames that are whole: libav paints over what is damaged and only marks it."""
    for frame in frames:
        if frame.is_corrupt:
            raise damaged("a picture is damaged")
        yield frame


def blend(one: Picture, other: Picture, share: Fraction) -> Picture:
    """Mix two pictures; `share` of the second, in 256 steps, rounded."""
    weight = np.uint16(round(share * 256))
    mixed = one * (np.uint16(256) - weight)
    mixed += other * weight
    mixed += np.uint16(128)
    mixed >>= np.uint16(8)
    return mixed.astype(np.uint8)


def plain(like: Picture, luma: int) -> Picture:
    """A picture of one grey, black or white, of the same size."""
    picture = np.full_like(like, _NEUTRAL)
    picture[: like.shape[0] * 2 // 3] = luma
    return picture


def encode(pictures: Iterable[Picture], fps: Fraction, like: PreparedClip) -> tuple[AvcConfig, list[Coded]]:
    """Encode pictures as one closed group that begins with an IDR, tagged as the piece is."""
    encoder: av.VideoCodecContext | None = None
    coded: list[tuple[int, bytes, bool]] = []
    for number, picture in enumerate(pictures):
        encoder = encoder or _encoder(picture, fps, like)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base, frame.pict_type = number, 1 / fps, PictureType.NONE
        coded += [_taken(packet) for packet in encoder.encode(frame)]
    if encoder is None:
        raise damaged("there are no pictures to encode")
    coded += [_taken(packet) for packet in encoder.encode(None)]
    order = {pts: rank for rank, pts in enumerate(sorted(pts for pts, _, _ in coded))}
    config = config_from_annex_b(bytes(encoder.extradata or b""))
    return config, [Coded(data, order[pts], alone) for pts, data, alone in coded]


def _taken(packet: av.Packet[av.VideoStream]) -> tuple[int, bytes, bool]:
    return int(packet.pts or 0), length_prefixed(bytes(packet)), packet.is_keyframe


def _encoder(picture: Picture, fps: Fraction, like: PreparedClip) -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.shape[1], picture.shape[0] * 2 // 3, "yuv420p"
    encoder.framerate, encoder.time_base = fps, 1 / fps
    encoder.sample_aspect_ratio = Fraction(1)
    # A fixed number, because x264's output depends on it.
    encoder.thread_count = 2
    primaries, transfer, matrix = like.sps.colours or (2, 2, 2)
    encoder.color_primaries, encoder.color_trc, encoder.colorspace = primaries, transfer, matrix
    encoder.color_range = 1 if like.sps.full_range is not None else 0
    encoder.flags |= av.codec.context.Flags.global_header
    encoder.options = {
        "crf": "18",
        "preset": "veryfast",
        "profile": "high",
        # Without mbtree, whose AVX2 code gives flat black pictures other bytes from run to run (measured).
        "x264-params": f"sps-id={SEAM_SET}:keyint=infinite:scenecut=0:sliced-threads=0:mbtree=0",
    }
    return encoder

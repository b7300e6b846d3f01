"""Pictures out of a film, upright and in the right colours, decoding no more than needed."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipelines.domain.errors import UnplayableMedia
from pipelines.media.clips.filters import HD_LINES, QUARTER, tone_map
from pipelines.media.clips.video_track import container_colours, film_track, frame_colours
from pipelines.media.ffmpeg import encode
from pipelines.media.mp4.colours import BT709, HLG, PQ, SMPTE170M, UNSPECIFIED, Colours
from pipelines.media.mp4.reader import FOREIGN, sniff

if TYPE_CHECKING:
    import av
    from PIL import Image

DEMUXERS = {"mp4": "mov", "webm": "matroska", **{name: name for name in FOREIGN}}
"""What our sniffing calls a file, and libav's demuxer for it."""


@contextmanager
def open_film(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """The file and its picture track. What goes wrong inside the block is raised as `UnplayableMedia`."""
    import av
    from av.error import FFmpegError

    try:
        options = {"protocol_whitelist": "file"}
        with av.open(str(path), format=DEMUXERS[sniff(path)], options=options) as file:
            yield file, film_track(file)
    except (FFmpegError, ValueError) as error:
        raise UnplayableMedia(f"{path.name} cannot be decoded: {error}") from error


def to_image(frame: av.VideoFrame, width: int | None = None, container: Colours | None = None) -> Image.Image:
    """The frame as an upright RGB picture, made `width` pixels wide before it is turned if that is given. Untagged
    colours are those that the film takes them for: BT.709, or BT.601 where there are fewer lines.
    `container` is what the file says where the stream does not.
    """
    colours = frame_colours(frame, container or Colours())
    size = {} if width is None else {"width": width, "height": max(2, round(width * frame.height / frame.width))}
    if colours.transfer in {PQ, HLG}:
        image = _tone_mapped(frame, colours)
        image = image.resize((size["width"], size["height"])) if size else image
        return _upright(image, frame)
    small = min(frame.width, frame.height) < HD_LINES
    matrix = colours.matrix if colours.matrix != UNSPECIFIED else SMPTE170M if small else BT709
    reach = {None: None, False: 1, True: 2}[colours.full_range]
    plain = frame.reformat(format="rgb24", src_colorspace=matrix, src_color_range=reach, interpolation="AREA", **size)
    flat: Image.Image = plain.to_image()  # type: ignore[no-untyped-call]
    return _upright(flat, frame)


def _tone_mapped(frame: av.VideoFrame, colours: Colours) -> Image.Image:
    """A frame of high dynamic range as the film shows it: through the very filters that make the film."""
    from PIL import Image

    names = ("color_primaries", "color_trc", "colorspace")
    told = ":".join(f"{name}={code}" for name, code in zip(names, colours.codes, strict=True))
    reach = "pc" if colours.full_range else "tv"
    with tempfile.TemporaryDirectory() as folder:
        raw, made = Path(folder) / "frame.raw", Path(folder) / "frame.png"
        raw.write_bytes(frame.to_ndarray().tobytes())
        shape = ("-pixel_format", frame.format.name, "-video_size", f"{frame.width}x{frame.height}")
        chain = f"setparams=range={reach}:{told},{tone_map(colours)},scale=in_color_matrix=bt709,format=rgb24"
        encode.ffmpeg("-v", "error", "-f", "rawvideo", *shape, "-i", str(raw), "-vf", chain, str(made))
        with Image.open(made, formats=("PNG",)) as image:
            flat: Image.Image = image.convert("RGB")
            return flat


def _upright(image: Image.Image, frame: av.VideoFrame) -> Image.Image:
    """Turned and mirrored as the file says, as every player (and our encoder) does."""
    from PIL.Image import Resampling, Transpose

    if 1 <= frame.rotation % QUARTER <= QUARTER - 1:
        # Any other angle than a quarter: within the frame, over black.
        return image.rotate(frame.rotation, Resampling.BILINEAR)
    matrix = _display_matrix(frame)
    if matrix is None:
        return image
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        turns = {(1, 1): None, (-1, 1): Transpose.FLIP_LEFT_RIGHT, (1, -1): Transpose.FLIP_TOP_BOTTOM}
        turn = turns.get((_sign(a), _sign(d)), Transpose.ROTATE_180)
    else:
        turns = {(1, -1): Transpose.ROTATE_270, (-1, 1): Transpose.ROTATE_90, (1, 1): Transpose.TRANSPOSE}
        turn = turns.get((_sign(b), _sign(c)), Transpose.TRANSVERSE)
    if turn is None:
        return image
    turned: Image.Image = image.transpose(turn)
    return turned


def _sign(number: int) -> int:
    return -1 if number < 0 else 1


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """The four numbers of the display matrix that turn and mirror; None without one."""
    from av.sidedata.sidedata import SideData, Type

    # It is annotated as a mapping, and is iterated as a list.
    for found in cast("list[SideData]", frame.side_data):
        if found.type == Type.DISPLAYMATRIX:
            a, b, _, c, d = struct.unpack_from("=5i", bytes(found))
            return a, b, c, d
    return None


def length_s(file: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Seconds of picture as the index says."""
    import av

    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (file.duration or 0) / av.time_base


Timed = tuple[float, "av.VideoFrame"]
"""A picture and its time in seconds."""


def samples(path: Path, wanted: int, *, enough: int | None = None) -> list[Timed]:
    """Pictures nearest to `wanted` moments spread evenly over the film, in order.

    Keyframes stand for their surroundings when there are `enough` of them (as many as wanted, unless said), at a
    tenth of the cost; a film with fewer is short and decoded once from end to end. No more than `wanted` pictures
    are held at a time. Raises `UnplayableMedia` when there is none.
    """
    with open_film(path) as (file, stream):
        whole = length_s(file, stream)
        moments = [whole * (index + 0.5) / wanted for index in range(wanted)]
        stream.codec_context.skip_frame = "NONKEY"
        nearest, count = _nearest(_timed(file, stream), moments)
        if count >= (enough or wanted):
            return nearest
    with open_film(path) as (file, stream):
        stream.thread_type = "AUTO"
        return _walk(_timed(file, stream), moments)


def _nearest(frames: Iterator[Timed], moments: list[float]) -> tuple[list[Timed], int]:
    """For each moment the picture nearest to it, and how many pictures there were."""
    found, count = list[Timed](), 0
    for count, timed in enumerate(frames, 1):  # noqa: B007 - it is returned
        if not found:
            found = [timed] * len(moments)
        closer = (abs(timed[0] - moment) < abs(had[0] - moment) for moment, had in zip(moments, found, strict=True))
        found = [timed if better else had for better, had in zip(list(closer), found, strict=True)]
    return found, count


def _timed(file: av.container.InputContainer, stream: av.VideoStream) -> Iterator[Timed]:
    start = stream.start_time or 0
    for frame in file.decode(stream):
        ticks = (frame.pts if frame.pts is not None else start) - start
        yield float(ticks * stream.time_base) if stream.time_base else 0.0, frame


def _walk(frames: Iterator[Timed], moments: list[float]) -> list[Timed]:
    """The first picture at or after each moment; the last one for moments after the end."""
    found: list[Timed] = []
    timed: Timed | None = None
    for timed in frames:
        while len(found) < len(moments) and timed[0] >= moments[len(found)]:
            found.append(timed)
        if len(found) == len(moments):
            return found
    if timed is None:
        raise UnplayableMedia("the film has no picture that can be decoded")
    return found + [timed] * (len(moments) - len(found))


def picture_at(path: Path, moment: float) -> Image.Image:
    """The picture at this second, or a third into a film too short for that. Raises `UnplayableMedia`."""
    with open_film(path) as (file, stream):
        container = container_colours(stream)
        stream.thread_type = "AUTO"
        ((_, frame),) = _walk(_timed(file, stream), [min(moment, length_s(file, stream) / 3)])
        return to_image(frame, container=container)


def last_picture(path: Path) -> Image.Image:
    """The very last picture, also when the sound goes on without it. Raises `UnplayableMedia`."""
    # Where an edit list hides the end, all after the last keyframe may be hidden.
    with open_film(path) as (_, stream):
        container = container_colours(stream)
    last = _last(path, near_end=True) or _last(path, near_end=False)
    if last is None:
        raise UnplayableMedia(f"{path.name} has no picture that can be decoded")
    return to_image(last, container=container)


def _last(path: Path, *, near_end: bool) -> av.VideoFrame | None:
    """The last picture shown, decoding from the last keyframe or from the start."""
    with open_film(path) as (file, stream):
        stream.thread_type = "AUTO"
        if near_end and stream.time_base:
            file.seek(round(length_s(file, stream) / stream.time_base), stream=stream, backward=True)
        last: av.VideoFrame | None = None
        for last in file.decode(stream):  # noqa: B007 - the last one is wanted
            pass
        return last

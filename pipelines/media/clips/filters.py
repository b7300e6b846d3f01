"""The filter chain that makes any picture the target's: upright, square pixels, its size, rate, range and colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import Fit, Target
from pipelines.media.ffmpeg.encode import last_options, rate
from pipelines.media.mp4.colours import HLG, PQ, UNSPECIFIED, Colours

HD_LINES = 720
QUARTER = 90
SAME_SHAPE = Fraction(1, 50)
"""Shapes closer than this are scaled to fit rather than cropped or padded: nobody sees 2 %."""

WHITE_NITS, BRIGHTEST = 203, 5
"""Where ITU-R BT.2408 puts the white of paper, and how many times brighter a light may be (about 1,000 nits, for
which phones and generators grade) before it is plain white.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the chain must know of a file: `number` is the film's place among its picture tracks, `shape` width to
    height as shown, `seconds` what is shown. `lead` is when its first picture comes, of which `skipped` is left out;
    before the rest that picture is held. `colours` are those of stream and container, `unsaid` what of them the decoder
    does not know. `sound` is the place of its sound among the sound tracks, None without;
    `garbled` when there is some that cannot be decoded.
    """

    container: str
    number: int
    seconds: Fraction
    lead: Fraction
    skipped: Fraction
    shape: Fraction
    lines: int
    colours: Colours
    unsaid: tuple[str, ...]
    interlaced: bool
    sound: int | None
    garbled: bool

    @property
    def input_options(self) -> tuple[str, ...]:
        """Options before `-i` that tell ffmpeg what it opens, so that a playlist is never followed."""
        return ("-f", self.container)


def read_source(path: Path, container: str) -> Source:
    """Open the file, decode one picture and look at it. Raises `UnplayableMedia`."""
    import av
    from av.error import FFmpegError

    # Not at the top: the join knows this module and is small without libav.
    from pipelines.media.clips.video_track import container_colours, film_track, frame_colours, read_video_track

    try:
        with av.open(str(path), format=container, options={"protocol_whitelist": "file"}) as file:
            stream = film_track(file)
            container_says = container_colours(stream)
            reel = read_video_track(file, stream)
            frame = reel.picture
            colours = frame_colours(frame, container_says)
            turned = round(frame.rotation) % 180 == QUARTER
            aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
            shape = Fraction(frame.width, frame.height) * aspect
            return Source(
                container=container,
                number=file.streams.video.index(stream),
                seconds=reel.seconds,
                lead=reel.start,
                skipped=reel.skipped,
                shape=1 / shape if turned else shape,
                lines=min(frame.width, frame.height),
                colours=colours,
                unsaid=tuple(_unsaid(frame_colours(frame, Colours()), colours)),
                interlaced=bool(frame.interlaced_frame),
                sound=file.streams.audio.index(reel.sound) if reel.sound else None,
                garbled=reel.garbled,
            )
    except (FFmpegError, ValueError) as error:
        raise UnplayableMedia(f"{path.name} cannot be decoded: {error}") from error


def _unsaid(decoded: Colours, colours: Colours) -> Iterator[str]:
    """What to tell the filters of colours that only the container states."""
    names = ("color_primaries", "color_trc", "colorspace")
    for name, said, right in zip(names, decoded.codes, colours.codes, strict=True):
        if said != right:
            yield f"{name}={right}"
    if decoded.full_range != colours.full_range:
        yield f"range={'pc' if colours.full_range else 'tv'}"


def _colours(source: Source) -> str:
    """How the one scaling step reads and writes colours; untagged HD is BT.709, which ffmpeg would not assume."""
    untagged = source.colours.matrix == UNSPECIFIED and source.lines >= HD_LINES
    told = "in_color_matrix=bt709:" if untagged else ""
    return f"in_range=auto:out_range=tv:{told}out_color_matrix=bt709"


def tone_map(colours: Colours) -> str:
    """From high dynamic range to ordinary: what is no brighter than paper keeps its colours, lights are pressed into
    the rest. What is not said is BT.2020, as in all such files.
    """
    told = [
        *(["setparams=colorspace=bt2020nc"] if colours.matrix == UNSPECIFIED else []),
        *(["setparams=color_primaries=bt2020"] if colours.primaries == UNSPECIFIED else []),
    ]
    return ",".join(
        [
            *told,
            f"zscale=transfer=linear:npl={WHITE_NITS}",
            "format=gbrpf32le",
            "zscale=primaries=bt709",
            f"tonemap=mobius:param=0.5:desat=0:peak={BRIGHTEST}",
            "zscale=transfer=bt709:matrix=bt709:range=tv",
            "format=yuv420p",
        ]
    )


def _fitted(source: Source, target: Target) -> list[str]:
    """Filters that fill the frame as the order says. Colours are converted in the (last) scaling step only."""
    size, colours = f"{target.width}:{target.height}", _colours(source)
    shape = Fraction(target.width, target.height)
    if abs(source.shape / shape - 1) <= SAME_SHAPE:
        return [f"scale={size}:{colours}"]
    inside = f"scale={size}:force_original_aspect_ratio=decrease:force_divisible_by=2:{colours}"
    if target.fit is Fit.LETTERBOX:
        return [inside, f"pad={size}:(ow-iw)/2:(oh-ih)/2"]
    if target.fit is Fit.CROP:
        return [f"scale={size}:force_original_aspect_ratio=increase:force_divisible_by=2:{colours}", f"crop={size}"]
    return [_blurred(inside, colours, target)]


def _blurred(inside: str, colours: str, target: Target) -> str:
    """The whole picture over a soft, darker copy of itself; the copy is blurred small, where it is cheap."""
    width, height = target.width // 8 * 2, target.height // 8 * 2
    small = f"scale={width}:{height}:force_original_aspect_ratio=increase:force_divisible_by=2:{colours}"
    soft = f"gblur=sigma={min(width, height) / 14:.1f},lutyuv=y='16+(val-16)*0.62'"
    ground = f"{small},crop={width}:{height},format=yuv420p,{soft},scale={target.width}:{target.height}"
    laid = "[ground][whole]overlay=(W-w)/2:(H-h)/2"
    return f"split[near][far];[far]{ground}[ground];[near]{inside},format=yuv420p[whole];{laid}"


def chain(source: Source, target: Target, *, with_overlay: bool) -> str:
    """The whole graph from the film's track (and the overlay's `[1:v]`) to `[picture]`.

    It never ends: the last picture is held, and the caller says how many frames to take.
    """
    steps = [f"setpts=PTS-{float(source.skipped):.6f}/TB"] if source.skipped else []
    steps += ["yadif=deint=interlaced"] if source.interlaced else []
    steps += [f"setparams={':'.join(source.unsaid)}"] if source.unsaid else []
    steps += [tone_map(source.colours)] if source.colours.transfer in {PQ, HLG} else []
    steps += ["scale=w='max(2,trunc(iw*sar/2)*2)':h=ih", "setsar=1", *_fitted(source, target), "setsar=1"]
    steps += [f"fps={rate(target.fps)}:start_time=0", "tpad=stop=-1:stop_mode=clone"]
    graph = f"[0:v:{source.number}]{','.join(steps)}"
    if with_overlay:
        # Said here because overlay would turn the RGB picture into BT.601.
        ink = "[1:v]scale=out_color_matrix=bt709:out_range=tv,format=yuva420p[ink]"
        graph = f"{ink};{graph},format=yuv420p[plain];[plain][ink]overlay=0:0:format=yuv420:eof_action=repeat"
        graph += ","
    else:
        graph += ","
    return f"{graph}{last_options([])}[picture]"

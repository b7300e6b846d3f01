"""Every claim about joining films, measured side by side in one run.

Clips are generated (noise over a moving test picture, pink noise as sound: hard to encode, easy to recognise). Both
sides of a row work on the same files, in turns, in the same process where both can; medians of several runs, MoviePy
once. Files stay in the page cache and nothing is forced to the disk, on either side, unless the row says so.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pipelines.domain.footage import Boundary, ClipWork, FilmDraft, FilmPlan, Target, Transition
from pipelines.media.clips.prepared_clip import PreparedClip, open_prepared_clip
from pipelines.media.clips.timeline import joins
from pipelines.media.editor import MediaEditor
from pipelines.media.ffmpeg.encode import ffmpeg, ffmpeg_exe
from pipelines.media.join.assemble import assemble
from pipelines.media.join.table_join import join_whole
from pipelines.media.normalise.normalise import prepare
from tools.bench.measure.rows import Claim, row

SECONDS = 8
FADE_S = 0.5
FADE_FRAMES = 15
KINDS = {"720p30": ("1280x720", 30, "20"), "1080p24": ("1920x1080", 24, "24")}
TARGETS = {
    "720p30": Target(width=1280, height=720, fps=Fraction(30)),
    "1080p24": Target(width=1920, height=1080, fps=Fraction(24)),
}
TAGS = "format=yuv420p,setsar=1,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
MOVIEPY = """
import sys, time
from moviepy import VideoFileClip, concatenate_videoclips
began = time.perf_counter()
clips = [VideoFileClip(path) for path in sys.argv[2:]]
film = concatenate_videoclips(clips)
film.write_videofile(sys.argv[1], logger=None)
film.close()
for clip in clips:
    clip.close()
print(time.perf_counter() - began)
"""
PEAK = """
import re, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
{imports}
paths = [Path(path) for path in sys.argv[3:]]
{work}
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""
PEAK_JOIN = (
    (
        "from pipelines.media.clips.prepared_clip import open_prepared_clip\n"
        "from pipelines.media.join.table_join import join_whole"
    ),
    "join_whole([open_prepared_clip(path) for path in paths], Path(sys.argv[2]))",
)
PEAK_FILM = (
    """from fractions import Fraction
from pipelines.domain.footage import FilmPlan, Target
from pipelines.media.join.assemble import assemble""",
    """target = Target(width=1280, height=720, fps=Fraction(30))
assemble(FilmPlan(target=target, pieces=tuple(paths)), Path(sys.argv[2]))""",
)


def _row(name: str, ours: float, against: float, bar: float | None, *, unit: str = "s") -> Claim:
    """A claim of this section; none is of seconds alone."""
    return row("media", name, ours, against, bar, unit=unit)


def _timed(work: Callable[[], object], output: Path) -> float:
    """Seconds of one run that writes a new file: giving back an old one's memory, or writing to the disk what others
    left in memory, is not part of the work.
    """
    output.unlink(missing_ok=True)
    os.sync()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _in_turns(runs: int, outputs: Sequence[Path], *works: Callable[[], object]) -> list[float]:
    """The median seconds of each, run one after the other so that all meet the same machine."""
    for work in works:
        work()
    times = [[_timed(work, output) for work, output in zip(works, outputs, strict=True)] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def _clip(dest: Path, number: int, size: str, fps: int, crf: str) -> None:
    ffmpeg(
        *("-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={size}:r={fps}:d={SECONDS},hue=h={number * 60}"),
        *("-f", "lavfi", "-i", f"anoisesrc=color=pink:r=48000:d={SECONDS}:seed={number + 1}:amplitude=0.4"),
        *("-vf", f"noise=alls=5:allf=t:all_seed={number},{TAGS}", "-c:v", "libx264", "-preset", "veryfast"),
        *("-crf", crf, "-profile:v", "high", "-g", str(2 * fps), "-x264-params", "open-gop=0"),
        *("-force_key_frames", f"{FADE_S},{SECONDS - FADE_S}"),
        *("-c:a", "aac", "-ac", "2", "-b:a", "128k", str(dest)),
    )


def _generate(folder: Path, kind: str, count: int = 30, different: int = 4) -> list[Path]:
    size, fps, crf = KINDS[kind]
    paths = [folder / f"{kind}-{number:02d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        if number < different:
            _clip(path, number, size, fps, crf)
        else:
            path.write_bytes(paths[number % different].read_bytes())
    return paths


def _copy_bytes(paths: Sequence[Path], dest: Path, *, durably: bool = False) -> None:
    """Read and write the same bytes."""
    buffer = memoryview(bytearray(1 << 20))
    temporary = dest.with_suffix(".part")
    with temporary.open("wb", buffering=0) as out:
        for path in paths:
            with path.open("rb", buffering=0) as file:
                while got := file.readinto(buffer):
                    out.write(buffer[:got])
        if durably:
            os.fsync(out.fileno())
    temporary.replace(dest)


def _join(paths: Sequence[Path], dest: Path) -> None:
    join_whole([_piece(path) for path in paths], dest, final=False)


def _piece(path: Path) -> PreparedClip:
    piece = open_prepared_clip(path)
    if piece is None:
        raise SystemExit(f"{path.name} should be joinable")
    return piece


def _concat_copy(paths: Sequence[Path], dest: Path) -> None:
    listed = dest.with_suffix(".txt")
    listed.write_text("".join(f"file '{path}'\n" for path in paths))
    ffmpeg(
        *("-v", "error", "-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy"),
        *("-movflags", "+faststart", str(dest)),
    )


def _moviepy(paths: Sequence[Path], dest: Path) -> float:
    """Seconds of concatenate and write with MoviePy's defaults, its imports not counted."""
    command = [sys.executable, "-W", "ignore", "-c", MOVIEPY, str(dest), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=dest.parent)
    return float(done.stdout.split()[-1])


def _hard_cuts(folder: Path, kind: str, paths: Sequence[Path]) -> Iterator[Claim]:
    film, copy = folder / "film.mp4", folder / "copy.mp4"
    plan = FilmPlan(target=TARGETS[kind], pieces=tuple(paths))
    count = len(paths)
    runs = 9 if count < 30 else 5
    name = f"{count} clips of {kind}"
    joined, copied = _in_turns(runs, (film, copy), lambda: _join(paths, film), lambda: _copy_bytes(paths, copy))
    bar = 1.3 if count >= 8 else 2.0
    yield _row(f"hard-cut join against reading and writing the same bytes: {name}", joined, copied, bar)
    joined, concat = _in_turns(5, (film, copy), lambda: _join(paths, film), lambda: _concat_copy(paths, copy))
    yield _row(f"hard-cut join against ffmpeg concat copy, whose start counts most: {name}", joined, concat, None)
    if kind == "720p30" and count < 30:
        yield _row(f"hard-cut join against MoviePy: {name}", joined, _moviepy(paths, copy), 1 / 500)
    ready = folder / f"ready-{kind}-{count}"
    _sound_ahead(plan, ready)
    ahead, late, copied = _in_turns(
        runs,
        (film, film, copy),
        lambda: _finish(plan, film, ready),
        lambda: _finish(plan, film, None),
        lambda: _copy_bytes(paths, copy, durably=True),
    )
    told = "hashed, forced to disk) against a copy forced to disk"
    yield _row(f"finished film (joins of the sound encoded ahead, {told}: {name}", ahead, copied, _finished_bar(count))
    yield _row(f"finished film (joins of the sound encoded now, {told}: {name}", late, copied, None)


def _finished_bar(count: int) -> float:
    """What does not depend on the film's length counts less in a long one."""
    return 1.5 if count >= 30 else 5.0


def _sound_ahead(plan: FilmPlan, ready: Path) -> None:
    """As it is done for each clip while others are being generated."""
    frames = tuple(round(SECONDS * plan.target.fps) for _ in plan.pieces)
    for at in range(len(plan.pieces)):
        there = {place: piece for place, piece in enumerate(plan.pieces) if abs(place - at) <= 1}
        draft = FilmDraft(target=plan.target, frames=frames, joins=tuple(joins(plan)), pieces=there)
        MediaEditor().sound_ahead(draft, at, ready)


def _finish(plan: FilmPlan, dest: Path, ready: Path | None) -> None:
    """A film as it lies in storage."""
    assemble(plan, dest, ready=ready)
    with dest.open("rb") as file:
        os.fsync(file.fileno())


def _memory(folder: Path, paths: Sequence[Path]) -> Iterator[Claim]:
    root = str(Path(__file__).resolve().parents[2])
    for name, (imports, work) in {"hard-cut join": PEAK_JOIN, "finished film": PEAK_FILM}.items():
        script = PEAK.format(imports=imports, work=work)
        command = [sys.executable, "-c", script, root, str(folder / "film.mp4"), *map(str, paths)]
        peak = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        most = 60 if name == "hard-cut join" else 120
        yield _row(f"peak memory of {name}, 30 clips, against {most} MB", peak, most, 1.0, unit="MB")


def _heard(path: Path) -> np.ndarray:
    command = [ffmpeg_exe(), "-v", "error", "-i", str(path), "-map", "0:a:0", "-ac", "1", "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<f4")


def _largest_lag(film: Path, paths: Sequence[Path], window: int = 96_000) -> int:
    heard, clips = _heard(film), {path.read_bytes()[-4096:]: _heard(path) for path in paths[:4]}
    found = []
    for number, path in enumerate(paths):
        clip, at = clips[path.read_bytes()[-4096:]], number * SECONDS * 48_000
        begin = max(0, at - window)
        part = heard[begin : at + len(clip) + window]
        size = 1 << (len(part) + len(clip)).bit_length()
        peaks = np.fft.irfft(np.fft.rfft(part, size) * np.conj(np.fft.rfft(clip, size)), size)
        place = int(np.argmax(peaks))
        found.append(abs((place - size if place > size // 2 else place) + begin - at))
    return max(found)


def _lag(folder: Path, paths: Sequence[Path]) -> Iterator[Claim]:
    ours, other = folder / "film.mp4", folder / "concat.mp4"
    assemble(FilmPlan(target=TARGETS["720p30"], pieces=tuple(paths)), ours)
    _concat_copy(paths, other)
    drift = _largest_lag(other, paths)
    name = "largest lag of any clip's sound, 30 clips, against 512 samples"
    yield _row(name, _largest_lag(ours, paths), 512, 1.0, unit="samples")
    yield _row(
        "the same measure sees it: 30,000 samples against ffmpeg concat copy", 30_000, drift, 1.0, unit="samples"
    )


def _xfade(paths: Sequence[Path], dest: Path) -> None:
    """The way of ffmpeg itself: every frame decoded, crossed and encoded again."""
    video, audio, graph = "[0:v]", "[0:a]", []
    for number in range(1, len(paths)):
        offset = number * (SECONDS - FADE_S)
        graph.append(f"{video}[{number}:v]xfade=transition=fade:duration={FADE_S}:offset={offset}[v{number}]")
        graph.append(f"{audio}[{number}:a]acrossfade=d={FADE_S}[a{number}]")
        video, audio = f"[v{number}]", f"[a{number}]"
    ffmpeg(
        *("-v", "error", *(part for path in paths for part in ("-i", str(path)))),
        *("-filter_complex", ";".join(graph), "-map", video, "-map", audio, "-pix_fmt", "yuv420p"),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-c:a", "aac", str(dest)),
    )


def _pictures(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as file:
        file.streams.video[0].thread_type = "AUTO"
        for frame in file.decode(video=0):
            yield frame.to_ndarray(format="yuv420p")


def _reference(paths: Sequence[Path], share: Callable[[int], float]) -> Iterator[np.ndarray]:
    """The exact film: the clips' own frames, blended in floating point where they overlap."""
    tail: list[np.ndarray] = []
    for number, path in enumerate(paths):
        frames = _pictures(path)
        for index, before in enumerate(tail):
            weight = share(index)
            yield np.rint(before * (1 - weight) + next(frames) * weight)
        tail = []
        for frame in frames:
            tail.append(frame)
            if number == len(paths) - 1 or len(tail) > FADE_FRAMES:
                yield tail.pop(0)


def _compare(film: Path, paths: Sequence[Path], share: Callable[[int], float]) -> tuple[float, float]:
    """(PSNR in dB over all frames, share of frames that equal the reference in every pixel)."""
    errors, exact = [], 0
    for got, wanted in zip(_pictures(film), _reference(paths, share), strict=True):
        error = float(np.square(got.astype(np.float32) - wanted).mean())
        errors.append(error)
        exact += error == 0
    return 10 * float(np.log10(255**2 / np.mean(errors))), exact / len(errors)


def _crossfades(folder: Path, paths: Sequence[Path]) -> Iterator[Claim]:
    ours, other = folder / "film.mp4", folder / "xfade.mp4"
    fades = (Boundary(kind=Transition.CROSSFADE, seconds=FADE_S),) * (len(paths) - 1)
    plan = FilmPlan(target=TARGETS["720p30"], pieces=tuple(paths), boundaries=fades)
    smart, full = _in_turns(3, (ours, other), lambda: assemble(plan, ours), lambda: _xfade(paths, other))
    name = f"{FADE_S} s crossfades over {len(paths)} clips of 720p30"
    yield _row(f"{name} against ffmpeg xfade", smart, full, 1 / 8)
    # Each way is held against its own weights: ours leave out both pure ends, xfade begins with a pure first clip.
    psnr, exact = _compare(ours, paths, lambda index: (index + 1) / (FADE_FRAMES + 1))
    theirs, _ = _compare(other, paths, lambda index: index / FADE_FRAMES)
    yield _row(f"{name}: PSNR of ffmpeg xfade to the exact film against ours", theirs, psnr, 1.0, unit="dB")
    yield _row(f"{name}: frames that are not the clips' own, against a fifth", 1 - exact, 0.2, 1.0, unit="share")


def _one_odd(folder: Path, paths: Sequence[Path]) -> Claim:
    odd, mended, ours, full = (folder / f"{name}.mp4" for name in ("odd", "mended", "film", "all"))
    _clip(odd, 5, "1280x720", 24, "20")
    pieces = [*paths[:3], odd, *paths[4:8]]
    target = TARGETS["720p30"]

    def normalise_and_join() -> None:
        prepare(ClipWork(source=odd, target=target), mended)
        assemble(FilmPlan(target=target, pieces=(*paths[:3], mended, *paths[4:8])), ours)

    def encode_all() -> None:
        streams = "".join(f"[{number}:v]fps=30,{TAGS}[v{number}];" for number in range(8))
        listed = "".join(f"[v{number}][{number}:a]" for number in range(8))
        ffmpeg(
            *("-v", "error", *(part for path in pieces for part in ("-i", str(path)))),
            *("-filter_complex", f"{streams}{listed}concat=n=8:v=1:a=1[v][a]", "-map", "[v]", "-map", "[a]"),
            *("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-c:a", "aac"),
            str(full),
        )

    ours_s, full_s = statistics.median(_timed(normalise_and_join, ours) for _ in range(3)), _timed(encode_all, full)
    return _row("8 clips of 720p30, one of them 24 fps, against encoding all again", ours_s, full_s, 1 / 8)


def rows() -> list[Claim]:
    """All rows: section, name, ours, against, ratio, bar, ok. Takes several minutes and about 2 GB of disk."""
    found: list[Claim] = []
    with tempfile.TemporaryDirectory(prefix="bench-media-") as name:
        folder = Path(name)
        for kind in KINDS:
            paths = _generate(folder, kind)
            for count in (4, 8, 30):
                found += _hard_cuts(folder, kind, paths[:count])
            if kind == "720p30":
                found += _memory(folder, paths)
                found += _lag(folder, paths)
                found += _crossfades(folder, paths[:4])
                found.append(_one_odd(folder, paths))
            for path in paths:
                path.unlink()
    return found

"""What voice and music weigh on a machine.

CPU seconds throughout, of this process and of those that it starts: they hold however busy the machine is.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from pipelines.domain.footage import ClipWork, FilmPlan, Mood, Target, Verdict, Voice
from pipelines.domain.planning.narration import Line
from pipelines.media.audio import mood
from pipelines.media.ffmpeg.encode import ffmpeg
from pipelines.media.join.assemble import assemble
from pipelines.media.normalise.normalise import prepare
from pipelines.media.review.examine import examine
from pipelines.speech import embedded
from tools.bench.measure.rows import Claim, row

LINES = (
    "Meet Lumen Four. Light, wherever you are.",
    "Every morning starts with one small light at the end of the pier.",
    "It is small, it is bright, and it costs nine dollars.",
    "Take it home, put it down, and watch the room change.",
)
MANY, RUNS, SECONDS = 8, 5, 6.0
REAL_TIME, NARRATED, FURTHER = 1 / 20, 1.2, 1.2
TARGET = Target(width=1280, height=720, fps=Fraction(30))


def rows() -> list[Claim]:
    """The rows of this section."""
    with tempfile.TemporaryDirectory() as folder:
        return [*_voice(Path(folder)), *_film(Path(folder)), _music()]


def _voice(folder: Path) -> list[Claim]:
    """Loading is paid once a film: what a line costs is the difference between many and few."""
    few, few_s = _spoken(folder, LINES)
    many, many_s = _spoken(folder, LINES * MANY)
    speaking = row("creative", "embedded voice: CPU for its sound", many - few, many_s - few_s, REAL_TIME, unit="s")
    return [speaking, row("creative", "embedded voice: CPU of a film of four lines, with loading", few, few_s, None)]


def _spoken(folder: Path, lines: Sequence[str]) -> tuple[float, float]:
    """CPU seconds for lines, and how long their sound is."""
    began, seconds = _cpu(), 0.0
    with embedded.speaking() as narrator:
        for number, text in enumerate(lines):
            narrator.say(Line(text=text, voice=embedded.VOICE), folder / f"{number}.wav")
    used = _cpu() - began
    for number in range(len(lines)):
        with wave.open(str(folder / f"{number}.wav")) as file:
            seconds += file.getnframes() / file.getframerate()
    return used, seconds


def _film(folder: Path) -> list[Claim]:
    """After the last clip only the join is left: what is said was laid over each clip when that arrived."""
    clip = folder / "clip.mp4"
    shape = f"size=1280x720:rate=30:duration={SECONDS}"
    tags = "format=yuv420p,setsar=1,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    ffmpeg(
        *("-v", "error", "-f", "lavfi", "-i", f"testsrc2={shape},{tags}"),
        *("-f", "lavfi", "-i", f"anoisesrc=r=48000:c=pink:a=0.1:d={SECONDS}", "-ac", "2", "-c:v", "libx264"),
        *("-profile:v", "high", "-video_track_timescale", "15360", "-c:a", "aac", str(clip)),
    )
    silent, narrated = [], []
    for number, text in enumerate(LINES):
        voice = Voice(path=folder / f"{number}.wav", text=text, begins_s=0.3, room_s=SECONDS - 0.5)
        silent.append(prepare(ClipWork(source=clip, target=TARGET), folder / f"silent-{number}.mp4").path)
        said = prepare(ClipWork(source=clip, target=TARGET, voice=voice), folder / f"said-{number}.mp4")
        narrated.append(said.path)

    def joined(pieces: Sequence[Path]) -> Callable[[], object]:
        return lambda: assemble(FilmPlan(target=TARGET, pieces=tuple(pieces)), folder / "film.mp4")

    with_voice, without = _in_turns(joined(narrated), joined(silent))
    name = "narrated film: CPU after its last clip, against one without"
    return [row("creative", name, with_voice, without, NARRATED), *_language(folder, clip, silent, narrated)]


def _language(folder: Path, clip: Path, own: Sequence[Path], narrated: Sequence[Path]) -> list[Claim]:
    """A film of the same pictures in which something else is said. It costs its speech, its sound laid over each clip,
    and joining and looking through it, which is held against one copy of its bytes. A service's voice costs nothing
    here.
    """
    first, other = (FilmPlan(target=TARGET, pieces=tuple(pieces)) for pieces in (own, narrated))
    known = examine(assemble(first, folder / "film.mp4").path, first).stretches
    film = folder / "further.mp4"

    def joined() -> Verdict:
        return examine(assemble(other, film).path, other, known)

    def laid() -> None:
        for number, text in enumerate(LINES):
            voice = Voice(path=folder / f"{number}.wav", text=text, begins_s=0.3, room_s=SECONDS - 0.5)
            prepare(ClipWork(source=clip, target=TARGET, voice=voice), folder / f"again-{number}.mp4")

    seen = joined().stretches
    decoded = len(seen.keys() - known.keys())
    speech, sound, join, copy = _in_turns(
        lambda: _spoken(folder, LINES), laid, joined, lambda: shutil.copyfile(film, folder / "copy.mp4")
    )
    name = "further language: CPU, against its speech, its sound and one copy of its bytes"
    heard = "further language, a service's voice: CPU, against its sound and one copy of its bytes"
    return [
        row("creative", "further language: stretches of its pictures that are decoded", decoded, len(seen), 0, unit=""),
        row("creative", name, speech + sound + join, speech + sound + copy, FURTHER),
        row("creative", heard, sound + join, sound + copy, FURTHER),
    ]


def _music() -> Claim:
    began = time.process_time()
    seconds = len(mood.compose(Mood.CALM)) / 48_000
    return row("creative", "music that is made here: CPU for its sound", time.process_time() - began, seconds, None)


def _in_turns(*works: Callable[[], object]) -> list[float]:
    """The median CPU seconds of each, done in turns."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(RUNS):
        for place, work in enumerate(works):
            began = _cpu()
            work()
            taken[place].append(_cpu() - began)
    return [statistics.median(times) for times in taken]


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)

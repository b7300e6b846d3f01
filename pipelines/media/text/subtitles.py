"""Subtitle files beside a film: SubRip (`.srt`) and WebVTT (`.vtt`) from the scenes' captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.domain.footage import FilmPlan, FilmReport
from pipelines.media.ffmpeg.encode import arriving
from pipelines.media.text.characters import clusters
from pipelines.media.text.layout import clean

LINE_CHARACTERS = 42
"""Usual limit of broadcasters and streaming services for a line; ideographs count twice."""

CUE_LINES = 2
SHORTEST_CUE_S = 0.7
GAP_S = 0.04
"""Between two cues, so that players show that the text has changed."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Text on the screen from `start` to `end`, in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def subtitles(plan: FilmPlan, report: FilmReport, dest_stem: Path) -> Sequence[Path]:
    """Write `<stem>.srt` and `<stem>.vtt`; nothing, and an empty list, when no scene has a caption."""
    cues = list(film_cues(plan, report))
    if not cues:
        return []
    srt, vtt = dest_stem.with_name(f"{dest_stem.name}.srt"), dest_stem.with_name(f"{dest_stem.name}.vtt")
    _write(srt, "\n".join(_srt(index, cue) for index, cue in enumerate(cues, 1)))
    _write(vtt, "WEBVTT\n\n" + "\n".join(_vtt(cue) for cue in cues))
    return [srt, vtt]


def film_cues(plan: FilmPlan, report: FilmReport) -> Iterator[Cue]:
    """The scenes' captions at the scenes' times; long ones are shown in turns."""
    ends = [*report.starts_s[1:], report.footage.duration_s]
    for caption, start, end in zip(plan.captions, report.starts_s, ends, strict=False):
        text = clean(caption or "")
        if text and end > start:
            yield from _in_turns(text, start, end)


def _in_turns(text: str, start: float, end: float) -> Iterator[Cue]:
    """Share the scene's time among the cues by their length; never so many that one is too short to read."""
    lines = [line for paragraph in text.split("\n") for line in _wrapped(paragraph)]
    most = max(1, int((end - start) / SHORTEST_CUE_S))
    per_cue = max(CUE_LINES, -(-len(lines) // most))
    groups = [tuple(lines[index : index + per_cue]) for index in range(0, len(lines), per_cue)]
    total = sum(map(_length, groups))
    at = start
    for group in groups:
        until = at + (end - start) * _length(group) / total
        yield Cue(at, max(at + GAP_S, until - GAP_S), group)
        at = until


def _length(lines: Sequence[str]) -> int:
    return sum(_columns(line) for line in lines) or 1


def _columns(text: str) -> int:
    return sum(2 if "\u1100" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3" else 1 for char in text)


def _wrapped(paragraph: str) -> list[str]:
    """Lines of at most the usual length, of nearly equal width; text without spaces is broken between characters."""
    count = max(1, -(-_columns(paragraph) // LINE_CHARACTERS))
    lines = _greedy(paragraph, LINE_CHARACTERS)
    for limit in range(-(-_columns(paragraph) // count), LINE_CHARACTERS):
        even = _greedy(paragraph, limit)
        if len(even) <= len(lines):
            return even
    return lines


def _greedy(paragraph: str, limit: int) -> list[str]:
    lines = [""]
    for word in paragraph.split(" "):
        joined = f"{lines[-1]} {word}".strip()
        if _columns(joined) <= limit:
            lines[-1] = joined
        elif _columns(word) <= limit:
            lines.append(word)
        else:
            pieces = [""]
            for part in clusters(word):
                if _columns(pieces[-1] + part) > limit:
                    pieces.append("")
                pieces[-1] += part
            lines.extend(pieces)
    return [line for line in lines if line]


def _clock(seconds: float, mark: str) -> str:
    whole = max(0, round(seconds * 1000))
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}{mark}{whole % 1000:03d}"


def _srt(number: int, cue: Cue) -> str:
    return f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n" + "\n".join(cue.lines) + "\n"


def _vtt(cue: Cue) -> str:
    escaped = [line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in cue.lines]
    return f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n" + "\n".join(escaped) + "\n"


def _write(dest: Path, text: str) -> None:
    with arriving(dest) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")

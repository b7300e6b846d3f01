"""Subtitle files: every caption at its scene's time, readable, in both formats."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.domain.footage import FilmPlan, FilmReport, Footage
from pipelines.media.editor import MediaEditor
from tests.media import shots

LONG = "The keeper climbs the stairs while the first light of the day falls through the windows of the tower, " * 2


def report(starts: tuple[float, ...], seconds: float) -> FilmReport:
    facts = Footage(
        duration_s=seconds, width=640, height=360, fps=shots.target().fps, frames=round(seconds * 30),
        video_codec="h264", audio_codec="aac", size_bytes=1,
    )  # fmt: skip
    return FilmReport(path=Path("film.mp4"), footage=facts, sha256="", paths=(), starts_s=starts)


def write(tmp_path: Path, *captions: str | None, seconds: float = 4.0) -> tuple[str, str]:
    starts = tuple(index * seconds for index in range(len(captions)))
    pieces = tuple(Path(f"{index}.mp4") for index in range(len(captions)))
    plan = FilmPlan(target=shots.target(), pieces=pieces, captions=captions)
    srt, vtt = MediaEditor().subtitles(plan, report(starts, seconds * len(captions)), tmp_path / "film.v1")
    assert (srt.name, vtt.name) == ("film.v1.srt", "film.v1.vtt")
    return srt.read_text("utf-8"), vtt.read_text("utf-8")


def seconds_of(clock: str) -> float:
    hours, minutes, rest = clock.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def cues(text: str) -> list[tuple[float, float, list[str]]]:
    blocks = [block.splitlines() for block in text.strip().split("\n\n") if "-->" in block]
    found = []
    for lines in blocks:
        at = next(index for index, line in enumerate(lines) if "-->" in line)
        start, end = lines[at].split(" --> ")
        found.append((seconds_of(start), seconds_of(end), lines[at + 1 :]))
    return found


def test_each_caption_is_shown_during_its_own_scene(tmp_path: Path) -> None:
    srt, vtt = write(tmp_path, "First", None, "Third")
    for text in (srt, vtt):
        assert [lines for _, _, lines in cues(text)] == [["First"], ["Third"]]
        (start, end, _), (other_start, other_end, _) = cues(text)
        assert (start, other_start) == (0, 8)
        assert 3.9 < end <= 4
        assert 11.9 < other_end <= 12


def test_no_captions_give_no_files(tmp_path: Path) -> None:
    plan = FilmPlan(target=shots.target(), pieces=(Path("1.mp4"),), captions=(None,))
    assert list(MediaEditor().subtitles(plan, report((0.0,), 4), tmp_path / "film")) == []
    assert list(tmp_path.iterdir()) == []


def test_long_captions_are_shown_in_turns_of_two_short_lines_that_never_overlap(tmp_path: Path) -> None:
    srt, _ = write(tmp_path, LONG, "Next", seconds=8)
    found = cues(srt)
    assert len(found) > 2
    assert all(len(lines) <= 2 and max(map(len, lines)) <= 42 for _, _, lines in found)
    assert all(end > start for start, end, _ in found)
    assert all(one[1] < two[0] for one, two in pairwise(found))
    words = " ".join(line for _, _, lines in found[:-1] for line in lines).split()
    assert words == LONG.split()


def test_a_scene_too_short_for_its_caption_still_shows_all_of_it(tmp_path: Path) -> None:
    srt, _ = write(tmp_path, LONG, seconds=0.5)
    assert " ".join(cues(srt)[0][2]).split() == LONG.split()


@pytest.mark.parametrize("text", ["漢字" * 60, "x" * 300, "مرحبا بكم في المنارة " * 8, "👩‍🚀" * 50])
def test_text_without_spaces_and_other_scripts_lose_nothing(tmp_path: Path, text: str) -> None:
    srt, _ = write(tmp_path, text, seconds=30)
    assert "".join("".join(lines) for _, _, lines in cues(srt)).replace(" ", "") == text.replace(" ", "")


def test_markup_in_a_caption_is_text_in_webvtt(tmp_path: Path) -> None:
    _, vtt = write(tmp_path, "a < b & c --> d")
    assert vtt.startswith("WEBVTT\n\n")
    assert "a &lt; b &amp; c --&gt; d" in vtt


def test_cue_numbers_and_clocks_follow_the_formats(tmp_path: Path) -> None:
    srt, vtt = write(tmp_path, *(["Line"] * 3), seconds=1800.5)
    assert re.findall(r"^\d+$", srt, re.MULTILINE) == ["1", "2", "3"]
    assert "01:00:01,000 --> " in srt
    assert "01:00:01.000 --> " in vtt


def test_line_breaks_and_control_characters_cannot_break_the_file(tmp_path: Path) -> None:
    srt, _ = write(tmp_path, "one\n\n2\n00:00:00,000 --> 00:00:01,000\ntwo\x00")
    assert len(cues(srt)) >= 1
    assert "\x00" not in srt
    assert all(block.splitlines()[0].isdigit() for block in srt.strip().split("\n\n"))

"""`local/espeak`: the program espeak-ng, where whoever runs this machine has installed it. It speaks many languages,
like a robot, and needs no account, no key and no network.

It is under the GPL: a program of its own that is neither required nor shipped. What it is to say goes in by a pipe,
never among its options, and none of our keys is in its environment. Source: espeak-ng 1.51, run 2026-11.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipelines.domain.errors import NotConfigured, ProviderFailed
from pipelines.domain.languages import LANGUAGES, named
from pipelines.domain.planning.narration import Line, Said, is_english
from pipelines.environment import inherited
from pipelines.ports import KnownVoice

VOICE = "local/espeak"
PROGRAM = "espeak-ng"
LONGEST_S = 30.0
"""A line takes a tenth of a second: what takes so long hangs."""
LISTING_S, FAILS_S = 5.0, 60.0
"""So long the program may take to list its voices; one that fails or hangs is not asked again for a minute."""
MANDARIN = "cmn-latn-pinyin"
"""The usual voice of Chinese, `cmn`, spells each sign in English letters and says its tone as a number; this one says
the word.
"""
_ROW = re.compile(r"\s*(\d+)\s+([A-Za-z0-9-]+)\s+\S+\s+\S+\s+\S+(.*)")
_OTHER = re.compile(r"\(([A-Za-z0-9-]+) (\d+)\)")
_HAN = re.compile(r"[\u3400-\u9fff]")
_NOT_WORDS = re.compile(r"[\x00-\x1f\x7f\[\]]")
"""Signs by which a text gives it commands, or phonemes instead of words."""
_ENVIRONMENT = ("PATH", "HOME", "LD_LIBRARY_PATH", "ESPEAK_DATA_PATH")
_fails_until: dict[str, float] = {}
_SILENT = (
    f"The voice {VOICE} needs the program {PROGRAM}, which is not installed on this machine or does not answer, so it "
    "says nothing. Ask your operator."
)
_FAILED = f"The voice {VOICE} could not say this line. Change its Narration, or choose another Voice."


def silent() -> str | None:
    """Why the voice cannot be had on this machine; None where it can."""
    return None if _spoken_here() else _SILENT


def speaks(language: str) -> bool:
    """Whether the program is here and has a voice of that language (BCP 47)."""
    return _voice_of(_spoken_here(), language) is not None


def cannot_say(line: Line) -> str | None:
    """Why it does not say a line: it would be noise, or another language's voice."""
    spoken = _spoken_here()
    return _reason(spoken, line) if spoken else _SILENT


@contextmanager
def speaking() -> Iterator[Program]:
    """The program, as it is found now. Raises NotConfigured."""
    path, voices = shutil.which(PROGRAM), _spoken_here()
    if path is None or not voices:
        raise NotConfigured(f"{PROGRAM} is not installed, or does not answer", marketer=_SILENT)
    yield Program(path, voices)


def known() -> KnownVoice:
    """As it is listed; its languages are those of films that it speaks here."""
    spoken = _spoken_here()
    count = sum(_voice_of(spoken, language) is not None for language in LANGUAGES)
    return KnownVoice(
        name=VOICE,
        model=PROGRAM,
        languages=f"{count} of {len(LANGUAGES)}" if spoken else "many",
        timings=False,
        minute_micro=0,
        silent=None if spoken else f"needs the program {PROGRAM} on this machine",
    )


@dataclass(frozen=True, slots=True)
class Program:
    """ports.Speaker: one process a line. `voices`: how the program names its voice of each language."""

    path: str
    voices: Mapping[str, str]
    longest_s: float = LONGEST_S

    def say(self, line: Line, dest: Path) -> Said:
        """Speak one line. Raises ProviderFailed, for this line only."""
        if reason := _reason(self.voices, line):
            raise ProviderFailed(reason, marketer=reason)
        voice = _voice_of(self.voices, line.language) or ""
        command = [self.path, "-v", voice, "-b", "1", "-w", str(dest), "--stdin"]
        text = _NOT_WORDS.sub(" ", line.text).encode()
        try:
            done = subprocess.run(
                command, input=text, env=_environment(), capture_output=True, timeout=self.longest_s, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProviderFailed(f"{PROGRAM} could not be run, or hung: {error}", marketer=_FAILED) from error
        if done.returncode != 0 or not dest.exists():
            raise ProviderFailed(f"{PROGRAM} ended with {done.returncode} and no sound", marketer=_FAILED)
        return Said()


def _spoken_here() -> Mapping[str, str]:
    """The program's voices by the languages that they speak; none where it is not here or does not answer."""
    path = shutil.which(PROGRAM)
    if path is None:
        return {}
    if _fails_until.get(path, 0.0) > time.monotonic():
        return {}
    try:
        return voices_of(path, Path(path).stat().st_mtime_ns)
    except (OSError, subprocess.SubprocessError):
        _fails_until[path] = time.monotonic() + FAILS_S
        return {}


@lru_cache(maxsize=4)
def voices_of(path: str, changed_ns: int) -> Mapping[str, str]:  # noqa: ARG001 - another program is asked anew
    """For each language, in small letters, the voice that the program itself prefers. Raises OSError and
    SubprocessError.
    """
    command = [path, "--voices"]
    done = subprocess.run(command, env=_environment(), capture_output=True, timeout=LISTING_S, check=True)
    best: dict[str, tuple[int, str]] = {}
    for row in map(_ROW.fullmatch, done.stdout.decode("utf-8", "replace").splitlines()):
        if row is None:
            continue
        rank, voice, others = row.groups()
        for language, place in ((voice, rank), *_OTHER.findall(others)):
            found = (int(place), voice)
            best[language.casefold()] = min(best.get(language.casefold(), found), found, key=lambda one: one[0])
    voices = {language: voice for language, (_, voice) in best.items() if not language.startswith("zh")}
    return voices | ({"zh": MANDARIN} if MANDARIN in voices else {})


def _voice_of(voices: Mapping[str, str], language: str) -> str | None:
    """The voice of a language, or of the one that it is a kind of."""
    tag = language.casefold()
    return voices.get(tag) or voices.get(tag.partition("-")[0])


def _reason(voices: Mapping[str, str], line: Line) -> str | None:
    if _voice_of(voices, line.language) is None:
        return f"{VOICE} does not speak {named(line.language)}, and a language is never read in the voice of another."
    language = line.language.partition("-")[0]
    if language == "en" and not is_english(line.text):
        return f"{VOICE} does not know which language this is: choose it in Languages."
    if language == "ja" and _HAN.search(line.text):
        return f"{VOICE} reads Japanese in kana only: write this line without kanji, or choose another Voice."
    return None


def _environment() -> dict[str, str]:
    ours = inherited()
    return {name: ours[name] for name in _ENVIRONMENT if name in ours}

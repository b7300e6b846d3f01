"""`local/heart`: an American voice that needs no account, no key and no network. It speaks English only."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from pipelines.domain.errors import NotConfigured, ProviderFailed, Unavailable
from pipelines.domain.footage import Word
from pipelines.domain.planning.narration import Line, Said, is_english
from pipelines.ports import KnownVoice

VOICE = "local/heart"
LONGEST_S = 60.0
"""Loading takes seconds and a line less than one: who is silent for so long has died or hangs."""
_NEEDED = ("hibari", "onnxruntime")
_ENDS_S = 5.0
_ROOT = Path(__file__).parents[2]


def silent() -> str | None:
    """Why the voice cannot be had on this machine; None where it can. Nothing is loaded for the answer."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if not missing:
        return None
    return "The built-in voice cannot be had on this machine, so it says nothing. Ask your operator to look at doctor."


def speaks(language: str) -> bool:
    """Whether it has a language (BCP 47): English, in whatever country."""
    return language.partition("-")[0] == "en"


def cannot_say(line: Line) -> str | None:
    """It has one language."""
    if speaks(line.language) and is_english(line.text):
        return None
    return f"{VOICE} speaks English only, and a language is never read in the voice of another."


@contextmanager
def speaking() -> Iterator[Narrator]:
    """The voice in a process of its own, for as many lines as a film has. Raises NotConfigured and Unavailable."""
    if reason := silent():
        raise NotConfigured(f"one of {', '.join(_NEEDED)} is not installed", marketer=reason)
    command = [sys.executable, "-m", "pipelines.speech.local"]
    process = subprocess.Popen(
        command,
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    if process.stdin is None or process.stdout is None:
        raise AssertionError("there are pipes")
    try:
        yield Narrator(process.stdin, process.stdout)
    finally:
        # It ends by itself when nobody asks any more; one that hangs is ended.
        try:
            process.communicate(timeout=_ENDS_S)
        except (subprocess.TimeoutExpired, BrokenPipeError, ValueError):
            process.kill()
            process.wait()


def known() -> KnownVoice:
    """As it is listed."""
    return KnownVoice(name=VOICE, model="hibari", languages="English", timings=True, minute_micro=0, silent=silent())


@dataclass(frozen=True, slots=True)
class Narrator:
    """ports.Speaker: the other end of the process."""

    asked: IO[str]
    answers: IO[str]

    def say(self, line: Line, dest: Path) -> Said:
        """Speak one line. Raises ProviderFailed for one that it cannot speak, and Unavailable when it has died."""
        if reason := cannot_say(line):
            raise ProviderFailed(reason, marketer=reason)
        try:
            print(json.dumps({"text": line.text, "dest": str(dest)}), file=self.asked, flush=True)
        except OSError as error:
            raise Unavailable(f"the built-in voice has died: {error}") from error
        answer = self._answer()
        if not answer or not dest.exists():
            raise Unavailable("the built-in voice died or hung at a line")
        times = zip(line.text.split(), json.loads(answer)["words"], strict=True)
        return Said(words=tuple(Word(text=text, start=start, end=end) for text, (start, end) in times))

    def _answer(self) -> str:
        """Its next line; nothing when it is dead or takes too long."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.answers, selectors.EVENT_READ)
            return self.answers.readline() if waiting.select(LONGEST_S) else ""

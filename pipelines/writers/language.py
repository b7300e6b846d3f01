"""Which language a prompt is written in, and the words the offline writer has in it.

A writer that answers a Spanish prompt in English spoils captions and the marketer's trust, so where the evidence is
thin or two languages tie, `NEUTRAL` is taken: notation that film people read everywhere, and no words of our own.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LANGUAGES = Path(__file__).with_name("languages.toml")
NEUTRAL = "und"
"""ISO 639-2 for a language that is not determined."""
SAMPLE = 4000
"""Characters looked at: enough to be sure, cheap for a prompt of any length."""
LONGEST_WORD = 40
_TAIL_WEIGHT = 0.5
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_ADDRESS = re.compile(r"\S*(?:://|www\.|@)\S*|\[\[[^\[\]]*\]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """One language of `languages.toml`."""

    code: str
    table: Mapping[str, Any]

    def __getitem__(self, name: str) -> str:
        """A phrase; empty where the language has none."""
        return str(self.table[name])

    def framing(self, role: str, use: int) -> str:
        """Camera and movement of the `use`-th shot of a role: sixteen in a row differ."""
        if role not in self.table["moments"] or f"{role}_moves" not in self.table:
            return self[role]
        frames, moves = self.table[role], self.table[f"{role}_moves"]
        frame = frames[use % len(frames)]
        move = moves[(use + use // len(frames)) % len(moves)]
        return f"{frame} {move}" if self.code == NEUTRAL else f"{frame}, {move}"

    def moment(self, role: str) -> str:
        """What a shot adds when several shots share one sentence of the prompt."""
        return str(self.table["moments"][role])

    def shape(self, aspect_ratio: str) -> str:
        """A word on composition for pictures that are not wide."""
        width, _, height = aspect_ratio.partition(":")
        if not (width.isdigit() and height.isdigit()) or int(width) > int(height):
            return ""
        return self["square"] if width == height else self["vertical"]

    def light_of(self, text: str) -> str:
        """The light that the text's own time of day asks for; empty when it names none."""
        for pattern, phrase in self.table["lights"].values():
            if re.search(rf"\b(?:{pattern})", text, re.IGNORECASE):
                return str(phrase)
        return ""

    def speaks_of_light(self, text: str) -> bool:
        """Whether the text sets its light itself."""
        words = self["light_words"]
        return bool(words) and re.search(rf"\b(?:{words})", text, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    words: frozenset[str]
    tails: re.Pattern[str]
    script: re.Pattern[str] | None

    def score(self, words: list[str]) -> float:
        if self.script and not any(self.script.search(word) for word in words):
            return 0.0
        known = sum(word in self.words for word in words)
        return known + _TAIL_WEIGHT * sum(bool(self.tails.fullmatch(word)) for word in words if word not in self.words)


def phrases_for(text: str) -> Phrases:
    """The words of the text's language, or the neutral ones."""
    return languages()[language_of(text)]


def language_of(text: str) -> str:
    """The ISO 639-1 code of one of the languages we have words for, or `und`."""
    found = _WORD.findall(_ADDRESS.sub(" ", text[:SAMPLE]).lower())
    words = [word for word in found if len(word) <= LONGEST_WORD]
    scores = sorted(((evidence.score(words), code) for code, evidence in _evidence().items()), reverse=True)
    (best, code), (second, _) = scores[0], scores[1]
    return code if best >= 1 and best > second else NEUTRAL


@functools.cache
def languages() -> Mapping[str, Phrases]:
    """Every language by its code."""
    tables = tomllib.loads(LANGUAGES.read_text("utf-8"))
    return {code: Phrases(code=code, table=table) for code, table in tables.items()}


@functools.cache
def _evidence() -> Mapping[str, _Evidence]:
    found = {}
    for code, phrases in languages().items():
        if code == NEUTRAL:
            continue
        script = phrases.table.get("script")
        found[code] = _Evidence(
            words=frozenset(phrases["words"].split()),
            tails=re.compile(rf"\w{{2,}}(?:{phrases['tails']})"),
            script=re.compile(script) if script else None,
        )
    return found

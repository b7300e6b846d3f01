"""A refused prompt without its usual culprits, and the subjects that a prompt is likely to have been refused for.

Word lists, no judgement: they are the answer where no language model can be asked.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.writers.language import NEUTRAL, Phrases, phrases_for
from pipelines.writers.text import plain, shortened

CULPRITS = Path(__file__).with_name("culprits.toml")
ALWAYS_ALLOWED = 500
"""Characters that every model takes. A longer prompt does not grow by being softened, so that it still fits."""
_ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """A subject that moderation stumbles over: patterns and substitutes by language."""

    subject: str
    words: Mapping[str, re.Pattern[str]]
    instead: Mapping[str, str]

    def patterns(self, language: str) -> Iterator[re.Pattern[str]]:
        """What to look for in a text of that language; everything when the language is not known."""
        for code, pattern in self.words.items():
            if code in {language, _ANY} or language == NEUTRAL:
                yield pattern

    def removed(self, text: str, language: str) -> str:
        """The text with each hit replaced, or left out where there is no substitute."""
        for pattern in self.patterns(language):
            text = pattern.sub(self.instead.get(language, ""), text)
        return text


def softened(prompt: str) -> str:
    """The prompt reworded in its own language; directives in double brackets are removed."""
    phrases = phrases_for(prompt)
    text = plain(prompt)
    for culprit in culprits():
        text = culprit.removed(text, phrases.code)
    return finished(text, phrases, limit=max(len(prompt), ALWAYS_ALLOWED))


def finished(text: str, phrases: Phrases, limit: int) -> str:
    """Tidied, with the wish for a tasteful picture at the end, in at most `limit` characters."""
    wish = phrases["tasteful"]
    body = shortened(plain(text), limit - len(wish) - 2)
    if body and body[-1] not in ".!?…。！？":
        body = f"{body}."
    return " ".join(part for part in (body, wish) if part)


def subjects_of(prompt: str) -> tuple[str, ...]:
    """The subjects of the word lists that a prompt touches."""
    text, language = plain(prompt), phrases_for(prompt).code
    return tuple(one.subject for one in culprits() if any(found.search(text) for found in one.patterns(language)))


@functools.cache
def culprits() -> tuple[Culprit, ...]:
    """The word lists."""
    tables = tomllib.loads(CULPRITS.read_text("utf-8"))
    return tuple(
        Culprit(
            subject=subject,
            words={code: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for code, words in table["words"].items()},
            instead=table.get("instead", {}),
        )
        for subject, table in tables.items()
    )

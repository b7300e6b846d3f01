"""When the words of a spoken line are said: as its voice has told, else by their letters between the pauses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from pipelines.domain.footage import Word

Span = tuple[float, float]

_BREATH = 1.2
"""Every word takes so many letters longer than it has."""
_PAUSED = tuple(",.;:!?…，。；：！？、")
_NEAR_S = 0.7
"""A pause belongs to a mark that it is so near to."""


def estimated(text: str, seconds: float, pauses: Sequence[Span]) -> tuple[Word, ...]:
    """The words of a sound without edges: stretched between the pauses that belong to marks of the text."""
    words = text.split()
    sizes = [sum(map(str.isalnum, word)) + _BREATH for word in words]
    found: list[Word] = []
    first, begin = 0, 0.0
    for index, word in enumerate(words):
        last = index == len(words) - 1
        if not last and not word.endswith(_PAUSED):
            continue
        expected = begin + (seconds - begin) * sum(sizes[first : index + 1]) / sum(sizes[first:])
        near = min((span for span in pauses if span[0] > begin), key=lambda span: abs(span[0] - expected), default=None)
        if last:
            found += _shared(words[first:], sizes[first:], begin, seconds)
        elif near is not None and abs(near[0] - expected) <= _NEAR_S:
            found += _shared(words[first : index + 1], sizes[first : index + 1], begin, near[0])
            first, begin = index + 1, near[1]
    return tuple(found)


def _shared(words: Sequence[str], sizes: Sequence[float], begin: float, end: float) -> list[Word]:
    ends = [begin + (end - begin) * size / sum(sizes) for size in accumulate(sizes)]
    starts = [begin, *ends[:-1]]
    return [Word(text=word, start=at, end=to) for word, at, to in zip(words, starts, ends, strict=True)]


def heard(words: Sequence[Word], lead_s: float, seconds: float, tempo: float, begins_s: float) -> tuple[Word, ...]:
    """The words at their times in a clip: of a sound whose first `lead_s` are left out, that ends after `seconds`, is
    played faster by `tempo` and begins at `begins_s`. What was cut off is not said.
    """
    shifted = [
        Word(text=word.text, start=max(0.0, word.start - lead_s), end=min(seconds, word.end - lead_s)) for word in words
    ]
    said = [word for word in shifted if word.start < seconds]
    return tuple(
        Word(text=word.text, start=begins_s + word.start / tempo, end=begins_s + max(word.start, word.end) / tempo)
        for word in said
    )

"""Several openings of one film: each has a letter, a scene of its own, and shares what follows with the others."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from pipelines.domain.errors import Problem
from pipelines.domain.orders.order import HOOK_LETTERS, MAX_HOOKS, SceneOrder
from pipelines.domain.planning.script import SceneText

FIRST = HOOK_LETTERS[0]
TOO_ALIKE = 0.6
"""Two hooks that have so much of their words in common would test nothing."""
_WORD = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\u3400-\u9fff\uac00-\ud7a3]|[^\W_]+")
"""A word; in scripts without spaces a character."""


class HasHook(Protocol):
    """A scene, planned or made."""

    @property
    def hook(self) -> str:
        """The letter of the hook that begins with it; empty for what every film shows."""


H = TypeVar("H", bound=HasHook)


def film_of(scenes: Iterable[H], hook: str) -> list[H]:
    """The scenes of one hook's film, in the order in which they are shown."""
    found = [scene for scene in scenes if scene.hook in ("", hook)]
    return sorted(found, key=lambda scene: not scene.hook)


def first_film(scenes: Iterable[H]) -> list[H]:
    """The scenes of the film that there would be without further hooks."""
    return film_of(scenes, FIRST)


def further(scenes: Iterable[H]) -> list[H]:
    """What further hooks add to the first film."""
    return [scene for scene in scenes if scene.hook not in ("", FIRST)]


def letters_of(scenes: Iterable[HasHook]) -> tuple[str, ...]:
    """The hooks of these scenes; a nameless one where all make one film."""
    return tuple(scene.hook for scene in scenes if scene.hook) or ("",)


def parted(scenes: Sequence[SceneOrder], hooks: int) -> tuple[list[SceneOrder], dict[str, SceneOrder]]:
    """The scenes of the first film, and by their letters the further hooks that are written already."""
    wanted = HOOK_LETTERS[1:hooks]
    body = [scene for scene in scenes if scene.hook in (None, FIRST)]
    return body, {scene.hook: scene for scene in scenes if scene.hook in wanted and scene.hook}


def relettered(scenes: Sequence[SceneOrder]) -> tuple[list[SceneOrder], int]:
    """Scenes of which some were taken away or added: their hooks named one after the other; and how many there are."""
    added = sorted((scene for scene in scenes if scene.hook not in (None, FIRST)), key=lambda scene: scene.hook or "")
    letters = zip(added, HOOK_LETTERS[1:], strict=False)
    named = [dataclasses.replace(scene, hook=letter) for scene, letter in letters]
    return [*(scene for scene in scenes if scene.hook in (None, FIRST)), *named], 1 + len(named)


def overlap(one: str, other: str, shared: frozenset[str] = frozenset()) -> float:
    """How many of the words of two texts are in both, from 0 to 1, without the `shared` ones."""
    mine, theirs = words_of(one) - shared, words_of(other) - shared
    return len(mine & theirs) / len(mine | theirs) if mine and theirs else 1.0


def words_of(text: str) -> frozenset[str]:
    """The different words of a text."""
    return frozenset(_WORD.findall(text.casefold()))


def differing(film: Sequence[SceneText], known: Sequence[SceneText], offered: Iterable[SceneText]) -> list[SceneText]:
    """Those of the offered hooks that say something else than the film's first scene, the `known` hooks and each other.
    The people, place and light that all scenes of the film repeat do not count: hooks repeat them as well.
    """
    shared = words_of(film[0].prompt).intersection(*(words_of(scene.prompt) for scene in film[1:]))
    shared = shared if film[1:] else frozenset()
    kept: list[SceneText] = []
    for one in offered:
        if one.prompt.strip() and not any(_alike(one, other, shared) for other in (film[0], *known, *kept)):
            kept.append(one)
    return kept


def _alike(one: SceneText, other: SceneText, shared: frozenset[str]) -> bool:
    captions = overlap(one.caption, other.caption) if one.caption and other.caption else 0.0
    return max(overlap(one.prompt, other.prompt, shared), captions) >= TOO_ALIKE


def too_many(hooks: int, formats: int, languages: int, most: int) -> list[Problem]:
    """Said of an order that would make more films than one run may, with what would pass."""
    if not 1 <= hooks <= MAX_HOOKS:
        return [Problem("hooks", f"must be a whole number from 1 to {MAX_HOOKS}, not {hooks}.")]
    if hooks * formats * languages <= most:
        return []
    if languages > 1:
        count = hooks * formats * languages
        parts = [(hooks, "hooks"), (languages, "languages"), (formats, "formats")]
        said = " × ".join(f"{many} {what}" for many, what in parts if many > 1)
        films = f"{said} are {count} films, and a run makes at most {most}"
        fit = most // (hooks * formats)
        passing = f"With the rest as it is, {fit} would pass." if fit else "Choose fewer hooks or formats."
        return [Problem("languages", f"{films}. {passing}")]
    films = f"{hooks} hooks in {formats} formats are {hooks * formats} films, and a run makes at most {most}"
    if formats > most or hooks == 1:
        return [Problem("formats", f"{films}. Choose at most {max(1, most // hooks)} formats.")]
    return [Problem("hooks", f"{films}. With these formats, {most // formats} would pass.")]

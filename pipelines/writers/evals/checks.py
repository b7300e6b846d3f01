"""What can be said of an answer without a person: each check is a pure function of brief and answer, from 0 to 1."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from pipelines.writers.evals.briefs import HERE, EvalBrief
from pipelines.writers.gpt.answers import WrittenScript
from pipelines.writers.language import language_of
from pipelines.writers.text import MAX_CAPTION, directives, plain

_WORD = re.compile(r"[^\W\d_]{3,}")
_QUOTES = re.compile(r"[\"“”„«»]")


@dataclass(frozen=True, slots=True)
class Check:
    """`least`: below it on one answer the check has failed there, and on the mean of all the prompt file has."""

    name: str
    least: float
    score: Callable[[EvalBrief, WrittenScript], float]


@functools.cache
def _patterns(language: str) -> dict[str, re.Pattern[str]]:
    table = tomllib.loads((HERE / "camera.toml").read_text("utf-8"))[language]
    return {name: re.compile(pattern, re.IGNORECASE) for name, pattern in table.items()}


def _share(found: Iterable[bool | float]) -> float:
    values = [float(one) for one in found]
    return sum(values) / len(values) if values else 0.0


def _count(asked: EvalBrief, script: WrittenScript) -> float:
    return float(len(script.scenes) == asked.brief.scenes)


def _length(asked: EvalBrief, script: WrittenScript) -> float:
    return _share(0 < len(scene.prompt) <= asked.brief.max_prompt for scene in script.scenes)


def _language(asked: EvalBrief, script: WrittenScript) -> float:
    """Captions are too short to be told apart alone: all of them together are one text."""
    texts = [*(scene.prompt for scene in script.scenes), ". ".join(scene.caption or "" for scene in script.scenes)]
    return _share(language_of(text) == asked.language for text in texts)


def _continuity(_asked: EvalBrief, script: WrittenScript) -> float:
    """How many of the words in which the film's people, place and light are written stand in each prompt."""
    words = set(_WORD.findall((script.continuity or "").lower()))
    if not words:
        return 0.0
    return _share(len(words & set(_WORD.findall(scene.prompt.lower()))) / len(words) for scene in script.scenes)


def _stands_alone(asked: EvalBrief, script: WrittenScript) -> float:
    elsewhere = _patterns(asked.language)["elsewhere"]
    return _share(not elsewhere.search(scene.prompt) for scene in script.scenes)


def _one_move(asked: EvalBrief, script: WrittenScript) -> float:
    move = _patterns(asked.language)["move"]
    return _share(len(move.findall(scene.prompt)) == 1 for scene in script.scenes)


def _framings_differ(asked: EvalBrief, script: WrittenScript) -> float:
    framing = _patterns(asked.language)["framing"]
    found = [framing.search(scene.prompt) for scene in script.scenes]
    names = [match.group(0).lower() if match else "" for match in found]
    return _share(bool(one and other and one != other) for one, other in pairwise(names))


def _captions(_asked: EvalBrief, script: WrittenScript) -> float:
    captions = [scene.caption or "" for scene in script.scenes]
    return _share(0 < len(text) <= MAX_CAPTION and not _QUOTES.search(text) for text in captions)


def _not_banned(asked: EvalBrief, script: WrittenScript) -> float:
    texts = [f"{scene.prompt} {scene.caption or ''}".casefold() for scene in script.scenes]
    return _share(
        not any(re.search(rf"\b{re.escape(word.casefold())}\b", text) for word in asked.banned) for text in texts
    )


def _directives(asked: EvalBrief, script: WrittenScript) -> float:
    """Each one of the brief once, and none in what people read."""
    written = [one for scene in script.scenes for one in directives(scene.prompt)]
    read = [one for scene in script.scenes for one in directives(scene.caption or "")]
    return float(sorted(written) == sorted(directives(asked.brief.master_prompt)) and not read)


def _says_something(_asked: EvalBrief, script: WrittenScript) -> float:
    texts = [plain(scene.prompt).casefold() for scene in script.scenes]
    return _share(texts.count(text) == 1 and bool(text) for text in texts)


CHECKS = (
    Check("scene count", 1.0, _count),
    Check("prompt length", 1.0, _length),
    Check("language", 1.0, _language),
    Check("continuity", 0.8, _continuity),
    Check("stands alone", 1.0, _stands_alone),
    Check("one camera move", 0.9, _one_move),
    Check("framings differ", 0.9, _framings_differ),
    Check("captions", 1.0, _captions),
    Check("banned words", 1.0, _not_banned),
    Check("directives", 1.0, _directives),
    Check("scenes differ", 1.0, _says_something),
)

"""What can be said of an answer without a person: each check is a pure function of brief and answer, from 0 to 1."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from pipelines.domain.brands.banned_words import banned_in
from pipelines.domain.planning.post import MAX_POST
from pipelines.writers.evals.briefs import HERE, EvalBrief, Family
from pipelines.writers.gpt.answers import WrittenMember, WrittenScript, members_of, post_of
from pipelines.writers.gpt.questions import CAST, FIND, POST
from pipelines.writers.language import language_of
from pipelines.writers.text import MAX_CAPTION, directives, plain

_WORD = re.compile(r"[^\W\d_]{3,}")
MOST_CHARACTERS, MOST_TOKEN, MOST_LOOKS = 2, 3, 40
_NOT_PLAIN = re.compile(r"[#\"“”„«»]|https?:")
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


def _cast_count(_asked: EvalBrief, script: WrittenScript) -> float:
    places = [member.place for member in members_of(script)]
    return float(bool(places) and places.count(True) <= 1 and places.count(False) <= MOST_CHARACTERS)


def _cast_named(_asked: EvalBrief, script: WrittenScript) -> float:
    """A few plain words each, that several prompts say just so."""
    return _share(
        0 < len(member.token.split()) <= MOST_TOKEN and len(_prompts_with(member, script)) > 1
        for member in members_of(script)
    )


def _cast_looks(asked: EvalBrief, script: WrittenScript) -> float:
    """What can be seen of each, not too long, and in the language of the film."""
    looks = [member.looks for member in members_of(script)]
    whole = _share(0 < len(text.split()) <= MOST_LOOKS for text in looks)
    return whole if language_of(". ".join(looks)) == asked.language else 0.0


def _cast_repeated(_asked: EvalBrief, script: WrittenScript) -> float:
    """How many words of each one's looks stand in every prompt in which it appears."""
    return _share(
        len(words & set(_WORD.findall(prompt.lower()))) / len(words)
        for member in members_of(script)
        if (words := set(_WORD.findall(member.looks.lower())))
        for prompt in _prompts_with(member, script)
    )


def _prompts_with(member: WrittenMember, script: WrittenScript) -> list[str]:
    return [scene.prompt for scene in script.scenes if member.token.casefold() in scene.prompt.casefold()]


def _post_length(_asked: EvalBrief, script: WrittenScript) -> float:
    return float(0 < len(post_of(script)) <= MAX_POST)


def _post_language(asked: EvalBrief, script: WrittenScript) -> float:
    return float(language_of(post_of(script)) == asked.language)


def _post_plain(_asked: EvalBrief, script: WrittenScript) -> float:
    text = post_of(script)
    return float(bool(text) and not _NOT_PLAIN.search(text))


def _post_allowed(asked: EvalBrief, script: WrittenScript) -> float:
    return float(bool(post_of(script)) and banned_in(post_of(script), asked.banned) is None)


CAST_CHECKS = (
    Check("cast count", 1.0, _cast_count),
    Check("cast named", 1.0, _cast_named),
    Check("cast looks", 1.0, _cast_looks),
    Check("looks repeated", 0.8, _cast_repeated),
)
FIND_CHECKS = CAST_CHECKS[:3]
"""Of a cast that is found in scenes of people: how their prompts describe it is theirs."""
POST_CHECKS = (
    Check("post length", 1.0, _post_length),
    Check("post language", 1.0, _post_language),
    Check("plain post", 1.0, _post_plain),
    Check("banned in post", 1.0, _post_allowed),
)
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


def checks_of(family: Family) -> tuple[Check, ...]:
    """A part must do its own work, and leave the scenes as good as they were; finding a cast touches none."""
    if family.in_use == FIND:
        return FIND_CHECKS
    return (*{CAST: CAST_CHECKS, POST: POST_CHECKS}.get(family.in_use, ()), *CHECKS)

"""What of a film is read or heard, and so translated, and whether a translation may be shown.

All films of a run are cut from the same clips; only their words and sounds differ.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeGuard

from pipelines.domain.brands.banned_words import banned_in, folded
from pipelines.domain.footage import Captions
from pipelines.domain.keys import digest
from pipelines.domain.languages import LANGUAGES, named
from pipelines.domain.orders.order import MAX_LINE, Order
from pipelines.domain.planning.narration import CJK_PER_S, estimated_s, is_cjk, is_too_long, most_characters, room_s

TRIES = 2
"""The quote is for so many questions a language: one answer may get lost, or have to be corrected."""
LETTERS_PER_S = 14.0
"""A calm narrator, in scripts with an alphabet."""
LONGER = 1.5
"""A translation may be so much longer than what it says."""
SHORT_LINE = 60
"""Characters that any caption or card has room for."""
_UNSPACED = ("ja", "ko", "zh-Hans", "zh-Hant")
_OWN_SCRIPT = 0.6
_COPIED = 0.5
_COPIED_WORDS = 3
_NUMBER = re.compile(r"\d+(?:[.,'’٫٬\u00a0\u202f]\d+| \d{3}(?!\d))*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLine:
    """Something that is read or heard, and how many characters it may have in the other language."""

    text: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What is translated in one call. The `title` says what the film is about, and is not translated."""

    language: str = ""
    lines: tuple[TextLine, ...] = ()
    keep: tuple[str, ...] = ()
    """Names and words that stay as they are."""
    banned: tuple[str, ...] = ()
    """Words that the brand does not allow, in whichever language."""
    title: str | None = None
    correction: str | None = None
    """What was wrong with the answer before."""
    shorter: bool = False
    """Whether its one line stays in its language, which may be unknown, and is only to be said in less time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """An answer: as many lines as were asked for, and what it cost."""

    lines: tuple[str, ...] = ()
    cost_micro: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneWords:
    """A scene in another language: each of its texts by what it translates, and its spoken line in our storage."""

    texts: Mapping[str, str] = field(default_factory=dict)
    sound: str | None = None


class HasWords(Protocol):
    """A scene."""

    @property
    def caption(self) -> str | None:
        """What is read."""

    @property
    def narration(self) -> str | None:
        """What is said."""

    @property
    def seconds(self) -> float:
        """How long it is shown."""


class HasTranslations(HasWords, Protocol):
    """A scene that is kept."""

    @property
    def translations(self) -> Mapping[str, SceneWords]:
        """It in other languages."""


def film_lines(order: Order, post_text: str) -> tuple[TextLine, ...]:
    """What stands on the cards of a film, and what is posted with it. A legal line stays as it was written."""
    return tuple(_line(text) for text in (order.title_card, order.end_card, post_text) if _has_words(text))


def scene_lines(order: Order, scene: HasWords, language: str) -> tuple[TextLine, ...]:
    """What of a scene is read or heard in a film of this order."""
    caption, said = scene.caption, scene.narration if order.voiceover else None
    found = []
    if _has_words(caption) and (order.captions is not Captions.NONE or (order.voiceover and not _has_words(said))):
        found.append(_line(caption))
    if _has_words(said):
        found.append(TextLine(text=said, most=_most_said(said, scene.seconds, language)))
    return tuple(found)


def unwritten_lines(order: Order, seconds: float) -> tuple[TextLine, ...]:
    """As much as a scene may say that is still to be written."""
    lines = [TextLine(text=" " * (4 * SHORT_LINE), most=int(LONGER * SHORT_LINE))]
    lines = lines if order.captions is not Captions.NONE or order.voiceover else []
    most = most_characters(seconds)
    return (*lines, *([TextLine(text=" " * (2 * most), most=most)] if order.voiceover else []))


def _line(text: str) -> TextLine:
    return TextLine(text=text, most=max(SHORT_LINE, int(len(text) * LONGER)))


def _most_said(text: str, seconds: float, language: str) -> int:
    """What fits; as much as the text itself has, unless that is too long to be said."""
    fits = _fitting(seconds, CJK_PER_S if language in _UNSPACED else LETTERS_PER_S)
    return fits if takes_too_long(text, seconds) else min(MAX_LINE, max(fits, len(text)))


def _fitting(seconds: float, pace: float) -> int:
    return max(1, min(MAX_LINE, int(room_s(seconds) * pace)))


def takes_too_long(text: str, seconds: float) -> bool:
    """Whether a text cannot be said over a clip of so many seconds by any voice, as far as that can be told before."""
    return is_too_long(estimated_s(text), room_s(seconds)) and len(text) > _fitting(seconds, _pace(text))


def shortening(order: Order, text: str, seconds: float, language: str) -> Translation:
    """What is asked for a text that takes too long to be said over its clip."""
    brand = order.brand
    return Translation(
        language=language,
        lines=(TextLine(text=text, most=_fitting(seconds, _pace(text))),),
        keep=brand.kept if brand else (),
        banned=brand.banned if brand else (),
        title=order.title,
        shorter=True,
    )


def _pace(text: str) -> float:
    return CJK_PER_S if is_cjk(text) else LETTERS_PER_S


def _has_words(text: str | None) -> TypeGuard[str]:
    return any(char.isalpha() for char in text or "")


def together(lines: Iterable[TextLine]) -> tuple[TextLine, ...]:
    """Each text once, with the room of its narrowest place."""
    most: dict[str, int] = {}
    for line in lines:
        most[line.text] = min(line.most, most.get(line.text, line.most))
    return tuple(TextLine(text=text, most=room) for text, room in most.items())


def is_translated(order: Order, scene: HasTranslations, language: str) -> bool:
    """Whether everything that is read or heard in a scene is there in a language."""
    texts = scene.translations[language].texts if language in scene.translations else {}
    return all(line.text in texts for line in scene_lines(order, scene, language))


def missing_lines(
    order: Order,
    cards: Mapping[str, Mapping[str, str]],
    post_text: str,
    scenes: Iterable[HasTranslations],
    language: str,
) -> tuple[TextLine, ...]:
    """What of a film is not there in a language yet; `cards` are the translations of its cards and of its post."""
    known = cards.get(language, {})
    lines = [line for line in film_lines(order, post_text) if line.text not in known]
    for scene in scenes:
        texts = scene.translations[language].texts if language in scene.translations else {}
        lines += [line for line in scene_lines(order, scene, language) if line.text not in texts]
    return together(lines)


def in_words(texts: Mapping[str, str], text: str | None) -> str | None:
    """A text in the other language; what has no words needs no translation."""
    return texts.get(text, text) if text else text


def fault_of(asked: Translation, found: Sequence[str]) -> str | None:
    """Why an answer cannot be shown, said of it; None where it can."""
    if len(found) != len(asked.lines):
        return f"has {len(found)} lines instead of {len(asked.lines)}"
    pairs = list(zip(asked.lines, found, strict=True))
    for number, (line, said) in enumerate(pairs, start=1):
        if fault := _fault_of_line(asked, line, said):
            return fault.rstrip(",") if asked.shorter else f"{fault} in line {number}"
    return _fault_of_language(asked, [(line.text, said) for line, said in pairs])


def _fault_of_line(asked: Translation, line: TextLine, said: str) -> str | None:
    if not said.strip():
        return "says nothing"
    # What a translation says cannot always be said shorter than in its own language: then it is spoken faster.
    most = line.most if asked.shorter else max(line.most, len(line.text))
    if len(said) > most:
        return f"has {len(said)} characters, and at most {most} fit,"
    lost = _numbers(line.text) - _numbers(said)
    if lost:
        return f"has lost the number {min(lost)}"
    for word in asked.keep:
        if banned_in(line.text, [word]) and not banned_in(said, [word]):
            return f"has changed “{word}”, which Keep Words protects,"
    if forbidden := banned_in(said, asked.banned):
        return f"says “{forbidden}”, which Banned Words forbids,"
    return None


def _numbers(text: str) -> set[str]:
    """The numbers of a text, however each language groups their digits or writes them."""
    plain = "".join(str(unicodedata.digit(char, char)) for char in text)
    return {re.sub(r"\D", "", found) for found in _NUMBER.findall(plain)}


def _fault_of_language(asked: Translation, pairs: Sequence[tuple[str, str]]) -> str | None:
    if asked.shorter and asked.language not in LANGUAGES:
        return None
    language = LANGUAGES[asked.language]
    letters = [char for _, said in pairs for char in _without(said, asked.keep) if char.isalpha()]
    own = sum(unicodedata.name(char, "").startswith(language.scripts) for char in letters)
    if letters and own < _OWN_SCRIPT * len(letters):
        return f"is not written in {language.name}"
    told = [(text, said) for text, said in pairs if len(text.split()) >= _COPIED_WORDS and not asked.shorter]
    copied = sum(folded(text) == folded(said) for text, said in told)
    return f"is not translated into {language.name}" if told and copied > _COPIED * len(told) else None


def _without(text: str, words: Iterable[str]) -> Iterator[str]:
    for word in words:
        text = text.replace(word, " ")
    return iter(text)


def fingerprint(asked: Translation, account_id: str | None) -> str:
    """The same texts into the same language by the same rules are one purchase of one account."""
    lines = [(line.text, line.most) for line in asked.lines]
    owner = (account_id,) if account_id else ()
    kind = "shortening" if asked.shorter else "translation"
    return digest(kind, asked.language, lines, asked.keep, asked.banned, *owner)


def no_film(language: str) -> str:
    """How that begins."""
    return f"There is no film in {named(language)}"


def lost(language: str, why: str) -> str:
    """Said of a language whose films are not made."""
    return f"{no_film(language)}: {why} The films in the other languages are made without it."

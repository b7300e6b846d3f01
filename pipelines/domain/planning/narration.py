"""What a narrator says over a scene: how much of it fits, in which language it is, and which lines are one purchase."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines.domain.footage import Word
from pipelines.domain.keys import digest
from pipelines.domain.orders.order import MAX_LINE

BEFORE_S, AFTER_S = 0.3, 0.2
"""Nothing is said so close to the ends of a clip."""
WORDS_PER_S, CJK_PER_S = 2.3, 4.5
"""A calm narrator; Chinese, Japanese and Korean are counted by their signs."""
QUICK_LETTERS_PER_S = 17.0
"""How fast voices speak when nobody slows them; measured, without pauses."""
WORD_LETTERS, DIGIT_LETTERS, CJK_LETTERS = 1.2, 4.0, 3.2
"""As long as so many letters take: the end of a word, a digit, a sign of Chinese, Japanese or Korean."""
FASTEST = 1.15
"""A line may be spoken so much faster before anybody hears it."""

UNSAID = "en"
"""The language of a line of which nobody says it. A service that reads many finds out by itself."""

_CJK = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = frozenset(
    [
        *("the", "a", "an", "and", "of", "to", "in", "is", "are", "it", "you", "your", "we", "our", "for", "with"),
        *("on", "that", "this", "be", "not", "all", "can", "from", "at", "by", "as", "have", "has", "will", "so"),
    ]
)
_OTHERS = frozenset(
    [
        *("der", "die", "das", "und", "ist", "nicht", "ein", "eine", "mit", "für", "auf", "wir", "sie", "ihr", "im"),
        *("le", "les", "la", "des", "une", "et", "est", "pas", "pour", "avec", "dans", "vous", "nous", "du", "au"),
        *("el", "los", "las", "una", "y", "es", "que", "por", "para", "con", "del", "su", "il", "lo", "gli", "della"),
        *("di", "che", "per", "un", "sono", "não", "uma", "os", "com", "em", "het", "een", "van", "en", "niet", "voor"),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line as it is bought from a voice."""

    text: str = ""
    voice: str = ""
    language: str = UNSAID


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a voice tells of a line beside its sound: when each word is said, and the tokens that it used."""

    words: tuple[Word, ...] = ()
    text_tokens: int = 0
    audio_tokens: int = 0


def spoken(narration: str | None, caption: str | None) -> str | None:
    """What is said over a scene: its narration, else its caption; None where there is nothing to say."""
    for words in (narration, caption):
        said = " ".join((words or "").split())[:MAX_LINE].strip()
        if _WORD.search(said) or any(char.isdigit() for char in said):
            return said
    return None


def room_s(seconds: float, fade_s: float = 0.0) -> float:
    """The seconds of a clip in which something may be said; transitions take `fade_s` of both its ends."""
    return max(0.0, seconds - BEFORE_S - AFTER_S - 2 * fade_s)


def most_words(seconds: float) -> int:
    """So many words fit into a clip at a calm pace."""
    return max(1, int(room_s(seconds) * WORDS_PER_S))


def most_characters(seconds: float) -> int:
    """So many characters a narration may have that is still to be written, generously."""
    return min(MAX_LINE, 12 * most_words(seconds))


def estimated_s(text: str) -> float:
    """How many seconds a voice takes to say a text, hardly ever less: pauses are not counted."""
    signs, rest = len(_CJK.findall(text)), _CJK.sub(" ", text)
    letters = sum(char.isalpha() for char in rest) + DIGIT_LETTERS * sum(char.isdigit() for char in rest)
    return (letters + WORD_LETTERS * len(rest.split()) + CJK_LETTERS * signs) / QUICK_LETTERS_PER_S


def is_cjk(text: str) -> bool:
    """Whether a text is counted by its signs."""
    return 2 * len(_CJK.findall(text)) > len(text)


def is_too_long(seconds: float, room: float) -> bool:
    """Whether a sound does not fit even a little faster."""
    return seconds > room * FASTEST


def too_long(scene: str, seconds: float) -> str:
    """Said of a line that had to end early."""
    return (
        f"Scene {scene}: what is said is too long for its clip and ends early. About {most_words(seconds)} words fit; "
        "shorten its Narration and start again: the clip is kept."
    )


def is_english(text: str) -> bool:
    """Whether an English voice can say it: a language is never read in the voice of another."""
    words = [word.casefold() for word in _WORD.findall(text)]
    if any(not char.isascii() and not "\u00c0" <= char <= "\u024f" for word in words for char in word):
        return False
    english, other = (sum(word in known for word in words) for known in (_ENGLISH, _OTHERS))
    accented = sum(not word.isascii() for word in words)
    return other + accented <= english or other + accented == 0


def fingerprint(line: Line, account_id: str | None) -> str:
    """The same line by the same voice is one purchase of one account."""
    return digest("speech", line.voice, line.language, line.text, *((account_id,) if account_id else ()))

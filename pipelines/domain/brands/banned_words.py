"""Words that a brand does not want to be said, found however they are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_SEPARATORS = re.compile(r"[,;\n]")
_ALIKE = str.maketrans(dict.fromkeys("‘’ʼ`´", "'") | dict.fromkeys("‐‑‒–—−", "-"))
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts, by how Unicode names their letters, that set no space between words."""
_LETTERS = "LMN"


def listed_words(text: str | None) -> tuple[str, ...]:
    """The words of a list as people write it: separated by commas, semicolons or lines; a phrase is one of them."""
    words = (" ".join(word.split()) for word in _SEPARATORS.split(text or ""))
    return tuple(dict.fromkeys(word for word in words if folded(word)))


def folded(text: str) -> str:
    """The text as it is compared: compatibility forms, case, width and hidden characters make no difference."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.replace("\xad", "")).casefold())
    shown = "".join(char for char in plain.translate(_ALIKE) if unicodedata.category(char) != "Cf")
    return " ".join(shown.split())


def banned_in(text: str | None, banned: Iterable[str]) -> str | None:
    """The first of the banned words that the text has, as the brand spells it; None when it has none. A word within a
    longer one is another word, where words are set apart at all.
    """
    said = folded(text or "")
    return next((word for word in banned if said and _has(said, folded(word))), None)


def _has(said: str, word: str) -> bool:
    at = said.find(word)
    while at >= 0:
        before, after = said[at - 1 : at] if at else "", said[at + len(word) : at + len(word) + 1]
        if _apart(before, word[0]) and _apart(word[-1], after):
            return True
        at = said.find(word, at + 1)
    return False


def _apart(left: str, right: str) -> bool:
    """Whether a word may end between two characters."""
    if not left or not right:
        return True
    if _unspaced(left) and unicodedata.category(right)[0] != "M":
        return True
    if _unspaced(right):
        return unicodedata.category(right)[0] != "M"
    return not (_in_word(left) and _in_word(right))


def _in_word(char: str) -> bool:
    return char == "_" or unicodedata.category(char)[0] in _LETTERS


def _unspaced(char: str) -> bool:
    return unicodedata.name(char, "").startswith(_UNSPACED)

"""What the Unicode data says of characters: which belong together, which are pictures, which are never drawn.

A character is a picture of its own accord where Unicode makes it wide and a symbol: emoji presentation implies a wide
character (Unicode Standard Annex 11, ED4), and wide letters are no symbols.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

ZWJ, ZWNJ = "\u200d", "\u200c"
_SELECTORS = ("VARIATION SELECTOR", "MONGOLIAN FREE VARIATION", "COMBINING GRAPHEME JOINER")
_FILLERS = ("HANGUL FILLER", "HALFWIDTH HANGUL FILLER", "HANGUL CHOSEONG FILLER", "HANGUL JUNGSEONG FILLER")
_STEERING = ("LEFT-TO-RIGHT MARK", "RIGHT-TO-LEFT MARK", "ARABIC LETTER MARK")
_SHOWN_FORMATS = frozenset({"AN", "AL", "ON"})
"""Directions of the format characters that have a look of their own: signs before Arabic numbers, annotations."""


@lru_cache(maxsize=8192)
def is_ignorable(char: str) -> bool:
    """Whether a character is never drawn: selectors, joiners, tags, marks of direction."""
    name = unicodedata.name(char, "")
    if name.startswith(_SELECTORS) or name in _FILLERS or name in _STEERING:
        return True
    return unicodedata.category(char) == "Cf" and unicodedata.bidirectional(char) not in _SHOWN_FORMATS


def is_flag_letter(char: str) -> bool:
    """Whether two of it make a flag."""
    return unicodedata.name(char, "").startswith("REGIONAL INDICATOR SYMBOL")


def is_emoji(char: str) -> bool:
    """Whether a character is by itself a picture rather than a letter."""
    wide = unicodedata.east_asian_width(char) == "W" and unicodedata.category(char) in {"So", "Sk"}
    return wide or is_flag_letter(char)


def is_picture(cluster: str) -> bool:
    """Whether a cluster is meant as a picture: by its first character, or by a selector or a keycap on it."""
    text_wanted = "\ufe0e" in cluster
    return not text_wanted and (is_emoji(cluster[0]) or "\ufe0f" in cluster or "\u20e3" in cluster)


def _extends(previous: str, char: str) -> bool:
    flag = is_flag_letter(char) and len(previous) == 1 and is_flag_letter(previous)
    tone = unicodedata.category(char) == "Sk" and is_emoji(char)
    mark = unicodedata.category(char).startswith("M") or is_ignorable(char)
    return flag or tone or mark or previous.endswith(ZWJ)


def clusters(text: str) -> list[str]:
    """Characters with the marks, joiners and modifiers that belong to them: what must not be torn apart."""
    found: list[str] = []
    for char in text:
        if found and _extends(found[-1], char):
            found[-1] += char
        else:
            found.append(char)
    return found

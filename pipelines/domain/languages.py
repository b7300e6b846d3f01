"""The languages that films are made in: those whose letters we can set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Language(NamedTuple):
    """A language of films: its name, its ISO 639-2/T code as players read it, and how Unicode names its letters."""

    name: str
    iso: str
    scripts: tuple[str, ...] = ("LATIN",)


_CYRILLIC, _ARABIC, _HAN = ("CYRILLIC",), ("ARABIC",), ("CJK",)
LANGUAGES: Mapping[str, Language] = {
    "en": Language("English", "eng"),
    "en-GB": Language("British English", "eng"),
    "de": Language("German", "deu"),
    "fr": Language("French", "fra"),
    "fr-CA": Language("Canadian French", "fra"),
    "es": Language("Spanish", "spa"),
    "es-MX": Language("Mexican Spanish", "spa"),
    "it": Language("Italian", "ita"),
    "pt": Language("Portuguese", "por"),
    "pt-BR": Language("Brazilian Portuguese", "por"),
    "nl": Language("Dutch", "nld"),
    "da": Language("Danish", "dan"),
    "sv": Language("Swedish", "swe"),
    "nb": Language("Norwegian", "nob"),
    "fi": Language("Finnish", "fin"),
    "is": Language("Icelandic", "isl"),
    "pl": Language("Polish", "pol"),
    "cs": Language("Czech", "ces"),
    "sk": Language("Slovak", "slk"),
    "sl": Language("Slovenian", "slv"),
    "hr": Language("Croatian", "hrv"),
    "hu": Language("Hungarian", "hun"),
    "ro": Language("Romanian", "ron"),
    "et": Language("Estonian", "est"),
    "lv": Language("Latvian", "lav"),
    "lt": Language("Lithuanian", "lit"),
    "tr": Language("Turkish", "tur"),
    "id": Language("Indonesian", "ind"),
    "ms": Language("Malay", "msa"),
    "vi": Language("Vietnamese", "vie"),
    "ca": Language("Catalan", "cat"),
    "bg": Language("Bulgarian", "bul", _CYRILLIC),
    "uk": Language("Ukrainian", "ukr", _CYRILLIC),
    "ru": Language("Russian", "rus", _CYRILLIC),
    "el": Language("Greek", "ell", ("GREEK",)),
    "ar": Language("Arabic", "ara", _ARABIC),
    "fa": Language("Persian", "fas", _ARABIC),
    "ur": Language("Urdu", "urd", _ARABIC),
    "he": Language("Hebrew", "heb", ("HEBREW",)),
    "hi": Language("Hindi", "hin", ("DEVANAGARI",)),
    "ja": Language("Japanese", "jpn", ("HIRAGANA", "KATAKANA", "CJK")),
    "ko": Language("Korean", "kor", ("HANGUL",)),
    "zh-Hans": Language("Simplified Chinese", "zho", _HAN),
    "zh-Hant": Language("Traditional Chinese", "zho", _HAN),
}
"""By BCP 47 tag."""


def named(tag: str) -> str:
    """A language in a sentence: `German (de)`."""
    return f"{LANGUAGES[tag].name} ({tag})" if tag in LANGUAGES else tag


def tag_in(text: str) -> str:
    """`de`, `pt_br`, `German` and `German (de)` as the small letters of a tag; what is none of these as it is."""
    word = text.strip().casefold().replace("_", "-")
    by_name = {language.name.casefold(): tag.casefold() for tag, language in LANGUAGES.items()}
    named_so = word.partition("(")[0].strip()
    return by_name.get(named_so, word)

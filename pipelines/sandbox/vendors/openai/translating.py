"""The sandbox's translator: sentences of other languages, as long as asked, with the numbers and names that stay; and
a line that takes too long to be said, in its first words.

No line says what it translates; each is the same for the same text.

In the title of the film `[[wrong-translation]]` answers with the lines as they are, for one language where it is named,
as `[[wrong-translation:de]]`, and `[[wrong-shortening]]` with the line that was to become shorter.
"""

from __future__ import annotations

import hashlib
import re

from pipelines.sandbox.vendors.kernel import magic

_LANGUAGE = re.compile(r"^Language: .*\(([\w-]+)\)$", re.MULTILINE)
_SPOKEN = re.compile(r"^Spoken in: ", re.MULTILINE)
_KEEP = re.compile(r"^Keep: (.+)$", re.MULTILINE)
_LINE = re.compile(r"^\d+\. \(at most (\d+) characters\) (.*)$", re.MULTILINE)
_NUMBER = re.compile(r"[$€£]?\d+(?:[.,]\d+)*%?")
_WORDS = {
    "en": "now the day begins and light falls softly on everything we love",
    "de": "jetzt beginnt der Tag und das Licht fällt sanft auf alles was wir lieben",
    "fr": "le jour se lève et la lumière tombe doucement sur tout ce que nous aimons",
    "es": "empieza el día y la luz cae suave sobre todo lo que queremos",
    "it": "comincia il giorno e la luce scende piano su tutto ciò che amiamo",
    "pt": "o dia começa e a luz cai suave sobre tudo o que amamos",
    "nl": "de dag begint en het licht valt zacht op alles waar we van houden",
    "ru": "начинается день и свет мягко ложится на всё что мы любим",
    "uk": "починається день і світло м'яко лягає на все що ми любимо",
    "bg": "денят започва и светлината пада меко върху всичко което обичаме",
    "el": "η μέρα ξεκινά και το φως πέφτει απαλά σε ό,τι αγαπάμε",
    "ar": "يبدأ النهار ويسقط الضوء برفق على كل ما نحب",
    "fa": "روز آغاز می‌شود و نور آرام بر هر چه دوست داریم می‌تابد",
    "ur": "دن شروع ہوتا ہے اور روشنی ہر پیاری چیز پر پڑتی ہے",
    "he": "היום מתחיל והאור נופל ברכות על כל מה שאנחנו אוהבים",
    "hi": "दिन शुरू होता है और रोशनी हर प्यारी चीज़ पर पड़ती है",
    "ja": "朝が来て 光が やさしく 街を 包みます",
    "ko": "하루가 시작되고 빛이 우리가 사랑하는 모든 것에 내려앉습니다",
    "zh": "一天 开始了 阳光 轻轻 落在 我们 所爱 的 一切 上",
}
_ANOTHER = _WORDS["pt"]
"""Of a language that it does not know: anything but English."""


def translate(asked: str) -> tuple[str, ...]:
    """The lines of a request in its language, or shorter; none where nothing of both is asked."""
    tag, keep = _LANGUAGE.search(asked), []
    if found := _KEEP.search(asked):
        keep = [word.strip() for word in found[1].split(",")]
    if translates(asked, "wrong-translation") or shortens(asked, "wrong-shortening"):
        return tuple(text for _, text in _LINE.findall(asked))
    if _SPOKEN.search(asked):
        return tuple(_line(text, text.split(), keep, int(most), 0) for most, text in _LINE.findall(asked))
    if tag is None:
        return ()
    words = _WORDS.get(tag[1], _WORDS.get(tag[1].partition("-")[0], _ANOTHER)).split()
    return tuple(_line(text, words, keep, int(most), _start(text, words)) for most, text in _LINE.findall(asked))


def _start(text: str, words: list[str]) -> int:
    return hashlib.sha256(text.encode()).digest()[0] % len(words)


def shortens(asked: str, word: str) -> bool:
    """Whether a request is for a line that takes less time to be said, and says this magic word."""
    return _SPOKEN.search(asked) is not None and word in magic.words(asked)


def translates(asked: str, word: str) -> bool:
    """Whether a request is for a translation and says this magic word, to all languages or to its own."""
    tag = _LANGUAGE.search(asked)
    return tag is not None and magic.said(asked, word, tag[1].partition("-")[0])


def _line(text: str, words: list[str], keep: list[str], most: int, start: int) -> str:
    kept = [*(word for word in keep if word.casefold() in text.casefold()), *_NUMBER.findall(text)]
    said = [*words[start:], *words[:start]][: max(1, min(len(text.split()), len(words)))]
    while said and len(" ".join([*said, *kept])) > most:
        said.pop()
    line = " ".join([*said, *kept])
    return line[:1].upper() + line[1:]

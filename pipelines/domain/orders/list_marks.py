"""Marks of a list, and what only looks like one: the single rule for every text that holds scenes.

A mark stands at the very start of a line, and what follows it is kept byte for byte. "24. Dezember", "16:9",
"INT. HOUSE – NIGHT" or "- 5 °C outside" begin with no mark: where a number could be part of the sentence, the lines
together must look like a list before it is taken away. A wrong guess changes what is bought, so doubt keeps the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SCENE_WORDS = (
    "scene|shot|szene|einstellung|escena|toma|scène|cena|scena|inquadratura|сцена|кадр"
    "|场景|場景|镜头|鏡頭|シーン|カット|장면"
)
"""Words that name nothing but a scene; with a number and a colon they are a mark even alone."""
_OTHER_WORDS = (
    "scenes|shots|clip|take|bild|plan|plano|план|frame|step|part|beat|panel|segment|schritt|teil|paso|étape|passo|шаг"
)
"""Words that also name other things ("Plan 9", "Take 5"): a mark only among others like it."""
_MONTHS = (
    "january february march april may june july august september october november december "
    "januar jänner jan februar feb feber märz mär april apr mai juni jun juli jul august aug september sept sep "
    "oktober okt november nov dezember dez "
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre "
    "janvier février mars avril juin juillet août septembre octobre novembre décembre "
    "janeiro fevereiro março maio junho julho setembro outubro novembro dezembro "
    "gennaio febbraio aprile maggio giugno luglio settembre ottobre novembre dicembre "
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря "
    "januari februari maart mei augustus marts maj desember tammikuuta joulukuuta ledna prosince stycznia grudnia"
)
_COUNTED = (
    "advent adventssonntag weihnachtstag weihnachtsfeiertag feiertag etage stock stockwerk obergeschoss untergeschoss "
    "og ug liga bundesliga klasse gang runde akt halbzeit viertel minute platz rang preis geburtstag hochzeitstag "
    "jahrestag jubiläum jahrhundert jh jahrtausend weltkrieg fc tag woche monat quartal semester stunde reihe spieltag "
    "stufe generation person mann mal kapitel staffel folge sinfonie symphonie internationale internationaler"
)
_ORDINAL_NOUNS = frozenset(f"{_MONTHS} {_COUNTED}".split())
"""What follows a number and a full stop where these are an ordinal: "24. Dezember", "1. Advent"."""

_ROMAN = {word: at for at, word in enumerate(("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"), start=1)}
_BULLET = re.compile(r"(?P<bullet>[•▪◦‣●○■□◆◇➤►⁃∙·☐☑✓✔*+–—-])(?:\s+\[[ xX✓]?\])?(?:\s+|$)")
_OPENING = re.compile(r"(?:#{1,6}\s+)?(?P<bold>\*\*|__)?(?=\S)")
_LABEL = re.compile(
    rf"(?P<word>{SCENE_WORDS}|{_OTHER_WORDS})\s*(?:\#|№|n[or]\.?\s|n[º°])?\s*"
    r"(?:(?P<number>\d{1,3})(?:\s*(?:of|/|von|de|sur|di|из)\s*\d{1,3})?|(?P<roman>[ivx]{1,4})(?=\s*[:：]))"
    r"(?P<end>\s*(?:[:：]|[.)–—-]+(?=[\s*_]|$))|(?=(?:\*\*|__)?\s*$))",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?P<open>[(\[])?(?:(?P<number>\d{1,2})(?P<keycap>\ufe0f?\u20e3)?|(?P<circled>[①-⑳])|(?P<roman>[ivx]{1,4})(?=[.)])"
    r"|(?P<letter>[a-h])(?=\)))(?P<end>[.:]?\)|\.-|[\].:/、．]|\s+[–—-](?=\s)|)"
    r"(?:\s+|$|(?<=[、．])|(?<=[.)])(?=[^\W\d_]))",
    re.IGNORECASE,
)
_HASH = re.compile(r"\#(?P<number>\d{1,2})[.:)]?\s+")
_CLOCK = r"(?:\d{1,2}:)?\d{1,2}:\d{2}"
_TIME = re.compile(
    rf"(?P<open>[(\[])?(?P<start>{_CLOCK}|\d{{1,3}}(?=\s*(?:s|sec)?\s*[–—-]\s*\d{{1,3}}\s*s))(?:\s*s(?:ec)?)?"
    rf"(?:\s*[–—-]\s*(?:{_CLOCK}|\d{{1,3}}\s*s(?:ec(?:onds)?)?\b))?[)\]]?\s*[:.–—-]*(?:\s+|$)",
    re.IGNORECASE,
)
_RULE = re.compile(r"(?:[-*_=~–—]\s*){3,}")
_AMOUNT = re.compile(r"(?!\d{1,2}[.)]\s)\d")
_DEGREES = re.compile(r"[\d.,]+\s*(?:°|grad\b|degrees?\b|db\b|%)", re.IGNORECASE)
_LINE_ENDS = re.compile(r"\r\n|[\n\r\u2028\u2029]")
_INLINE_LABEL = re.compile(
    rf"(?<![\w(\[])(?:{SCENE_WORDS}|{_OTHER_WORDS})\s*\#?\s*(\d{{1,3}})\s*[:.)–—-]+(?=\s)", re.IGNORECASE
)
_INLINE_DOT = re.compile(r"(?<!\S)(\d{1,2})\.(?=\s)")
_INLINE_BRACKET = re.compile(r"(?<!\S)\(?(\d{1,2})\)(?=\s)")
_ENDED = re.compile(r"(?:^|[\n:;.!?…。！？][\"'”’»)\]]*)[^\S\n]*\Z")
_ENOUGH = 2
"""Fewer lines than this are no list."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its mark. `marked` says whether there was one; its text is empty where nothing follows it."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class _Mark:
    """What may be the mark of a line: `rest` follows it. `certain` ones count without others beside them."""

    kind: str
    value: int
    rest: str
    certain: bool = False


def lines_of(text: str) -> list[str]:
    """The lines as people see them: control characters inside of a line do not end it."""
    return _LINE_ENDS.split(text)


def scene_lines(text: str) -> list[str]:
    """One scene a line, without the marks of the list; empty lines and ruled ones are none."""
    return [line.text for line in read_list(lines_of(text)) if line.text and not _RULE.fullmatch(line.text)]


def unnumbered(prompts: Sequence[str]) -> list[str]:
    """Whole prompts of several lines each, without the numbers that somebody put before all of them."""
    parts = [_LINE_ENDS.split(prompt.strip(), maxsplit=1) for prompt in prompts]
    found = read_list([part[0] for part in parts])
    if not all(line.marked for line in found):
        return list(prompts)
    texts = [
        "\n".join(part for part in (line.text, *rest) if part) for line, (_, *rest) in zip(found, parts, strict=True)
    ]
    return [text.strip() or prompt for text, prompt in zip(texts, prompts, strict=True)]


def read_list(lines: Sequence[str]) -> list[Line]:
    """Every line with the mark told from the text. Space around a line is no part of it."""
    stripped = [line.strip() for line in lines]
    inner, bullets = _without_bullets(stripped)
    marks = [_mark_of(text) for text in inner]
    taken = _taken(marks, [bool(text) for text in stripped])
    return [
        Line(mark.rest.strip(), marked=True) if mark and index in taken else Line(text, marked=bullet)
        for index, (mark, text, bullet) in enumerate(zip(marks, inner, bullets, strict=True))
    ]


def open_paragraphs(text: str) -> str:
    """A list that stands in one paragraph, one item a line. Marks stand where a line or a sentence begins."""
    for pattern, must_begin in ((_INLINE_LABEL, True), (_INLINE_DOT, True), (_INLINE_BRACKET, False)):
        starts = _inline(text, pattern, every=must_begin)
        for start in reversed(starts):
            text = f"{text[:start].rstrip(' ')}\n{text[start:]}"
    return text


def begins_counted(text: str) -> bool:
    """Whether this begins with what a number and a full stop count: the month of a date, a storey, a league."""
    word = re.match(r"\s*([^\W\d_]+)", text)
    return word is not None and word[1].casefold() in _ORDINAL_NOUNS


def _inline(text: str, pattern: re.Pattern[str], *, every: bool) -> list[int]:
    """Where the items of a list begin, if they are counted without a gap; `every`: each of them begins a sentence."""
    found = [match for match in pattern.finditer(text) if not every or _begins(text, match.start())]
    numbers = [int(match[1]) for match in found]
    counted = len(found) >= _ENOUGH and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    if not counted or numbers[0] > 1 or not _begins(text, found[0].start()):
        return []
    return [match.start() for match in found if not _at_line_start(text, match.start())]


def _begins(text: str, at: int) -> bool:
    return _ENDED.search(text[max(0, at - 40) : at]) is not None if at else True


def _at_line_start(text: str, at: int) -> bool:
    return not text[text.rfind("\n", 0, at) + 1 : at].strip()


def _without_bullets(lines: Sequence[str]) -> tuple[list[str], list[bool]]:
    found = [None if _RULE.fullmatch(line) else _BULLET.match(line) for line in lines]
    marks = [(match["bullet"], match.string[match.end() :]) if match else None for match in found]
    alike = Counter(mark[0] for mark in marks if mark)
    before_words = Counter(mark[0] for mark in marks if mark and not _AMOUNT.match(mark[1]))
    kept = [mark is not None and _is_bullet(*mark, alike, before_words) for mark in marks]
    texts = [mark[1] if mark and keep else line for mark, keep, line in zip(marks, kept, lines, strict=True)]
    return texts, kept


def _is_bullet(bullet: str, rest: str, alike: Counter[str], before_words: Counter[str]) -> bool:
    """A hyphen before a number may be a minus, and a longer dash opens what somebody says."""
    if bullet in "-+–—" and _AMOUNT.match(rest):
        return not _DEGREES.match(rest) and before_words[bullet] > 0
    return bullet not in "–—+" or alike[bullet] >= _ENOUGH


def _mark_of(text: str) -> _Mark | None:
    opening = _OPENING.match(text)
    bold = opening["bold"] if opening else None
    head = opening.end() if opening else 0
    for reader in (_label, _hash, _time, _number):
        if (mark := reader(text[head:])) is not None:
            rest = _unbold(mark.rest, bold) if bold else mark.rest
            return _Mark(mark.kind, mark.value, rest, mark.certain)
    return None


def _unbold(rest: str, bold: str) -> str:
    """The closing half of what was opened before the mark goes with it."""
    return rest.replace(bold, "", 1)


def _label(text: str) -> _Mark | None:
    found = _LABEL.match(text)
    if found is None or not (value := _value(found["number"] or found["roman"])):
        return None
    certain = bool(found["end"].strip()) and re.fullmatch(SCENE_WORDS, found["word"], re.IGNORECASE) is not None
    return _Mark("label", value, text[found.end() :], certain)


def _hash(text: str) -> _Mark | None:
    found = _HASH.match(text)
    return _Mark("number", int(found["number"]), text[found.end() :]) if found else None


def _time(text: str) -> _Mark | None:
    found = _TIME.match(text)
    if found is None:
        return None
    parts = [int(part) for part in found["start"].split(":")]
    seconds = sum(part * 60**power for power, part in enumerate(reversed(parts)))
    return _Mark("time", seconds, text[found.end() :])


def _number(text: str) -> _Mark | None:
    found = _NUMBER.match(text)
    if found is None or not (found["end"] or found["keycap"] or found["circled"]):
        return None
    if (found["open"] == "[") != (found["end"] == "]") or (found["open"] == "(" and not found["end"].endswith(")")):
        return None
    rest = text[found.end() :]
    if found["end"] == "." and re.match(r"\d{1,2}\.", rest):
        return None
    if found["circled"]:
        return _Mark("number", int(unicodedata.numeric(found["circled"])), rest)
    if found["letter"]:
        return _Mark("letter", ord(found["letter"].casefold()) - ord("a") + 1, rest)
    if found["roman"]:
        value = _value(found["roman"])
        return _Mark("roman", value, rest) if value else None
    kind = "ordinal" if found["end"] == "." and begins_counted(rest) else "number"
    return _Mark(kind, int(found["number"]), rest, certain=found["end"].endswith(")") and not found[0].endswith(")"))


def _value(text: str) -> int:
    return int(text) if text.isdecimal() else _ROMAN.get(text.casefold(), 0)


def _taken(marks: Sequence[_Mark | None], filled: Sequence[bool]) -> set[int]:
    """Which lines' marks are marks."""
    found = [(index, mark) for index, mark in enumerate(marks) if mark is not None]
    places = dict(zip((index for index, full in enumerate(filled) if full), _count_from(1), strict=False))
    numbered = [(index, mark) for index, mark in found if mark.kind in {"label", "number", "ordinal"}]
    taken = {index for index, mark in numbered if mark.certain}
    if not _is_about_dates([mark for _, mark in numbered]):
        taken |= _counted(numbered, places)
    taken |= _counted([pair for pair in found if pair[1].kind == "letter"], {})
    taken |= _counted([pair for pair in found if pair[1].kind == "roman"], {})
    return taken | _timeline([pair for pair in found if pair[1].kind == "time"])


def _count_from(start: int) -> Iterator[int]:
    while True:
        yield start
        start += 1


def _is_about_dates(marks: Sequence[_Mark]) -> bool:
    ordinals = sum(mark.kind == "ordinal" for mark in marks)
    return ordinals * 2 > sum(not mark.certain for mark in marks)


def _counted(numbered: Sequence[tuple[int, _Mark]], places: dict[int, int]) -> set[int]:
    """The lines whose numbers follow one another, or tell the line's own place among the lines."""
    values = [mark.value for _, mark in numbered]
    supported = set()
    for at, (index, mark) in enumerate(numbered):
        before, after = values[at - 1] if at else None, values[at + 1] if at + 1 < len(values) else None
        repeats = mark.kind == "number" and mark.value == 1 and 1 in (before, after)
        if mark.value == places.get(index) or before == mark.value - 1 or after == mark.value + 1 or repeats:
            supported.add(index)
    return supported if len(supported) >= _ENOUGH else set()


def _timeline(timed: Sequence[tuple[int, _Mark]]) -> set[int]:
    """Times that start at nought and go on are a shot list; others are times of the day."""
    values = [mark.value for _, mark in timed]
    if len(values) < _ENOUGH or values[0] != 0 or values != sorted(values):
        return set()
    return {index for index, _ in timed}

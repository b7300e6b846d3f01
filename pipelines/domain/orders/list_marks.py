"""Marks of a list, and what only looks like one: the single rule for every text that holds scenes.

A mark stands at the very start of a line, and what follows it is kept byte for byte. "24. Dezember", "16:9",
"INT. HOUSE – NIGHT" or "- 5 °C outside" begin with no mark: where a number could be part of the sentence, the lines
together must look like a list before it is taken away. A wrong guess changes what is bought, so doubt keeps the text.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SCENE_WORDS = (
    "scene|shot|szene|einstellung|escena|toma|scène|cena|scena|inquadratura|сцена|кадр"
    "|scen|scéna|záběr|ujęcie|sahne|kohtaus|jelenet|cảnh|adegan|σκηνή|(?:ال)?مشهد|لقطة|סצנה|दृश्य|सीन|ฉาก"
    "|场景|場景|镜头|鏡頭|シーン|カット|장면"
)
"""Words that name nothing but a scene; with a number and a colon they are a mark even alone."""
_OTHER_WORDS = (
    "scenes|shots|clip|take|bild|plan|plano|план|frame|step|part|beat|panel|segment|schritt|teil|paso|étape|passo|шаг"
    r"|prompt|video|slide|folie|image|sc\.|sz\.|no\.|nr\."
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
    "januari februari maart mei augustus marts maj oktober desember "
    "tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta syyskuuta lokakuuta "
    "marraskuuta joulukuuta "
    "ledna února března dubna května června července srpna září října listopadu prosince "
    "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia "
    "januára februára apríla mája júna júla augusta septembra októbra novembra decembra "
    "január február március április május június július augusztus szeptember október november december "
    "siječnja veljače ožujka travnja svibnja lipnja srpnja kolovoza rujna studenog studenoga prosinca "
    "januarja februarja aprila maja junija julija avgusta oktobra"
)
_COUNTED = (
    "advent adventssonntag weihnachtstag weihnachtsfeiertag feiertag etage stock stockwerk obergeschoss untergeschoss "
    "og ug liga bundesliga klasse gang runde akt halbzeit viertel minute platz rang preis geburtstag hochzeitstag "
    "jahrestag jubiläum jahrhundert jh jahrtausend weltkrieg fc tag woche monat quartal semester stunde reihe spieltag "
    "stufe generation person mann mal kapitel staffel folge sinfonie symphonie internationale internationaler "
    "avenue straße strasse allee reihe bezirk ring juledag dag søndag påskedag pinsedag påskdag plass plats sal"
)
_ORDINAL_NOUNS = frozenset(f"{_MONTHS} {_COUNTED}".split())
"""What follows a number and a full stop where these are an ordinal: "24. Dezember", "1. Advent"."""

_ROMAN = {word: at for at, word in enumerate(("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"), start=1)}
_INVISIBLE = "\ufeff\u200b\u2060\u200e\u200f\u00ad"
"""What copying leaves at the start of a line, unseen."""
_TEN = "🔟"
"""The keycap of ten is one sign; those below it are a digit and two more."""
_ARTICLE = re.compile(
    r"(?:an?|the|eine?n?|der|die|das|une?|le|la|les|el|los|las|una|uno|uma?|il|lo|gli|our|his|her)(?=\s)", re.IGNORECASE
)
"""What never follows an ordinal, so that the number before it is a mark."""
_GERMAN = re.compile(r"\b(?:der|die|das|und|im|am|auf|mit|von|vom|beim|zum|zur)\b")
"""Words of a language in which a number with a full stop can begin a sentence: "1. Kuss im Regen"."""
_OFFICE_BULLETS = "\uf0b7\uf0a7\uf0d8\uf076\uf0fc"
"""Bullets of the fonts Symbol and Wingdings, as Word copies them."""
_BULLET = re.compile(
    rf"(?P<bullet>o(?=\t)|[•▪◦‣●○■□◆◇➤►⁃∙·☐☑✓✔{_OFFICE_BULLETS}]"
    r"|\\?[*+-]|[–—→➔➜➢❖▶✅👉›>~](?!\s*[<\d]))\ufe0f?(?:\s+\[[ xX✓]?\])?"
    rf"(?:\s+|$|(?<=[•▪‣⁃{_OFFICE_BULLETS}])|(?P<tight>(?<=-)(?=[^\W\d_])))"
)
_SPEAKS = frozenset("–—+→➔➜➢❖▶✅👉›>~")
"""Bullets that also open a sentence: a mark only where two lines begin alike."""
_OPENING = re.compile(r"(?:#{1,6}\s+)?(?P<bold>\*\*\*|\*\*|__|\*|_)?(?=\S)")
_NUMBER_WORDS = {
    word: at
    for at, word in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], start=1)
} | {word: at for at, word in enumerate("一二三四五六七八九十", start=1)}
_WORDS = "|".join(_NUMBER_WORDS)
_WHEN = r"[(\[（]\s*[\d:.,–—\s-]+(?:s|sec|secs|seconds?|sek\w*|min\w*|秒)?\s*[)\]）](?=\s*[:：.–—|-])"
"""How long, or from when until when, a scene lasts: told between its number and what is seen."""
_LABEL = re.compile(
    rf"(?P<word>{SCENE_WORDS}|{_OTHER_WORDS})\s*(?:\#|№|n[or]\.?\s|n[º°])?\s*"
    rf"(?:(?P<number>\d{{1,3}})(?:[a-d](?=\s*[:：]))?(?:\s*(?:of|/|von|de|sur|di|из)\s*\d{{1,3}})?(?:\s*{_WHEN})?"
    rf"|(?P<roman>[ivx]{{1,4}}|{_WORDS})(?=\s*[:：]))"
    r"(?P<end>\s*(?:[:：]|[.)–—-]+(?=[\s*_]|$)|[|;=>→](?=\s))|\t|(?=(?:\*\*|__)?\s*$))",
    re.IGNORECASE,
)
_BARE_LABEL = re.compile(rf"(?:{SCENE_WORDS})\s*\#?\s*(?P<number>\d{{1,3}})\s+(?=[^\W\d_])", re.IGNORECASE)
"""A scene's word and number with nothing behind them but what is seen: a mark only before a capital."""
_BRACKETED = re.compile(
    rf"[(\[（【]\s*(?:{SCENE_WORDS}|{_OTHER_WORDS})\s*\#?\s*(?P<number>\d{{1,3}})\s*[)\]）】]\s*[:：.–—-]*(?:\s+|$)",
    re.IGNORECASE,
)
_ACT = re.compile(
    r"第\s*(?P<number>\d{1,3}|[一二三四五六七八九十])\s*(?:幕|场|場|镜|鏡|个?镜头|カット|シーン)(?P<end>\s*[:：、.]|\s+|$)",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?P<open>[(\[（])?(?:(?P<number>\d{1,2})(?:/\d{1,2}(?=\]))?(?P<keycap>\ufe0f?\u20e3)?|(?P<circled>[①-⒛❶-➓])"
    r"|(?P<roman>[ivx]{1,4})(?=[.)])|(?P<letter>[a-h])(?=\)))"
    r"(?P<end>[.:]?[)）]|\\?\.-?|[\]:;/、．]|\s+[–—|·-](?=\s)|-(?=\s)|(?=\t)|)"
    r"(?:\s+|$|(?<=[、．）①-⒛❶-➓])|(?<=[.)])(?=[^\W\d_]))",
    re.IGNORECASE,
)
_HASH = re.compile(r"\#(?P<number>\d{1,2})[.:)]?\s+")
_CLOCK = r"(?:\d{1,2}:)?\d{1,2}:\d{2}"
_TIME = re.compile(
    rf"(?P<open>[(\[])?(?P<start>{_CLOCK}|\d{{1,3}}(?=\s*(?:s|sec)?\s*[–—-]\s*\d{{1,3}}\s*s))(?:\s*s(?:ec)?)?"
    rf"(?:\s*[–—-]\s*(?:{_CLOCK}|\d{{1,3}}\s*s(?:ec(?:onds)?)?\b))?[)\]]?\s*[:.|–—-]*(?:\s+|$)",
    re.IGNORECASE,
)
_RULE = re.compile(r"(?:[-*_=~–—]\s*){3,}")
_TABLE = re.compile(r"(?=[^|]*\|)\s*\|?(?:\s*:?-{2,}+:?\s*(?:\||$))+\s*")
_AMOUNT = re.compile(r"(?!\d{1,2}[.)]\s)\d")
_DEGREES = re.compile(
    r"[\d.,]+\s*(?:°|[℃℉%]|(?:grad|degrees?|degrés|grados|gradi|graus|градус\w*|db|[cfk]|celsius|fahrenheit|below|unter)\b)",
    re.IGNORECASE,
)
_COUNT = re.compile(r"\d{1,3}(?:\s+[^\W\d_]{3}|d\b)", re.IGNORECASE)
"""So many of something, as in "2 dogs", or "3D"."""
_OF_DAY = re.compile(r"(?:uhr|[ap]\.?\s?m\b|o['’]clock|h\b|heures?|horas?|ore\b|час)", re.IGNORECASE)
_LINE_ENDS = re.compile(r"\r\n|[\n\r\u2028\u2029]")
_INLINE_LABEL = re.compile(
    rf"(?<![\w(\[])[\[(【]?(?:第\s*(?=\d)|{SCENE_WORDS}|{_OTHER_WORDS})\s*\#?\s*(\d{{1,3}})(?:[场場幕])?(?:\s*{_WHEN})?"
    r"\s*(?:[:.)\]】–—-]+(?=\s)|：)",
    re.IGNORECASE,
)
_INLINE_DOT = re.compile(r"(?<!\S)(\d{1,2})\.(?=\s)")
_INLINE_BRACKET = re.compile(r"(?<!\S)\(?(\d{1,2})\)(?=\s)")
_ENDED = re.compile(r"(?:^|[\n:;.!?…。！？][\"'”’»)\]]*)[^\S\n]*\Z")
_SHORTENED = re.compile(r"\b(?:no|nr|fig|abb|vol|art|ch|kap|pp?|ca|approx|st)\.[^\S\n]*\Z", re.IGNORECASE)
"""A word before its number: the full stop ends no sentence."""
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
    dotted: bool = False
    """Whether it is a number with a full stop, as ordinals are in some languages."""


def lines_of(text: str) -> list[str]:
    """The lines as people see them: control characters inside of a line do not end it."""
    return _LINE_ENDS.split(text)


def holds_table(text: str) -> bool:
    """Whether this is a Markdown table: its columns are no scenes, and which one holds them cannot be told."""
    return any(_TABLE.fullmatch(line) for line in lines_of(text))


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
    taken = _taken(marks, [bool(text) for text in stripped], bullets)
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
    before = text[max(0, at - 40) : at]
    return not at or (_ENDED.search(before) is not None and _SHORTENED.search(before) is None)


def _at_line_start(text: str, at: int) -> bool:
    return not text[text.rfind("\n", 0, at) + 1 : at].strip()


def _without_bullets(lines: Sequence[str]) -> tuple[list[str], list[bool]]:
    shown = [line.lstrip(_INVISIBLE) for line in lines]
    found = [None if _RULE.fullmatch(line) else _BULLET.match(line) for line in shown]
    tight = Counter(match["bullet"] for match in found if match)
    found = [
        match if match and (match["tight"] is None or tight[match["bullet"]] >= _ENOUGH) else None for match in found
    ]
    marks = [(match["bullet"], match.string[match.end() :]) if match else None for match in found]
    alike = Counter(mark[0] for mark in marks if mark)
    before_words = Counter(mark[0] for mark in marks if mark and not _is_minus(mark[1]))
    kept = [mark is not None and _is_bullet(*mark, alike, before_words) for mark in marks]
    texts = [mark[1] if mark and keep else line for mark, keep, line in zip(marks, kept, lines, strict=True)]
    return texts, kept


def _is_bullet(bullet: str, rest: str, alike: Counter[str], before_words: Counter[str]) -> bool:
    """A hyphen before a number may be a minus, and a longer dash opens what somebody says."""
    sign = bullet[-1]
    if sign in "-+–—" and _AMOUNT.match(rest):
        enough = before_words[bullet] >= (_ENOUGH if _COUNT.match(rest) else 1)
        return not _DEGREES.match(rest) and enough
    return sign not in _SPEAKS or alike[bullet] >= _ENOUGH


def _is_minus(rest: str) -> bool:
    """Whether a hyphen before this can be a minus."""
    return _AMOUNT.match(rest) is not None and (_COUNT.match(rest) is None or _DEGREES.match(rest) is not None)


def _mark_of(text: str) -> _Mark | None:
    text = text.lstrip(_INVISIBLE)
    if text.startswith(_TEN):
        text = f"10\u20e3{text.removeprefix(_TEN)}"
    opening = _OPENING.match(text)
    inner = text[opening.end() :] if opening else text
    if opening and opening["bold"]:
        # The closing half goes with what was opened before the mark, wherever it stands.
        inner = inner.replace(opening["bold"], "", 1)
    return next((mark for reader in (_label, _hash, _time, _number) if (mark := reader(inner)) is not None), None)


def _label(text: str) -> _Mark | None:
    if (plain := _BRACKETED.match(text) or _ACT.match(text)) is not None:
        value = _value(plain["number"])
        return _Mark("label", value, text[plain.end() :]) if value else None
    found = _LABEL.match(text)
    if found is None:
        bare = _BARE_LABEL.match(text)
        shown = bare is not None and text[bare.end()].isupper()
        return _Mark("label", int(bare["number"]), text[bare.end() :]) if bare and shown else None
    if not (value := _value(found["number"] or found["roman"])):
        return None
    certain = bool(found["end"].strip()) and re.fullmatch(SCENE_WORDS, found["word"], re.IGNORECASE) is not None
    return _Mark("label", value, text[found.end() :], certain)


def _hash(text: str) -> _Mark | None:
    found = _HASH.match(text)
    return _Mark("number", int(found["number"]), text[found.end() :]) if found else None


def _time(text: str) -> _Mark | None:
    found = _TIME.match(text)
    if found is None or _OF_DAY.match(text[found.end() :]):
        return None
    parts = [int(part) for part in found["start"].split(":")]
    seconds = sum(part * 60**power for power, part in enumerate(reversed(parts)))
    return _Mark("time", seconds, text[found.end() :])


def _number(text: str) -> _Mark | None:
    found = _NUMBER.match(text)
    if found is None or not (found["end"] or found["keycap"] or found["circled"]):
        return None
    opened = found["open"] or ""
    if (opened == "[") != (found["end"] == "]") or (opened in {"(", "（"} and found["end"][-1:] not in {")", "）"}):
        return None
    rest = text[found.end() :]
    inner = re.match(r"\d{1,2}\.", rest)
    if found["end"] == "." and inner and not begins_counted(rest[inner.end() :]):
        return None
    if found["circled"]:
        return _Mark("number", int(unicodedata.numeric(found["circled"])), rest)
    if found["letter"]:
        return _Mark("letter", ord(found["letter"].casefold()) - ord("a") + 1, rest)
    if found["roman"]:
        value = _value(found["roman"])
        return _Mark("roman", value, rest) if value else None
    kind = "ordinal" if found["end"] == "." and begins_counted(rest) else "number"
    return _Mark(
        kind,
        int(found["number"]),
        rest,
        certain=found["end"].endswith(")") and not found[0].endswith(")"),
        dotted=found["end"].endswith(".") and (found[0][-1].isspace() or not rest),
    )


def _value(text: str) -> int:
    word = text.casefold()
    return int(text) if text.isdecimal() else _ROMAN.get(word, 0) or _NUMBER_WORDS.get(word, 0)


def _taken(marks: Sequence[_Mark | None], filled: Sequence[bool], bullets: Sequence[bool]) -> set[int]:
    """Which lines' marks are marks."""
    found = [(index, mark) for index, mark in enumerate(marks) if mark is not None]
    places = dict(zip((index for index, full in enumerate(filled) if full), itertools.count(1), strict=False))
    numbered = [(index, mark) for index, mark in found if mark.kind in {"label", "number", "ordinal"}]
    taken = {index for index, mark in numbered if mark.certain}
    if not _is_about_dates([mark for _, mark in numbered]):
        taken |= _counted(numbered, places)
    if _numbers_every_line(marks, filled):
        taken |= {index for index, _ in numbered}
    taken |= {index for index, mark in numbered if mark.value == places.get(index) and _is_no_ordinal(mark)}
    if len(others := {index for index, full in enumerate(filled) if full and not bullets[index]} - taken) == 1:
        taken |= {index for index, mark in numbered if index in others and _begins_alone(mark)}
    taken |= _counted([pair for pair in found if pair[1].kind == "letter"], {})
    taken |= _counted([pair for pair in found if pair[1].kind == "roman"], {})
    return taken | _timeline([pair for pair in found if pair[1].kind == "time"])


def _numbers_every_line(marks: Sequence[_Mark | None], filled: Sequence[bool]) -> bool:
    """Whether this is a list whose numbers were not set right after lines were moved, left out or put between."""
    found = [mark for mark, full in zip(marks, filled, strict=True) if full]
    numbers = [mark.value for mark in found if mark and mark.kind == "number" and mark.dotted]
    return len(numbers) == len(found) and len(found) >= _ENOUGH and 1 in numbers and max(numbers) <= len(found) + 2


def _is_no_ordinal(mark: _Mark) -> bool:
    return mark.kind == "number" and mark.dotted and _ARTICLE.match(mark.rest) is not None


def _begins_alone(mark: _Mark) -> bool:
    """Whether the only line that is not told to be an item yet is one: it is numbered as the first, and what follows
    can be no word that the number counts.
    """
    reads_on = mark.rest[:1].isupper() and _GERMAN.search(mark.rest) is None
    return mark.kind == "number" and mark.dotted and mark.value == 1 and reads_on


def _is_about_dates(marks: Sequence[_Mark]) -> bool:
    ordinals = sum(mark.kind == "ordinal" for mark in marks)
    return ordinals * 2 > sum(not mark.certain for mark in marks)


def _counted(numbered: Sequence[tuple[int, _Mark]], places: dict[int, int]) -> set[int]:
    """The lines whose numbers count on from a beginning, or tell the line's own place among the lines.

    Numbers that follow one another from somewhere else are days or houses: "24. Dezember", "42. Straße".
    """
    supported: set[int] = set()
    run: list[tuple[int, _Mark]] = []
    for pair in (*numbered, None):
        if pair and run and _goes_on(run[-1][1], pair[1]):
            run.append(pair)
            continue
        if run and (len(run) > 1 or run[0][1].value == places.get(run[0][0])) and _begins_list(run, places):
            supported |= {index for index, _ in run}
        run = [pair] if pair else []
    return supported if len(supported) >= _ENOUGH else set()


def _goes_on(before: _Mark, after: _Mark) -> bool:
    repeats = (before.kind, before.value, after.value) == ("number", 1, 1)
    return repeats or after.value == before.value + 1


def _begins_list(run: Sequence[tuple[int, _Mark]], places: Mapping[int, int]) -> bool:
    """Whether a run of numbers starts at one, tells the places of its lines, or stands with words that name scenes."""
    _, first = run[0]
    return first.value <= 1 or first.kind == "label" or any(mark.value == places.get(index) for index, mark in run)


def _timeline(timed: Sequence[tuple[int, _Mark]]) -> set[int]:
    """Times that start at nought and go on are a shot list; others are times of the day."""
    values = [mark.value for _, mark in timed]
    if len(values) < _ENOUGH or values[0] != 0 or values != sorted(values):
        return set()
    return {index for index, _ in timed}

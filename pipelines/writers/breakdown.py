"""A master prompt taken apart: what happens, in order, and what holds for the whole film.

A list of shots (bullets, numbers, time codes, "Scene 2:") is followed item by item, whatever stands before it holds
for all of them. Without a list, sentences are the steps. Lines such as "Style: …" hold for the whole film.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pipelines.domain.orders.list_marks import begins_counted, lines_of, open_paragraphs, read_list
from pipelines.writers.language import Phrases, languages
from pipelines.writers.text import directives, plain, sentence

_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)(\*\*|__)(?=\S)(.{1,300}?)(?<=\S)\1(?!\w)")
_WHOLE = r"\[\[[^\[\]]*\]\]"
_SENTENCE = re.compile(
    rf"(?:{_WHOLE}|(?!{_WHOLE}).)+?(?:(?:[.!?…]+[\"'”’»)]*(?=\s|$|\[\[)|[。！？]+[」』”]*)(?:\s*{_WHOLE})*|$)"
)
_ABBREVIATION = re.compile(r"(?:^|[\s(.])(?:\w|Mr|Mrs|Ms|Dr|St|Prof|vs|bzw|ca|Nr|Sr|Sra|Mme|No|approx|INT|EXT|EST)\.$")
_ABBREVIATION_LENGTH = 10
_COUNTED = re.compile(r"(?:^|\s)\d{1,2}\.$")
_SLUG_LINE = re.compile(r"(?:INT|EXT|EST|I/E)\b")
"""Where a scene of a screenplay is set: "INT. HOUSE – NIGHT" is one thing, although it has a full stop and a dash."""
_SHORT_CLAUSE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One step of the story. `parts` shots share it; directives belong to the first of them."""

    text: str
    directives: tuple[str, ...] = ()
    part: int = 0
    parts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """As many beats as scenes; `anchor` names characters and place, `look` holds for all; `listed` counts the list."""

    beats: tuple[Beat, ...]
    anchor: str
    anchored: int
    """How many of the first beats contain the anchor themselves."""
    look: str
    listed: int = 0


@dataclass(slots=True)
class _Sorted:
    items: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    look: list[str] = field(default_factory=list)


def break_down(master: str, phrases: Phrases, scenes: int) -> Breakdown:
    """Take a master prompt apart into exactly `scenes` beats."""
    lines = lines_of(open_paragraphs(_EMPHASIS.sub(r"\2", _HEADING.sub("", master))))
    found = _sorted(lines)
    listed = len(found.items)
    if listed <= 1:
        found = _prose(lines)
    steps = [*found.items] or [" ".join(found.look)]
    steps[0] = _without_request(steps[0], phrases) if listed <= 1 else steps[0]
    before = _without_request(" ".join(found.before), phrases)
    loose = directives(" ".join([*found.before, *(found.look if found.items else ())]))
    steps = _finer(steps, phrases, scenes)
    first = next(_sentences(steps[0]), "")
    beats = _spread(steps, scenes)
    beats[0] = replace(beats[0], directives=(*loose, *beats[0].directives))
    return Breakdown(
        beats=tuple(beats),
        anchor=sentence(plain(before or first)),
        anchored=0 if before else beats[0].parts,
        look=" ".join(sentence(plain(line)) for line in found.look) if found.items else "",
        listed=listed if listed > 1 else 0,
    )


def _sorted(lines: Sequence[str]) -> _Sorted:
    found, running = _Sorted(), False
    for line in read_list(lines):
        text = line.text
        if _labelled(text):
            found.look.append(text)
        elif line.marked:
            found.items.append(text)
            running = True
        elif not text:
            running = bool(found.items) and not found.items[-1]
        elif found.items and (running or not plain(text)):
            found.items[-1] = f"{found.items[-1]} {text}".strip()
        else:
            (found.look if found.items else found.before).append(text)
    found.items = [text for text in found.items if text]
    return found


def _prose(lines: Sequence[str]) -> _Sorted:
    found, early = _Sorted(), ""
    for text in (part for line in lines for part in _sentences(line)):
        if _labelled(text):
            found.look.append(text)
        elif plain(text):
            found.items.append(f"{early} {text}".strip())
            early = ""
        elif found.items:
            found.items[-1] += f" {text}"
        else:
            early = f"{early} {text}".strip()
    if early:
        found.items.append(early)
    return found


def _labelled(text: str) -> bool:
    return _label().match(text) is not None


@functools.cache
def _label() -> re.Pattern[str]:
    words = "|".join(phrases["labels"] for phrases in languages().values() if phrases["labels"])
    return re.compile(rf"(?:{words})\s*[:=–—]\s*\S", re.IGNORECASE)


def _sentences(line: str) -> Iterator[str]:
    pending = ""
    for match in _SENTENCE.finditer(line):
        pending = f"{pending} {match.group(0).strip()}".strip() if pending else match.group(0).strip()
        if pending and not _goes_on(pending, line[match.end() :]):
            yield pending
            pending = ""
    if pending:
        yield pending


def _goes_on(text: str, rest: str) -> bool:
    """Whether the full stop at the end of `text` belongs to an abbreviation or, as in "24. Dezember", to a number."""
    end = text[-_ABBREVIATION_LENGTH:]
    return _ABBREVIATION.search(end) is not None or (_COUNTED.search(end) is not None and begins_counted(rest))


def _clauses(text: str, phrases: Phrases) -> Iterator[str]:
    """The text at its dashes, semicolons and words like "then"; what is too short alone keeps the mark that it had."""
    then = rf"|[,;–—]?\s+(?=(?:{phrases['then']})\b)" if phrases["then"] else ""
    start = 0
    for match in re.finditer(rf"(?<=;)\s+|\s+[–—]\s+{then}", text, flags=re.IGNORECASE):
        clause = text[start : match.start()]
        if len(plain(clause)) >= _SHORT_CLAUSE and not _SLUG_LINE.match(clause):
            yield clause
            start = match.end()
    if text[start:]:
        yield text[start:]


def _finer(steps: list[str], phrases: Phrases, wanted: int) -> list[str]:
    """Steps split into sentences, then clauses, as long as there are fewer of them than scenes."""
    splitters: tuple[Callable[[str], Iterator[str]], ...] = (_sentences, lambda text: _clauses(text, phrases))
    for split in splitters:
        if len(steps) < wanted:
            steps = [part for step in steps for part in (list(split(step)) or [step])]
    return steps


def _spread(steps: list[str], scenes: int) -> list[Beat]:
    """Neighbours share a scene when there are too many steps, and a step has several scenes when there are too few."""
    count = len(steps)
    if count >= scenes:
        groups = (steps[index * count // scenes : (index + 1) * count // scenes] for index in range(scenes))
        return [_beat(" ".join(group)) for group in groups]
    owners = [index * count // scenes for index in range(scenes)]
    return [
        _beat(steps[owner], part=index - owners.index(owner), parts=owners.count(owner))
        for index, owner in enumerate(owners)
    ]


def _beat(text: str, part: int = 0, parts: int = 1) -> Beat:
    return Beat(text=plain(text), directives=() if part else directives(text), part=part, parts=parts)


def _without_request(text: str, phrases: Phrases) -> str:
    """What a camera can see: of "Make a video about a fox", the fox."""
    if not phrases["request"]:
        return text
    match = re.match(phrases["request"], text, re.IGNORECASE)
    rest = text[match.end() :] if match else text
    return rest[:1].upper() + rest[1:] if plain(rest) else text

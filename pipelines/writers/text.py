"""Small tools on prompts: directives, shortening, captions.

A directive is anything in double square brackets. Whoever runs the models may give it a meaning, so it stays whole,
stays in its scene, and is not part of what people read.
"""

from __future__ import annotations

import re

MAX_CAPTION = 60
DIRECTIVE = re.compile(r"\[\[[^\[\]]*\]\]")
_SENTENCE_END = re.compile(r"[.!?…](?=\s)|[。！？]")
_CJK = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_EDGES = " \t\n,;:–—-"
_LEADING = re.compile(r"(?:[\s,;:]|[–—-]+(?=\s+\D))+")
"""A hyphen before a number is a minus: it stays."""


def directives(text: str) -> tuple[str, ...]:
    """The directives as written, in order."""
    return tuple(DIRECTIVE.findall(text))


def plain(text: str) -> str:
    """The text as a person reads it: no directives, single spaces."""
    return re.sub(r"\s+([.,;!?])(?=\s|$)", r"\1", " ".join(DIRECTIVE.sub(" ", text).split()))


def one_line(text: str) -> str:
    """Every run of white space as one space."""
    return " ".join(text.split())


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters: up to the last whole sentence if that keeps half of it, else the last whole word."""
    if len(text) <= limit:
        return text
    head = text[: max(limit, 0)]
    ends = [match.end() for match in _SENTENCE_END.finditer(text[: limit + 1]) if match.end() <= limit]
    if ends and ends[-1] * 2 >= limit:
        return head[: ends[-1]]
    words = head.rsplit(None, 1)[0] if re.search(r"\S\s+\S", head) and not text[limit : limit + 1].isspace() else head
    return words.rstrip(_EDGES)


def fitted(text: str, limit: int) -> str:
    """`shortened`, with every directive kept while there is room for it."""
    if len(text) <= limit:
        return text
    kept = " ".join(directives(text))
    if not kept or len(kept) >= limit:
        return shortened(plain(text), limit)
    return f"{shortened(plain(text), limit - len(kept) - 1)} {kept}".strip()


def caption_of(text: str) -> str | None:
    """The first sentence, at most 60 characters; None when there is nothing to say."""
    whole = plain(text)
    end = _SENTENCE_END.search(whole)
    first = whole[: end.end()] if end else whole
    if len(first) > MAX_CAPTION:
        first = shortened(first, MAX_CAPTION - 1).rstrip(_EDGES + ".!?") + "…"
    first = _without_edges(first).rstrip(".。")
    return first[:1].upper() + first[1:] or None


def narration_of(text: str, words: int) -> str | None:
    """As many whole sentences as have at most so many words; of a longer first one its beginning. Chinese, Japanese
    and Korean count two signs as a word. None when there is nothing to say.
    """
    whole = plain(text)
    cost = sum(0.5 if _CJK.match(char) else 0.0 for char in whole) + len(_CJK.sub(" ", whole).split())
    if cost <= words:
        return whole or None
    return sentence(shortened(whole, max(1, int(len(whole) * words / cost)))) or None


def sentence(text: str) -> str:
    """The text with a capital first letter and a full stop, ready to stand between other sentences."""
    whole = _without_edges(text)
    if not whole:
        return ""
    closed = whole if whole[-1] in ".!?…。！？\"'”’»」)" else f"{whole}."
    return closed[0].upper() + closed[1:]


def _without_edges(text: str) -> str:
    whole = text.rstrip(_EDGES)
    leading = _LEADING.match(whole)
    return whole[leading.end() :] if leading else whole

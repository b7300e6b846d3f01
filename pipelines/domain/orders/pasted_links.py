"""Links as people paste them: divided by commas, semicolons, spaces or lines, in brackets, quotes or Markdown."""

from __future__ import annotations

import re

_NEXT = r"['’]*[,;|、，；]+\s*['‘(\[]*https?://"
_LINK = re.compile(rf"https?://(?:(?!{_NEXT})[^\s<>\"“”„«»`|])+", re.IGNORECASE)
_MARKDOWN = re.compile(
    r"!?\[[^\[\]]*\]\(\s*<?(https?://[^\s<>]+?)>?(?:\s+[\"'(][^\"')]*[\"')])?\s*\)(?=[\s.,;|!\[]|$)", re.IGNORECASE
)
_SEPARATORS = re.compile(r"[\s.,;|、，；<>()\[\]{}\"'“”„«»‘’‚`•*·–—-]+|\d{1,2}[.)]")
_CLOSERS = {")": "(", "]": "[", "}": "{"}


def links_in(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The links of a text in their order, and the words beside them that are none.

    A comma inside of a link stays where no other link follows it: many addresses carry one in their query.
    """
    text = _MARKDOWN.sub(lambda found: f" <{found[1]}> ", text)
    links: list[str] = []
    rest: list[str] = []
    at = 0
    for found in _LINK.finditer(text):
        rest.append(text[at : found.start()])
        link = _trimmed(found[0], quote=text[found.start() - 1 : found.start()])
        links.append(link)
        at = found.start() + len(link)
    rest.append(text[at:])
    words = [word for piece in rest for word in piece.split() if _SEPARATORS.sub("", word)]
    return tuple(links), tuple(words)


def _trimmed(link: str, quote: str) -> str:
    """Without what closes the sentence or the brackets round it."""
    if quote in {"'", "‘", "‚"} and (end := re.search(r"['’‘](?=[,;.\s)\]]|$)", link)):
        link = link[: end.start()]
    while link:
        last = link[-1]
        opened = _CLOSERS.get(last)
        if last in ",;.'’" or (opened and link.count(last) > link.count(opened)):
            link = link[:-1]
        else:
            break
    return link

"""Links as people paste them: divided by commas, semicolons, spaces or lines, in brackets, quotes or Markdown."""

from __future__ import annotations

import re

_UNSEEN = "\ufeff\u200b\u2060\u200e\u200f"
_NEXT = r"['’]*[,;|]+\s*['‘(\[]*https?://|(?<=[a-z0-9])https?://|\\[nrt]\s*https?://|&(?:gt|lt|quot);"
"""What ends a link: a separator before the next one, or the next one itself, unless it is part of a path."""
_ENDS = rf"\s<>\"“”„«»‹›`|{_UNSEEN}（）【】「」『』《》。！、，；・･،؛"
_LINK = re.compile(rf"https?://(?:(?!{_NEXT})[^{_ENDS}])+", re.IGNORECASE)
_MARKDOWN = re.compile(
    r"!?\[[^\[\]]*\]\(\s*<?(https?://(?:[^\s<>()]|\([^\s<>()]*\))+)>?(?:\s+[\"'(][^\"')]*[\"')])?\s*\)(?=[\s.,;|!\[]|$)",
    re.IGNORECASE,
)
_ATTACHED = re.compile(
    r"(?:^|(?<=,))\s*(?:(?!://)[^\n<>]){1,255}?\.\w{2,5}\s\((https?://[^\s()]+)\)(?=\s*(?:,|$))",
    re.IGNORECASE | re.MULTILINE,
)
"""A cell of attachments as Airtable writes it into text: the file's name, and its address in brackets."""
_SEPARATORS = re.compile(
    r"(?:&(?:gt|lt|quot);|\\[nrt]|[\W_])+|[①-⑳]|\#?\d{1,2}(?:[.:)]|$)|[a-h]\)|(?:and|und|et|y|e|og|och|en|i|и)$",
    re.IGNORECASE,
)
_CAPTION = re.compile(r"(?:^|[\n,;])\s*[^\s:/]+(?:\s\d{1,2})?\s?:\s*$")
"""What somebody calls the link behind it: "Logo:" or "Bild 1:"."""
_CLOSERS = {")": "(", "]": "[", "}": "{"}


def links_in(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The links of a text in their order, and the words beside them that are none.

    A comma inside of a link stays where no other link follows it: many addresses carry one in their query.
    """
    text = _MARKDOWN.sub(lambda found: f" <{found[1]}> ", text)
    text = _ATTACHED.sub(lambda found: f" <{found[1]}> ", text)
    links: list[str] = []
    rest: list[str] = []
    at = 0
    for found in _LINK.finditer(text):
        rest.append(_CAPTION.sub("", text[at : found.start()]))
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
        if last in ",;.'’\\" or (last in "*_" and quote == last) or (opened and link.count(last) > link.count(opened)):
            link = link[:-1]
        else:
            break
    return link

"""The text that is posted with a film: by the scene writer, else of the words that the film shows and says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

MAX_POST = 400
"""Characters: every platform takes so many, in a longer language and with hashtags too."""
_ENDS = (".", "!", "?", "…", "。", "！", "？")
_EDGES = " ,;:–—-"


class HasText(Protocol):
    """A scene."""

    @property
    def caption(self) -> str | None:
        """What is read."""

    @property
    def narration(self) -> str | None:
        """What is said."""


def of_scenes(title: str | None, scenes: Iterable[HasText]) -> str:
    """Title, then what each scene shows or says, each once; empty where nothing is."""
    said = (title, *(scene.caption or scene.narration for scene in scenes))
    tidy = (" ".join(text.split()) for text in said if text and text.strip())
    return shortened(" ".join(text if text.endswith(_ENDS) else f"{text}." for text in dict.fromkeys(tidy)))


def shortened(text: str) -> str:
    """Whole sentences of one paragraph, as many as there is room for; of a first one that is longer, its words."""
    whole = " ".join(text.split())
    if len(whole) <= MAX_POST:
        return whole
    head = whole[:MAX_POST]
    ends = [found.end() for found in re.finditer(r"[.!?…](?=\s)|[。！？]", head)]
    return head[: ends[-1]] if ends else head[: MAX_POST - 1].rsplit(" ", 1)[0].rstrip(_EDGES) + "…"

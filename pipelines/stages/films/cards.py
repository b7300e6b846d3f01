"""Title and end cards: rendered as soon as the film's frame rate is known, and found again when it is put together."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import Card, Corner, Target
from pipelines.domain.keys import digest
from pipelines.stages.films.pieces import LetteringWork
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)

CARD_SECONDS = 2.5
VERSION = 1
"""Rises when cards come out differently, so that old ones are not taken for new ones."""


class CardWork(NamedTuple):
    """What a card of a film says, and how."""

    text: str
    footer: str | None = None
    lettering: LetteringWork | None = None
    ai_label: Corner | None = None


def rendered(services: Services, work: CardWork, target: Target) -> Path:
    """The card for one format, on this machine. It depends on nothing else: the same file serves every film,
    whether it was rendered ahead or is needed now. Raises `UnplayableMedia` when it cannot be rendered.
    """
    look = Target(width=target.width, height=target.height, fps=target.fps)
    card = Card(text=work.text, seconds=CARD_SECONDS, target=look, footer=work.footer)
    looks = [look for look in (work.lettering, work.ai_label) if look]
    name = f"card-{digest(VERSION, repr(card), *looks)}.mp4"

    def render(path: Path) -> None:
        lettering = work.lettering.local(services) if work.lettering else None
        services.editor.animatic(replace(card, lettering=lettering, ai_label=work.ai_label), path)

    return scratch.made(services, name, render)


def ahead(services: Services, work: CardWork, target: Target) -> Path | None:
    """The same while clips are still being made; None where it cannot be rendered: the stitching step says why."""
    try:
        return rendered(services, work, target)
    except UnplayableMedia as error:
        logger.info("no card ahead: %s", error.operator)
        return None

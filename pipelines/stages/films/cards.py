"""Title and end cards: rendered as soon as the film's frame rate is known, and found again when it is put together."""

from __future__ import annotations

import logging
from pathlib import Path

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import Card, Target
from pipelines.domain.keys import digest
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)

CARD_SECONDS = 2.5
VERSION = 1
"""Rises when cards come out differently, so that old ones are not taken for new ones."""


def rendered(services: Services, text: str, target: Target) -> Path:
    """The card of a text for one format, on this machine. It depends on nothing else: the same file serves every film,
    whether it was rendered ahead or is needed now. Raises `UnplayableMedia` when it cannot be rendered.
    """
    look = Target(width=target.width, height=target.height, fps=target.fps)
    card = Card(text=text, seconds=CARD_SECONDS, target=look)
    name = f"card-{digest(VERSION, repr(card))}.mp4"
    return scratch.made(services, name, lambda path: services.editor.animatic(card, path))


def ahead(services: Services, text: str, target: Target) -> Path | None:
    """The same while clips are still being made; None where it cannot be rendered: the stitching step says why."""
    try:
        return rendered(services, text, target)
    except UnplayableMedia as error:
        logger.info("no card ahead: %s", error.operator)
        return None

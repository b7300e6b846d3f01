"""What the scene writer answers."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.domain.planning.cast import CastMember


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneText:
    """One written scene."""

    prompt: str
    caption: str | None = None
    narration: str | None = None
    """What is said over it, where a narrator was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What came back: exactly as many scenes as asked, what it cost, and who wrote it (with notes for the row)."""

    scenes: tuple[SceneText, ...] = ()
    writer: str = ""
    cost_micro: int = 0
    title: str | None = None
    cast: tuple[CastMember, ...] = ()
    """Who and what comes back, where that was asked for."""
    post_text: str = ""
    """What is posted with the film, where that was asked for."""
    notes: tuple[str, ...] = ()

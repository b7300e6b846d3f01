"""How far the attempts at one scene went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLevel:
    """What was tried for a scene that was refused or failed, and what is known of the reason."""

    forgiven: int = 0
    """Attempts up to this one count no more: a person asked for another."""
    explained: str | None = None
    """The refused generation that `culprit` and `softened` are about."""
    culprit: str | None = None
    softened: str | None = None
    """A softer prompt, to be tried or suggested."""
    rewritten: str | None = None
    """The text that was refused, when a softer one was used."""
    placeholder: str | None = None
    """Why a card stands for the scene, in a sentence; None when it does not."""
    note: str | None = None
    """Why nothing could be explained, for the operator."""

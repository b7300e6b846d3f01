"""Whoever speaks a film's lines."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Protocol

from pipelines.domain.planning.narration import Line


class Speaker(Protocol):
    """A voice that was called, for the lines of one film."""

    def say(self, line: Line, dest: Path) -> None:
        """Write the line as a sound file. One call, never repeated by itself.

        Raises Refused, ProviderFailed, RateLimited, OutOfCredit, NotConfigured and Unavailable where nothing was
        bought, and Ambiguous where nobody knows.
        """


class Speech(Protocol):
    """All voices of a deployment."""

    @property
    def default_voice(self) -> str:
        """Who speaks where nobody says otherwise."""

    def unknown(self, voice: str) -> str | None:
        """Why there is no such voice here; None for one that there is."""

    def silent(self, voice: str, today: date) -> str | None:
        """Why a voice that there is cannot speak today; None where it can."""

    def cannot_say(self, line: Line) -> str | None:
        """Why this line is not for this voice, such as its language; None where it is."""

    def quote_micro(self, line: Line) -> int:
        """What one try at the line costs at most."""

    def cost_micro(self, line: Line, seconds: float) -> int:
        """What a line that came out so long has cost; at most its quote."""

    def speaking(self, voice: str) -> AbstractContextManager[Speaker]:
        """Call a voice once for many lines. Raises NotConfigured and Unavailable."""

    def check(self, today: date) -> str:
        """One sentence for the doctor, of a free look. Raises of the tree."""

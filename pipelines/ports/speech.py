"""Whoever speaks a film's lines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from pipelines.domain.planning.narration import Line, Said


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVoice:
    """A voice that can be named. `minute_micro` is about what a minute of it costs, `silent` why it cannot be had."""

    name: str
    model: str
    languages: str
    timings: bool
    minute_micro: int
    silent: str | None


class Speaker(Protocol):
    """A voice that was called, for the lines of one film."""

    def say(self, line: Line, dest: Path) -> Said:
        """Write the line as a sound file, and tell what is known of it. One call, never repeated by itself.

        Raises Refused, ProviderFailed, RateLimited, OutOfCredit, NotConfigured and Unavailable where nothing was
        bought, and Ambiguous where nobody knows.
        """


class Speech(Protocol):
    """All voices of a deployment."""

    @property
    def default_voice(self) -> str:
        """Who speaks where nobody says otherwise."""

    def voice_for(self, language: str) -> str:
        """Who speaks a language (BCP 47) where nobody names a voice: the one of `default_voice`, or another that costs
        nothing either where that one does not have the language.
        """

    def unknown(self, voice: str) -> str | None:
        """Why there is no such voice here; None for one that there is."""

    def silent(self, voice: str, today: date) -> str | None:
        """Why a voice that there is cannot speak today; None where it can."""

    def cannot_say(self, line: Line) -> str | None:
        """Why this line is not for this voice, such as its language; None where it is."""

    def quote_micro(self, line: Line, today: date) -> int:
        """What one try at the line costs at most on that day."""

    def cost_micro(self, line: Line, seconds: float, said: Said, today: date) -> int:
        """What a line that came out so long has cost; at most its quote."""

    def known(self, today: date) -> Sequence[KnownVoice]:
        """Every voice that is listed, whether it can be had or not."""

    def speaking(self, voice: str) -> AbstractContextManager[Speaker]:
        """Call a voice once for many lines. Raises NotConfigured and Unavailable."""

    def check(self, today: date) -> str:
        """One sentence for the doctor, of a free look. Raises of the tree."""

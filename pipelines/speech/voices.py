"""All voices of a deployment, by the provider's part of their name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.domain.errors import NotConfigured
from pipelines.domain.planning.narration import Line
from pipelines.ports import Speaker, Speech
from pipelines.settings import Settings
from pipelines.speech import embedded


class Voices(Speech):
    """ports.Speech."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def default_voice(self) -> str:
        """SPEECH_VOICE."""
        return self._settings.speech_voice

    def unknown(self, voice: str) -> str | None:
        """Why there is no such voice here; None for one that there is."""
        return None if voice == embedded.VOICE else f"There is no voice {voice!r} here. Choose {embedded.VOICE}."

    def silent(self, voice: str) -> str | None:  # noqa: ARG002 - a port
        """Why a voice that there is cannot speak on this machine; None where it can."""
        return embedded.silent()

    def cannot_say(self, line: Line) -> str | None:
        """Why this line is not for this voice; None where it is."""
        return embedded.cannot_say(line)

    def quote_micro(self, line: Line) -> int:  # noqa: ARG002 - a port
        """What one try at the line costs at most."""
        return 0

    @contextmanager
    def speaking(self, voice: str) -> Iterator[Speaker]:  # noqa: ARG002 - a port
        """Call a voice once for many lines. Raises NotConfigured and Unavailable."""
        with embedded.speaking() as narrator:
            yield narrator

    def check(self) -> str:
        """Whether the usual voice can be had."""
        for reason in (self.unknown(self.default_voice), self.silent(self.default_voice)):
            if reason:
                raise NotConfigured(reason)
        return f"{self.default_voice} speaks where Voiceover is ticked"


def build_speech(settings: Settings) -> Voices:
    """The voices of these settings."""
    return Voices(settings)

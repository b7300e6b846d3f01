"""All voices of a deployment, by the provider's part of their name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from pipelines.domain.errors import NotConfigured
from pipelines.domain.planning.narration import Line
from pipelines.ports import Speaker, Speech
from pipelines.settings import Settings
from pipelines.speech import embedded, prices

SERVER = "speech/"
_NAME = re.compile(r"[\w.:/-]{1,80}", re.ASCII)
_NO_SERVER = "No voice service is set up here (SPEECH_BASE_URL and SPEECH_MODEL). Choose local/heart."
_NO_PRICE = "The price of the voice service is not known, so nothing is bought. Ask your operator."


class Voices(Speech):
    """ports.Speech."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._price = prices.price_of(settings)

    @property
    def default_voice(self) -> str:
        """SPEECH_VOICE."""
        return self._settings.speech_voice

    def unknown(self, voice: str) -> str | None:
        """Why there is no such voice here; None for one that there is."""
        if voice == embedded.VOICE:
            return None
        if not voice.startswith(SERVER) or not _NAME.fullmatch(voice.removeprefix(SERVER)):
            return f"There is no voice {voice!r} here. Choose {embedded.VOICE}, or speech/ and a voice of your service."
        return None if self._settings.speech_base_url and self._settings.speech_model else _NO_SERVER

    def silent(self, voice: str, today: date) -> str | None:
        """Why a voice that there is cannot speak today; None where it can."""
        if voice == embedded.VOICE:
            return embedded.silent()
        if self._price is None:
            return _NO_PRICE
        return self._price.instead if self._price.ends and today >= self._price.ends else None

    def cannot_say(self, line: Line) -> str | None:
        """Why this line is not for this voice; None where it is. Voices of a server speak what they are asked."""
        return embedded.cannot_say(line) if line.voice == embedded.VOICE else None

    def quote_micro(self, line: Line) -> int:
        """What one try at the line costs at most."""
        paid = None if line.voice == embedded.VOICE else self._price
        return paid.quote(len(line.text)) if paid else 0

    def cost_micro(self, line: Line, seconds: float) -> int:
        """What a line that came out so long has cost; at most its quote."""
        paid = None if line.voice == embedded.VOICE else self._price
        return paid.cost(len(line.text), seconds) if paid else 0

    @contextmanager
    def speaking(self, voice: str) -> Iterator[Speaker]:
        """Call a voice once for many lines. Raises NotConfigured and Unavailable."""
        if voice == embedded.VOICE:
            with embedded.speaking() as narrator:
                yield narrator
            return
        # httpx comes when it is needed: the web process asks for quotes only.
        from pipelines.speech import server

        if reason := self.unknown(voice):
            raise NotConfigured(reason, marketer=reason)
        with server.speaking(self._settings) as speaker:
            yield speaker

    def check(self, today: date) -> str:
        """Whether the usual voice can be had."""
        for reason in (self.unknown(self.default_voice), self.silent(self.default_voice, today)):
            if reason:
                raise NotConfigured(reason)
        return f"{self.default_voice} speaks where Voiceover is ticked"


def build_speech(settings: Settings) -> Voices:
    """The voices of these settings."""
    return Voices(settings)

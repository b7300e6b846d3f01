"""All voices of a deployment, by the vendor's part of their name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from importlib import import_module
from typing import Protocol, cast

from pipelines.domain.errors import NotConfigured
from pipelines.domain.planning.narration import Line, Said
from pipelines.ports import KnownVoice, Speaker, Speech
from pipelines.settings import Settings
from pipelines.speech import embedded, espeak
from pipelines.speech.catalogue import Chosen, Price, VoiceModel, choose, of_server, shipped

SERVER = "speech"
_NO_PRICE = "The price of the voice service is not known, so nothing is bought. Ask your operator."
_A_MINUTE = 840
"""Characters of a calm narrator."""


class VendorModule(Protocol):
    """What a module of this room has that speaks by a service."""

    def speaking(self, settings: Settings, chosen: Chosen) -> AbstractContextManager[Speaker]:
        """A client for the lines of one film."""


class LocalVoice(Protocol):
    """What a module of this room has whose voice speaks on this machine, for nothing."""

    def silent(self) -> str | None:
        """Why it cannot be had on this machine; None where it can."""

    def cannot_say(self, line: Line) -> str | None:
        """Why it does not say a line; None where it does."""

    def speaking(self) -> AbstractContextManager[Speaker]:
        """Call it once for many lines. Raises NotConfigured and Unavailable."""

    def known(self) -> KnownVoice:
        """As it is listed."""


_LOCAL: Mapping[str, LocalVoice] = {embedded.VOICE: embedded, espeak.VOICE: espeak}


class Voices(Speech):
    """ports.Speech."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def default_voice(self) -> str:
        """SPEECH_VOICE."""
        return self._settings.speech_voice

    def voice_for(self, language: str) -> str:
        """SPEECH_VOICE. Where that is the built-in voice, espeak-ng speaks what it does not, if it is installed."""
        if self.default_voice == embedded.VOICE and not embedded.speaks(language) and espeak.speaks(language):
            return espeak.VOICE
        return self.default_voice

    def unknown(self, voice: str) -> str | None:
        """Why there is no such voice here; None for one that there is."""
        if voice in _LOCAL:
            return None
        vendor, _, name = voice.partition("/")
        if vendor not in shipped().vendors:
            named = ", ".join(f"{one}/…" for one in shipped().vendors)
            return f"There is no voice {voice!r} here. Choose {embedded.VOICE}, or a voice of {named}."
        if missing := self._missing(vendor):
            return f"No voice of {vendor} is set up here ({' and '.join(missing)}). Choose {embedded.VOICE}."
        if choose(vendor, name, self._server_model(vendor)) is None:
            some = ", ".join(f"{vendor}/{one}" for one in shipped().vendors[vendor].voices[:3])
            return f"There is no voice {voice!r} here. Choose {embedded.VOICE}, or such as {some}."
        return None

    def silent(self, voice: str, today: date) -> str | None:
        """Why a voice that there is cannot speak today; None where it can."""
        if voice in _LOCAL:
            return _LOCAL[voice].silent()
        model = self._chosen(voice).model
        return model.ended(today) or (None if model.price_on(today) else _NO_PRICE)

    def cannot_say(self, line: Line) -> str | None:
        """Why this line is not for this voice; None where it is. Voices of a service speak what they are asked."""
        return _LOCAL[line.voice].cannot_say(line) if line.voice in _LOCAL else None

    def quote_micro(self, line: Line, today: date) -> int:
        """What one try at the line costs at most on that day."""
        price = self._price(line.voice, today)
        return price.quote(len(line.text)) if price else 0

    def cost_micro(self, line: Line, seconds: float, said: Said, today: date) -> int:
        """What a line that came out so long has cost; at most its quote."""
        price = self._price(line.voice, today)
        return price.cost(len(line.text), seconds, said) if price else 0

    @contextmanager
    def speaking(self, voice: str) -> Iterator[Speaker]:
        """Call a voice once for many lines. Raises NotConfigured and Unavailable."""
        if voice in _LOCAL:
            with _LOCAL[voice].speaking() as narrator:
                yield narrator
            return
        if reason := self.unknown(voice):
            raise NotConfigured(reason, marketer=reason)
        chosen = self._chosen(voice)
        # Loaded when it is needed, and httpx with it: the web process asks for quotes only.
        name = shipped().vendors[chosen.vendor].module or chosen.vendor
        module = cast("VendorModule", import_module(f"pipelines.speech.{name}"))
        with module.speaking(self._settings, chosen) as speaker:
            yield speaker

    def known(self, today: date) -> tuple[KnownVoice, ...]:
        """Every voice that is listed, whether it can be had or not."""
        local = (voice.known() for voice in _LOCAL.values())
        return (*local, *(voice for vendor in shipped().vendors for voice in self._known_of(vendor, today)))

    def _known_of(self, vendor: str, today: date) -> Iterator[KnownVoice]:
        missing = " and ".join(self._missing(vendor))
        set_to = self._server_model(vendor)
        for place, model in enumerate((set_to,) if set_to else shipped().models_of(vendor)):
            price = model.price_on(today)
            silent = f"needs {missing}" if missing else model.ended(today) or (None if price else _NO_PRICE)
            for name in shipped().vendors[vendor].voices:
                yield KnownVoice(
                    name=f"{vendor}/{name}" if place == 0 else f"{vendor}/{model.model}/{name}",
                    model=model.model,
                    languages=model.languages,
                    timings=model.timings,
                    minute_micro=price.cost(_A_MINUTE, 60.0, Said()) if price else 0,
                    silent=silent,
                )

    def check(self, today: date) -> str:
        """Whether the usual voice can be had."""
        reason = self.unknown(self.default_voice) or self.silent(self.default_voice, today)
        if reason:
            raise NotConfigured(reason)
        others = [vendor for vendor in shipped().vendors if not self._missing(vendor)]
        more = f"; set up: {', '.join(others)}" if others else ""
        if self.default_voice == embedded.VOICE:
            other = f"nobody, because {espeak.PROGRAM} is not here" if espeak.silent() else espeak.VOICE
            more = f"; other languages than English: {other}{more}"
        return f"{self.default_voice} speaks where Voiceover is ticked{more}"

    def _price(self, voice: str, today: date) -> Price | None:
        return None if voice in _LOCAL else self._chosen(voice).model.price_on(today)

    def _missing(self, vendor: str) -> list[str]:
        needed = shipped().vendors[vendor].needs
        return [name for name in needed if getattr(self._settings, name.lower()) is None]

    def _server_model(self, vendor: str) -> VoiceModel | None:
        """What a server of `/audio/speech` was set to; None for vendors whose models are listed."""
        settings = self._settings
        if vendor != SERVER or settings.speech_base_url is None or settings.speech_model is None:
            return None
        return of_server(settings.speech_base_url, settings.speech_model, settings.speech_usd_per_million)

    def _chosen(self, voice: str) -> Chosen:
        """A voice that is known here; one that was set up when it was ordered may be so no more."""
        vendor, _, name = voice.partition("/")
        found = choose(vendor, name, self._server_model(vendor)) if vendor in shipped().vendors else None
        return found or Chosen(vendor, name, VoiceModel(vendor=vendor, model=vendor))


def build_speech(settings: Settings) -> Voices:
    """The voices of these settings."""
    return Voices(settings)

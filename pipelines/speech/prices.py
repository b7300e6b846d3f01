"""What a line costs at a server of `/audio/speech`: known vendors' models, else the operator's own figure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pipelines.settings import Origin, Settings

_MINUTE_S, _MILLION = 60.0, 1_000_000
SLOWEST_PER_S = 8.0
"""Characters: nobody speaks slower, so that a price by the minute has a most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Micro-dollars for a million characters, or for a minute of sound. `ends`: the first day without it."""

    per_million_micro: int = 0
    per_minute_micro: int = 0
    ends: date | None = None
    instead: str = ""

    def quote(self, characters: int) -> int:
        """The most that a line may cost."""
        return self._of(characters, max(1.0, characters / SLOWEST_PER_S))

    def cost(self, characters: int, seconds: float) -> int:
        """What a line did cost."""
        return min(self.quote(characters), self._of(characters, seconds))

    def _of(self, characters: int, seconds: float) -> int:
        return -(-self.per_million_micro * characters // _MILLION) + round(self.per_minute_micro * seconds / _MINUTE_S)


_OPENAI = Origin.of("https://api.openai.com/v1")
_END_OF_OPENAI = date(2027, 1, 6)
_INSTEAD = "OpenAI ends /audio/speech. Choose local/heart, or another server in SPEECH_BASE_URL."
KNOWN = {
    (_OPENAI, "gpt-4o-mini-tts"): Price(per_minute_micro=15_000, ends=_END_OF_OPENAI, instead=_INSTEAD),
    (_OPENAI, "tts-1"): Price(per_million_micro=15_000_000, ends=_END_OF_OPENAI, instead=_INSTEAD),
}
"""Read 2026-11 in the vendors' own lists."""


def price_of(settings: Settings) -> Price | None:
    """The price of the configured model; None where nobody knows it: then nothing is bought."""
    if settings.speech_usd_per_million is not None:
        return Price(per_million_micro=round(settings.speech_usd_per_million * _MILLION))
    if settings.speech_base_url is None or settings.speech_model is None:
        return None
    return KNOWN.get((Origin.of(settings.speech_base_url), settings.speech_model))

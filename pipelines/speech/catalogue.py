"""Which voices and models there are, what they cost on which day, and when they end: read from `catalogue.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from pipelines.domain.planning.narration import Said
from pipelines.settings import Origin

SHIPPED = Path(__file__).with_name("catalogue.toml")
TOKENS_PER_S = 25
"""Of a second of sound, where sound is counted in tokens."""
SLOWEST_PER_S = 8.0
"""Characters: nobody speaks slower, so that a price by the minute has a most."""
_MINUTE_S, _MILLION = 60.0, 1_000_000
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Dollars, from a day on and until another. A dollar for a million is a micro-dollar for one."""

    __pydantic_config__ = _STRICT

    start: Annotated[date, Field(alias="from")] = date.min
    until: date = date.max
    usd_per_million_characters: float = 0.0
    usd_per_minute: float = 0.0
    usd_per_million_text_tokens: float = 0.0
    usd_per_million_audio_tokens: float = 0.0

    def quote(self, characters: int) -> int:
        """The most that a line may cost, in micro-dollars."""
        return self._of(characters, max(1.0, characters / SLOWEST_PER_S))

    def cost(self, characters: int, seconds: float, said: Said) -> int:
        """What a line did cost: by the tokens that its vendor tells, else by its length."""
        cost = self._of(characters, seconds)
        if said.audio_tokens:
            by_text, by_sound = self.usd_per_million_text_tokens, self.usd_per_million_audio_tokens
            cost = round(by_text * said.text_tokens + by_sound * said.audio_tokens)
        return min(self.quote(characters), cost)

    def _of(self, characters: int, seconds: float) -> int:
        # No language has more tokens than characters.
        by_text = (self.usd_per_million_characters + self.usd_per_million_text_tokens) * characters
        by_sound = self.usd_per_minute * _MILLION * seconds / _MINUTE_S
        return -int(-by_text // 1) + round(by_sound + self.usd_per_million_audio_tokens * TOKENS_PER_S * seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceModel:
    """A model of speech. `names_language`: whether it takes the language of a text. `timings`: whether it tells when
    each word is said. `base_url`: the only server whose price this is.
    """

    __pydantic_config__ = _STRICT

    vendor: str
    model: str
    languages: str = "as asked"
    source: str = ""
    prices: tuple[Price, ...] = ()
    ends: date | None = None
    successor: str = ""
    base_url: str | None = None
    names_language: bool = False
    timings: bool = False

    def price_on(self, day: date) -> Price | None:
        """Its price on a day; None where nobody knows it: then nothing is bought."""
        return next((price for price in self.prices if price.start <= day < price.until), None)

    def ended(self, day: date) -> str | None:
        """Why it does not speak any more; None while it does."""
        if self.ends is None or day < self.ends:
            return None
        named = f" Its vendor names {self.successor} instead, which does not read a text as it stands." * bool(
            self.successor
        )
        return f"{self.model} has ended on {self.ends}.{named} Choose local/heart, or a voice of another service."


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """Who speaks behind a module of this room."""

    __pydantic_config__ = _STRICT

    needs: tuple[str, ...]
    """The variables without which it is not there."""
    own: str
    """The form of the ids of voices that are not listed, such as a customer's own."""
    voices: tuple[str, ...]
    module: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    """How the vendor itself calls a voice."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All of it."""

    __pydantic_config__ = _STRICT

    vendors: Mapping[str, Vendor]
    models: tuple[VoiceModel, ...]

    def models_of(self, vendor: str) -> tuple[VoiceModel, ...]:
        """The models of a vendor; the first is the usual one."""
        return tuple(model for model in self.models if model.vendor == vendor)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A voice by name: whose it is, how the vendor calls it, and by which model it speaks."""

    vendor: str
    voice: str
    model: VoiceModel


@cache
def shipped() -> Catalogue:
    """The catalogue that ships."""
    return TypeAdapter(Catalogue).validate_python(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))


def choose(vendor: str, name: str, model: VoiceModel | None = None) -> Chosen | None:
    """The voice `name` of a vendor, or `<model>/name`; None where there is none. `model`: what a server was set to."""
    known = shipped().vendors[vendor]
    if model is None:
        models = shipped().models_of(vendor)
        named = next((one for one in models if name.startswith(f"{one.model}/")), None)
        model, name = named or models[0], name.removeprefix(f"{named.model}/") if named else name
    if name not in known.voices and not re.fullmatch(known.own, name, re.ASCII):
        return None
    return Chosen(vendor, known.ids.get(name, name), model)


def of_server(base_url: str, model: str, usd_per_million: float | None) -> VoiceModel:
    """The model of a server of `/audio/speech`: one that is known, else the operator's own figure."""
    known = next(
        (
            one
            for one in shipped().models_of("speech")
            if one.base_url and one.model == model and Origin.of(one.base_url) == Origin.of(base_url)
        ),
        VoiceModel(vendor="speech", model=model),
    )
    if usd_per_million is None:
        return known
    return replace(known, prices=(Price(usd_per_million_characters=usd_per_million),))

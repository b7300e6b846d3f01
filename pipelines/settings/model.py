"""Every variable an operator can set, and what follows from them.

The field `name` is the variable `NAME`. Secrets are `SecretStr`; addresses that may hold a password are kept out
of `repr`. Built by `loading.load_settings`, which resolves the defaults that depend on other variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import ConfigDict, Field

from pipelines.environment import Origin
from pipelines.settings import values
from pipelines.settings.deployment import (
    AIRTABLE_CONTENT_URL,
    AIRTABLE_URL,
    AirtableSettings,
    DataSettings,
    LogSettings,
    ProcessSettings,
)
from pipelines.settings.filming import (
    ELEVENLABS_URL,
    GEMINI_URL,
    KIE_URL,
    OPENAI_URL,
    OPENROUTER_URL,
    FilmSettings,
    ProviderSettings,
)
from pipelines.settings.selling import STRIPE_URL, SellingSettings, SpendingSettings

PUBLIC_ADDRESSES = frozenset(
    {
        *(AIRTABLE_URL, AIRTABLE_CONTENT_URL, OPENAI_URL, GEMINI_URL, KIE_URL, OPENROUTER_URL, STRIPE_URL),
        ELEVENLABS_URL,
    }
)
"""The vendors' own servers. They are outside, so they need no exemption from the guard against inside addresses."""


class Settings(
    ProcessSettings,
    DataSettings,
    AirtableSettings,
    ProviderSettings,
    SpendingSettings,
    SellingSettings,
    FilmSettings,
    LogSettings,
):
    """The operator's choices, frozen. Get one from `load_settings`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, validate_default=True)

    others: Mapping[str, str] = Field(default_factory=dict, repr=False, exclude=True)
    """What else was set, for what a provider declares of its own."""
    root: Path = Field(default_factory=Path.cwd, repr=False, exclude=True)
    """Where relative paths start."""

    @property
    def trusted_origins(self) -> Mapping[str, frozenset[Origin]]:
        """By vendor, the servers the operator named, which alone may be at an inside address.

        Each holds for its own vendor only. A vendor's public address needs no trust and is left out.
        """
        named = {
            "airtable": (self.airtable_endpoint_url, self.airtable_content_url),
            "openai": (self.openai_base_url,),
            "sora": (self.sora_base_url,),
            "gemini": (self.gemini_base_url,),
            "kie": (self.kie_base_url,),
            "openrouter": (self.openrouter_base_url,),
            "veo": (self.google_cloud_base_url,),
            "speech": (self.speech_base_url,),
            "elevenlabs": (self.elevenlabs_base_url,),
            "storage": (self.aws_endpoint_url,),
            "stripe": (self.stripe_base_url,),
            "moderation": (self.moderation_base_url,),
            "x402": (self.x402_facilitator_url, self.x402_rpc_url),
        }
        found = {
            vendor: frozenset(Origin.of(url) for url in urls if url and url not in PUBLIC_ADDRESSES)
            for vendor, urls in named.items()
        }
        return MappingProxyType({**found, "webhooks": values.origins(self.webhook_origins)})

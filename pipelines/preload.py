"""The libraries that cost a horse half a second each when it imports them itself."""

from __future__ import annotations

import importlib

from pipelines.settings import Settings

HEAVY = (
    "numpy",
    "av",
    "PIL.ImageFont",
    "moviepy",
    "openai.resources.videos",
    "pyairtable",
    "httpx",
    "obstore",
    "sqlalchemy.dialects.sqlite",
    "pipelines.airtable.connections",
    "pipelines.providers.sora",
    "pipelines.providers.local",
    "pipelines.writers",
    "pipelines.media.join.assemble",
    "pipelines.media.normalise.normalise",
    "pipelines.media.cards.animatic",
    "pipelines.media.review.examine",
    "pipelines.media.review.poster",
    "pipelines.stages.scheduler.steps",
)


_GENAI = ("google.genai._interactions", "google.genai._gaos.google_genai", "google.genai._gaos.interactions")
GOOGLE = {
    "gemini_api_key": (*_GENAI, "pipelines.providers.omni"),
    "google_cloud_project": (
        "google.genai",
        "google.oauth2.service_account",
        "google.auth.transport.requests",
        "pipelines.providers.veo",
    ),
}
"""Two and a half seconds a horse; only where the setting says that they will be used."""


def load(settings: Settings) -> None:
    """Import them all."""
    wanted = [name for setting, names in GOOGLE.items() if getattr(settings, setting) for name in names]
    for name in (*HEAVY, *wanted):
        importlib.import_module(name)

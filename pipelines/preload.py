"""The libraries that cost a horse half a second each when it imports them itself."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterable

from pipelines.settings import Settings

HEAVY = (
    "pyairtable",
    "pyairtable.formulas",
    "httpx",
    "sqlalchemy.dialects.sqlite",
    "pipelines.airtable.connections",
    "pipelines.providers.sora",
    "pipelines.providers.local",
    "pipelines.writers",
    "pipelines.stages.scheduler.steps",
)
"""What every process of the worker service uses, loaded once for all of them."""
STEPS = ("openai.resources.videos", "pipelines.media.clips.probe")
"""What those use who buy clips, look at what came and ask language models: some 30 MB, and half a second to load."""
MEDIA = (
    "numpy",
    "av",
    "PIL.ImageFont",
    *(f"PIL.{name}ImagePlugin" for name in ("Bmp", "Gif", "Jpeg", "Png", "Ppm", "WebP")),
    "moviepy",
    "pipelines.media.join.assemble",
    "pipelines.media.normalise.normalise",
    "pipelines.media.cards.animatic",
    "pipelines.media.review.examine",
    "pipelines.media.review.poster",
    "pipelines.media.text.subtitles",
)
"""What only those who cut films use: some 35 MB that are there while films are made. Pillow would load its formats with
the first picture that is written.
"""


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
    """Import what all share."""
    wanted = [name for setting, names in GOOGLE.items() if getattr(settings, setting) for name in names]
    _import((*HEAVY, *wanted))


def load_for(names: tuple[str, ...]) -> None:
    """Import what a process needs besides that goes on to fork."""
    if any(name not in sys.modules for name in names):
        _import(names)
        before_forks()


def before_forks() -> None:
    """A collection that goes through all this writes into it, and each child would have a copy of its own."""
    gc.collect()
    gc.freeze()


def _import(names: Iterable[str]) -> None:
    for name in names:
        importlib.import_module(name)

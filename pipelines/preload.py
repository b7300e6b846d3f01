"""The libraries that cost a horse half a second each when it imports them itself."""

from __future__ import annotations

import importlib

HEAVY = (
    "numpy",
    "av",
    "PIL.ImageFont",
    "moviepy",
    "openai",
    "pyairtable",
    "httpx",
    "obstore",
    "sqlalchemy.dialects.sqlite",
    "pipelines.airtable.connect",
    "pipelines.providers.sora",
    "pipelines.providers.local",
    "pipelines.writers",
    "pipelines.media.assemble",
    "pipelines.media.normalise",
    "pipelines.media.animatic",
    "pipelines.media.examine",
    "pipelines.media.poster",
    "pipelines.stages.runner",
)


def load() -> None:
    """Import them all."""
    for name in HEAVY:
        importlib.import_module(name)

"""Words: scenes from a master prompt, a softer prompt for a refused one, and the likely culprit of a refusal.

Importing this loads no SDK: the web process asks for quotes only.
"""

from __future__ import annotations

from pipelines.ports import Moderator, SceneWriter
from pipelines.settings import Settings
from pipelines.writers.deterministic import DeterministicWriter
from pipelines.writers.gpt.writer import GptWriter
from pipelines.writers.moderation import OpenAiModerator, WordListModerator
from pipelines.writers.prompt_check import build_prompt_check

__all__ = [
    "DeterministicWriter",
    "GptWriter",
    "OpenAiModerator",
    "WordListModerator",
    "build_moderator",
    "build_prompt_check",
    "build_writer",
]


def build_writer(settings: Settings) -> SceneWriter:
    """The language model when `OPENAI_API_KEY` is set, else the offline writer."""
    return GptWriter(settings) if settings.openai_api_key else DeterministicWriter()


def build_moderator(settings: Settings) -> Moderator:
    """OpenAI's moderation when `OPENAI_API_KEY` is set, else word lists."""
    return OpenAiModerator(settings) if settings.openai_api_key else WordListModerator()

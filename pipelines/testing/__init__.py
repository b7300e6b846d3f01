"""Fakes that ship with the product: every outside of the core, in memory, fast, and told by a test what to do.

They implement the ports as the real adapters do, so that a test of a stage or of an extension reads as a story. The
database is always a real one. Nothing that serves or works imports this package.
"""

from pipelines.testing.board import MemoryBoard
from pipelines.testing.clips import tiny_mp4
from pipelines.testing.provider import Outcome, Purchase, ScriptedProvider, ScriptedProviders
from pipelines.testing.services import CATALOGUE, House, MemoryTools, MemoryWebhooks, make_services
from pipelines.testing.small import (
    FixedClock,
    MappedIntake,
    NoPoints,
    PlainLinks,
    QuietHints,
    ScriptedModerator,
    ScriptedWriter,
)
from pipelines.testing.studio import QuietStudio

__all__ = [
    "CATALOGUE",
    "FixedClock",
    "House",
    "MappedIntake",
    "MemoryBoard",
    "MemoryTools",
    "MemoryWebhooks",
    "NoPoints",
    "Outcome",
    "PlainLinks",
    "Purchase",
    "QuietHints",
    "QuietStudio",
    "ScriptedModerator",
    "ScriptedProvider",
    "ScriptedProviders",
    "ScriptedWriter",
    "make_services",
    "tiny_mp4",
]

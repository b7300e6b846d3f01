"""Fakes that ship with the product: every outside of the core, in memory, fast, and told by a test what to do.

They implement the ports as the real adapters do, so that a test of a stage or of an extension reads as a story. The
database is always a real one. Nothing that serves or works imports this package.
"""

from pipelines.testing.airtable import MemoryAirtable
from pipelines.testing.clips import tiny_mp4
from pipelines.testing.fakes import (
    FixedClock,
    MappedIntake,
    NoCrashPoints,
    PlainLinks,
    QuietHints,
    RecordingSender,
    ScriptedModerator,
    ScriptedWriter,
)
from pipelines.testing.film_editor import QuietFilmEditor, ScriptedSigner
from pipelines.testing.provider import Outcome, Purchase, ScriptedProvider, ScriptedProviders
from pipelines.testing.services import (
    CATALOGUE,
    MemoryTools,
    MemoryWebhooks,
    ServicesHarness,
    empty_database,
    fresh_store,
    made_for_tests,
    make_services,
)

__all__ = [
    "CATALOGUE",
    "FixedClock",
    "MappedIntake",
    "MemoryAirtable",
    "MemoryTools",
    "MemoryWebhooks",
    "NoCrashPoints",
    "Outcome",
    "PlainLinks",
    "Purchase",
    "QuietFilmEditor",
    "QuietHints",
    "RecordingSender",
    "ScriptedModerator",
    "ScriptedProvider",
    "ScriptedProviders",
    "ScriptedSigner",
    "ScriptedWriter",
    "ServicesHarness",
    "empty_database",
    "fresh_store",
    "made_for_tests",
    "make_services",
    "tiny_mp4",
]

"""What comes back to who follows a run."""

from __future__ import annotations

from webapp.api.run_answers import EventView, RunSummary


class StreamedRun(RunSummary):
    """How far the run is: the `data` of an event named `run`."""

    version: str


class StreamedEvent(EventView):
    """One thing that happened: the `data` of an event without a name, whose `id` goes into `Last-Event-ID`."""

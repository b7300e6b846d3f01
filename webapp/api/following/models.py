"""What comes back to who follows a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from webapp.api.run_answers import EventView, RunSummary, RunView

State = Literal["pending", "processing", "success", "fail"]


class PolledRun(RunView):
    """Everything about a run, and the words of earlier systems for the most important of it."""

    state: State
    taskId: str  # noqa: N815 - theirs
    task_id: str
    generationId: str  # noqa: N815 - theirs
    result: Annotated[str | None, Field(description="The address of the film.")]
    resultUrls: Annotated[list[str], Field(description="Of every cut.")]  # noqa: N815 - theirs
    failMsg: str | None  # noqa: N815 - theirs


class RunNews(RunSummary):
    """How far the run is: the `data` of an event named `run`."""

    version: str


class Happening(EventView):
    """One thing that happened: the `data` of an event without a name, whose `id` goes into `Last-Event-ID`."""

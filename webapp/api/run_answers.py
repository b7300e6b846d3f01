"""Pages of what comes back about runs and their scenes."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from pipelines.stages.views.documents import FoundFilm, RunSummary, SceneItem, closed


@closed
class SceneList(TypedDict):
    """A page of the scenes of a run, in the order of the film."""

    scenes: list[SceneItem]
    next_cursor: str | None


@closed
class FoundFilms(TypedDict):
    """A page of what was found."""

    results: list[FoundFilm]
    next_cursor: str | None
    by: NotRequired[
        Annotated[
            list[Literal["words", "meaning"]] | None,
            Field(
                description="How films were looked for, where SEARCH_EMBEDDINGS is on; `words` alone while it is away.",
                json_schema_extra={"default": None},
            ),
        ]
    ]


@closed
class RunList(TypedDict):
    """A page of runs, newest first."""

    runs: list[RunSummary]
    next_cursor: str | None

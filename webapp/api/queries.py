"""What may be asked for in the query of an address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipelines.domain.errors import Problem
from webapp.api.fields import Day, Offset, RecordId

NO_CURSOR = "must be the next_cursor of an earlier page."


def is_cursor(text: str | None) -> bool:
    """Whether it names the moment and the id of the last row of a page; or nothing, for the first one."""
    if text is None:
        return True
    at, separator, last = text.partition("~")
    try:
        return bool(separator and last) and float(at) >= 0
    except ValueError:
        return False


def _cursor(text: str) -> str:
    if not is_cursor(text):
        raise ValueError(NO_CURSOR)
    return text


def moment(name: str, text: str | None, problems: list[Problem]) -> float | None:
    """A moment in seconds since the epoch; None, and a problem more, for what is none."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        problems.append(Problem(name, "must be a moment such as 2026-11-20T10:00:00Z."))
        return None


class RunQuery(BaseModel):
    """Which runs, and in which order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    record_id: RecordId | None = None
    status: Annotated[str | None, Field(description="One status, or several separated by commas.")] = None
    model: Annotated[str | None, Field(max_length=200, description="The model of its plan, by its id.")] = None
    aspect_ratio: Annotated[str | None, Field(max_length=20, description="Of its first format, such as 16:9.")] = None
    key: Annotated[str | None, Field(max_length=200, description="The id of the key that ordered it.")] = None
    base_id: Annotated[str | None, Field(max_length=200, description="Of a base: its rows' runs.")] = None
    order: Annotated[
        Literal["newest", "dearest"],
        Field(description="`dearest`: those first that were quoted most; runs without a quote are left out."),
    ] = "newest"
    since: Annotated[str | None, Field(description="Created at or after: ISO 8601, UTC unless it says otherwise.")] = (
        None
    )
    until: Annotated[str | None, Field(description="Created before.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=200, description="`next_cursor` of the page before.")] = None


class SearchQuery(BaseModel):
    """What is looked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            pattern=r"\S",
            description="Words that a film has all of, in any order: in its title, its record id, its prompt, or the "
            "prompts, captions and narrations of its scenes (the first 300 characters of each). Parts of words count.",
        ),
    ]
    since: Annotated[str | None, Field(description="Created at or after; a year ago when left out.")] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=200, description="`next_cursor` of the page before.")] = None


class NewestQuery(BaseModel):
    """A page of a list that is newest first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[
        Annotated[str, AfterValidator(_cursor)] | None,
        Field(max_length=200, description="`next_cursor` of the page before."),
    ] = None


class SceneQuery(BaseModel):
    """A page of the scenes of a run, in the order of the film."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[Offset | None, Field(description="`next_cursor` of the page before.")] = None


class WaitQuery(BaseModel):
    """Long polling."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wait: Annotated[float, Field(ge=0, le=60, description="Seconds to wait for a change, at most 60.")] = 0
    version: Annotated[str | None, Field(max_length=64, description="`version` of the answer you have.")] = None


class RunWait(WaitQuery):
    """Long polling of a run, or waiting for its end."""

    poll: Annotated[
        bool,
        Field(
            description="Wait for the end of the run, up to five minutes, and answer in the words of earlier systems, "
            "too: `state`, `taskId`, `result`."
        ),
    ] = False


class AgentWait(WaitQuery):
    """Long polling by an agent: what stands before it may cut off an answer that takes half a minute."""

    wait: Annotated[float, Field(ge=0, le=25, description="Seconds to wait for a change, at most 25.")] = 0


class PageQuery(BaseModel):
    """A part of a list; all of it when `limit` is left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int | None, Field(ge=1, le=200, description="At most so many; all when left out.")] = None
    cursor: Annotated[Offset | None, Field(description="`next_cursor` of the page before.")] = None


class UsageQuery(PageQuery):
    """Which spend, grouped how; days are UTC, both inclusive."""

    by: Annotated[
        str, Field(description="day, model, record, key, base, account, project: one, or several separated by commas.")
    ] = "day"
    since: Day | None = None
    until: Day | None = None

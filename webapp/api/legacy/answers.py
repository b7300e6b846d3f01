"""The most important of a run, as earlier systems said it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.views.documents import RunView, closed
from webapp.api.answers import Accepted, Answer, Bought

State = Literal["pending", "processing", "success", "fail"]
_PENDING = frozenset({RunStatus.QUEUED, RunStatus.WRITING, RunStatus.NEEDS_APPROVAL})
_FAILED = frozenset({RunStatus.FAILED, RunStatus.CANCELLED})


class LegacyWords(Answer):
    """What an order in the words of an earlier system is told besides."""

    state: State
    taskId: str  # noqa: N815 - theirs
    task_id: str
    generationId: str  # noqa: N815 - theirs
    estimated_time: Annotated[float, Field(description="How long a clip of its model usually takes, in seconds.")]
    credits_estimated: Annotated[int | None, Field(description="What is set aside for it; null where nothing is.")]
    warnings: Annotated[list[str], Field(description="What of the order has no meaning here.")]


class LegacyAccepted(LegacyWords, Accepted):
    """A run is committed, for an order in the words of an earlier system."""


class LegacyBought(LegacyWords, Bought):
    """A run that was paid by x402 is committed, for an order in the words of an earlier system."""


@closed
class LegacyCredits(TypedDict):
    """What it used, and what the account has left."""

    consumed: float
    remaining: float


@closed
class PolledRun(RunView):
    """Everything about a run, and the words of earlier systems for the most important of it."""

    state: State
    taskId: str  # noqa: N815 - theirs
    task_id: str
    generationId: str  # noqa: N815 - theirs
    result: Annotated[str | None, Field(description="The address of the film.")]
    resultUrls: Annotated[list[str], Field(description="Of every cut.")]  # noqa: N815 - theirs
    failMsg: str | None  # noqa: N815 - theirs
    credits: Annotated[LegacyCredits | None, Field(description="Null where nothing is paid in credits.")]


def accepted(answer: Accepted, ignored: tuple[str, ...], usual_s: float) -> LegacyAccepted:
    """What an order in legacy words is answered with."""
    words = _words(answer.run_id, answer.status, answer.credits, ignored, usual_s)
    return LegacyAccepted(**answer.model_dump(), **words.model_dump())


def bought(answer: Bought, credits: int, ignored: tuple[str, ...], usual_s: float) -> LegacyBought:
    """The same of one that was paid for by the call."""
    words = _words(answer.run_id, answer.status, credits, ignored, usual_s)
    return LegacyBought(**answer.model_dump(), **words.model_dump())


def _words(run_id: str, status: str, credits: int | None, ignored: tuple[str, ...], usual_s: float) -> LegacyWords:
    return LegacyWords(
        taskId=run_id,
        task_id=run_id,
        generationId=run_id,
        state=state_of(RunStatus(status)),
        estimated_time=usual_s,
        credits_estimated=credits,
        warnings=[f"{name} means nothing here." for name in ignored],
    )


def polled(view: RunView, credits: LegacyCredits | None) -> PolledRun:
    """The view of a run with the legacy words in it."""
    status = RunStatus(view["status"])
    films = [cut["url"] for cut in view["cuts"] if cut["current"] and cut["url"]]
    return PolledRun(
        **view,
        taskId=view["run_id"],
        task_id=view["run_id"],
        generationId=view["run_id"],
        state=state_of(status),
        result=films[0] if films else None,
        resultUrls=films,
        failMsg=view["error"] if status in _FAILED else None,
        credits=credits,
    )


def state_of(status: RunStatus) -> State:
    """What a status was called."""
    if status in _PENDING:
        return "pending"
    if status in _FAILED:
        return "fail"
    return "success" if status is RunStatus.DONE else "processing"

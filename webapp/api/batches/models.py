"""What is sent and what comes back about batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pipelines.domain.customers.batches import MOST_ITEMS
from pipelines.stages.views.documents import Time
from webapp.api.answers import Answer, FieldProblem
from webapp.api.fields import Body, DryRun, Metadata, WebhookUrl
from webapp.api.orders import ClipOrder, MasterPromptOrder

CLIP, FILM = "generate-video", "process-master-prompt"
_WHICH = "Whose body this is; told from its fields when left out."


class ClipItem(ClipOrder):
    """One clip of a batch."""

    for_: Annotated[Literal["generate-video"] | None, Field(alias="for", description=_WHICH)] = None


class FilmItem(MasterPromptOrder):
    """One film of a batch."""

    for_: Annotated[Literal["process-master-prompt"] | None, Field(alias="for", description=_WHICH)] = None


class Envelope(Body):
    """What a batch says beside its orders."""

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_ITEMS)]
    on_error: Annotated[
        Literal["refuse", "skip"],
        Field(description="With an order that cannot be made: refuse all of them, or start the others."),
    ] = "refuse"
    webhook_url: Annotated[
        WebhookUrl | None, Field(description="Told once, when all of it is over (`batch.done`).")
    ] = None
    metadata: Metadata | None = None
    dry_run: DryRun = False


class BatchOrder(Envelope):
    """Many orders, admitted together."""

    items: Annotated[list[ClipItem | FilmItem], Field(min_length=1, max_length=MOST_ITEMS)]  # type: ignore[assignment]


class ItemRun(Answer):
    """What became of one order."""

    item: Annotated[int, Field(description="Its place in the request, from 0.")]
    custom_id: str | None
    run_id: Annotated[str | None, Field(description="Null for an order that was not started.")]
    status: str | None
    status_url: str | None


class BatchEstimate(Answer):
    """What a batch would cost at most; nothing was started."""

    ok: bool
    quote_usd: Annotated[float, Field(description="Of all orders that can be made.")]
    price_usd: Annotated[float | None, Field(description="What is charged; null where nothing is paid in credits.")]
    credits: Annotated[int | None, Field(description="The same in credits.")]
    enough: Annotated[bool | None, Field(description="Whether so many credits are available now.")]
    problems: list[FieldProblem]


class BatchSummary(Answer):
    """A batch in a list."""

    batch_id: str
    total: Annotated[int, Field(description="Orders in the request.")]
    started: Annotated[int, Field(description="Those that became runs.")]
    metadata: dict[str, str]
    created_at: Time
    finished_at: Annotated[Time | None, Field(description="When its last run stopped, for the first time.")]
    status_url: str


class BatchView(BatchSummary):
    """A batch with each of its orders."""

    counts: Annotated[dict[str, int], Field(description="How many of its runs have each status, now.")]
    problems: Annotated[list[FieldProblem], Field(description="Of orders that were not started.")]
    runs: list[ItemRun]


class StreamedStatus(Answer):
    """A run of the batch came to a status: the `data` of an event without a name."""

    at: Time
    run_id: str
    custom_id: str | None
    old: str | None
    new: str


class BatchList(Answer):
    """A page of batches, newest first."""

    batches: list[BatchSummary]
    next_cursor: str | None

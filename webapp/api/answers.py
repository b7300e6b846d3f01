"""What comes back, as models: /openapi.json is made from them, and the tests hold every answer against them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from pipelines.stages.views.documents import FoundFilm, PlanView, RunSummary, SceneItem, Time, UsageRow, Usd, closed


class Answer(BaseModel):
    """Nothing comes back that is not described here."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(Answer):
    """One thing wrong with a request."""

    field: str
    message: str


class ProblemDocument(Answer):
    """RFC 9457. `errors` lists every problem, not only the first; an empty `field` means the request as a whole."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldProblem]
    code: Annotated[
        str | None,
        Field(
            description="What it is about, for programs: `rate_limited`, `too_many_in_flight`, `insufficient_credits` "
            "or `over_budget`."
        ),
    ] = None
    violated: Annotated[
        list[str] | None, Field(description="The limits that were reached: `start`, `backlog`, `read`, `guess`, …")
    ] = None
    required_credits: int = 0
    available_credits: int = 0
    missing_credits: int = 0
    price_usd: Usd = 0.0
    top_up_url: str | None = None


class Accepted(Answer):
    """A run is committed. `existing` says that the record already had one under way."""

    run_id: str
    status: str
    existing: bool
    status_url: str
    page_url: str
    quote_usd: Annotated[float | None, Field(description="Null until the row is read.")]
    credits: Annotated[int | None, Field(description="Set aside for it; null where nothing is paid in credits.")]


class Bought(Answer):
    """A run that was paid by x402 is committed. `existing` says that this payment had bought it already."""

    run_id: str
    status: str
    existing: bool
    status_url: str
    page_url: Annotated[str | None, Field(description="As access_token.")]
    price_usd: Annotated[float, Field(description="What was paid.")]
    access_token: Annotated[
        str | None,
        Field(
            description="A key that reaches this run and what is left of the payment. Null in an answer to a repeat, "
            "unless it names the Idempotency-Key (16 characters or more) or payment identifier of the first request."
        ),
    ]


class SweepAccepted(Answer):
    """The queue will be gone through."""

    sweep_id: str
    status_url: str


class Sweep(Answer):
    """One pass over the rows that are ready."""

    sweep_id: str
    base_id: str
    status: str
    started: list[str]
    error: str | None
    created_at: Time
    finished_at: Time | None


class Estimate(Answer):
    """What would happen and what it would cost at most; nothing was started or spent."""

    ok: bool
    quote_usd: float | None
    price_usd: Annotated[float | None, Field(description="What is charged; null where nothing is paid in credits.")]
    credits: Annotated[int | None, Field(description="The same in credits.")]
    enough: Annotated[bool | None, Field(description="Whether so many credits are available now.")]
    plan: PlanView | None
    problems: list[FieldProblem]
    warnings: list[str]
    title: str | None


class RowPlan(Answer):
    """What a row that is ready would be made into."""

    record_id: str
    quote_usd: float
    plan: PlanView | None


class QueueEstimate(Answer):
    """Which rows a queue sweep would start now."""

    ok: bool
    quote_usd: float | None
    records: list[str]
    plans: list[RowPlan]
    problems: list[FieldProblem]
    warnings: list[str]


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


@closed
class Usage(TypedDict):
    """Spend and seconds."""

    by: list[str]
    rows: list[UsageRow]
    spent_usd: Usd
    spent_today_usd: Usd
    day_cap_usd: Annotated[float | None, Field(description="Null for an account that has none of its own.")]
    next_cursor: NotRequired[Annotated[str | None, Field(json_schema_extra={"default": None})]]


class ModelView(Answer):
    """One model of the catalogue."""

    id: str
    label: str
    configured: bool
    default: bool
    durations_s: list[float]
    min_seconds: float
    max_seconds: float
    step_seconds: Annotated[float | None, Field(description="Between two lengths; null where they are listed.")]
    default_seconds: float
    aspect_ratios: list[str]
    resolutions: list[str]
    sizes: dict[str, str]
    fps: float
    audio: bool
    image_to_video: bool
    first_last_frame: bool
    last_frame_max_seconds: Annotated[float | None, Field(description="Of a clip that ends on a given picture.")]
    max_references: int
    frames_or_references: Annotated[
        bool, Field(description="Whether a clip with a first frame takes no reference images beside it.")
    ]
    seed: bool
    negative_prompt: bool
    max_prompt: int
    price_usd_per_second: dict[str, float]
    price_usd_per_clip: dict[str, float]
    from_image_usd_per_second: Annotated[
        dict[str, float], Field(description="Of clips that start from a picture, where these are charged otherwise.")
    ]
    from_image_usd_per_clip: dict[str, float]
    price_date: str | None
    free: bool
    typical_s: Annotated[float, Field(description="How long a clip usually takes, in seconds.")]
    maximum_s: Annotated[float, Field(description="After this many seconds a clip is not waited for any more.")]
    max_in_flight: Annotated[int, Field(description="How many clips are made at once.")]
    creates_per_minute: float
    ability: Annotated[str, Field(description="How a lost answer is settled: key, list, callback or none.")]
    retention_s: Annotated[float, Field(description="How long the provider keeps a clip, where it does not say.")]
    sunset: str | None
    successor: str | None
    warning: str | None
    notes: Annotated[str, Field(description="For the operator; empty for an account.")]


class ModelList(Answer):
    """The catalogue."""

    default: str
    models: list[ModelView]
    next_cursor: str | None = None


class Stopped(Answer):
    """Where the Stop switch is."""

    on: bool
    reason: str
    at: Time | None


def plain(model: BaseModel) -> dict[str, Any]:
    """A model as JSON types."""
    return model.model_dump(mode="json")

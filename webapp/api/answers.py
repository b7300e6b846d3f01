"""What comes back, as models: /openapi.json is made from them, and the tests hold every answer against them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="UTC, ISO 8601.")]
Usd = Annotated[float, Field(description="US dollars.")]


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


class Accepted(Answer):
    """A run is committed. `existing` says that the record already had one under way."""

    run_id: str
    status: str
    existing: bool
    status_url: str
    page_url: str
    quote_usd: Annotated[float | None, Field(description="Null until the row is read.")]


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


class QuoteLine(Answer):
    """One line of a quote."""

    label: str
    usd: Usd


class PlannedSceneView(Answer):
    """One scene as it would be bought."""

    number: int
    prompt: str | None
    seconds: float
    model: str
    width: int
    height: int
    price_usd: Usd


class PlanView(Answer):
    """What a run buys and makes."""

    model: str
    width: int
    height: int
    fps: float
    formats: list[str]
    seconds: float
    scenes: list[PlannedSceneView]
    adapted: list[str]
    lines: list[QuoteLine]


class Estimate(Answer):
    """What would happen and what it would cost at most; nothing was started or spent."""

    ok: bool
    quote_usd: float | None
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


class ClipView(Answer):
    """One video file of a scene."""

    clip_id: str
    url: str | None
    current: bool
    placeholder: bool
    model: str
    duration_s: float | None
    width: int | None
    height: int | None
    size: int
    cost_usd: Usd
    created_at: Time


class GenerationView(Answer):
    """One paid request at a provider."""

    generation_id: str
    attempt: int
    status: str
    provider: str
    model: str
    provider_job_id: str | None
    progress: int
    reserved_usd: Usd
    cost_usd: float | None
    reason: str | None
    error: str | None
    adopted: bool
    created_at: Time
    submitted_at: Time | None


class SceneView(Answer):
    """One shot, with all its clips and generations."""

    number: int
    key: str
    prompt: str
    caption: str | None
    seconds: float
    status: str
    model: str
    seed: int | None
    negative_prompt: str | None
    error: str | None
    progress: Annotated[float, Field(ge=0, le=1)]
    clips: list[ClipView]
    generations: list[GenerationView]


class SceneItem(SceneView):
    """One shot in a list of them. `clip` is the one that the film shows, null until there is one."""

    clip: ClipView | None


class SceneList(Answer):
    """A page of the scenes of a run, in the order of the film."""

    scenes: list[SceneItem]
    next_cursor: str | None


class CutView(Answer):
    """One stitched output. `url` is permanent."""

    cut_id: str
    take: int
    format: str
    status: str
    animatic: bool
    current: bool
    url: str | None
    download_url: str | None
    poster_url: str | None
    extras: dict[str, str]
    filename: str | None
    duration_s: float | None
    width: int | None
    height: int | None
    size: int | None
    verdict: str | None
    created_at: Time
    delivered_at: Time | None


class EventView(Answer):
    """One thing that happened, in words."""

    at: Time
    name: str
    entity: str
    entity_id: str
    old: str | None
    new: str | None
    actor: str
    sentence: str


class Choice(Answer):
    """Money in doubt: a person decides at `POST /api/generations/{generation_id}/decide`."""

    generation_id: str
    scene: int
    question: str
    amount_usd: Usd
    options: dict[str, str]


class RunSummary(Answer):
    """A run in a list."""

    run_id: str
    status: str
    sentence: str
    title: str
    source: str
    record_id: str | None
    base_id: str | None
    number: int
    progress: Annotated[float, Field(ge=0, le=1)]
    quote_usd: float | None
    cost_usd: Usd
    error: str | None
    created_at: Time
    updated_at: Time
    finished_at: Time | None
    status_url: str
    page_url: str


class RunView(RunSummary):
    """Everything about a run. `version` changes whenever anything in it does."""

    version: str
    detail: str
    verdict: str | None
    approval: str | None
    key: str | None
    started_at: Time | None
    held_usd: Usd
    plan: PlanView | None
    actions: list[str]
    choices: list[Choice]
    airtable_calls: Annotated[int, Field(description="Calls to Airtable made for this run.")]
    airtable_calls_shared: Annotated[
        int, Field(description="Calls made for the whole base meanwhile, such as looks at its boxes and its Settings.")
    ]
    scenes: list[SceneView]
    cuts: list[CutView]
    costs: list[QuoteLine]
    events: list[EventView]


class RunList(Answer):
    """A page of runs, newest first."""

    runs: list[RunSummary]
    next_cursor: str | None


class UsageRow(Answer):
    """Spend of one group; only the columns that were asked for are there."""

    model_config = ConfigDict(extra="forbid")

    day: str | None = None
    model: str | None = None
    record_id: str | None = None
    key: str | None = None
    base_id: str | None = None
    spent_usd: Usd
    seconds: float
    generations: int


class Usage(Answer):
    """Spend and seconds."""

    by: list[str]
    rows: list[UsageRow]
    spent_usd: Usd
    spent_today_usd: Usd
    day_cap_usd: Usd
    next_cursor: str | None = None


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
    seed: bool
    negative_prompt: bool
    max_prompt: int
    price_usd_per_second: dict[str, float]
    price_usd_per_clip: dict[str, float]
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
    notes: str


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

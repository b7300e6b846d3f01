"""What is told about runs and spend, as JSON: declared once, for what builds it here and for /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="UTC, ISO 8601.")]
Usd = Annotated[float, Field(description="US dollars.")]
Column = Annotated[str | None, Field(json_schema_extra={"default": None})]
About = Literal["milestones", "money"]
Reason = Literal["title", "master_prompt", "record_id", "scenes", "meaning"]
closed = with_config(ConfigDict(extra="forbid"))
"""Nothing is told that is not described here."""


@closed
class QuoteLine(TypedDict):
    """One line of a quote."""

    label: str
    usd: Usd


@closed
class PlannedSceneView(TypedDict):
    """One scene as it would be bought."""

    number: int
    hook: Annotated[str | None, Field(description="Of an opening, where there are several: its letter.")]
    prompt: str | None
    seconds: float
    model: str
    width: int
    height: int
    price_usd: Usd


@closed
class PlanView(TypedDict):
    """What a run buys and makes."""

    model: str
    width: int
    height: int
    fps: float
    formats: list[str]
    hooks: int
    languages: Annotated[list[str], Field(description="Of its films, where they were said; its own first.")]
    seconds: float
    scenes: list[PlannedSceneView]
    adapted: list[str]
    lines: list[QuoteLine]


@closed
class ClipView(TypedDict):
    """One video file of a scene."""

    clip_id: str
    url: str | None
    thumb_url: Annotated[str | None, Field(description="A small picture of it, where there is one.")]
    current: bool
    placeholder: bool
    model: str
    duration_s: float | None
    width: int | None
    height: int | None
    size: int
    cost_usd: Usd
    created_at: Time


@closed
class GenerationView(TypedDict):
    """One paid request at a provider."""

    generation_id: str
    attempt: int
    status: str
    provider: str
    model: str
    provider_id: Annotated[
        str | None, Field(description="What the provider asks for when you write to it about this request.")
    ]
    provider_job_id: str | None
    provider_url: Annotated[
        str | None,
        Field(description="Where the provider has the clip while it is not stored here. For the operator only."),
    ]
    progress: int
    reserved_usd: Usd
    cost_usd: float | None
    reason: str | None
    error: Annotated[str | None, Field(description="In its provider's own words; the operator's alone.")]
    adopted: bool
    created_at: Time
    submitted_at: Time | None


@closed
class SceneView(TypedDict):
    """One shot, with all its clips and generations."""

    number: int
    key: str
    hook: Annotated[str | None, Field(description="Where it is one of several openings: its letter.")]
    prompt: str
    caption: str | None
    narration: str | None
    said: Annotated[
        str | None,
        Field(description="What the narrator says instead of these words, where they take too long for the clip."),
    ]
    translations: Annotated[
        dict[str, dict[str, str]],
        Field(description="By language, what is read and heard in it, by the text that it translates."),
    ]
    seconds: float
    status: str
    model: str
    seed: int | None
    negative_prompt: str | None
    resolution: Annotated[str, Field(description="In which its clip is ordered.")]
    aspect_ratio: Annotated[str, Field(description="In which its clip is ordered; the film's may be another.")]
    transition: Annotated[
        str | None, Field(description="From the scene before into this one, where it has one of its own.")
    ]
    continues: Annotated[bool, Field(description="Whether it starts from the last picture of the scene before.")]
    pictures: Annotated[int, Field(description="How many of its own it starts from or refers to.")]
    error: str | None
    suggested_prompt: Annotated[str | None, Field(description="A softer wording for a scene that was refused.")]
    progress: Annotated[float, Field(ge=0, le=1)]
    attempts: Annotated[int, Field(description="How many times it was ordered at a provider.")]
    price_usd: Annotated[float, Field(description="What its clip was quoted at, in US dollars.")]
    cost_usd: Annotated[float, Field(description="What was paid for it in this run so far, in US dollars.")]
    scene_record_id: Annotated[str | None, Field(description="Its row in the Airtable table Scenes.")]
    clips: list[ClipView]
    generations: list[GenerationView]


@closed
class SceneItem(SceneView):
    """One shot in a list of them. `clip` is the one that the film shows, null until there is one."""

    clip: ClipView | None


@closed
class CutView(TypedDict):
    """One stitched output. `url` is permanent."""

    cut_id: str
    take: int
    format: str
    hook: Annotated[str | None, Field(description="The letter of its opening, where there are several.")]
    language: Annotated[str | None, Field(description="Of what is read and heard in it, as a BCP 47 tag.")]
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


@closed
class EventView(TypedDict):
    """One thing that happened, in words."""

    at: Time
    name: str
    entity: str
    entity_id: str
    old: str | None
    new: str | None
    actor: Annotated[str, Field(description="To an account: one of its keys, `airtable`, or `the operator`.")]
    sentence: str
    about: Annotated[list[About], Field(description="The filters of the run's page that show it.")]


@closed
class Choice(TypedDict):
    """Money in doubt: a person decides at `POST /api/generations/{generation_id}/decide`."""

    generation_id: str
    scene: int
    question: str
    amount_usd: Usd
    options: dict[str, str]


@closed
class RunSummary(TypedDict):
    """A run in a list."""

    run_id: str
    status: str
    sentence: str
    title: str
    source: str
    record_id: str | None
    base_id: str | None
    number: int
    model: Annotated[str | None, Field(description="Null while that is not known.")]
    aspect_ratio: Annotated[str | None, Field(description="Of its first format; null while that is not known.")]
    progress: Annotated[float, Field(ge=0, le=1)]
    quote_usd: float | None
    cost_usd: Usd
    error: str | None
    created_at: Time
    updated_at: Time
    finished_at: Time | None
    status_url: str
    page_url: str
    batch_id: Annotated[str | None, Field(description="The batch that it was ordered in.")]
    thumb_url: Annotated[str | None, Field(description="A small picture of its first clip, where there is one.")]
    custom_id: Annotated[str | None, Field(description="As ordered.")]
    metadata: Annotated[dict[str, str], Field(description="As ordered.")]


@closed
class StreamedRun(RunSummary):
    """How far the run is: the `data` of an event named `run`."""

    version: str


@closed
class StreamedEvent(EventView):
    """One thing that happened: the `data` of an event without a name, whose `id` goes into `Last-Event-ID`."""


@closed
class PostText(TypedDict):
    """What is posted with the films in one language, null where the order names none."""

    language: str | None
    text: str


@closed
class CastView(TypedDict):
    """A character or place that comes back, with its picture."""

    token: Annotated[str, Field(description="What the prompts call it.")]
    looks: str
    place: bool
    picture_url: Annotated[str | None, Field(description="Its picture, as soon as that is there.")]


@closed
class RunView(RunSummary):
    """Everything about a run. `version` changes whenever anything in it does."""

    version: str
    detail: str
    verdict: str | None
    pack_url: str | None
    post_texts: Annotated[list[PostText], Field(description="What to paste beside the films of the pack.")]
    approval: str | None
    cast: Annotated[list[CastView], Field(description="Of whom pictures are made, where `consistency` asks for that.")]
    key: str | None
    started_at: Time | None
    seconds_left: Annotated[
        float | None, Field(description="About how long it still takes, while clips are being made; else null.")
    ]
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


@closed
class FoundScene(TypedDict):
    """A scene that has one of the words."""

    number: int
    hook: Annotated[str | None, Field(description="Which opening of the film it is, where it has several.")]
    prompt: str


@closed
class FoundFilm(TypedDict):
    """A film, and why it was found."""

    run: RunSummary
    found_in: Annotated[
        list[Reason],
        Field(description="What of it has one of the words; `meaning` where it is about what was looked for."),
    ]
    scenes: Annotated[
        list[FoundScene],
        Field(
            description="Its scenes with one of the words in prompt, caption or narration, or that are about what was "
            "looked for, in the film's order."
        ),
    ]


class Columns(TypedDict):
    """By what spend is grouped."""

    day: NotRequired[Column]
    model: NotRequired[Column]
    record_id: NotRequired[Column]
    key: NotRequired[Column]
    base_id: NotRequired[Column]
    account_id: NotRequired[Column]
    project: NotRequired[Column]


@closed
class UsageRow(Columns):
    """Spend of one group; only the columns that were asked for are there."""

    quoted_usd: Annotated[
        float | None,
        Field(
            description="What could be spent at most on what was ordered. Null where it is not known: by model, for an "
            "account that pays in credits, which are set aside for a whole order."
        ),
    ]
    spent_usd: Usd
    seconds: float
    generations: int
    refused: Annotated[
        int | None, Field(description="Generations refused for what they show. Null by record, as `failed`.")
    ]
    failed: Annotated[int | None, Field(description="Generations that came to nothing for another reason.")]
    billed_usd: Annotated[Usd, Field(description="What providers say they billed, where they tell it.")]
    listed_usd: Annotated[Usd, Field(description="Our own figure for what `billed_usd` is for.")]
    variance_usd: Annotated[float, Field(description="`billed_usd` less `listed_usd`.")]

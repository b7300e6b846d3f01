"""What comes back about runs, their scenes, clips and cuts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from webapp.api.answers import Answer, PlanView, QuoteLine, Time, Usd


class ClipView(Answer):
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


class GenerationView(Answer):
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
    hook: Annotated[str | None, Field(description="Where it is one of several openings: its letter.")]
    prompt: str
    caption: str | None
    narration: str | None
    translations: Annotated[
        dict[str, dict[str, str]],
        Field(description="By language, what is read and heard in it, by the text that it translates."),
    ]
    seconds: float
    status: str
    model: str
    seed: int | None
    negative_prompt: str | None
    transition: Annotated[str | None, Field(description="Into the next scene, where it has one of its own.")]
    continues: Annotated[bool, Field(description="Whether it starts from the last picture of the scene before.")]
    error: str | None
    suggested_prompt: Annotated[str | None, Field(description="A softer wording for a scene that was refused.")]
    progress: Annotated[float, Field(ge=0, le=1)]
    attempts: Annotated[int, Field(description="How many times it was ordered at a provider.")]
    price_usd: Annotated[float, Field(description="What its clip was quoted at, in US dollars.")]
    cost_usd: Annotated[float, Field(description="What was paid for it in this run so far, in US dollars.")]
    scene_record_id: Annotated[str | None, Field(description="Its row in the Airtable table Scenes.")]
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


class EventView(Answer):
    """One thing that happened, in words."""

    at: Time
    name: str
    entity: str
    entity_id: str
    old: str | None
    new: str | None
    actor: Annotated[str, Field(description="To an account: one of its keys, `airtable`, or `the operator`.")]
    sentence: str
    about: Annotated[
        list[Literal["milestones", "money"]], Field(description="The filters of the run's page that show it.")
    ]


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
    batch_id: Annotated[str | None, Field(description="The batch that it was ordered in.")]
    thumb_url: Annotated[str | None, Field(description="A small picture of its first clip, where there is one.")]
    custom_id: Annotated[str | None, Field(description="As ordered.")]
    metadata: Annotated[dict[str, str], Field(description="As ordered.")]


class PostText(Answer):
    """What is posted with the films in one language, null where the order names none."""

    language: str | None
    text: str


class CastView(Answer):
    """A character or place that comes back, with its picture."""

    token: Annotated[str, Field(description="What the prompts call it.")]
    looks: str
    place: bool
    picture_url: Annotated[str | None, Field(description="Its picture, as soon as that is there.")]


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


class FoundScene(Answer):
    """A scene that has one of the words."""

    number: int
    hook: Annotated[str | None, Field(description="Which opening of the film it is, where it has several.")]
    prompt: str


class FoundFilm(Answer):
    """A film, and why it was found."""

    run: RunSummary
    found_in: Annotated[
        list[Literal["title", "master_prompt", "record_id", "scenes", "meaning"]],
        Field(description="What of it has one of the words; `meaning` where it is about what was looked for."),
    ]
    scenes: Annotated[
        list[FoundScene],
        Field(
            description="Its scenes with one of the words in prompt, caption or narration, or that are about what was "
            "looked for, in the film's order."
        ),
    ]


class FoundFilms(Answer):
    """A page of what was found."""

    results: list[FoundFilm]
    next_cursor: str | None
    by: Annotated[
        list[Literal["words", "meaning"]] | None,
        Field(description="How films were looked for, where SEARCH_EMBEDDINGS is on; `words` alone while it is away."),
    ] = None


class RunList(Answer):
    """A page of runs, newest first."""

    runs: list[RunSummary]
    next_cursor: str | None

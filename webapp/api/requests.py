"""What may be sent, as models: the source of validation, of the error messages and of /openapi.json."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pipelines.domain.footage import LOGO_OPACITY, Captions, Corner, Fit, Transition
from pipelines.domain.money import to_micro
from pipelines.domain.orders.checks import is_blank
from pipelines.domain.orders.order import (
    ASPECT_RATIOS,
    DEFAULT_SCENES,
    MAX_PROMPT,
    MAX_SCENES,
    MAX_SEED,
    MAX_TRANSITION_S,
    MIN_TRANSITION_S,
    RESOLUTIONS,
    Order,
    SceneOrder,
)
from pipelines.domain.orders.public_addresses import why_not

RECORD_ID = re.compile(r"rec[A-Za-z0-9]{14}", re.ASCII)
BASE_ID = re.compile(r"app[A-Za-z0-9]{14}", re.ASCII)
_MODEL = re.compile(r"[a-z0-9][a-z0-9_-]*/\S+", re.ASCII)
_PLACE = re.compile(r"[0-9]{1,9}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MAX_URL = 2048
MAX_CLIP_SECONDS = 120
ALIASES = {"recordId": "record_id", "record": "record_id", "baseId": "base_id"}


def _matching(pattern: re.Pattern[str], words: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"must be {words}.")
        return text

    return AfterValidator(check)


def _prompt(text: str) -> str:
    """The measure is the author's characters, after trimming."""
    trimmed = text.strip()
    if is_blank(trimmed):
        raise ValueError("must not be empty.")
    if len(trimmed) > MAX_PROMPT:
        raise ValueError(f"may have at most {MAX_PROMPT:,} characters; this has {len(trimmed):,}.")
    return trimmed


def _spelled(words: Iterable[str]) -> BeforeValidator:
    """Accept a word of a select field in any case, with spaces, dashes or underscores."""
    known = {_folded(word): word for word in words}
    return BeforeValidator(lambda value: known.get(_folded(value), value) if isinstance(value, str) else value)


def _folded(word: str) -> str:
    return word.strip().lower().replace("_", " ").replace("-", " ")


def _address(text: str) -> str:
    if why := why_not(text):
        raise ValueError(f"{why}.")
    return text


def _table(name: str) -> str:
    if not name.strip() or not name.isprintable() or "/" in name:
        raise ValueError("must be a table's name or id.")
    return name


def _day(text: str) -> str:
    if not _DAY.fullmatch(text) or not _is_day(text):
        raise ValueError("must be a day such as 2026-11-20.")
    return text


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


RecordId = Annotated[
    str,
    Field(
        description="The row's Airtable id.",
        examples=["recA1b2C3d4E5f6G7"],
        json_schema_extra={"pattern": "^rec[A-Za-z0-9]{14}$"},
    ),
    _matching(RECORD_ID, "a record id: rec and 14 letters or digits"),
]
BaseId = Annotated[
    str,
    Field(
        description="The base; AIRTABLE_BASE_ID when left out.", json_schema_extra={"pattern": "^app[A-Za-z0-9]{14}$"}
    ),
    _matching(BASE_ID, "a base id: app and 14 letters or digits"),
]
Table = Annotated[
    str,
    Field(max_length=255, description="The table's name or id; `Videos` when left out."),
    AfterValidator(_table),
]
Prompt = Annotated[str, AfterValidator(_prompt), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_PROMPT})]
Model = Annotated[
    str,
    Field(
        max_length=200,
        description="A model of /api/models; the default model when left out.",
        examples=["local/animatic"],
    ),
    _matching(_MODEL, "a model as provider/slug, such as local/animatic; see /api/models"),
]
Url = Annotated[str, Field(max_length=MAX_URL), AfterValidator(_address)]
Place = Annotated[str, _matching(_PLACE, "the next_cursor of an earlier page")]
Day = Annotated[str, AfterValidator(_day), Field(json_schema_extra={"format": "date"})]
AspectRatio = Literal["16:9", "9:16", "1:1", "4:5"]
Resolution = Literal["480p", "720p", "1080p"]
FitWord = Annotated[Literal["Crop", "Blur", "Letterbox"], _spelled(f.value for f in Fit)]
TransitionWord = Annotated[
    Literal["Cut", "Crossfade", "Fade Black", "Dip White"], _spelled(t.value for t in Transition)
]
CornerWord = Annotated[
    Literal["Top Left", "Top Right", "Bottom Left", "Bottom Right"], _spelled(c.value for c in Corner)
]
CaptionsWord = Annotated[Literal["None", "Burned", "Sidecar"], _spelled(c.value for c in Captions)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
NegativePrompt = Annotated[str, Field(max_length=4000), AfterValidator(lambda text: text.strip() or None)]
Seconds = Annotated[float, Field(gt=0, le=MAX_CLIP_SECONDS, allow_inf_nan=False)]
FilmSeconds = Annotated[float, Field(gt=0, le=MAX_SCENES * MAX_CLIP_SECONDS, allow_inf_nan=False)]
Dollars = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
DryRun = Annotated[bool, Field(description="Answer with plan, quote and problems; spend and start nothing.")]
Fresh = Annotated[bool, Field(description="Buy every clip anew, also those that an earlier run paid for.")]
Adapt = Annotated[
    bool, Field(description="Fit what the model cannot do exactly to the nearest it can; otherwise it is refused.")
]

if (get_args(AspectRatio), get_args(Resolution)) != (ASPECT_RATIOS, RESOLUTIONS):
    raise TypeError("the request models and the domain disagree on aspect ratios or resolutions")


class Body(BaseModel):
    """Strict types; a field that we do not know is an error, because ignoring `secnds: 4` would cost money."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class RecordTrigger(BaseModel):
    """A row of the `Videos` table to act on. Other fields that a script sends along are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    record_id: RecordId
    base_id: BaseId | None = None
    table: Table | None = None
    fresh: Fresh = False
    dry_run: DryRun = False


class QueueTrigger(BaseModel):
    """Start every row of a base whose Status is Ready and whose time has come."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    base_id: BaseId | None = None
    dry_run: DryRun = False


class _FilmOptions(Body):
    """What every order without a row may say."""

    model: Model | None = None
    aspect_ratio: AspectRatio = "16:9"
    resolution: Resolution = "720p"
    adapt: Adapt = False
    fresh: Fresh = False
    dry_run: DryRun = False
    max_cost_usd: Annotated[Dollars | None, Field(description="Refuse when the quote is above this.")] = None
    title: Annotated[str, Field(max_length=200)] | None = None
    seed: Annotated[
        Seed | None, Field(description="The same request with the same seed gives the same picture, or nearly.")
    ] = None
    negative_prompt: Annotated[NegativePrompt | None, Field(description="What should not be seen.")] = None
    last_frame: Annotated[
        Url | None, Field(description="A picture to end on, on the way from the one that the last scene starts from.")
    ] = None

    def _cap(self) -> int | None:
        return None if self.max_cost_usd is None else to_micro(self.max_cost_usd)


class MasterPromptOrder(_FilmOptions):
    """A film from one master prompt, without Airtable."""

    master_prompt: Prompt
    scene_count: Annotated[
        int | None, Field(ge=1, le=MAX_SCENES, description="4 when left out, or as many as suit `film_seconds`.")
    ] = None
    film_seconds: Annotated[
        FilmSeconds | None,
        Field(description="Of the whole film, without title and end card; shared among the scenes."),
    ] = None
    clip_seconds: Annotated[Seconds | None, Field(description="The model's default when left out.")] = None
    formats: Annotated[list[AspectRatio], Field(max_length=4, description="More cuts of the same clips.")] = []
    fit: FitWord = "Crop"
    style_notes: Annotated[str, Field(max_length=4000)] | None = None
    references: Annotated[list[Url], Field(max_length=8)] = []
    first_frame: Annotated[Url | None, Field(description="A picture that the film starts from; fetched by us.")] = None
    transition: TransitionWord = "Cut"
    transition_seconds: Annotated[float, Field(ge=MIN_TRANSITION_S, le=MAX_TRANSITION_S, allow_inf_nan=False)] = 0.5
    captions: CaptionsWord = "None"
    logo: Url | None = None
    logo_position: CornerWord = "Top Right"
    logo_opacity: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = LOGO_OPACITY
    music: Url | None = None
    title_card: Annotated[str, Field(max_length=200)] | None = None
    end_card: Annotated[str, Field(max_length=200)] | None = None
    loudness_lufs: Annotated[float, Field(ge=-40, le=-5, allow_inf_nan=False)] | None = None
    allow_rewrite: bool = False

    def order(self) -> Order:
        """The order this asks for."""
        same = self.model_dump(exclude={"max_cost_usd", "references", "dry_run", "formats", "for_"})
        words = {
            "scene_count": self.scene_count or (DEFAULT_SCENES if self.film_seconds is None else 0),
            "fit": Fit(self.fit),
            "transition": Transition(self.transition),
            "captions": Captions(self.captions),
            "logo_position": Corner(self.logo_position),
            "formats": tuple(self.formats),
            "references": tuple(self.references),
        }
        return Order(**{**same, **words}, max_cost_micro=self._cap())


_SAME_FOR_A_CLIP = {
    *("model", "aspect_ratio", "resolution", "adapt", "fresh", "title"),
    *("seed", "negative_prompt", "last_frame"),
}


class ClipOrder(_FilmOptions):
    """One clip from one prompt, or from a picture and a prompt."""

    prompt: Prompt
    seconds: Annotated[Seconds | None, Field(description="The model's default when left out.")] = None
    image_url: Annotated[Url | None, Field(description="A picture to start from; fetched by us.")] = None

    def order(self) -> Order:
        """The order this asks for."""
        pictures = (self.image_url,) if self.image_url else ()
        scene = SceneOrder(prompt=self.prompt, seconds=self.seconds, references=pictures)
        same = self.model_dump(include=_SAME_FOR_A_CLIP)
        return Order(scenes=(scene,), scene_count=1, clip_seconds=self.seconds, max_cost_micro=self._cap(), **same)


For = Annotated[
    Literal["process-record", "process-master-prompt", "process-queue", "generate-video"] | None,
    Field(alias="for", description="Whose body this is; by default told from its fields."),
]


class RecordQuestion(RecordTrigger):
    """A row to be quoted: with `for: process-master-prompt` from its Master Prompt, else as process-record would."""

    for_: For = None


class MasterPromptQuestion(MasterPromptOrder):
    """A film from one master prompt, to be quoted."""

    for_: For = None


class ClipQuestion(ClipOrder):
    """One clip, to be quoted."""

    for_: For = None


class QueueQuestion(QueueTrigger):
    """All rows that are ready, to be quoted: a body of nothing but `base_id`, or an empty one, means this."""

    for_: For = None


class RunAction(Body):
    """Approve, cancel or retry: there is nothing to say but whether it is only a rehearsal."""

    dry_run: DryRun = False


class Regenerate(Body):
    """What changes for the new clip of a scene; what is left out stays as it was."""

    prompt: Prompt | None = None
    model: Model | None = None
    seconds: Seconds | None = None
    caption: Annotated[str, Field(max_length=500)] | None = None
    seed: Annotated[
        Seed | None,
        Field(description="null takes it away. Left out: as it was, or one more where nothing else is changed."),
    ] = None
    negative_prompt: Annotated[NegativePrompt | None, Field(description="null takes it away.")] = None
    dry_run: DryRun = False

    def changes(self) -> dict[str, Any]:
        """Only what was sent, in the order's words."""
        return self.model_dump(exclude={"dry_run"}, exclude_unset=True)


class Decision(Body):
    """What a person decides about a generation of which nobody knows whether it was bought."""

    choice: Annotated[
        Literal["wait", "write_off", "cancel"],
        Field(description="wait: look again. write_off: count it as spent and buy it again. cancel: stop the run."),
    ]
    dry_run: DryRun = False


class StopSwitch(Body):
    """The Stop switch: while it is on, nothing new is bought anywhere."""

    on: bool
    reason: Annotated[str, Field(max_length=500)] = ""


class RunQuery(BaseModel):
    """Which runs, newest first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    record_id: RecordId | None = None
    status: Annotated[str | None, Field(description="One status, or several separated by commas.")] = None
    since: Annotated[str | None, Field(description="Created at or after: ISO 8601, UTC unless it says otherwise.")] = (
        None
    )
    until: Annotated[str | None, Field(description="Created before.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=200, description="`next_cursor` of the page before.")] = None


class SceneQuery(BaseModel):
    """A page of the scenes of a run, in the order of the film."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[Place | None, Field(description="`next_cursor` of the page before.")] = None


class WaitQuery(BaseModel):
    """Long polling."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wait: Annotated[float, Field(ge=0, le=60, description="Seconds to wait for a change, at most 60.")] = 0
    version: Annotated[str | None, Field(max_length=64, description="`version` of the answer you have.")] = None


class PageQuery(BaseModel):
    """A part of a list; all of it when `limit` is left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int | None, Field(ge=1, le=200, description="At most so many; all when left out.")] = None
    cursor: Annotated[Place | None, Field(description="`next_cursor` of the page before.")] = None


class UsageQuery(PageQuery):
    """Which spend, grouped how; days are UTC, both inclusive."""

    by: Annotated[str, Field(description="day, model, record, key, base: one, or several separated by commas.")] = "day"
    since: Day | None = None
    until: Day | None = None

"""What comes back about spend, models and the Stop switch."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from pipelines.stages.views.documents import Time, UsageRow, Usd, closed
from webapp.api.answers import Answer


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

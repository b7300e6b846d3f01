"""What a model can do and what it costs, as data. The rows come from a file that users can extend."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from pipelines.domain.money import price


class Ability(StrEnum):
    """How the fate of a request whose answer was lost can be learned."""

    KEY = "key"
    """The provider honours an idempotency key: send the same key again."""
    LIST = "list"
    """Its jobs can be listed: find ours and adopt it."""
    CALLBACK = "callback"
    """It calls a URL that carries our token."""
    NONE = "none"
    """Only a person can decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One frame that a model makes and that has a price; pixels."""

    aspect_ratio: str
    resolution: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueModel:
    """One model. Prices in micro-dollars per second by resolution (`720p`); lengths in seconds; sizes `WxH`."""

    id: str
    """`provider/<the provider's own slug>`."""
    label: str
    durations: tuple[float, ...] = ()
    """The lengths it makes; empty when any length between `min_seconds` and `max_seconds` will do."""
    min_seconds: float = 1.0
    max_seconds: float = 60.0
    step_seconds: float = 1.0
    default_seconds: float = 4.0
    aspect_ratios: tuple[str, ...] = ("16:9", "9:16")
    sizes: dict[str, str] = field(default_factory=dict)
    """`"16:9 720p" → "1280x720"`: exactly what is offered."""
    fps: float = 24.0
    audio: bool = False
    image_to_video: bool = False
    first_last_frame: bool = False
    """Whether a clip can end on a given picture, when it also starts from one."""
    last_frame_max_seconds: float | None = None
    """The longest such clip, where other clips may be longer."""
    max_references: int = 0
    frames_or_references: bool = False
    """Whether pictures to start from and to end on exclude those that a clip refers to."""
    draft_resolution: str | None = None
    """What a draft of a clip is made in, where the clip can be made from it later."""
    draft_finals: tuple[str, ...] = ()
    """The resolutions in which a clip can be made from its draft."""
    draft_kept_s: float = 0.0
    """For how long after it was ordered a draft can be made into its clip."""
    seed: bool = False
    negative_prompt: bool = False
    max_prompt: int = 4000
    prices: dict[str, int] = field(default_factory=dict)
    """No entry for a resolution means that it is not offered, never that it is free."""
    clip_prices: dict[str, int] = field(default_factory=dict)
    """What each clip costs on top of its seconds, by resolution; only where there is a price per second."""
    price_date: date | None = None
    free: bool = False
    typical_s: float = 60.0
    maximum_s: float = 900.0
    """After this much generating time a job counts as lost; late results are still taken."""
    max_in_flight: int = 20
    creates_per_minute: float = 60.0
    poll_s: float = 5.0
    ability: Ability = Ability.NONE
    list_grace_s: float = 60.0
    """How long its list of jobs may lag: not listed for longer than this, a request never arrived."""
    submit_timeout_s: float = 60.0
    """Total time of the paid POST; its lease outlives this."""
    cancellable: bool = False
    fickle_filter: bool = False
    """Its moderation is known to pass the same prompt on another try, and a refusal costs nothing."""
    charges_failures: bool = False
    retention_s: float = 3600.0
    """How long the provider keeps a result when it does not say."""
    sunset: date | None = None
    successor: str | None = None
    vendor_origin: str | None = None
    """The sunset belongs to this origin only: other servers of the same protocol live on."""
    notes: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """What only this model's adapter reads, such as the wire slug or the form of the request body."""

    @property
    def provider(self) -> str:
        """The adapter that speaks to it."""
        return self.id.split("/", 1)[0]

    @property
    def slug(self) -> str:
        """The provider's own name for it."""
        return self.id.split("/", 1)[1]

    @property
    def offers(self) -> tuple[Offer, ...]:
        """Every frame that may be ordered: a size without a price is not offered."""
        return tuple(
            _offer(key, size) for key, size in self.sizes.items() if self.free or key.split()[1] in self.prices
        )

    def draft_of(self, aspect_ratio: str, resolution: str) -> Offer | None:
        """The frame of a draft from which a clip of that frame can be made; None where there is none."""
        if resolution not in self.draft_finals:
            return None
        frames = (one for one in self.offers if one.aspect_ratio == aspect_ratio)
        return next((one for one in frames if one.resolution == self.draft_resolution), None)

    def clip_price(self, resolution: str, seconds: float) -> int:
        """Micro-dollars for one clip. Raises KeyError for a resolution without a price: never assume $0."""
        if self.free:
            return 0
        return price(self.prices[resolution], seconds) + self.clip_prices.get(resolution, 0)


def _offer(key: str, size: str) -> Offer:
    aspect_ratio, resolution = key.split()
    width, height = size.split("x")
    return Offer(aspect_ratio=aspect_ratio, resolution=resolution, width=int(width), height=int(height))

"""An order: what a marketer or an API caller asked for, before it is fitted to a model."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.domain.footage import LOGO_OPACITY, Captions, Corner, Fit, Transition

MAX_SCENES = 50
MAX_PROMPT = 32_000
MAX_SEED = 2**31 - 1
"""Every vendor with seeds takes this many; some take more."""
DEFAULT_SCENES = 4
ASPECT_RATIOS = ("16:9", "9:16", "1:1", "4:5")
RESOLUTIONS = ("480p", "720p", "1080p")
MIN_TRANSITION_S, MAX_TRANSITION_S = 0.2, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOrder:
    """One scene that a person wrote: what is None takes the order's default."""

    prompt: str
    caption: str | None = None
    seconds: float | None = None
    model: str | None = None
    references: tuple[str, ...] = ()
    first_frame: str | None = None
    """Where the clip must start; a reference is that only where the model has no other use for it."""
    last_frame: str | None = None
    continues: bool = False
    transition: Transition | None = None
    seed: int | None = None
    negative_prompt: str | None = None
    """What the clip should not show; empty for none although the order has one."""
    airtable_record_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything that decides what is made and what it costs. Money in micro-dollars, times in seconds.

    `references`, both frames, `logo` and `music` are URLs until accepted, then keys in our storage. The film starts
    from `first_frame` and ends on `last_frame`. `film_seconds` is shared among the scenes that are still to be written;
    `scene_count` 0 then means as many as suit it.
    """

    master_prompt: str | None = None
    scenes: tuple[SceneOrder, ...] = ()
    scene_count: int = DEFAULT_SCENES
    clip_seconds: float | None = None
    film_seconds: float | None = None
    aspect_ratio: str = "16:9"
    formats: tuple[str, ...] = ()
    fit: Fit = Fit.CROP
    resolution: str = "720p"
    model: str | None = None
    title: str | None = None
    style_notes: str | None = None
    references: tuple[str, ...] = ()
    first_frame: str | None = None
    last_frame: str | None = None
    seed: int | None = None
    """The same for every scene that has none of its own, and so is the negative prompt."""
    negative_prompt: str | None = None
    max_cost_micro: int | None = None
    transition: Transition = Transition.CUT
    transition_seconds: float = 0.5
    captions: Captions = Captions.NONE
    logo: str | None = None
    logo_position: Corner = Corner.TOP_RIGHT
    logo_opacity: float = LOGO_OPACITY
    music: str | None = None
    title_card: str | None = None
    end_card: str | None = None
    loudness_lufs: float | None = None
    allow_rewrite: bool = False
    adapt: bool = False
    fresh: bool = False

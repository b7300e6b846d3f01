"""What is submitted for a scene beside its prompt, and what the scene remembers of its plan."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What was ordered and a free draft does not show; for the model that makes the scene after it."""

    references: tuple[str, ...] = ()
    first_frame: str | None = None
    last_frame: str | None = None
    seed: int | None = None
    negative_prompt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSettings:
    """The request beside the prompt, under the names of `GenerationRequest`; None is not set."""

    width: int = 0
    height: int = 0
    aspect_ratio: str = ""
    resolution: str = ""
    fps: float = 24.0
    audio: bool = True
    seed: int | None = None
    negative_prompt: str | None = None
    first_frame: str | None = None
    """One of the ordered references, unless it `must_start` the clip."""
    last_frame: str | None = None
    must_start: bool = False
    left_out: LeftOut | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSettings(ClipSettings):
    """The settings of a scene that is kept: with its prices in micro-dollars, and what else decides its request."""

    buy_seconds: float = 0.0
    """What the model is asked for; may be more than the film shows."""
    max_prompt: int = 0
    """Characters that its model takes; 0 for any number."""
    price_micro: int = 0
    charge_micro: int = 0
    """What an account is charged for its clip, whoever makes it in the end and however often it is tried."""
    softening_micro: int = 0
    speech_micro: int = 0
    """What its spoken line may cost at most, all tries together; 0 where it was bought before."""
    speech_charge_micro: int = 0
    quiet: bool = False
    """Whether nobody in the clip may speak, because a narrator does."""
    cast: tuple[str, ...] = ()
    """Pictures of who and what is seen in it, by their keys."""
    cast_note: str | None = None
    """Goes with the prompt, and says which picture is whose."""
    style: str | None = None
    """Goes with the prompt, unless the writer has worked it in."""
    fresh: str | None = None
    """The run that buys everything anew: clips of other runs are not reused."""
    row_prompt: str | None = None
    """The text of its row when another was ordered elsewhere."""

"""Records of what all processes share about a limit, a fault or a switch: a small table for each subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EVERYWHERE = "everywhere"
"""The Stop switch of the operator; the others belong to one base each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSwitch:
    """Whether spending is stopped: `EVERYWHERE`, or in the base that is the `id`."""

    id: str
    on: bool
    at: float
    reason: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """How the last jobs of a model ended, and whether purchases of it wait. `id` is the model."""

    id: str
    is_open: bool
    at: float
    outcomes: tuple[tuple[float, bool], ...] = ()
    """When each ended, and whether the provider was well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseOutage:
    """Whether a base refuses our writes for longer than a pause, since when and why. `id` is the base."""

    id: str
    on: bool
    at: float
    sentence: str
    by_itself: bool = False
    """It opens again without anybody's help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A shared rate limit, e.g. `create:<provider>`: the next free moment, and until when all must wait."""

    id: str
    next_free_at: float = 0.0
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Quota:
    """The monthly quota is used up: since when, how often we probed whether it is back, and when we probe again."""

    since: float
    probes: int
    probe_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AirtablePace:
    """The calls of all processes to one base. `id` is the base."""

    id: str
    flights: Mapping[str, float] = field(default_factory=dict)
    """Turns in flight, by ticket: when they started."""
    landed: tuple[float, ...] = ()
    """When the last turns ended."""
    not_before: float = 0.0
    cool_s: float = 0.0
    """How long the pause is that ends at `not_before`."""
    quota: Quota | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """The last step of this machine's clock: several processes notice the same one."""

    id: str
    at: float
    seconds: float

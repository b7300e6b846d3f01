"""What all processes share about a limit or a fault, kept beside the times and the switch themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Quota:
    """The monthly quota is used up: since when, how often we looked whether it is back, and when we look again."""

    since: float
    probes: int
    probe_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneDetail:
    """Of the pace of one Airtable base; other lanes need no more than their two times."""

    flights: Mapping[str, float] = field(default_factory=dict)
    """Turns in flight, by ticket: when they started."""
    landed: tuple[float, ...] = ()
    """When the last turns ended."""
    cool_s: float = 0.0
    quota: Quota | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchDetail:
    """Why a switch stands as it does, where a sentence is not enough."""

    outcomes: tuple[tuple[float, bool], ...] = ()
    """Of a model's circuit: how its last jobs ended, and when."""
    by_itself: bool = False
    """Of a base that refuses us: it opens again without anybody's help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """The answer to an idempotent request; before there is one, the run that the request may have started."""

    run_id: str | None = None
    text: str = ""
    type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

"""Time, named places, waking the workers up, and who vouches for callers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipelines.domain.state.open_json import JsonObject


class Clock(Protocol):
    """The only source of time for stages."""

    def now(self) -> float:
        """Seconds since the epoch."""


class CrashPoints(Protocol):
    """Named places between two effects (domain.points): spans of a trace, and where tests let a process die."""

    def reach(self, name: str, **ids: str) -> None:
        """We are at `name` now."""


class Hints(Protocol):
    """A throw-away message to the workers: look at this row. Losing it costs a few seconds, nothing else."""

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:
        """Send `(kind, id)` pairs, `media` to the workers that do minutes of work. False when the broker does not
        answer, or has enough for the moment; `at_once`, also when these workers have anything else to do. Never raises,
        never waits long.
        """

    def check(self) -> None:
        """Raise Unavailable unless the broker answers."""


class Issuer(Protocol):
    """An identity provider outside, whose tokens act for accounts beside our own keys."""

    @property
    def name(self) -> str:
        """What its tokens name as their issuer."""

    def keys(self) -> JsonObject:
        """The keys by which its tokens are verified now (a JWKS). Raises Unavailable, NotConfigured or
        ForbiddenAddress.
        """

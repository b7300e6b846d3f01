"""What answers say of a limit, by draft-ietf-httpapi-ratelimit-headers-11."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a limit: `most` at once after a rest, and as many again in each window. Without a window it is of
    what goes on at the same time.
    """

    name: str
    most: int
    window_s: float | None
    remaining: int
    full_in_s: float

    @property
    def policy(self) -> str:
        """For RateLimit-Policy."""
        window = "" if self.window_s is None else f";w={ceil(self.window_s)}"
        return f'"{self.name}";q={self.most}{window}'

    @property
    def state(self) -> str:
        """For RateLimit."""
        return f'"{self.name}";r={self.remaining};t={ceil(self.full_in_s)}'

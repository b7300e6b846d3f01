"""What links, sessions and secrets at rest hang on: `SECRET_KEY`, those before it, and the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """The newest signs and seals; the former ones only open what they signed or sealed before a rotation."""

    newest: str = field(repr=False)
    former: Sequence[str] = field(default=(), repr=False)
    epoch: int = 0
    """Another one once the database was restored: links and sessions of before open nothing, because what was revoked
    meanwhile may not be known.
    """

    @property
    def all(self) -> tuple[str, ...]:
        """The newest first."""
        return (self.newest, *self.former)

    @property
    def for_sessions(self) -> tuple[str, ...]:
        """The same for whoever knows no epoch, such as Flask's sessions."""
        return tuple(f"{key}:{self.epoch}" if self.epoch else key for key in self.all)

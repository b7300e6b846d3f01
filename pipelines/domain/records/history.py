"""What happened, what was answered, and who is at work."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.domain.state.history import EventDetail
from pipelines.domain.state.open_json import JsonObject
from pipelines.domain.state.replay import KeptAnswer

RESTORED = "restored"
"""The checkpoint of when this database was brought back from a backup."""
DISPATCH = "dispatch"
"""Which worker service sends hints: whoever wrote the number that stands in its `entry`."""
MIN_CODE = "min_code"
"""The oldest revision whose code still works with this database, in its `entry`."""
KNOWN_UNTIL = "known_until"
"""The checkpoint of when that backup was written: what happened between the two is not known here."""
ALIVE_S = 15.0
"""A process beats every 2 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. History, progress page and audit are read from these."""

    at: float
    entity: str
    entity_id: str
    run_id: str | None
    name: str
    old: str | None = None
    new: str | None = None
    actor: str = ""
    detail: EventDetail = field(default_factory=EventDetail)
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far a duty that goes through history has come (the ledger's audit, the archive), or a moment of the database
    itself: `RESTORED`, `KNOWN_UNTIL`, `DISPATCH`, `MIN_CODE`.
    """

    id: str
    at: float = 0.0
    entry: int = 0
    """The ledger's last entry that was gone through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """A webhook delivery seen once; `id` is `<provider>:<delivery id>`."""

    id: str
    at: float
    provider: str
    body: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The answer kept for an `Idempotency-Key`; `status` 0 while the first request is being handled."""

    id: str
    body_hash: str
    at: float
    status: int = 0
    body: KeptAnswer = field(default_factory=KeptAnswer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process; `beat` rises while it lives, whatever the clock does. Who judges others goes by that; who only tells
    people goes by the time of the last one.
    """

    id: str
    kind: str
    host: str
    pid: int
    started_at: float
    beat: int = 0
    beat_at: float = 0.0
    detail: JsonObject = field(default_factory=dict)

    def is_alive(self, now: float) -> bool:
        """Whether it beat just now: of a worker service that is gone, nobody is left to remove the rows."""
        return now - self.beat_at < ALIVE_S

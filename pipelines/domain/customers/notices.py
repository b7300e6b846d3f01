"""What customers are told without asking: their endpoints, the notices for each, and the attempts to send them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Leased
from pipelines.domain.state.sealed_address import SealedAddress


class NoticeType(StrEnum):
    """What a notice is about."""

    RUN_QUEUED = "run.queued"
    RUN_NEEDS_APPROVAL = "run.needs_approval"
    RUN_PROGRESS = "run.progress"
    RUN_DONE = "run.done"
    RUN_FAILED = "run.failed"
    RUN_CANCELLED = "run.cancelled"
    RUN_NEEDS_ATTENTION = "run.needs_attention"
    BATCH_DONE = "batch.done"
    CREDITS_GRANTED = "credits.granted"
    CREDITS_LOW = "credits.low"
    CREDITS_EXPIRING = "credits.expiring"
    ENDPOINT_DISABLED = "endpoint.disabled"
    ENDPOINT_TEST = "endpoint.test"


OF_STATUS: Mapping[RunStatus, NoticeType] = {
    RunStatus.QUEUED: NoticeType.RUN_QUEUED,
    RunStatus.NEEDS_APPROVAL: NoticeType.RUN_NEEDS_APPROVAL,
    RunStatus.DONE: NoticeType.RUN_DONE,
    RunStatus.FAILED: NoticeType.RUN_FAILED,
    RunStatus.CANCELLED: NoticeType.RUN_CANCELLED,
    RunStatus.NEEDS_ATTENTION: NoticeType.RUN_NEEDS_ATTENTION,
}
"""The statuses of a run that somebody is told of."""
FINAL = frozenset(
    {NoticeType.RUN_DONE, NoticeType.RUN_FAILED, NoticeType.RUN_CANCELLED, NoticeType.RUN_NEEDS_ATTENTION}
)
"""What the `webhook_url` of an order is told of."""
USUAL = tuple(kind for kind in NoticeType if kind not in {NoticeType.RUN_PROGRESS, NoticeType.ENDPOINT_TEST})
"""What an endpoint hears that did not say which events it wants. A test is sent to whichever is tested."""
OF_CREDITS = frozenset({NoticeType.CREDITS_GRANTED, NoticeType.CREDITS_LOW, NoticeType.CREDITS_EXPIRING})
MOST_ENDPOINTS = 10
"""Of one account."""

EndpointFormat: TypeAlias = Literal["standard", "airtable", "slack"]
"""How a message is written: Standard Webhooks, flat fields for Airtable's automations, or a sentence for Slack."""


class NoticeStatus(StrEnum):
    """Where a notice is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Every attempt of the schedule was made."""
    DROPPED = "dropped"
    """Not sent, because its endpoint is off."""


class DisabledReason(StrEnum):
    """Why nothing is sent to an endpoint."""

    PAUSED = "paused"
    """By whoever owns it."""
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """For five days nothing arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a customer, or the operator, wants to be told. After a rotation the secret before signs too, until
    `retired_until`.
    """

    id: str
    account_id: str | None = None
    address: SealedAddress
    format: EndpointFormat = "standard"
    events: tuple[str, ...] = ()
    description: str = ""
    sealed_secret: str
    sealed_retired: str | None = None
    retired_until: float | None = None
    off: DisabledReason | None = None
    off_at: float | None = None
    failing_since: float | None = None
    """The first failure after which nothing arrived."""
    delivered_at: float | None = None
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmLink:
    """A film of a run: its format, and the token of its permanent link."""

    format: str
    token: str
    hook: str = ""
    """The letter of its opening, where the run has several."""
    language: str = ""
    """Of its words, where that was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was so when it happened; the message is made from nothing else."""

    at: float = 0.0
    run_id: str | None = None
    status: str | None = None
    version: int = 0
    title: str | None = None
    custom_id: str | None = None
    batch_id: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of a batch: how many of its runs came to each end."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    price_micro: int | None = None
    """What the account of a run is charged for it at most; None where nothing is."""
    progress: float | None = None
    films: tuple[FilmLink, ...] = ()
    error: str | None = None
    endpoint_id: str | None = None
    why: str | None = None
    amount_micro: int | None = None
    """Of credits: how much it is about, in micro-dollars, and what can be spent now."""
    available_micro: int | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Leased):
    """One message to one address. `id` and `body` are the same at every attempt; `attempts` counts all of them."""

    account_id: str | None = None
    endpoint_id: str | None = None
    """None for the `webhook_url` of an order."""
    run_id: str | None = None
    type: str
    """A `NoticeType`."""
    event: str
    """What happened, by a name of its own: nobody is told of it twice."""
    target: str
    """The endpoint, or account and server of a `webhook_url`: only a few attempts at it are made at once."""
    address: SealedAddress | None = None
    """Of a notice without an endpoint."""
    facts: Facts = field(default_factory=Facts)
    body: str | None = None
    """Made before the first attempt, and never again."""
    status: NoticeStatus = NoticeStatus.WAITING
    created_at: float = 0.0
    finished_at: float | None = None

    @property
    def erased(self) -> bool:
        """Whether what it said is gone."""
        return self.facts == Facts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to send a notice: what came of it, and never what was answered."""

    id: str
    account_id: str | None = None
    notice_id: str
    at: float
    code: int | None = None
    ms: int = 0
    outcome: str = ""
    """In our own words."""

"""Who may ask for something: accounts, projects and keys; and what somebody keeps before asking for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.domain.state.open_json import JsonObject


class AccountStatus(StrEnum):
    """Whether a customer may start anything (active), only look (suspended), or neither (closed)."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAccount:
    """A customer of this deployment. What names an account belongs to it alone; what names none is the operator's."""

    id: str
    name: str
    status: AccountStatus = AccountStatus.ACTIVE
    issuer: str | None = None
    """With `subject`: whose tokens act for it, and the name it has there."""
    subject: str | None = None
    run_cap_micro: int | None = None
    day_cap_micro: int | None = None
    runs_in_flight: int | None = None
    """How many of its runs are made at a time, where that is not as for all."""
    backlog: int | None = None
    """How many more may be ordered and not begun, likewise."""
    pays_in_credits: bool = False
    """Since it was given its first lot; with a price list every account does."""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKeys:
    """What an issuer of tokens has published; `id` is its name."""

    id: str
    keys: JsonObject = field(default_factory=dict)
    wanted: bool = False
    """Whether a token named a key that is not among them since somebody looked."""
    tried_at: float = 0.0
    fetched_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What orders of one owner are grouped under. `budget_micro` is what all of them may cost together, ever."""

    id: str
    name: str
    account_id: str | None = None
    budget_micro: int | None = None
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key's public half. Scopes: trigger, read, manage, admin. After a rotation the previous key
    (`retired_sha256`) is good until `retired_until`.
    """

    id: str
    name: str
    sha256: str
    scopes: tuple[str, ...] = ("trigger", "read")
    account_id: str | None = None
    day_cap_micro: int | None = None
    created_at: float = 0.0
    expires_at: float | None = None
    last_used_at: float | None = None
    retired_sha256: str | None = None
    retired_until: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedOrder:
    """What stands in somebody's form of a new video, kept for later: nothing is ordered."""

    id: str
    account_id: str | None = None
    title: str = ""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What was given, by the names of the form."""
    saved_at: float = 0.0

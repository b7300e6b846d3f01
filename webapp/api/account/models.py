"""What is sent and what comes back about an account and its keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipelines.stages.views.documents import Time
from webapp.api.answers import Answer
from webapp.api.fields import Body, Dollars


class KeyOrder(Body):
    """A key to be made. It has never more rights than the one that asks for it."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[
        list[Literal["trigger", "read", "manage", "admin"]],
        Field(min_length=1, max_length=4, description="`admin` is for keys of the operator only."),
    ] = Field(default=["trigger", "read"])
    expires_in_days: Annotated[int | None, Field(ge=1, le=3650, description="Works for ever when left out.")] = None
    day_cap_usd: Annotated[Dollars | None, Field(description="What it may spend a day (UTC).")] = None


class KeyRotation(Body):
    """Another key in the place of one."""

    hours: Annotated[
        float,
        Field(ge=0, le=720, allow_inf_nan=False, description="How long the previous key goes on working; 0 ends it."),
    ] = 24


class NoBody(Body):
    """There is nothing to say."""


class KeyView(Answer):
    """A key, without the key itself."""

    key_id: str
    name: str
    account_id: str | None
    scopes: list[str]
    day_cap_usd: float | None
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    revoked_at: Time | None
    old_key_until: Annotated[Time | None, Field(description="Until then the key before the last rotation works too.")]


class NewKeyView(KeyView):
    """A new key. `key` is shown once and kept nowhere."""

    key: str


class KeyList(Answer):
    """The keys of the account, oldest first."""

    keys: list[KeyView]
    next_cursor: str | None


class AccountLimits(Answer):
    """What may be spent and made; null where only the limits of the service count."""

    run_cap_usd: float | None
    day_cap_usd: float | None
    key_day_cap_usd: float | None
    runs_in_flight: Annotated[int | None, Field(description="How many of its runs may be made at a time.")]
    backlog: Annotated[int | None, Field(description="How many more it may have ordered.")]


class LotView(Answer):
    """Credits that came in together. What expires first is spent first."""

    lot_id: str
    kind: str
    source: str
    granted_credits: float
    available_credits: float
    reserved_credits: float
    used_credits: float
    created_at: Time
    expires_at: Time | None


class CreditsView(Answer):
    """What an account has; `lots` are those that can be spent, in the order in which they are."""

    pays_in_credits: Annotated[bool, Field(description="Whether what the account orders is paid in credits.")]
    available_credits: int
    reserved_credits: Annotated[float, Field(description="Set aside for runs that are not over.")]
    credit_usd: Annotated[float, Field(description="What a credit is worth.")]
    lots: list[LotView]
    top_up_url: str | None


class CreditEntryView(Answer):
    """One movement of credits: out of one place into another."""

    at: Time
    posting: str
    credits: float
    account_id: str
    lot_id: str
    run_id: str | None
    record_id: str | None
    model: str | None


class CreditEntryList(Answer):
    """A page of the book, newest first."""

    entries: list[CreditEntryView]
    next_cursor: str | None


class AccountView(Answer):
    """Who is asking. Whoever belongs to the operator has no account."""

    account_id: str | None
    name: str
    status: str
    created_at: Time | None
    key_id: str | None
    scopes: list[str]
    limits: AccountLimits
    runs_in_flight: Annotated[int | None, Field(description="How many of its runs are being made.")]
    runs_waiting: Annotated[int | None, Field(description="How many are ordered and not begun.")]
    credits: Annotated[int | None, Field(description="Available now; null where nothing is paid in credits.")]
    top_up_url: str | None

"""Airtable's side: bases, what their rows should say, and passes over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipelines.domain.records.work import Leased
from pipelines.domain.state.base import BaseState
from pipelines.domain.state.open_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Base(Leased):
    """A connected Airtable base. `sealed_token` is encrypted."""

    name: str = ""
    account_id: str | None = None
    handed_over_at: float = 0.0
    """When it last left an account: signed links of before open nothing of it any more."""
    sealed_token: str | None = None
    day_cap_micro: int | None = None
    """The operator's limit for the base."""
    airtable_cap_micro: int | None = None
    """The marketers' own, from `Day Budget` in the base; the lower one counts."""
    state: BaseState = field(default_factory=BaseState)
    settings_read_at: float = 0.0
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry(Leased):
    """What one Airtable row should say. The outbox: `fields` is desired, `sent` what Airtable has confirmed."""

    base_id: str
    table: str
    record_id: str | None = None
    merge: Mapping[str, str] = field(default_factory=dict)
    """For rows that we create: the upsert key field and its value."""
    run_id: str | None = None
    fields: JsonObject = field(default_factory=dict)
    sent: JsonObject = field(default_factory=dict)
    urgent: bool = False
    version: int = 0
    flushes: int = 0
    """Writes since the run began: progress is written ever more rarely."""
    error: str | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSweep(Leased):
    """One `process-queue` request: start every ready row of a base."""

    base_id: str
    status: Literal["queued", "done", "failed"] = "queued"
    key_id: str | None = None
    started: tuple[str, ...] = ()
    error: str | None = None
    created_at: float = 0.0
    finished_at: float | None = None

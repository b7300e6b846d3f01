"""What is remembered of a connected Airtable base between two looks at it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.domain.state.open_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSeen:
    """When the base's schema was looked at, and what it means for us (`airtable.names`); None where we may not."""

    at: float = 0.0
    tables: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook of Airtable. `secret` is sealed; `cursor` is the first payload not acted on."""

    id: str
    url: str
    secret: str
    cursor: int
    expires_at: float
    renewed_at: float


@dataclass(frozen=True, slots=True)
class Push:
    """How push is doing, beside the webhook itself."""

    wanted: bool = True
    problem: str = ""
    """Why Airtable did not let us, for the operator."""
    checked_at: float = 0.0
    wake_at: float | None = None
    """When the next scheduled video of the base is due."""
    looked: bool = False
    """Whether its rows were ever looked at."""


@dataclass(frozen=True, slots=True)
class BrandSeen:
    """A row of `Brands`, and what it is called."""

    record_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandsSeen:
    """The brands of the base, and when all of them were last read; 0 for never."""

    at: float = 0.0
    rows: tuple[BrandSeen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseState:
    """Its tables and fields, the webhook with its cursor, how push is doing, and which brands there are."""

    schema: SchemaSeen | None = None
    webhook: Hook | None = None
    push: Push = field(default_factory=Push)
    brands: BrandsSeen = field(default_factory=BrandsSeen)

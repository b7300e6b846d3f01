"""Many orders in one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.domain.state.sealed_address import SealedAddress

MOST_ITEMS = 100


@dataclass(frozen=True, slots=True)
class ItemProblem:
    """Why an order of a batch was not started."""

    item: int
    """Its place in the request, from 0."""
    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The orders of one request, admitted together. How they are doing is read from their runs."""

    id: str
    account_id: str | None = None
    key_id: str | None = None
    runs: tuple[str | None, ...] = ()
    """The run of each order, in the order of the request; None for one that was not started."""
    problems: tuple[ItemProblem, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    webhook: SealedAddress | None = None
    """Told when all of it is over."""
    created_at: float = 0.0
    finished_at: float | None = None
    """When the last of its runs stopped, for the first time."""

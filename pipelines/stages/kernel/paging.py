"""Lists, newest first, a page at a time; each page costs the same however long the list is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from pipelines.ports import Place, Rows


class Made(Protocol):
    """A row with a moment at which it was made."""

    @property
    def id(self) -> str: ...

    @property
    def created_at(self) -> float: ...


M = TypeVar("M", bound=Made)


def newest_first(
    rows: Rows[M],
    limit: int,
    cursor: str | None,
    *,
    until: float | None = None,
    after: Mapping[str, float] | None = None,
    **equals: Any,
) -> list[M]:
    """At most so many rows behind the cursor, by id within one moment: a queue sweep starts many runs at once. Raises
    ValueError for a cursor that is not ours.
    """
    found: list[M] = []
    before = {"created_at": until} if until is not None else None
    if cursor:
        at, last_id = place_of(cursor)
        found = rows.find(order="-id", before={"id": last_id}, limit=limit, **{**equals, "created_at": at})
        before = {"created_at": at}
    found += rows.find(order="-created_at", before=before, after=after, limit=limit, **equals)
    return found[:limit]


def place_of(cursor: str) -> Place:
    """The moment, or what else a list is ordered by, and the id of the row that a page follows on. Raises ValueError
    for a cursor that is not ours.
    """
    number, _, last_id = cursor.partition("~")
    at = float(number)
    if not 0 <= at < math.inf:
        raise ValueError(f"no place in a list: {cursor}")
    return at, last_id


def cursor_at(place: Place) -> str:
    """Where the page goes on that follows on this place."""
    return f"{place[0]!r}~{place[1]}"


def cursor_after(last: Made) -> str:
    """Where the page goes on that follows on this row."""
    return cursor_at((last.created_at, last.id))

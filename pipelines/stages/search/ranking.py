"""What is found by words and what is found by meaning, as one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.stages.kernel.services import Services

DEEP = 200
"""So many films each way of looking brings at most."""
RANK_OFFSET = 60
"""Of reciprocal rank fusion: the first of one list is worth no more than two that are good in both."""


@dataclass(frozen=True, slots=True)
class Near:
    """A film that is near by meaning, and its texts that are: numbers of scenes, 0 for title and prompt."""

    run_id: str
    scenes: tuple[int, ...]


def near(services: Services, text: str, *, since: float, until: float) -> list[Near]:
    """Films by meaning, the nearest first; nothing where films are found by their words only. Raises Unavailable.

    The model names rows. Only those count that are in this account's own view of the database, now: whatever it
    remembers, what is another's or was erased is not found, and takes no place.
    """
    if services.meaning is None:
        return []
    ids = services.meaning.nearest(text, account_id=services.store.account_id, since=since, until=until, limit=DEEP)
    with services.store.read() as tx:
        rows = {row.id: row for row in tx.search_vectors.find(id=ids)} if ids else {}
    found: dict[str, list[int]] = {}
    for row in (rows[name] for name in ids if name in rows):
        found.setdefault(row.run_id, []).append(row.scene)
    return [Near(run_id, tuple(scenes)) for run_id, scenes in found.items()]


def fused(*lists: Sequence[str]) -> list[str]:
    """The members of ranked lists by the sum of 1 / (60 + rank), the best first; of equals that of the first list."""
    scores: dict[str, float] = {}
    for ranked in lists:
        for rank, name in enumerate(ranked, start=1):
            scores[name] = scores.get(name, 0.0) + 1 / (RANK_OFFSET + rank)
    return sorted(scores, key=lambda name: -scores[name])

"""Whoever finds texts by what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Meaning(Protocol):
    """A model that puts what texts mean into numbers (`SearchVector`), and compares them."""

    @property
    def model(self) -> str:
        """Whose vectors these are: those of another one cannot be compared with them."""

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A vector for each of a few texts. Raises Unavailable."""

    def nearest(self, text: str, *, account_id: str | None, since: float, until: float, limit: int) -> list[str]:
        """Ids of the vectors that are nearest to the text, the nearest first: of the account, or of all where none is
        named; of runs that were ordered since a moment, and indexed before another; of at most so many runs. Raises
        Unavailable within two seconds.
        """

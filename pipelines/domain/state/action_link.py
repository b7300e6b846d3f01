"""What a link in a row's `Decide` does when somebody opens and confirms it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    """What an action link may do to its run."""

    APPROVE = "approve"
    RETRY = "retry"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLink:
    """One act on one run, as the run was at one moment (`version`), and what it may cost in all then."""

    act: Act
    run_id: str
    version: int
    ceiling_micro: int

    @property
    def moment(self) -> str:
        """The moment that the link was made for: of the links that it offers, only one is ever used."""
        return f"{self.run_id}:{self.version}"

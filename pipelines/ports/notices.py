"""Sending a message to an address that a customer gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pipelines.domain.state.sealed_address import SealedAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent, where, and with which secrets it is signed: all of these, newest first."""

    id: str
    body: bytes
    address: SealedAddress
    sealed_secrets: tuple[str, ...] = ()
    account_id: str | None = None
    """Whose secret signs it where there is none of an endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOutcome:
    """What came of one attempt; of what was answered nothing is kept but the status."""

    arrived: bool
    words: str
    code: int | None = None
    ms: int = 0
    retry_after: float | None = None

    @property
    def gone(self) -> bool:
        """Nobody wants to be told there any more."""
        return self.code == 410  # noqa: PLR2004


class NoticeSender(Protocol):
    """The way out to customers."""

    def send(self, message: Message, now: float) -> SendOutcome:
        """One attempt, over within seconds whatever the other side does. Never raises for what the other side does."""

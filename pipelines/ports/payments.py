"""Paying for one call with a signed authorization: a facilitator takes it to a chain, which says what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pipelines.domain.state.open_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """Money that a wallet has signed over to us and that nobody has moved yet. It may be moved once, by whoever holds
    it: `text` is as good as a cheque until then, so it is neither kept nor written anywhere.
    """

    network: str
    asset: str
    payer: str
    nonce: str
    amount_micro: int
    valid_before: float
    proof: str
    """A hash of the signature: whoever sends the same again sends the same one."""
    payment_id: str | None = None
    """The client's own name of the payment, under which it may ask again."""
    text: str = field(repr=False)

    @property
    def reference(self) -> str:
        """What is unique about it."""
        return f"{self.network}|{self.asset}|{self.payer}|{self.nonce}"


class Outcome(StrEnum):
    """What is known of a payment."""

    PAID = "paid"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    """Nobody may conclude from it that the money has moved, nor that it has not."""
    NOTHING = "nothing"
    """The chain has not seen it, which may still change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a facilitator or the chain says became of an authorization."""

    outcome: Outcome
    transaction: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that came in on the chain."""

    payer: str
    amount_micro: int
    transaction: str


class Facilitator(Protocol):
    """Speaks the protocol of payments, and moves the money."""

    def terms(self, amount_micro: int, url: str, what: str, why: str) -> str:
        """What has to be paid, as the header of an answer."""

    def read(self, header: str) -> Authorization:
        """What a client has signed, whatever for. Raises BadPayment."""

    def fits(self, authorization: Authorization, amount_micro: int) -> bool:
        """Whether it is for exactly these terms."""

    def settle(self, authorization: Authorization) -> Settlement:
        """Move the money, waiting for it. Raises Unavailable where nobody can say whether it was."""

    def receipt(self, transaction: str, payer: str) -> str:
        """That it was paid, as the header of an answer."""


class Chain(Protocol):
    """Where the money moves, as everybody can see."""

    def look(self, *, payer: str, nonce: str, amount_micro: int, since: float, until: float) -> Settlement:
        """What became of an authorization between two moments. Raises Unavailable."""

    def received(self, since: float, until: float) -> list[Transfer]:
        """Everything that came in between two moments, whatever for. Raises Unavailable."""


class PaymentEvents(Protocol):
    """What a seller of credits has sent to our webhook, as it would send it again."""

    def between(self, since: float, until: float, types: Sequence[str]) -> list[JsonObject]:
        """The events of these types of that time, the oldest first. Raises NotConfigured and Unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payments:
    """How accounts pay, as far as the operator has set it up."""

    facilitator: Facilitator | None = None
    """None where no payments for single calls are taken."""
    chain: Chain | None = None
    """None where payments that got lost are left to a person."""
    events: PaymentEvents | None = None
    """What Stripe remembers; None without a key for it."""

"""The books: what the operator pays, and what accounts pay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipelines.domain.money import Account, CreditAccount, CreditPosting, Posting
from pipelines.domain.records.work import Leased


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One side of a posting; append only."""

    at: float
    day: str
    """UTC day, `2026-11-20`."""
    posting_id: str
    posting: Posting
    account: Account
    amount: int
    run_id: str
    generation_id: str | None = None
    account_id: str | None = None
    key_id: str | None = None
    base_id: str | None = None
    project_id: str | None = None
    record_id: str | None = None
    model: str | None = None
    seconds: float = 0.0
    memo: str = ""
    listed_micro: int = 0
    """Our own figure for what `billed_micro` is for; both 0 where the provider does not tell what it billed."""
    billed_micro: int = 0
    id: int | None = None


class LotKind(StrEnum):
    """How an account came by credits."""

    PAID = "paid"
    PROMOTIONAL = "promotional"
    RETURNED = "returned"
    """Given back: for what expired while it was reserved, or by the operator for a clip that was no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Credits that came in together. `granted_micro` is the sum of the five places where they are now."""

    id: str
    account_id: str
    kind: LotKind
    source: str
    """What it was given for, such as an invoice or a payment: the same source is the same lot."""
    from_lot: str | None = None
    payment: str | None = None
    """By what name the payment is known where it was made, in words about giving it back."""
    granted_micro: int = 0
    available_micro: int = 0
    reserved_micro: int = 0
    used_micro: int = 0
    expired_micro: int = 0
    revoked_micro: int = 0
    created_at: float = 0.0
    expires_at: float | None = None
    expiry_due_at: float | None = None
    """As `expires_at`, until what was available then has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What a run has set aside of one lot, and used of it."""

    id: str
    run_id: str
    lot_id: str
    account_id: str
    credit_micro: int
    """What a credit was worth when the run reserved."""
    reserved_micro: int = 0
    used_micro: int = 0
    rounding_micro: int = 0
    """How much of `used_micro` is rounding up to a whole credit."""


class PaymentStatus(StrEnum):
    """How far the payment of a single call is. Only `settling` and `in_doubt` can still become another."""

    SETTLING = "settling"
    """Written before the money is moved: until it is known whether it was."""
    PAID = "paid"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    """Nobody could be asked who knows: a person decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment(Leased):
    """A single call that is paid by a signed authorization of a wallet. It is an account of its own: several people may
    share a wallet. What was signed is not here, so nobody can move money with this row.
    """

    status: PaymentStatus
    reference: str
    """Network, token, wallet and nonce: an authorization is good once."""
    payer: str
    nonce: str
    amount_micro: int
    proof: str
    """A hash of the signature, which whoever repeats the request sends again."""
    asked: str
    """A hash of what was asked for: it is good for that alone."""
    request_key: str | None = None
    """A hash of the name that the client gave the request, and may repeat it under with another authorization."""
    secret_name: bool = False
    """Whether nobody can guess that name."""
    account_id: str
    """Chosen beforehand, as `run_id`: what is repeated after a crash makes the same."""
    run_id: str
    lot_id: str | None = None
    key_id: str | None = None
    tx_hash: str | None = None
    reason: str | None = None
    valid_before: float
    tried_at: float
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditEntry:
    """One side of a posting in the book of credits; append only."""

    at: float
    day: str
    """UTC day."""
    posting_id: str
    posting: CreditPosting
    account: CreditAccount
    amount: int
    lot_id: str
    account_id: str
    run_id: str | None = None
    generation_id: str | None = None
    key_id: str | None = None
    base_id: str | None = None
    project_id: str | None = None
    record_id: str | None = None
    model: str | None = None
    seconds: float = 0.0
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What is set aside, committed and spent for a run, key, base, account, project or for all: kept as entries are
    posted.
    """

    id: str
    """`run:<id>`, `key:<id>`, `base:<id>`, `account:<id>`, `project:<id>` or `all`."""
    kind: str
    """What stands before the colon."""
    account_id: str | None = None
    """Of a run or an account: whose it is."""
    held: int = 0
    committed: int = 0
    spent: int = 0
    day: str = ""
    """The UTC day on which it was last changed."""
    spent_on_day: int = 0
    """How much of `spent` was spent on that day."""

    @property
    def exposure(self) -> int:
        """Money set aside or committed, whatever the day."""
        return self.held + self.committed

    @property
    def total(self) -> int:
        """What counts against a limit for all time."""
        return self.exposure + self.spent

    @property
    def used(self) -> int:
        """What counts against the limit of a day."""
        return self.exposure + self.spent_on_day


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotal:
    """What was quoted, spent and not made on one day with one model, for one key, base, account and project: what usage
    adds up.
    """

    id: str
    day: str
    model: str | None = None
    key_id: str | None = None
    base_id: str | None = None
    account_id: str | None = None
    project_id: str | None = None
    quoted_micro: int = 0
    """What the generations and texts that were ordered could cost at most."""
    spent_micro: int = 0
    seconds: float = 0.0
    generations: int = 0
    refused: int = 0
    """Generations that a provider would not make because of what they show."""
    failed: int = 0
    """Generations that came to nothing for another reason."""
    listed_micro: int = 0
    billed_micro: int = 0

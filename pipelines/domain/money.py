"""Money in whole micro-dollars (1 USD = 1,000,000), and the four accounts it moves between.

    budget ──hold──▶ held ──reserve──▶ committed ──capture──▶ spent
       ▲               │  ◀──free──────────┘
       └───release─────┘

`budget` goes negative as money leaves it; the sum over all accounts is always 0. `held` is what a run may still
use, `committed` what its open generations may cost at most, `spent` what was really paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum

MICRO = 1_000_000
_CENT = MICRO // 100
LEAST_SHOWN = 50


class Account(StrEnum):
    """Where money is."""

    BUDGET = "budget"
    HELD = "held"
    COMMITTED = "committed"
    SPENT = "spent"


DEPLOYMENT = "all"
"""The subject of kept balances that every posting belongs to."""


def subject(kind: str, id: str) -> str:
    """Whose balance is kept: `run`, `key`, `base`, `account` or `project`, and which."""
    return f"{kind}:{id}"


class Posting(StrEnum):
    """Why money moved."""

    HOLD = "hold"
    RELEASE = "release"
    RESERVE = "reserve"
    FREE = "free"
    CAPTURE = "capture"
    OVERRUN = "overrun"
    """The provider charged more than its list price; said openly rather than hidden."""
    WRITE_OFF = "write_off"
    """Money in doubt that a person gave up: counted as spent."""


PATHS: dict[Posting, tuple[Account, Account]] = {
    Posting.HOLD: (Account.BUDGET, Account.HELD),
    Posting.RELEASE: (Account.HELD, Account.BUDGET),
    Posting.RESERVE: (Account.HELD, Account.COMMITTED),
    Posting.FREE: (Account.COMMITTED, Account.HELD),
    Posting.CAPTURE: (Account.COMMITTED, Account.SPENT),
    Posting.OVERRUN: (Account.BUDGET, Account.SPENT),
    Posting.WRITE_OFF: (Account.COMMITTED, Account.SPENT),
}


class CreditAccount(StrEnum):
    """Where the credits of a lot are: the second book, of what customers paid."""

    ISSUED = "issued"
    AVAILABLE = "available"
    RESERVED = "reserved"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"


class CreditPosting(StrEnum):
    """Why credits moved."""

    GRANT = "grant"
    RESERVE = "reserve"
    CAPTURE = "capture"
    ROUND = "round"
    """What is missing to a whole credit, once in an order: taken back when it goes on."""
    RELEASE = "release"
    RETURN = "return"
    """Released after the lot had expired: another lot is given for it."""
    EXPIRE = "expire"
    REVOKE = "revoke"


CREDIT_PATHS: dict[CreditPosting, tuple[CreditAccount, CreditAccount]] = {
    CreditPosting.GRANT: (CreditAccount.ISSUED, CreditAccount.AVAILABLE),
    CreditPosting.RESERVE: (CreditAccount.AVAILABLE, CreditAccount.RESERVED),
    CreditPosting.CAPTURE: (CreditAccount.RESERVED, CreditAccount.USED),
    CreditPosting.ROUND: (CreditAccount.RESERVED, CreditAccount.USED),
    CreditPosting.RELEASE: (CreditAccount.RESERVED, CreditAccount.AVAILABLE),
    CreditPosting.RETURN: (CreditAccount.RESERVED, CreditAccount.EXPIRED),
    CreditPosting.EXPIRE: (CreditAccount.AVAILABLE, CreditAccount.EXPIRED),
    CreditPosting.REVOKE: (CreditAccount.AVAILABLE, CreditAccount.REVOKED),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a posting."""

    account: Account
    amount: int


def entries(posting: Posting, amount: int) -> tuple[Entry, Entry]:
    """The two balanced sides of moving `amount` micro-dollars. Raises ValueError for a negative amount."""
    if amount < 0:
        raise ValueError(f"{posting.value}: a posting cannot be negative ({amount})")
    source, target = PATHS[posting]
    return Entry(source, -amount), Entry(target, amount)


def to_micro(value: str | float | Decimal) -> int:
    """Dollars to micro-dollars, exact for any text. Raises ValueError for what is no finite number."""
    try:
        number = Decimal(str(value).strip().lstrip("$"))
        return int((number * MICRO).to_integral_value(ROUND_HALF_UP))
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise ValueError(f"not an amount of money: {value!r}") from error


def price(per_second: int, seconds: float) -> int:
    """What `seconds` cost at `per_second` micro-dollars, rounded up: a quote may be too high, never too low."""
    return int((Decimal(per_second) * Decimal(str(seconds))).to_integral_value(ROUND_CEILING))


def dollars(micro: int) -> float:
    """For JSON and Airtable's currency fields."""
    return round(micro / MICRO, 6)


def show_enough(micro: int) -> str:
    """As `show`, rounded up: who allows as much as is written allows enough."""
    step = _CENT if micro >= _CENT else _CENT // 100
    return show(-(-micro // step) * step)


def show(micro: int) -> str:
    """For people: `$1.20`, and as many decimals as a small amount needs. Too little to be written is not nothing."""
    if 0 < micro < LEAST_SHOWN:
        return "under $0.0001"
    amount = Decimal(micro) / MICRO
    text = f"{amount:.2f}" if amount == 0 or abs(amount) >= Decimal("0.01") else f"{amount:.4f}"
    return f"${text}" if amount >= 0 else f"-${text[1:]}"

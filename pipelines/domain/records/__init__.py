"""What is remembered, one frozen record per row of SQL. Times are seconds since the epoch, money micro-dollars.

`next_at` is when a row wants attention (None: never by itself); a `lease_*` triple says who is working on it.
"""

from __future__ import annotations

from pipelines.domain.records.accounts import (
    AccountStatus,
    ApiKey,
    CustomerAccount,
    IssuerKeys,
    Project,
    SavedOrder,
)
from pipelines.domain.records.bases import Base, OutboxEntry, QueueSweep
from pipelines.domain.records.books import (
    Balance,
    CreditEntry,
    DayTotal,
    LedgerEntry,
    Lot,
    LotKind,
    Payment,
    PaymentStatus,
    Reservation,
)
from pipelines.domain.records.films import (
    LAST_FRAME,
    THUMBNAIL,
    Clip,
    Cut,
    Generation,
    Purchase,
    Run,
    Scene,
    SearchVector,
    TextRequest,
)
from pipelines.domain.records.history import (
    ALIVE_S,
    DISPATCH,
    KNOWN_UNTIL,
    MIN_CODE,
    RESTORED,
    Checkpoint,
    Event,
    InboxItem,
    Process,
    Replay,
)
from pipelines.domain.records.review import Comment, Share, SpentLink
from pipelines.domain.records.work import Kind, Leased

__all__ = [
    "ALIVE_S",
    "DISPATCH",
    "KNOWN_UNTIL",
    "LAST_FRAME",
    "MIN_CODE",
    "RESTORED",
    "THUMBNAIL",
    "AccountStatus",
    "ApiKey",
    "Balance",
    "Base",
    "Checkpoint",
    "Clip",
    "Comment",
    "CreditEntry",
    "CustomerAccount",
    "Cut",
    "DayTotal",
    "Event",
    "Generation",
    "InboxItem",
    "IssuerKeys",
    "Kind",
    "Leased",
    "LedgerEntry",
    "Lot",
    "LotKind",
    "OutboxEntry",
    "Payment",
    "PaymentStatus",
    "Process",
    "Project",
    "Purchase",
    "QueueSweep",
    "Replay",
    "Reservation",
    "Run",
    "SavedOrder",
    "Scene",
    "SearchVector",
    "Share",
    "SpentLink",
    "TextRequest",
]

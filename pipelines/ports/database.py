"""The truth: tables of frozen records, changed by compare-and-set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from pipelines.domain.customers.batches import Batch
from pipelines.domain.customers.notices import Attempt, Endpoint, Notice
from pipelines.domain.errors import ReelgridError
from pipelines.domain.limits import AirtablePace, BaseOutage, Circuit, ClockStep, RateLimit, StopSwitch
from pipelines.domain.records import (
    ApiKey,
    Balance,
    Base,
    Checkpoint,
    Clip,
    Comment,
    CreditEntry,
    CustomerAccount,
    Cut,
    DayTotal,
    Event,
    Generation,
    InboxItem,
    IssuerKeys,
    Kind,
    Leased,
    LedgerEntry,
    Lot,
    OutboxEntry,
    Payment,
    Process,
    Project,
    Purchase,
    QueueSweep,
    Replay,
    Reservation,
    Run,
    SavedOrder,
    Scene,
    SearchVector,
    Share,
    SpentLink,
    TextRequest,
)
from pipelines.domain.stored_files import FileTotal, Pack, StoredFile

T = TypeVar("T")
Place = tuple[float, str]
"""In an order of runs: what the order goes by, and the run's id."""
RunOrder = Literal["created_at", "quote_micro", "price_micro"]
"""What runs are put in order by, the highest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs are wanted; what is None may be anything."""

    status: Sequence[str] | None = None
    key_id: str | None = None
    base_id: str | None = None
    model: str | None = None
    shape: str | None = None

    def equals(self) -> dict[str, Any]:
        """What is said, as `Rows.find` takes it."""
        said = {"key_id": self.key_id, "base_id": self.base_id, "model": self.model, "shape": self.shape}
        return {name: value for name, value in {**said, "status": self.status}.items() if value is not None}

    def is_met(self, run: Run) -> bool:
        """Whether the run is one of them."""
        said = self.equals()
        right = run.status in said.pop("status", (run.status,))
        return right and all(getattr(run, name) == value for name, value in said.items())


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """Ids of runs, in order."""

    ids: tuple[str, ...]
    end: Place | None = None
    """Where the looking ended although there may be more; None where it ended by itself, or the limit was reached."""


Columns: TypeAlias = Mapping[str, object]
"""Values by the names of columns, which `tools/mypy_columns` checks: what rows must hold, or lie before or after."""


class Rows(Protocol[T]):
    """One table of frozen records. Every change is a compare-and-set."""

    def get(self, id: str, *, lock: bool = False) -> T | None:
        """The row, or None. `lock` keeps others out of it until the transaction ends."""

    def add(self, row: T) -> bool:
        """Insert; False if the id or a unique key is already there (nothing changes then)."""

    def add_all(self, rows: Sequence[T]) -> None:
        """Insert many at once of which none can be there: history."""

    def change(self, id: str, when: Columns | None = None, add: Mapping[str, int] = ..., /, **changes: Any) -> bool:
        """Update the row if every column in `when` still has that value (a tuple: one of them). `add` is added to what
        its columns hold then, whoever has changed them meanwhile.
        """

    def renew(self, id: str, when: Columns | None = None, add: Mapping[str, int] = ..., /, **changes: Any) -> T | None:
        """As `change`; the row as it is then, or None where it did not match."""

    def change_all(
        self,
        ids: Collection[str],
        when: Columns | None = None,
        /,
        *,
        before: Columns,
        **changes: Any,
    ) -> set[str]:
        """Update those of the rows that still match, in one statement, all to the same; which they were."""

    def change_each(self, rows: Sequence[tuple[str, Columns, Columns]]) -> None:
        """`change` for many: (id, when, changes), all with the same columns; a row that does not match any more stays
        as it is, and nobody is told.
        """

    def find(
        self,
        *,
        order: str = "id",
        limit: int | None = None,
        before: Columns | None = None,
        after: Columns | None = None,
        lock: bool = False,
        **equals: Any,
    ) -> list[T]:
        """Rows whose columns equal the values (a tuple or set: one of them; None: NULL); `before` and `after` bound
        columns strictly below and above; `order` is a column, `-column` descending. `lock` keeps others out of all of
        them, taken in the order of their ids.
        """

    def count(
        self,
        *,
        limit: int | None = None,
        before: Columns | None = None,
        after: Columns | None = None,
        **equals: Any,
    ) -> int:
        """How many rows match, bounded as in `find`; beyond `limit` it is not counted on."""

    def remove(self, id: str) -> bool:
        """Delete a row that is no history (outbox, processes)."""

    def remove_some(self, limit: int, *, before: Columns, **equals: Any) -> int:
        """Delete at most so many rows that are no history, bounded as in `find`; how many there were. NULL is not
        before anything.
        """


@dataclass(frozen=True, slots=True)
class DayCap:
    """A limit that a transaction must not pass, for a subject of kept balances: of one day, or for all time."""

    subject: str
    day: str
    limit: int
    error: Callable[[int], ReelgridError]
    """What is raised, given what the others use."""

    ever: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """Something that is kept and does not say what the entries of the ledger add up to."""

    what: str
    kept: str
    entries: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageGroup:
    """What was ordered, spent and not made of one group; None where that is not known of such groups."""

    group: Mapping[str, str | None]
    """By the columns that were asked for, in their order."""
    seconds: float = 0.0
    generations: int = 0
    refused: int | None = None
    failed: int | None = None
    quoted_micro: int | None = None
    spent_micro: int = 0
    listed_micro: int = 0
    billed_micro: int = 0

    @property
    def key(self) -> tuple[str | None, ...]:
        """What the group has in common."""
        return tuple(self.group.values())

    @property
    def variance_micro(self) -> int:
        """How much more providers billed than their prices say."""
        return self.billed_micro - self.listed_micro

    def __add__(self, other: UsageGroup) -> UsageGroup:
        """Both as one group, called like the first."""
        return UsageGroup(
            group=self.group,
            seconds=self.seconds + other.seconds,
            generations=self.generations + other.generations,
            refused=_sum(self.refused, other.refused),
            failed=_sum(self.failed, other.failed),
            quoted_micro=_sum(self.quoted_micro, other.quoted_micro),
            spent_micro=self.spent_micro + other.spent_micro,
            listed_micro=self.listed_micro + other.listed_micro,
            billed_micro=self.billed_micro + other.billed_micro,
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


class Tx(ABC):
    """One transaction. Everything in it is committed together, or not at all. The only list of the tables."""

    accounts: Rows[CustomerAccount]
    projects: Rows[Project]
    issuer_keys: Rows[IssuerKeys]
    runs: Rows[Run]
    scenes: Rows[Scene]
    generations: Rows[Generation]
    clips: Rows[Clip]
    cuts: Rows[Cut]
    packs: Rows[Pack]
    events: Rows[Event]
    event_archive: Rows[Event]
    ledger: Rows[LedgerEntry]
    ledger_archive: Rows[LedgerEntry]
    balances: Rows[Balance]
    day_totals: Rows[DayTotal]
    lots: Rows[Lot]
    credits: Rows[CreditEntry]
    reservations: Rows[Reservation]
    payments: Rows[Payment]
    checkpoints: Rows[Checkpoint]
    outbox: Rows[OutboxEntry]
    inbox: Rows[InboxItem]
    keys: Rows[ApiKey]
    spent_links: Rows[SpentLink]
    replays: Rows[Replay]
    processes: Rows[Process]
    bases: Rows[Base]
    stop_switches: Rows[StopSwitch]
    circuits: Rows[Circuit]
    base_outages: Rows[BaseOutage]
    rate_limits: Rows[RateLimit]
    airtable_paces: Rows[AirtablePace]
    clock_steps: Rows[ClockStep]
    sweeps: Rows[QueueSweep]
    texts: Rows[TextRequest]
    purchases: Rows[Purchase]
    search_vectors: Rows[SearchVector]
    files: Rows[StoredFile]
    file_totals: Rows[FileTotal]
    shares: Rows[Share]
    comments: Rows[Comment]
    endpoints: Rows[Endpoint]
    notices: Rows[Notice]
    attempts: Rows[Attempt]
    batches: Rows[Batch]
    saved_orders: Rows[SavedOrder]

    @property
    @abstractmethod
    def account_id(self) -> str | None:
        """Whose view it is: of rows that belong to somebody, only this account's are there. The operator's has no name
        and holds all.
        """

    @abstractmethod
    def leased(self, kind: Kind) -> Rows[Leased]:
        """The table of a kind of row that is worked on, for what does not depend on the kind."""

    @abstractmethod
    def claim(self, kind: Kind, id: str, *, owner: str, now: float, seconds: float) -> Leased | None:
        """Take the lease of a row: the row with its new `lease_token`, or None when somebody holds it or it is not due
        any more.
        """

    @abstractmethod
    def serialise(self, name: str) -> None:
        """Keep every other transaction that names the same thing out until this one ends."""

    @abstractmethod
    def post(self, entries: Sequence[LedgerEntry]) -> None:
        """Append entries to the ledger. The balances and totals that they change are written when the transaction ends,
        the one that all transactions share last of all.
        """

    @abstractmethod
    def balance_of(self, subject: str, day: str = "") -> Balance:
        """The kept balance of a subject, with what this transaction has posted; `spent_on_day` is for `day`."""

    @abstractmethod
    def must_fit(self, cap: DayCap) -> None:
        """When the transaction ends, and nobody else can change it any more, what is used must not be above the cap;
        else the cap's error is raised and nothing is committed.
        """

    @abstractmethod
    def balance(self, account: str, **equals: Any) -> int:
        """Sum of the ledger's amounts in an account of the ledger, in micro-dollars, of all customers: grows with what
        is summed, such as all entries of a generation. What belongs to a run, key, base, account or day is read by
        `balance_of`.
        """

    @abstractmethod
    def search(
        self,
        words: Sequence[str],
        wanted: RunFilter,
        *,
        since: float,
        limit: int,
        looked: int,
        after: Place | None = None,
    ) -> FoundRuns:
        """The wanted runs since a moment that have all these words (in small letters) in what they are found by, newest
        first, `after` the run of that moment and id; among at most about `looked` runs.
        """

    @abstractmethod
    def narrow(
        self,
        wanted: RunFilter,
        *,
        by: RunOrder,
        since: float | None,
        until: float | None,
        limit: int,
        looked: int,
        after: Place | None = None,
    ) -> FoundRuns:
        """The wanted runs made since a moment and before another, those with the highest `by` first, behind the one
        with that value and id. One column of `wanted` leads to them; for others, `looked` runs are looked at.
        """

    @abstractmethod
    def count(self, total: DayTotal) -> None:
        """Add to the totals of its day what no posting tells; its id is made here."""

    @abstractmethod
    def usage(self, by: Sequence[str], *, since: str | None = None, until: str | None = None) -> list[UsageGroup]:
        """Spend grouped by day, model, key_id, base_id, account_id, project_id or record_id. By record it is not known
        what was refused or failed.
        """

    @abstractmethod
    def charged(self, by: Sequence[str], *, since: str | None = None, until: str | None = None) -> list[UsageGroup]:
        """What accounts were charged, as `usage` tells what was spent. By model it is not known what was quoted, which
        is set aside for a whole order: None. What was refused or failed is not in this book.
        """

    @abstractmethod
    def archive(self, run_ids: Sequence[str]) -> None:
        """Move the events and ledger entries of runs to the archive, and forget what their rows in Airtable said: all
        of it was written.
        """

    @abstractmethod
    def discrepancies(self, since: Checkpoint) -> list[Discrepancy]:
        """Where kept balances and day totals differ from the entries of the ledger, as far as entries after `since`
        touch them; postings that do not add up to zero; fetched generations that are counted with less than they cost.
        """

    @abstractmethod
    def recount_quoted(self, day: str) -> int:
        """Raise what the totals of a day say was quoted to what the ledger says, where they say less; how many did.
        Only a version that did not count it yet, and still ran while ours did, leaves less.
        """

    @abstractmethod
    def credit_discrepancies(self, since: Checkpoint) -> list[Discrepancy]:
        """The same of the book of credits: lots and reservations that entries after `since` touch, and credits that are
        set aside for a run that is over.
        """


class Commits(Protocol):
    """What others commit, heard from the moment when listening began."""

    def wait(self, seconds: float) -> bool:
        """Until somebody may have committed something, at most so long; False when nothing was heard. A hint that may
        be lost: whoever waits looks at SQL once in a while all the same. Raises Unavailable.
        """


UNHEARD_S = 0.1
"""Where nothing can be heard of commits, SQL is looked at as often as this."""


class Wakeups(Protocol):
    """Carries word of commits where the database itself cannot, from any process to those who listen."""

    def tell(self) -> None:
        """Say that rows are due, after the commit. Waits for nobody, except in a process that forks, and raises
        nothing.
        """

    def flush(self) -> None:
        """Wait a moment, so that what this process has to tell is told before it ends."""

    def hear(self) -> AbstractContextManager[Commits]:
        """What is told from now on; while nothing can be heard, as if something were told every `UNHEARD_S`."""


class Store(Protocol):
    """The truth."""

    account_id: str | None
    """Whose view it is; None: the operator's."""

    def of(self, account_id: str) -> Store:
        """The same store as one account sees it: what belongs to others is not there, and what it adds is its own."""

    def write(self) -> AbstractContextManager[Tx]:
        """A transaction that commits when the block ends without an exception."""

    def read(self) -> AbstractContextManager[Tx]:
        """A snapshot to read from; nothing is committed."""

    def due(self, kind: str, now: float, limit: int) -> list[tuple[str, float]]:
        """Rows of a leased table whose `next_at` has come and that nobody holds, the oldest first: their ids, and since
        when. Of runs, accounts take turns: first the oldest of each.
        """

    def earliest(self, now: float) -> dict[Kind, float]:
        """Of each kind that has rows which wait and which nobody holds now, when the first comes due, or came."""

    def commits(self) -> AbstractContextManager[Commits]:
        """Hear of it when rows become due. Raises Unavailable."""

    def flush(self) -> None:
        """Before a process that ends without asking anybody: those who listen have been told of what it committed."""

    def claim(self, kind: str, id: str, *, owner: str, now: float, seconds: float) -> str | None:
        """Take the lease of a row: the token, or None when somebody holds it or it is not due any more."""

    def renew(self, kind: str, id: str, token: str, until: float) -> bool:
        """Prolong a lease that is still ours."""

    def release(self, kind: str, id: str, token: str, *, next_at: float | None, attempts: int) -> bool:
        """Give a lease back and say when the row is due again."""

    def release_owner(self, owner: str, *, certain: bool = True) -> int:
        """A process died: its ordinary leases are free at once, and their rows due at a slightly other time, so that a
        new hint is sent for them. Paid submissions keep theirs to their end, and so do questions to the writer where
        the death is not `certain` but only follows from silence.
        """

    def shift_time(self, seconds: float, now: float) -> bool:
        """The clock stepped back to `now`: bring every due time and lease back by as much. False when another process
        has done it already for this step.
        """

    def server_time(self) -> float | None:
        """What the clock of a database server shows that several machines share. None: there is no such server, or it
        has not been asked yet. Asks nobody.
        """

    def migrate(self) -> None:
        """Bring the schema up to date, under a lock. Safe from many processes at once. Raises NotConfigured where it is
        too new for this code, and Unavailable, which names the setting, where there is no database.
        """

    def check(self) -> None:
        """Raise Unavailable unless the database answers."""

    def disconnect(self) -> None:
        """Close the connections that wait to be used: a process that forks must not share them with its child."""

    def warm_up(self) -> None:
        """Before a fork: learn how to ask what the steps of a film ask, and to read the answers, since what a fork
        learns is lost with it; keep no connection. Without a database, nothing.
        """

"""The truth in SQL: SQLite in WAL mode by default, PostgreSQL by `DATABASE_URL`."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import chain
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from pipelines.database import schema
from pipelines.database.audit import credit_discrepancies, discrepancies, recount_quoted
from pipelines.database.balances import KeptBalances, usual_of_money
from pipelines.database.codec import Json
from pipelines.database.commits import CHANNEL, is_deaf, listening
from pipelines.database.engine import THREADS, make_engine
from pipelines.database.rows import Scope, SqlRows
from pipelines.database.server_time import ServerTime
from pipelines.database.statements import (
    LIMIT,
    OWN,
    SUMS,
    Shape,
    archiving,
    charged_by,
    first_due,
    going_on,
    leasing,
    looked_last,
    moved_orders,
    narrowing,
    searching,
    shape_of,
    summing,
    usage_by,
    usual,
    waiting,
)
from pipelines.database.tables import RECORDS, TABLES, is_leased
from pipelines.domain.errors import Unavailable
from pipelines.domain.keys import new_token
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.limits import ClockStep
from pipelines.domain.money import DEPLOYMENT
from pipelines.domain.records import Balance, Checkpoint, DayTotal, Kind, Leased, LedgerEntry
from pipelines.ports import (
    Commits,
    DayCap,
    Discrepancy,
    FoundRuns,
    Place,
    Rows,
    RunFilter,
    RunOrder,
    Tx,
    UsageGroup,
    Wakeups,
)

T = TypeVar("T")

TURNS = 5000
"""Runs that are due among which accounts take turns."""
ANOTHER_S, DOUBT_S = 0.001, 10.0
SUBMITTING = GenerationStatus.SUBMITTING.value
_LEADING = ("key_id", "base_id", "model", "shape")
"""What runs are found by in the order of their time, the one that tells most first."""
AWAY = "Our database does not answer right now; we keep trying."
LEASED = [name for name, record in RECORDS.items() if is_leased(record)]


class SqlTx(Tx):
    """One transaction. Its tables are those that `Tx` names."""

    def __init__(self, scope: Scope) -> None:
        self._scope, self.connection, self._due = scope, scope.connection, scope.due
        self._kept = KeptBalances(scope.connection, self._moves_alone)

    def __getattr__(self, name: str) -> SqlRows[Any]:
        """A table is made when it is first asked for: few transactions need more than five of them."""
        if name not in RECORDS:
            raise AttributeError(name)
        return self._table(name)

    def _moves_alone(self, subject: str) -> bool:
        """Whether nobody else changes a balance before we end: whoever moves a run's money locks the run first."""
        kind, _, owner = subject.partition(":")
        return self._scope.alone or (kind == "run" and self._table("runs").is_ours(owner))

    def _table(self, name: str) -> SqlRows[Any]:
        rows = self.__dict__.get(name)
        if rows is None:
            rows = self.__dict__[name] = SqlRows(self._scope, TABLES[name], RECORDS[name])
        return rows

    @property
    def account_id(self) -> str | None:
        return self._scope.account_id

    def leased(self, kind: Kind) -> Rows[Leased]:
        return self._table(kind)

    def claim(self, kind: Kind, id: str, *, owner: str, now: float, seconds: float) -> Leased | None:
        values = {"is_id": id, "now": now, "to_owner": owner, "to_token": new_token(), "to_until": now + seconds}
        if kind is Kind.GENERATION:
            # Whoever settles a doubt says so at once. Should it die before, its lease looks like that of a paid POST,
            # and nobody frees it.
            values["to_doubt_until"] = now + min(seconds, DOUBT_S)
        return self._table(kind).written(leasing(TABLES[kind]), values)

    def serialise(self, name: str) -> None:
        """SQLite's writers are alone anyway."""
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})

    def post(self, entries: Sequence[LedgerEntry]) -> None:
        self._kept.post(entries)
        self._table("ledger").forget()

    def balance_of(self, subject: str, day: str = "") -> Balance:
        return self._kept.get(subject, day)

    def must_fit(self, cap: DayCap) -> None:
        self._kept.require(cap)

    def settle(self) -> None:
        """The very last thing before the commit."""
        self._kept.settle()

    def tell(self, wakeups: Wakeups | None) -> None:
        """After the commit: who listens hears that rows are due. SQLite's processes see a commit by themselves.

        PostgreSQL lets only one transaction that notifies commit at a time, and holds the others up until its commit is
        on the disk: said in the transaction itself, all would write one after the other what they could write together.
        If we die before it is said, the pump finds it a moment later.
        """
        if self._due.given and self.connection.dialect.name == "postgresql":
            with suppress(DBAPIError):
                self.connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(f"NOTIFY {CHANNEL}")
            if wakeups is not None:
                wakeups.tell()

    def wake(self) -> None:
        """Rows were given due times past the tables of `Tx`."""
        self._due.given = True

    def count(self, total: DayTotal) -> None:
        self._kept.count(total)

    def balance(self, account: str, **equals: Any) -> int:
        shape, values = shape_of({"account": account, **equals})
        return int(self.connection.execute(summing(shape), values).scalar_one())

    def archive(self, run_ids: Sequence[str]) -> None:
        for statement in archiving(self.connection.dialect.name):
            self.connection.execute(statement, {"run_ids": list(run_ids)})
        for name in RECORDS:
            self._table(name).forget()

    def discrepancies(self, since: Checkpoint) -> list[Discrepancy]:
        return discrepancies(self.connection, since)

    def recount_quoted(self, day: str) -> int:
        return recount_quoted(self.connection, day)

    def credit_discrepancies(self, since: Checkpoint) -> list[Discrepancy]:
        return credit_discrepancies(self.connection, since)

    def charged(self, by: Sequence[str], *, since: str | None = None, until: str | None = None) -> list[UsageGroup]:
        query = charged_by(tuple(by), since=since is not None, until=until is not None, own=self.account_id is not None)
        rows = self.connection.execute(query, {"since": since, "until": until, OWN: self.account_id})
        return [_usage_group(row, by) for row in rows]

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
        literal = [word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for word in words]
        mine, paged = self._mine(), after is not None
        values = {LIMIT: limit, OWN: self.account_id, "skipped": looked - 1, **_behind(after)}
        last = self.connection.execute(looked_last(mine, "created_at", paged=paged), values).first()
        # Those of the same moment are looked at, too.
        end = (last[0], "-") if last is not None and last[0] > since else None
        shape, asked = shape_of(wanted.equals())
        values |= asked | {"since": end[0] if end else since}
        values |= {f"like_{number}": f"%{one}%" for number, one in enumerate(literal)}
        query = searching((*mine, *shape), likes=len(literal), paged=paged)
        ids = tuple(self.connection.execute(query, values).scalars())
        return FoundRuns(ids, None if len(ids) == limit else end)

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
        newest, others = by == "created_at", wanted.equals()
        before = {"created_at": until} if until is not None else {}
        # `above` is strict, and `since` is meant to be included.
        behind = {"created_at": since - 1e-6} if since is not None else {}
        led = next((name for name in _LEADING if name in others), None) if newest and self.account_id is None else None
        leading = {led: others.pop(led)} if led else {}
        if newest:
            first, values = shape_of(leading, before, behind)
            rest, asked = shape_of(others)
        else:
            first, values = shape_of({}, {}, {by: -1})
            rest, asked = shape_of(others, before, behind)
        first = (*self._mine(), *first)
        values |= asked | {
            LIMIT: limit,
            OWN: self.account_id,
            "looked": looked,
            "skipped": looked - 1,
            **_behind(after),
        }
        ids = tuple(self.connection.execute(narrowing(first, rest, by, paged=after is not None), values).scalars())
        if not rest or len(ids) == limit:
            return FoundRuns(ids)
        last = self.connection.execute(looked_last(first, by, paged=after is not None), values).first()
        return FoundRuns(ids, (last[0], last[1]) if last is not None else None)

    def _mine(self) -> Shape:
        """The condition that a run is this account's own."""
        return () if self.account_id is None else (("account_id", "own"),)

    def usage(self, by: Sequence[str], *, since: str | None = None, until: str | None = None) -> list[UsageGroup]:
        own = self.account_id is not None
        query = usage_by(tuple(by), since=since is not None, until=until is not None, own=own)
        rows = self.connection.execute(query, {"since": since, "until": until, "own": self.account_id})
        return [_usage_group(row, by) for row in rows]


def _behind(after: Place | None) -> dict[str, Any]:
    return dict(zip(("last", "last_id"), after or (), strict=False))


def _usage_group(row: Row[Any], by: Sequence[str]) -> UsageGroup:
    """PostgreSQL adds whole numbers up to decimals."""
    told = row._asdict()
    group = {name: told.pop(name) for name in by}
    return UsageGroup(group=group, **{name: int(value) if name in SUMS else value for name, value in told.items()})


class _Turns:
    """SQLite's own busy handler sleeps; taking turns inside the process keeps the tail short.

    A write inside a write would wait for itself: it is a defect, and is said at once.
    """

    def __init__(self) -> None:
        self._lock, self._holder = threading.Lock(), 0

    def __enter__(self) -> None:
        if self._holder == threading.get_ident():
            raise RuntimeError("a write inside a write: use the transaction that is open")
        self._lock.acquire()
        self._holder = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._holder = 0
        self._lock.release()


class SqlStore:
    """ports.Store over SQLAlchemy. One per process; open none before a fork."""

    def __init__(
        self,
        url: str,
        *,
        pooled: bool = True,
        threads: int = THREADS,
        direct_url: str | None = None,
        wakeups: Wakeups | None = None,
    ) -> None:
        """`direct_url` is the way around a pooler, for what takes long; without it, `wakeups` tell of commits."""
        self.url, self._direct_url = url, direct_url
        self._wakeups = wakeups if is_deaf(url, direct_url) else None
        self.engine = make_engine(url, pooled=pooled, threads=threads)
        self._sqlite = self.engine.dialect.name == "sqlite"
        self._turn: AbstractContextManager[Any] = _Turns() if self._sqlite else nullcontext()
        self._server_time = ServerTime()
        self.account_id: str | None = None

    def of(self, account_id: str) -> SqlStore:
        """Over the same connections, and taking the same turns."""
        view = copy.copy(self)
        view.account_id = account_id
        return view

    @contextmanager
    def write(self) -> Iterator[SqlTx]:
        with self._turn, _translated(), self._connection(write=True) as connection:
            tx = SqlTx(Scope(connection, self.account_id, alone=self._sqlite))
            with connection.begin():
                yield tx
                tx.settle()
            tx.tell(self._wakeups)

    @contextmanager
    def read(self) -> Iterator[SqlTx]:
        with _translated(), self._connection() as connection:
            if not self._sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield SqlTx(Scope(connection, self.account_id, alone=True))

    def _connection(self, *, write: bool = False, single: bool = False) -> Connection:
        connection = self.engine.connect().execution_options(write=write, single=single)
        if not self._sqlite:
            try:
                self._server_time.ask(connection)
            except DBAPIError:
                connection.close()
                raise
        return connection

    def server_time(self) -> float | None:
        return self._server_time.now()

    def due(self, kind: str, now: float, limit: int) -> list[tuple[str, float]]:
        with _translated(), self._connection(single=True) as connection:
            find = waiting(TABLES[kind])
            found = connection.execute(find, {"now": now, LIMIT: limit}).all()
            if kind == Kind.RUN and len(found) == limit:
                # One account alone may have as many: the first of others stand behind them.
                found = connection.execute(find, {"now": now, LIMIT: max(limit, TURNS)}).all()
        rows = in_turns(found, lambda row: row.account_id) if kind == Kind.RUN else found
        return [(row.id, row.next_at) for row in rows[:limit]]

    def earliest(self, now: float) -> dict[Kind, float]:
        with _translated(), self._connection(single=True) as connection:
            found = connection.execute(first_due(), {"now": now})
            return {Kind(row.kind): row.next_at for row in found if row.next_at is not None}

    @contextmanager
    def commits(self) -> Iterator[Commits]:
        with _translated(), listening(self.engine, self.url, self._direct_url, self._wakeups) as commits:
            yield commits

    def flush(self) -> None:
        if self._wakeups is not None:
            self._wakeups.flush()

    def claim(self, kind: str, id: str, *, owner: str, now: float, seconds: float) -> str | None:
        with self.write() as tx:
            row = tx.claim(Kind(kind), id, owner=owner, now=now, seconds=seconds)
        return row.lease_token if row is not None else None

    def renew(self, kind: str, id: str, token: str, until: float) -> bool:
        with self.write() as tx:
            return tx.leased(Kind(kind)).change(id, {"lease_token": token}, lease_until=until)

    def release(self, kind: str, id: str, token: str, *, next_at: float | None, attempts: int) -> bool:
        free = {"lease_owner": None, "lease_token": None, "lease_until": 0.0}
        with self.write() as tx:
            return tx.leased(Kind(kind)).change(id, {"lease_token": token}, next_at=next_at, attempts=attempts, **free)

    def release_owner(self, owner: str, *, certain: bool = True) -> int:
        freed = 0
        with self.write() as tx:
            for kind in LEASED:
                if kind == "texts" and not certain:
                    continue
                table = TABLES[kind]
                mine = [table.c.lease_owner == owner]
                if kind == "generations":
                    # A paid POST may still be on its way: only its lease's end proves that it is over.
                    mine.append(table.c.status != SUBMITTING)
                # Another due time: who has just sent a hint for the old one sends another at once.
                due = {"next_at": table.c.next_at - ANOTHER_S}
                free = {"lease_owner": None, "lease_token": None, "lease_until": 0.0, **due}
                freed += tx.connection.execute(update(table).where(*mine).values(**free)).rowcount
            if freed:
                tx.wake()
        return freed

    def shift_time(self, seconds: float, now: float) -> bool:
        with self.write() as tx:
            tx.serialise("clock")
            if _was_shifted(tx, seconds, now):
                return False
            for kind in LEASED:
                table = TABLES[kind]
                moved = {name: table.c[name] - seconds for name in ("next_at", "lease_until")}
                if kind == "generations":
                    moved |= moved_orders(table, seconds, now)
                tx.connection.execute(update(table).where(table.c.id.in_(going_on(table))).values(**moved))
            for table in (TABLES["rate_limits"], TABLES["airtable_paces"]):
                moved = {name: table.c[name] - seconds for name in ("next_free_at", "not_before") if name in table.c}
                tx.connection.execute(update(table).values(**moved))
            tx.wake()
            return True

    def migrate(self) -> None:
        engine = make_engine(self._direct_url or self.url, pooled=False, patient=True)
        try:
            self._must_be_reached(engine)
            schema.migrate(engine)
        finally:
            engine.dispose()

    def _must_be_reached(self, engine: Engine) -> None:
        try:
            with _translated(), engine.connect():
                pass
        except Unavailable as error:
            setting = "DATABASE_DIRECT_URL" if self._direct_url else "DATABASE_URL"
            told = f"{setting} leads to no usable {' '.join(error.operator.split())}"
            raise Unavailable(f"{told}. Set it right, or start that server, then try again.") from error

    def check(self) -> None:
        with _translated(), self._connection(single=True) as connection:
            connection.execute(select(1))

    def disconnect(self) -> None:
        self.engine.dispose()

    def warm_up(self) -> None:
        with suppress(Unavailable):
            self.earliest(0.0)
            for kind in Kind:
                self.due(kind, 0.0, 1)
                self.claim(kind, "", owner="", now=0.0, seconds=0.0)
                self.renew(kind, "", "", 0.0)
            with self.write() as tx:
                for kind in Kind:
                    for lock in (False, True):
                        tx.leased(kind).get("", lock=lock)
                tx.balance_of(DEPLOYMENT)
            self._rehearse()
        self.disconnect()

    def _rehearse(self) -> None:
        """Compile what the steps of a film ask, by asking it in vain: all that would be written is taken back."""
        for column in chain.from_iterable(table.c for table in TABLES.values()):
            if isinstance(column.type, Json):
                column.type.prepare()
        with self._turn, _translated(), self._connection(write=True) as connection, connection.begin() as transaction:
            dialect = connection.dialect.name
            for statement, places in chain(usual(dialect), usual_of_money(dialect)):
                with suppress(IntegrityError), connection.begin_nested():
                    connection.execute(statement, places)
            transaction.rollback()


_CLOCK = "clock"
_SAME_STEP_S = 60.0


def _was_shifted(tx: SqlTx, seconds: float, now: float) -> bool:
    step = tx.clock_steps.get(_CLOCK, lock=True)
    if step is None:
        tx.clock_steps.add(ClockStep(id=_CLOCK, at=now, seconds=seconds))
        return False
    if abs(now - step.at) < _SAME_STEP_S and abs(seconds - step.seconds) < _SAME_STEP_S:
        return True
    tx.clock_steps.change(_CLOCK, at=now, seconds=seconds)
    return False


def in_turns(rows: Sequence[T], whose: Callable[[T], Hashable]) -> list[T]:
    """The first of each, then the second of each, and so on."""
    taken: Counter[Hashable] = Counter()
    turns: list[int] = []
    for row in rows:
        turns.append(taken[whose(row)])
        taken[whose(row)] += 1
    if len(taken) < 2:  # noqa: PLR2004 - nobody takes turns with oneself
        return list(rows)
    return [rows[n] for n in sorted(range(len(rows)), key=turns.__getitem__)]


@contextmanager
def _translated() -> Iterator[None]:
    """A database that is away is an outage like any other: the step is done again later."""
    try:
        yield
    except OperationalError as error:
        raise Unavailable(
            f"database: {error.orig}", marketer="Our database does not answer; we keep trying."
        ) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable(f"database: {error.orig}", marketer=AWAY) from error
        raise
    except NoConnectionFree as error:
        raise Unavailable(f"database: {error}", marketer=AWAY) from error

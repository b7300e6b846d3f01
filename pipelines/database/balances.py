"""Kept balances: what caps and holds read instead of the history, written in the transaction that moves the money.

While a transaction goes on, what its entries change is added up here, and written at its very end: first the rows that
few share (a run, a day's total, a key, a base), and last the one that all share. So nobody holds that one for longer
than a single statement and the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Select,
    Table,
    Update,
    bindparam,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.sql.dml import Insert

from pipelines.database.statements import shape_of, summing, upserting
from pipelines.database.tables import ENTRIES, TABLES
from pipelines.domain.money import DEPLOYMENT, Account, Posting, subject
from pipelines.domain.records import Balance, DayTotal, LedgerEntry
from pipelines.ports import DayCap

SHARED = {"key": "key_id", "base": "base_id", "account": "account_id", "project": "project_id"}
"""Kinds of subjects that several runs share, by their column in the ledger; in the order in which they are locked."""
_RANK = {name: place for place, name in enumerate(("run", *SHARED, DEPLOYMENT))}
_OWNED = ("run", "account")
_SUMS = ("held", "committed", "spent")
_ENTERED = tuple(one.name for one in fields(LedgerEntry) if one.name != "id")
_OWNERS = ("key_id", "base_id", "account_id", "model")
_TOTALS = (
    *("quoted_micro", "spent_micro", "seconds", "generations", "refused", "failed"),
    *("listed_micro", "billed_micro"),
)


@dataclass
class _Change:
    """What a transaction adds to one balance on one day."""

    amounts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0))
    caps: list[DayCap] = field(default_factory=list)
    account_id: str | None = None

    @property
    def used(self) -> int:
        return sum(self.amounts.values())

    def added_to(self, row: Balance, *, same_day: bool = True) -> Balance:
        """The balance with it."""
        on_day = self.amounts["spent"] if same_day else 0
        sums = {name: getattr(row, name) + amount for name, amount in self.amounts.items()}
        return replace(row, **sums, spent_on_day=row.spent_on_day + on_day)


class KeptBalances:
    """The balances of one transaction: as they are committed, with what the transaction has posted so far."""

    def __init__(self, connection: Connection, is_ours: Callable[[str], bool]) -> None:
        """`is_ours`: whether nobody else moves a subject's money until the transaction ends."""
        self._connection, self._is_ours = connection, is_ours
        self._known: dict[str, Balance] = {}
        self._changes: dict[tuple[str, str], _Change] = {}
        self._totals: dict[str, DayTotal] = {}

    def post(self, entries: Sequence[LedgerEntry]) -> None:
        """Append to the ledger, and remember what that changes."""
        for entry in entries:
            if entry.account == Account.SPENT:
                counted = entry.generation_id is None or self._is_counted(entry)
                told = {"listed_micro": entry.listed_micro, "billed_micro": entry.billed_micro}
                told |= {"spent_micro": entry.amount, "generations": int(not counted)}
                self.count(_total_of(entry, seconds=entry.seconds, **told))
            elif entry.account == Account.COMMITTED and entry.posting == Posting.RESERVE:
                self.count(_total_of(entry, quoted_micro=entry.amount))
            for name in _subjects(entry) if entry.account in _SUMS else ():
                # Of a run no single day is asked about.
                change = self._change(name, "" if _kind(name) == "run" else entry.day)
                change.amounts[entry.account] += entry.amount
                change.account_id = entry.account_id if _kind(name) in _OWNED else None
        if entries:
            values = {
                f"{name}_{number}": getattr(entry, name) for number, entry in enumerate(entries) for name in _ENTERED
            }
            self._connection.execute(_entering(len(entries)), values)

    def _change(self, name: str, day: str) -> _Change:
        return self._changes.setdefault((name, day), _Change())

    def count(self, total: DayTotal) -> None:
        """Add to the total of a day."""
        total = named(total)
        known = self._totals.get(total.id)
        if known is not None:
            total = replace(total, **{name: getattr(known, name) + getattr(total, name) for name in _TOTALS})
        self._totals[total.id] = total

    def _is_counted(self, entry: LedgerEntry) -> bool:
        """A generation counts once, on the day when it is first paid for."""
        return self._connection.execute(_paid_for(entry.generation_id or "")).first() is not None

    def get(self, name: str, day: str) -> Balance:
        """A subject's balance; what was spent on a day is for `day`."""
        row = self._committed(name, day)
        for (changed, on), change in self._changes.items():
            row = change.added_to(row, same_day=on == day) if changed == name else row
        return row

    def require(self, cap: DayCap) -> None:
        """Remember a cap for the end."""
        self._change(cap.subject, cap.day).caps.append(cap)

    def settle(self) -> None:
        """Write everything, in the one order that all transactions keep. Raises what a passed cap says."""
        for _, total in sorted(self._totals.items()):
            self._connection.execute(_adding(TABLES["day_totals"], self._dialect, _TOTALS), asdict(total))
        for name, day in sorted(self._changes, key=lambda pair: (_RANK[_kind(pair[0])], *pair)):
            self._write(name, day, self._changes[name, day])
        self._totals, self._changes = {}, {}

    def _write(self, name: str, day: str, change: _Change) -> None:
        of_run = _kind(name) == "run"
        if of_run and min(change.amounts.values()) >= 0:
            # As a rule its first: in one statement. A new row takes no amount below 0.
            self._begin(name, change)
            return
        values = {"is_id": name, "is_day": day, **change.amounts}
        if change.caps:
            values["room"] = min(cap.limit for cap in change.caps) - change.used
        fits = _adding_if_it_fits(capped=bool(change.caps), ever=any(cap.ever for cap in change.caps))
        if self._connection.execute(fits, values).rowcount == 0:
            self._begin(name, change) if of_run else self._write_locked(name, day, change)

    def _begin(self, name: str, change: _Change) -> None:
        """The first that is known of a run, which has no cap here and no day; or one more."""
        row = change.added_to(replace(_nothing(name), account_id=change.account_id))
        self._connection.execute(_adding(TABLES["balances"], self._dialect, (*_SUMS, "spent_on_day")), asdict(row))

    def _write_locked(self, name: str, day: str, change: _Change) -> None:
        """A cap would be passed, or there is no row of this day: looked at while nobody else can change it."""
        table = TABLES["balances"]
        self._connection.execute(
            _adding(table, self._dialect, ()), asdict(replace(_nothing(name), account_id=change.account_id))
        )
        self._known.pop(name, None)
        locked = select(table.c.id).where(table.c.id == name).with_for_update()
        self._connection.execute(locked).one()
        row = self._committed(name, day, of_ours=change.amounts["spent"])
        for cap in change.caps:
            used = row.total if cap.ever else row.used
            if used + change.used > cap.limit:
                raise cap.error(used)
        self._connection.execute(update(table).where(table.c.id == name).values(asdict(change.added_to(row))))

    def _committed(self, name: str, day: str, *, of_ours: int = 0) -> Balance:
        """The row as it stands. `of_ours`: what of the day's totals this transaction has written itself."""
        row = self._known.get(name) or self._read(name)
        return row if row.day == day else replace(row, day=day, spent_on_day=self._spent_on(name, day) - of_ours)

    def _read(self, name: str) -> Balance:
        found = self._connection.execute(_by_id(TABLES["balances"]), {"is_id": name}).first()
        row = Balance(**found._asdict()) if found is not None else _nothing(name)
        if self._is_ours(name):
            self._known[name] = row
        return row

    def _spent_on(self, name: str, day: str) -> int:
        columns = TABLES["day_totals"].c
        kind, _, owner = name.partition(":")
        if not day:
            return 0
        mine: list[ColumnElement[bool]] = [columns[SHARED[kind]] == owner] if kind in SHARED else []
        spent = select(func.coalesce(func.sum(columns.spent_micro), 0)).where(columns.day == day, *mine)
        return int(self._connection.execute(spent).scalar_one())

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name


def _kind(name: str) -> str:
    return name.partition(":")[0]


def _nothing(name: str) -> Balance:
    return Balance(id=name, kind=_kind(name))


def named(total: DayTotal) -> DayTotal:
    """With its id, which follows from whose total it is."""
    parts = [getattr(total, name) or "" for name in ("day", *_OWNERS)]
    if total.project_id is not None:
        # Not named where there is none: totals of before projects are added to.
        parts.append(total.project_id)
    return replace(total, id="|".join(parts))


def begin_total(connection: Connection, total: DayTotal) -> None:
    """The row of a total, if there is none."""
    connection.execute(_adding(TABLES["day_totals"], connection.dialect.name, ()), asdict(total))


def _subjects(entry: LedgerEntry) -> list[str]:
    owners = [("run", entry.run_id), *((kind, getattr(entry, column)) for kind, column in SHARED.items())]
    return [*(subject(kind, owner) for kind, owner in owners if owner), DEPLOYMENT]


def _total_of(entry: LedgerEntry, **sums: Any) -> DayTotal:
    return DayTotal(
        id="",
        day=entry.day,
        model=entry.model,
        key_id=entry.key_id,
        base_id=entry.base_id,
        account_id=entry.account_id,
        project_id=entry.project_id,
        **sums,
    )


def usual_of_money(dialect: str) -> Iterator[tuple[Executable, dict[str, Any]]]:
    """As `statements.usual`: what is asked when a clip is paid for."""
    shape, values = shape_of({"account": "", "generation_id": ""})
    yield summing(shape), values
    yield _paid_for(""), {}
    # PostgreSQL takes nothing of an unknown type for a number; it misses what no entry is without.
    entered = dict.fromkeys(_ENTERED) | {"at": 0.0, "seconds": 0.0}
    yield _entering(2), {f"{name}_{number}": value for number in range(2) for name, value in entered.items()}
    yield _adding(TABLES["day_totals"], dialect, _TOTALS), {one.name: None for one in fields(DayTotal)}
    yield _adding_if_it_fits(capped=False, ever=False), {"is_id": "", "is_day": "", **dict.fromkeys(_SUMS, 0)}


def _paid_for(generation_id: str) -> Select[Any]:
    """An entry of what was spent for a generation, if any."""
    columns = ENTRIES.c
    same = (columns.account == Account.SPENT.value, columns.generation_id == generation_id)
    return select(columns.id).where(*same).limit(1)


@cache
def _entering(number: int) -> Insert:
    """So many entries in one statement: one after the other, the driver asks several times for each. As a selection,
    because one of `VALUES` is put together anew each time.
    """
    table = TABLES["ledger"]
    columns = [table.c[name] for name in _ENTERED]
    rows = [select(*(bindparam(f"{one.name}_{row}", type_=one.type) for one in columns)) for row in range(number)]
    return insert(table).from_select(columns, union_all(*rows))


@cache
def _by_id(table: Table) -> Select[Any]:
    return select(table).where(table.c.id == bindparam("is_id"))


@cache
def _adding(table: Table, dialect: str, sums: tuple[str, ...]) -> Insert:
    """A new row, or its sums added to those of the row that is there."""
    new = upserting(table, dialect)
    if not sums:
        return new.on_conflict_do_nothing()
    return new.on_conflict_do_update(
        index_elements=["id"], set_={name: table.c[name] + new.excluded[name] for name in sums}
    )


@cache
def _adding_if_it_fits(*, capped: bool, ever: bool) -> Update:
    """Add to a balance of the same day, if what is used by others, on that day or ever, leaves room."""
    columns = TABLES["balances"].c
    sums = {name: columns[name] + bindparam(name, type_=columns[name].type) for name in _SUMS}
    sums["spent_on_day"] = columns.spent_on_day + bindparam("spent", type_=columns.spent.type)
    rows = [columns.id == bindparam("is_id"), columns.day == bindparam("is_day")]
    if capped:
        rows.append(
            columns.held + columns.committed + (columns.spent if ever else columns.spent_on_day) <= bindparam("room")
        )
    return update(TABLES["balances"]).where(*rows).values(sums)

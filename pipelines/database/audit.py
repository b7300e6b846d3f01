"""The proof that what is kept of the ledger is what its entries add up to, in a handful of statements.

Whatever an entry since the checkpoint touches is added up from its first entry on: its run, and its day. What runs have
set aside and what days have spent is then held against the balances that they share. So the cost follows from what is
new, not from the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, FromClause, Select, and_, case, func, literal, not_, or_, select, union_all, update

from pipelines.database.balances import SHARED, begin_total, named
from pipelines.database.tables import ENTRIES, EXPOSED, NOT_OF_A_RUN, SET_ASIDE, TABLES
from pipelines.domain.lifecycle import OPEN, TERMINAL, GenerationStatus
from pipelines.domain.money import DEPLOYMENT, Account, CreditAccount, CreditPosting, Posting, subject
from pipelines.domain.records import Checkpoint, DayTotal
from pipelines.ports import Discrepancy

_LEDGER, _BALANCES, _TOTALS = TABLES["ledger"], TABLES["balances"], TABLES["day_totals"]
_RUNS, _GENERATIONS = TABLES["runs"], TABLES["generations"]
_COLUMNS = ("held", "committed", "spent")
_IS_RUN = _BALANCES.c.kind == "run"
_KEPT = [_BALANCES.c[name] for name in _COLUMNS]
Amounts = tuple[int, ...]
AT_ONCE = 500


def discrepancies(connection: Connection, since: Checkpoint) -> list[Discrepancy]:
    """All that differ."""
    found = [*_postings(connection, since), *_runs(connection, since), *_days(connection, since)]
    return [*found, *_shared(connection), *_fetched(connection, since)]


def _new(since: Checkpoint) -> FromClause:
    """The entries since the checkpoint; all of them, the archived ones too, where there is none."""
    return select(_LEDGER).where(_LEDGER.c.id > since.entry).subquery("fresh") if since.entry else ENTRIES


def _postings(connection: Connection, since: Checkpoint) -> Iterator[Discrepancy]:
    entries = _new(since).c
    total = func.sum(entries.amount)
    query = select(entries.posting_id, total).group_by(entries.posting_id).having(total != 0)
    for posting_id, amount in connection.execute(query):
        yield Discrepancy(what=f"the two sides of posting {posting_id}", kept="sum 0", entries=f"sum {amount}")


def _runs(connection: Connection, since: Checkpoint) -> Iterator[Discrepancy]:
    """The balances of runs with a new entry; when all are gone through, also those that have no entry at all."""
    if not since.entry:
        yield from _wrong_runs(connection, ENTRIES)
        entry = select(ENTRIES.c.id).where(ENTRIES.c.run_id == func.substr(_BALANCES.c.id, len("run:") + 1))
        orphans = select(_BALANCES.c.id, *_KEPT).where(_IS_RUN, not_(entry.exists()))
        for row in connection.execute(orphans):
            yield from _if_wrong(row[0], tuple(row[1:]), (0, 0, 0))
        return
    # Not DISTINCT: for that SQLite would go through an index of all of them.
    touched = set(connection.execute(select(_new(since).c.run_id)).scalars())
    for some in batched(sorted(touched)):
        yield from _wrong_runs(connection, _entries("run_id", some))


def _wrong_runs(connection: Connection, entries: FromClause) -> Iterator[Discrepancy]:
    amounts = [func.sum(case((entries.c.account == name, entries.c.amount), else_=0)) for name in _COLUMNS]
    labelled = [amount.label(f"sum_{name}") for name, amount in zip(_COLUMNS, amounts, strict=True)]
    added = select(entries.c.run_id, *labelled).group_by(entries.c.run_id).subquery()
    pairs = added.outerjoin(_BALANCES, _BALANCES.c.id == literal("run:").concat(added.c.run_id))
    sums = [added.c[f"sum_{name}"] for name in _COLUMNS]
    kept = [func.coalesce(_BALANCES.c[name], 0) for name in _COLUMNS]
    wrong = or_(*(ours != theirs for ours, theirs in zip(kept, sums, strict=True)))
    for row in connection.execute(select(added.c.run_id, *kept, *sums).select_from(pairs).where(wrong)):
        yield from _if_wrong(row[0], tuple(row[1:4]), tuple(map(int, row[4:])))


def _entries(column: str, values: Sequence[str]) -> FromClause:
    """Entries of the ledger, archived or not, by a column with an index: each table is asked for itself."""
    return union_all(
        *(select(table).where(table.c[column].in_(values)) for table in (_LEDGER, TABLES["ledger_archive"]))
    ).subquery("entries")


def batched(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Some at a time: a statement takes no more parameters than so many."""
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


def _days(connection: Connection, since: Checkpoint) -> Iterator[Discrepancy]:
    """The totals of days with a new entry."""
    days = select(_new(since).c.day)
    for day in sorted(set(connection.execute(days if since.entry else days.distinct()).scalars())):
        entries, kept = _day(connection, day)
        nothing = (0, 0)
        for part in entries.keys() | kept.keys():
            name = ", ".join(str(one) for one in part if one)
            amounts = kept.get(part, nothing), entries.get(part, nothing)
            yield from _if_wrong(f"spent on {day} ({name})", *amounts, ("spent", "quoted"))


Parts = dict[tuple[Any, ...], Amounts]
"""What was spent and what was quoted, by model and by who shares it."""


def _day(connection: Connection, day: str) -> tuple[Parts, Parts]:
    """The two sums of a day, as the entries say and as they are kept."""
    entry, total = ENTRIES.c, _TOTALS.c
    spent = entry.account == Account.SPENT.value
    quoted = and_(entry.account == Account.COMMITTED.value, entry.posting == Posting.RESERVE.value)
    sums = [func.sum(case((one, entry.amount), else_=0)) for one in (spent, quoted)]
    wanted = entry.account.in_([Account.SPENT.value, Account.COMMITTED.value])
    parts = [entry.model, *(entry[column] for column in SHARED.values())]
    entries = _by_part(connection, select(*parts, *sums).where(wanted, entry.day == day).group_by(*parts))
    parts = [total.model, *(total[column] for column in SHARED.values())]
    kept = select(*parts, total.spent_micro, total.quoted_micro).where(total.day == day)
    return entries, _by_part(connection, kept)


def recount_quoted(connection: Connection, day: str) -> int:
    """See `Tx.recount_quoted`. The rows are locked, in the order in which every transaction writes them, before their
    entries are added up for good: what others have ordered and not committed comes on top of that.
    """
    entries, kept = _day(connection, day)
    parts = (part for part, sums in entries.items() if sums[1] > kept.get(part, (0, 0))[1])
    short = {_total_of(part, day): part for part in parts}
    for total in sorted(short, key=lambda one: one.id):
        begin_total(connection, total)
        connection.execute(select(_TOTALS.c.id).where(_TOTALS.c.id == total.id).with_for_update()).one()
    if short:
        entries, _ = _day(connection, day)
    for total, part in short.items():
        more = {"quoted_micro": entries[part][1]}
        connection.execute(update(_TOTALS).where(_TOTALS.c.id == total.id).values(more))
    return len(short)


def _total_of(part: tuple[Any, ...], day: str) -> DayTotal:
    owners = dict(zip(("model", *SHARED.values()), part, strict=True))
    return named(DayTotal(id="", day=day, **owners))


def _by_part(connection: Connection, query: Select[Any]) -> Parts:
    """Sums, of which each row has two, by what stands before them."""
    return {tuple(row[:-2]): (int(row[-2]), int(row[-1])) for row in connection.execute(query)}


def _shared(connection: Connection) -> Iterator[Discrepancy]:
    """Balances of keys, bases, accounts and all, against the runs that have money set aside and the totals of days."""
    total = func.sum(_TOTALS.c.spent_micro)
    exposed, spent = connection.execute(_exposed()).one(), connection.execute(select(total)).one()
    expected: dict[str, Amounts] = {DEPLOYMENT: _amounts((*exposed, *spent))}
    for kind, column in SHARED.items():
        mine, owner = _RUNS.c[column], _TOTALS.c[column]
        exposures = connection.execute(_exposed().add_columns(mine).where(mine.is_not(None)).group_by(mine))
        moving = {row[-1]: _amounts(row[:-1]) for row in exposures}
        totals = connection.execute(select(owner, total).where(owner.is_not(None)).group_by(owner))
        days = {row[0]: int(row[1]) for row in totals}
        for name in moving.keys() | days.keys():
            expected[subject(kind, name)] = (*moving.get(name, (0, 0)), days.get(name, 0))
    rows = connection.execute(select(_BALANCES.c.id, *_KEPT).where(NOT_OF_A_RUN))
    kept = {row[0]: tuple(row[1:]) for row in rows}
    for name in kept.keys() | expected.keys():
        yield from _if_wrong(name, kept.get(name, (0, 0, 0)), expected.get(name, (0, 0, 0)))


def _exposed() -> Select[Any]:
    """What each moving run has set aside and committed, with its row."""
    own = _RUNS.c.id == func.substr(_BALANCES.c.id, len("run:") + 1)
    sums = [func.coalesce(func.sum(_BALANCES.c[name]), 0) for name in ("held", "committed")]
    return select(*sums).select_from(_BALANCES.join(_RUNS, own)).where(EXPOSED, _IS_RUN)


def _amounts(row: Any) -> Amounts:
    return tuple(int(value or 0) for value in row)


def _fetched(connection: Connection, since: Checkpoint) -> Iterator[Discrepancy]:
    """A clip that was fetched is counted with its cost at least."""
    columns = _GENERATIONS.c
    lately = (columns.status == GenerationStatus.FETCHED.value, columns.updated_at >= since.at, columns.cost_micro > 0)
    costs = {row[0]: row[1] for row in connection.execute(select(columns.id, columns.cost_micro).where(*lately))}
    for some in batched(list(costs)):
        entries = _entries("generation_id", some).c
        paid = select(entries.generation_id, func.sum(entries.amount)).where(entries.account == Account.SPENT.value)
        counted = {row[0]: int(row[1]) for row in connection.execute(paid.group_by(entries.generation_id))}
        for name in some:
            if counted.get(name, 0) < costs[name]:
                amount = counted.get(name, 0)
                yield Discrepancy(what=f"{name}, fetched", kept=f"cost {costs[name]}", entries=f"spent {amount}")


_CREDITS, _LOTS, _RESERVATIONS = TABLES["credits"], TABLES["lots"], TABLES["reservations"]
_PLACES = tuple(place.value for place in CreditAccount)


def credit_discrepancies(connection: Connection, since: Checkpoint) -> list[Discrepancy]:
    """All that differ in the book of credits: what entries since the checkpoint touch, added up from the first on."""
    new = _CREDITS.c.id > since.entry
    total = func.sum(_CREDITS.c.amount)
    postings = select(_CREDITS.c.posting_id, total).where(new).group_by(_CREDITS.c.posting_id).having(total != 0)
    found = [
        Discrepancy(what=f"the two sides of posting {posting_id}", kept="sum 0", entries=f"sum {amount}")
        for posting_id, amount in connection.execute(postings)
    ]
    lots = sorted(set(connection.execute(select(_CREDITS.c.lot_id).where(new)).scalars()))
    runs = sorted(
        set(connection.execute(select(_CREDITS.c.run_id).where(new, _CREDITS.c.run_id.is_not(None))).scalars())
    )
    for some in batched(lots):
        found += _wrong_lots(connection, some)
    for some in batched(runs):
        found += _wrong_reservations(connection, some)
    return [*found, *_forgotten(connection)]


def _wrong_lots(connection: Connection, lots: Sequence[str]) -> Iterator[Discrepancy]:
    sums = [func.coalesce(func.sum(case((_CREDITS.c.account == name, _CREDITS.c.amount))), 0) for name in _PLACES]
    entries = select(_CREDITS.c.lot_id, *sums).where(_CREDITS.c.lot_id.in_(lots)).group_by(_CREDITS.c.lot_id)
    added = {row[0]: (-int(row[1]), *map(int, row[2:])) for row in connection.execute(entries)}
    names = ("granted", *_PLACES[1:])
    columns = [_LOTS.c[f"{name}_micro"] for name in names]
    kept = {
        row[0]: tuple(row[1:]) for row in connection.execute(select(_LOTS.c.id, *columns).where(_LOTS.c.id.in_(lots)))
    }
    for lot in lots:
        yield from _if_wrong(f"lot {lot}", kept.get(lot, ()), added[lot], names)


def _wrong_reservations(connection: Connection, runs: Sequence[str]) -> Iterator[Discrepancy]:
    """Of each lot of each run: what is set aside, what was used, and how much of that is rounding."""
    rounded = and_(_CREDITS.c.account == CreditAccount.USED.value, _CREDITS.c.posting == CreditPosting.ROUND.value)
    wanted = (
        _CREDITS.c.account == CreditAccount.RESERVED.value,
        _CREDITS.c.account == CreditAccount.USED.value,
        rounded,
    )
    sums = [func.coalesce(func.sum(case((one, _CREDITS.c.amount))), 0) for one in wanted]
    part = (_CREDITS.c.run_id, _CREDITS.c.lot_id)
    entries = select(*part, *sums).where(_CREDITS.c.run_id.in_(runs)).group_by(*part)
    added = {(row[0], row[1]): tuple(map(int, row[2:])) for row in connection.execute(entries)}
    own, names = _RESERVATIONS.c, ("reserved", "used", "rounding")
    rows = select(own.run_id, own.lot_id, *(own[f"{name}_micro"] for name in names)).where(own.run_id.in_(runs))
    kept = {(row[0], row[1]): tuple(row[2:]) for row in connection.execute(rows)}
    for run, lot in sorted(kept.keys() | added.keys()):
        nothing = (0, 0, 0)
        yield from _if_wrong(
            f"{run} of lot {lot}", kept.get((run, lot), nothing), added.get((run, lot), nothing), names
        )


def _forgotten(connection: Connection) -> Iterator[Discrepancy]:
    """Credits that are set aside for a run that is over, and of which nothing comes any more."""
    own = _RESERVATIONS.c
    coming = select(_GENERATIONS.c.id).where(
        _GENERATIONS.c.run_id == own.run_id, _GENERATIONS.c.status.in_(sorted(OPEN))
    )
    over = and_(_RUNS.c.id == own.run_id, _RUNS.c.status.in_(sorted(TERMINAL)))
    rows = select(own.run_id, own.lot_id, own.reserved_micro).join(_RUNS, over)
    for run, lot, amount in connection.execute(rows.where(SET_ASIDE, not_(coming.exists()))):
        yield Discrepancy(
            what=f"{run}, which is over", kept=f"{amount} of lot {lot} set aside", entries="nothing to come"
        )


def _if_wrong(what: str, kept: Amounts, entries: Amounts, names: Sequence[str] | None = None) -> Iterator[Discrepancy]:
    if kept != entries:
        names = names or (_COLUMNS if len(entries) > 1 else ("spent",))
        yield Discrepancy(what=what, kept=_words(kept, names), entries=_words(entries, names))


def _words(amounts: Amounts, names: Sequence[str]) -> str:
    if not amounts:
        return "nothing"
    return ", ".join(f"{name} {amount}" for name, amount in zip(names, amounts, strict=True))

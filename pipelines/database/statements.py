"""SQL for each shape of a question, built once: building it costs more than SQLite takes to answer it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from sqlalchemy import (
    BindParameter,
    Case,
    ColumnElement,
    CompoundSelect,
    Delete,
    Executable,
    FromClause,
    Insert,
    Select,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate
from sqlalchemy.sql.elements import KeyedColumnElement

from pipelines.database.tables import ENTRIES, TABLES
from pipelines.domain.lifecycle import IN_DOUBT, OPEN, GenerationStatus
from pipelines.domain.money import Account, CreditAccount, CreditPosting, Posting
from pipelines.domain.records import Kind
from pipelines.ports import RunOrder

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

Shape = tuple[tuple[str, str], ...]
"""Columns, and how each is compared: `null`, `in`, `is`, `below`, `above`, or `own` (it belongs to an account)."""
NOTHING: Mapping[str, Any] = MappingProxyType({})
LIMIT, OWN = "at_most", "own"
_LONG_AGO: ColumnElement[Any] = literal_column("0")
"""In the statement itself: only then may SQLite go by an index that leaves out what is NULL."""
_MANY = (tuple, set, frozenset, list)


USUAL = Path(__file__).with_name("usual_statements.json")
"""What the steps of a film ask: tools/docs/inside/cost.py writes it from a traced run."""

P = ParamSpec("P")
S = TypeVar("S")


class _Listeners(threading.local):
    def __init__(self) -> None:
        self.heard: list[set[str]] = []


_LISTENERS = _Listeners()


def _once(build: Callable[Concatenate[Table, P], S]) -> Callable[Concatenate[Table, P], S]:
    """Build each statement once, and tell those who listen which was asked for."""
    built = cast("Callable[Concatenate[Table, P], S]", cache(build))

    @wraps(build)
    def asked(table: Table, /, *args: P.args, **told: P.kwargs) -> S:
        for heard in _LISTENERS.heard:
            heard.add(json.dumps([build.__name__, table.name, args, told]))
        return built(table, *args, **told)

    return asked


@contextmanager
def asked_for(heard: set[str]) -> Iterator[None]:
    """While the block lasts, `heard` is told which statements its thread asks for, as `usual` reads them."""
    _LISTENERS.heard.append(heard)
    try:
        yield
    finally:
        _LISTENERS.heard.remove(heard)


def usual(dialect: str) -> Iterator[tuple[Executable, dict[str, Any]]]:
    """What the steps of a film ask, with the names of all places and values that no row has: to compile them ahead."""
    builders: dict[str, Callable[..., Executable]] = {
        "getting": getting,
        "finding": finding,
        "counting": counting,
        "changing": changing,
        "renewing": renewing,
    }
    for name, table, args, told in json.loads(USUAL.read_text("utf-8")):
        if name == "adding":
            # A row that nobody numbers is added without an id.
            columns = [one.name for one in TABLES[table].c if not (one.primary_key and one.autoincrement is True)]
            yield adding(TABLES[table], dialect), dict.fromkeys(columns)
            continue
        shape, *more = (_hashable(one) for one in args)
        if shape and all(kind == "null" for _, kind in shape):
            # It would find real rows.
            continue
        places: dict[str, Any] = {}
        places |= {f"{kind}_{column}": [] if kind == "in" else None for column, kind in shape if kind != "null"}
        if name in {"changing", "renewing"}:
            places |= {f"to_{column}": None for names in more for column in names}
        elif name in {"finding", "counting"}:
            places[LIMIT] = None
        yield builders[name](TABLES[table], shape, *more, **told), places


def _hashable(told: Any) -> Any:
    return tuple(map(_hashable, told)) if isinstance(told, list) else told


def shape_of(
    equals: Mapping[str, Any], before: Mapping[str, Any] = NOTHING, after: Mapping[str, Any] = NOTHING
) -> tuple[Shape, dict[str, Any]]:
    """A condition without its values, and these by the names under which the statement asks for them. None is NULL, a
    collection "one of"; bounds are strict.
    """
    shape: list[tuple[str, str]] = []
    values: dict[str, Any] = {}
    compared = [(name, _kind(value), value) for name, value in equals.items()]
    compared += [(name, "below", value) for name, value in before.items()]
    compared += [(name, "above", value) for name, value in after.items()]
    for name, kind, value in compared:
        shape.append((name, kind))
        if value is not None:
            values[f"{kind}_{name}"] = list(value) if kind == "in" else value
    return tuple(shape), values


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return "in" if isinstance(value, _MANY) else "is"


def conditions(table: FromClause, shape: Shape) -> list[ColumnElement[bool]]:
    """The condition in SQL, with places for its values."""
    return [_condition(table.c[name], name, kind) for name, kind in shape]


def _condition(column: KeyedColumnElement[Any], name: str, kind: str) -> ColumnElement[bool]:
    if kind == "null":
        return column.is_(None)
    if kind == "own":
        return _own(column)
    if kind == "in":
        return column.in_(bindparam(f"in_{name}", expanding=True))
    place: BindParameter[Any] = bindparam(f"{kind}_{name}")
    compared: dict[str, ColumnElement[bool]] = {"is": column == place, "below": column < place, "above": column > place}
    return compared[kind]


def _own(column: KeyedColumnElement[Any]) -> ColumnElement[bool]:
    """The row names the account that is asked for as `own`, or a run of it: looked up by the run's id, so that it costs
    the same however many runs there are.
    """
    if column.name != "run_id":
        return column == bindparam(OWN)
    runs = TABLES["runs"]
    return exists().where(runs.c.id == column, runs.c.account_id == bindparam(OWN))


@_once
def getting(table: Table, shape: Shape, *, lock: bool) -> Select[Any]:
    """The row that matches; asked for by its id."""
    query = select(table).where(*conditions(table, shape))
    # Not against those who only refer to the row: they would wait for it, and two of them for each other.
    return query.with_for_update(key_share=True) if lock else query


@_once
def finding(table: Table, shape: Shape, order: str | None, *, limited: bool, lock: bool = False) -> Select[Any]:
    """Rows in order, at most `at_most` if limited; None: as they come."""
    if order is None:
        return select(table).where(*conditions(table, shape))
    column = table.c[order.lstrip("-")]
    # By id within equal values: a page of a list must not depend on the database's mood.
    ways = [c.desc() if order.startswith("-") else c.asc() for c in (column, table.c.id)]
    query = select(table).where(*conditions(table, shape)).order_by(*ways)
    query = query.with_for_update(key_share=True) if lock else query
    return query.limit(bindparam(LIMIT)) if limited else query


def _free(table: Table) -> ColumnElement[bool]:
    return or_(table.c.lease_token.is_(None), table.c.lease_until < bindparam("now"))


@cache
def waiting(table: Table) -> Select[Any]:
    """Ids and moments of what is due `now` and nobody's, at most `at_most`."""
    whose = [table.c.account_id] if table.name == "runs" else []
    due = select(table.c.id, table.c.next_at, *whose).where(table.c.next_at <= bindparam("now"), _free(table))
    return due.order_by(table.c.next_at).limit(bindparam(LIMIT))


@cache
def first_due() -> CompoundSelect[Any]:
    """For each kind of row, its name and the earliest `next_at` of one that is nobody's; of what is gone from a base,
    nothing is written any more. A question to the writer waits for its asker and is never worked on by itself.
    """
    firsts = []
    for kind in Kind:
        if kind is not Kind.TEXT:
            table = TABLES[kind]
            waits = [table.c.next_at > _LONG_AGO, _free(table), *([~table.c.gone] if kind is Kind.OUTBOX else [])]
            first = select(table.c.next_at).where(*waits).order_by(table.c.next_at).limit(literal_column("1"))
            firsts.append(select(literal(kind.value).label("kind"), first.scalar_subquery().label("next_at")))
    return union_all(*firsts)


@cache
def leasing(table: Table) -> ReturningUpdate[Any]:
    """Leases a row that is due and nobody's to `to_owner` until `to_until`; a request that is being sent, until
    `to_doubt_until`. The row as it is then.
    """
    until: BindParameter[Any] | Case[Any] = bindparam("to_until", type_=table.c.lease_until.type)
    if table.name == "generations":
        doubt = bindparam("to_doubt_until", type_=table.c.lease_until.type)
        until = case((table.c.status == GenerationStatus.SUBMITTING.value, doubt), else_=until)
    lease = {"lease_owner": bindparam("to_owner"), "lease_token": bindparam("to_token"), "lease_until": until}
    due = (table.c.id == bindparam("is_id"), table.c.next_at <= bindparam("now"), _free(table))
    return update(table).where(*due).values(lease).returning(table)


@_once
def counting(table: Table, shape: Shape, *, limited: bool) -> Select[Any]:
    """How many rows match, at most `at_most` if limited."""
    if not limited:
        return select(func.count()).select_from(table).where(*conditions(table, shape))
    some = select(table.c.id).where(*conditions(table, shape)).limit(bindparam(LIMIT)).subquery("some")
    return select(func.count()).select_from(some)


@_once
def adding(table: Table, dialect: str) -> ReturningInsert[Any]:
    """A row, unless its id or a unique key is there; its id if it was added."""
    return upserting(table, dialect).on_conflict_do_nothing().returning(table.c.id)


def upserting(table: Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    """An insertion that may say what happens where the row is there. Only the dialect that is used is loaded."""
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


@_once
def changing(table: Table, shape: Shape, names: tuple[str, ...], added: tuple[str, ...] = ()) -> Update:
    """New values, asked for as `to_<column>`, in the rows that match; `added` ones are added to what is there."""
    return _changing(table, shape, names, added)


def _changing(table: Table, shape: Shape, names: tuple[str, ...], added: tuple[str, ...]) -> Update:
    values: dict[str, ColumnElement[Any]] = {name: bindparam(f"to_{name}") for name in names}
    values |= {name: table.c[name] + bindparam(f"to_{name}", type_=table.c[name].type) for name in added}
    return update(table).where(*conditions(table, shape)).values(values)


@_once
def renewing(table: Table, shape: Shape, names: tuple[str, ...], added: tuple[str, ...] = ()) -> ReturningUpdate[Any]:
    """As `changing`; the row as it is then."""
    return _changing(table, shape, names, added).returning(table)


@cache
def removing(table: Table, shape: Shape, *, limited: bool) -> Delete:
    """The rows that match, at most `at_most` if limited."""
    if not limited:
        return delete(table).where(*conditions(table, shape))
    some = select(table.c.id).where(*conditions(table, shape)).limit(bindparam(LIMIT))
    return delete(table).where(table.c.id.in_(some))


@cache
def narrowing(first: Shape, rest: Shape, by: RunOrder, *, paged: bool) -> Select[Any]:
    """Ids of the runs that fit `rest` among the `looked` highest `by` that fit `first`, at most `at_most`; `paged`:
    behind the run `last_id` that has `last`.
    """
    runs = TABLES["runs"]
    ways = (runs.c[by].desc(), runs.c.id.desc())
    if not rest:
        return select(runs.c.id).where(*_behind(first, by, paged=paged)).order_by(*ways).limit(bindparam(LIMIT))
    names = dict.fromkeys((by, *(name for name, _ in rest)))
    columns = (runs.c.id, *(runs.c[name] for name in names))
    near = select(*columns).where(*_behind(first, by, paged=paged)).order_by(*ways).limit(bindparam("looked"))
    looked = near.subquery("looked_at")
    query = select(looked.c.id).where(*conditions(looked, rest))
    return query.order_by(looked.c[by].desc(), looked.c.id.desc()).limit(bindparam(LIMIT))


@cache
def looked_last(first: Shape, by: RunOrder, *, paged: bool) -> Select[Any]:
    """The place of the run that `narrowing` looks at last, `skipped` behind its first; no row where it sees all."""
    runs = TABLES["runs"]
    query = select(runs.c[by], runs.c.id).where(*_behind(first, by, paged=paged))
    return query.order_by(runs.c[by].desc(), runs.c.id.desc()).limit(literal_column("1")).offset(bindparam("skipped"))


def _behind(first: Shape, by: RunOrder, *, paged: bool) -> list[ColumnElement[bool]]:
    runs = TABLES["runs"]
    found = conditions(runs, first)
    if paged:
        place = tuple_(bindparam("last", type_=runs.c[by].type), bindparam("last_id", type_=Text))
        found.append(tuple_(runs.c[by], runs.c.id) < place)
    return found


@cache
def searching(wanted: Shape, *, likes: int, paged: bool) -> Select[Any]:
    """Ids of the `wanted` runs `since` a moment whose words, or those of their scenes, are like `like_0` and like all
    others, newest first, at most `at_most`; `paged`: behind the run `last_id` of the moment `last`.
    """
    runs, scenes = TABLES["runs"], TABLES["scenes"]

    def said(like: BindParameter[str]) -> ColumnElement[bool]:
        of_scene = exists().where(scenes.c.run_id == runs.c.id, scenes.c.words.like(like, escape="\\"))
        return or_(runs.c.words.like(like, escape="\\"), of_scene)

    found = [said(bindparam(f"like_{number}")) for number in range(likes)]
    query = select(runs.c.id).where(runs.c.created_at >= bindparam("since"), *found)
    query = query.where(*_behind(wanted, "created_at", paged=paged))
    return query.order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(bindparam(LIMIT))


@cache
def summing(shape: Shape) -> Select[Any]:
    """The sum of `amount` over the ledger's entries that match, archived or not."""
    return select(func.coalesce(func.sum(ENTRIES.c.amount), 0)).where(*conditions(ENTRIES, shape))


@cache
def archiving(dialect: str) -> tuple[Insert | Delete, ...]:
    """What moves the history of `run_ids` into the archive. PostgreSQL is told it in one statement: what another
    transaction posts between a copy and a removal would be removed without having been copied.
    """
    mine: BindParameter[Any] = bindparam("run_ids", expanding=True)
    moves: list[Insert | Delete] = []
    for name, archive in (("events", "event_archive"), ("ledger", "ledger_archive")):
        # Numbered anew: SQLite gives the numbers of rows again that were the last and are gone.
        names = [column.name for column in TABLES[name].c if column.name != "id"]
        removal = delete(TABLES[name]).where(TABLES[name].c.run_id.in_(mine))
        if dialect == "postgresql":
            moved = removal.returning(*TABLES[name].c).cte("moved")
            rows = select(*(moved.c[one] for one in names)).order_by(moved.c.id)
            moves.append(insert(TABLES[archive]).from_select(names, rows).add_cte(moved))
            continue
        kept = TABLES[name].c
        rows = select(*(kept[one] for one in names)).where(kept.run_id.in_(mine)).order_by(kept.id)
        moves += [insert(TABLES[archive]).from_select(names, rows), removal]
    told = TABLES["outbox"].c
    settled = (told.run_id.in_(mine), told.next_at.is_(None), told.lease_token.is_(None))
    return (*moves, delete(TABLES["outbox"]).where(*settled))


def going_on(table: Table) -> CompoundSelect[Any]:
    """The ids of rows that still wait for something, each kind found by its index; of requests, all that are open."""
    waits = [table.c.next_at > 0, table.c.lease_owner > ""]
    if table.name == "generations":
        waits.append(table.c.status.in_([status.value for status in sorted(OPEN | IN_DOUBT)]))
    return union(*(select(table.c.id).where(wait) for wait in waits))


def moved_orders(table: Table, seconds: float, now: float) -> dict[str, Any]:
    """The times of paid requests. An intent from the future would hide the very job that it led to; one that was
    written after the step, before anybody noticed it, is right already, and so are its deadline and its lease.
    """
    intent, submitted = table.c.intent_at, table.c.submitted_at
    since = {"intent_at": intent, "submitted_at": submitted, "deadline_at": func.coalesce(submitted, intent)}
    moved = {name: case((told > now, table.c[name] - seconds), else_=table.c[name]) for name, told in since.items()}
    right = and_(table.c.status == GenerationStatus.SUBMITTING.value, intent <= now)
    lease = table.c.lease_until
    return {**moved, "lease_until": case((right, lease), else_=lease - seconds)}


MICRO_SUMS = ("listed_micro", "billed_micro")
SUMS = frozenset((*MICRO_SUMS, "spent_micro", "quoted_micro", "generations", "refused", "failed"))
"""Whole numbers that are added up; seconds are not whole."""


@cache
def usage_by(by: tuple[str, ...], *, since: bool, until: bool, own: bool) -> Select[Any]:
    """What was spent, by columns, in days from `since` to `until`: from the totals of days, and by record from the
    ledger, where alone it stands.
    """
    if "record_id" in by:
        return _in_days(ENTRIES, by, _of_entries(), since=since, until=until, own=own).where(
            ENTRIES.c.account.in_([Account.SPENT.value, Account.COMMITTED.value])
        )
    table = TABLES["day_totals"]
    totals = [func.sum(table.c[name]).label(name) for name in ("seconds", *sorted(SUMS))]
    return _in_days(table, by, totals, since=since, until=until, own=own)


def _of_entries() -> list[ColumnElement[Any]]:
    """The sums of days, from entries: what was spent, and what could be at most when generations were ordered."""
    entry = ENTRIES.c
    spent = entry.account == Account.SPENT.value
    ordered = and_(entry.account == Account.COMMITTED.value, entry.posting == Posting.RESERVE.value)
    sums = {name: case((spent, entry[name]), else_=0) for name in (*MICRO_SUMS, "seconds")}
    sums |= {
        "spent_micro": case((spent, entry.amount), else_=0),
        "quoted_micro": case((ordered, entry.amount), else_=0),
    }
    generations = func.count(case((spent, entry.generation_id)).distinct()).label("generations")
    return [*(func.sum(value).label(name) for name, value in sums.items()), generations]


@cache
def charged_by(by: tuple[str, ...], *, since: bool, until: bool, own: bool) -> Select[Any]:
    """What accounts used of their credits, by columns, in days from `since` to `until`; and what orders set aside, for
    which no model is named.
    """
    table = TABLES["credits"]
    entry = table.c
    used = entry.account == CreditAccount.USED.value
    sums = {"spent_micro": case((used, entry.amount), else_=0), "seconds": case((used, entry.seconds), else_=0.0)}
    wanted = [CreditAccount.USED.value]
    if "model" not in by:
        wanted.append(CreditAccount.RESERVED.value)
        ordered = and_(entry.account == CreditAccount.RESERVED.value, entry.posting == CreditPosting.RESERVE.value)
        sums["quoted_micro"] = case((ordered, entry.amount), else_=0)
    totals = [func.sum(value).label(name) for name, value in sums.items()]
    totals.append(func.count(case((used, entry.generation_id)).distinct()).label("generations"))
    return _in_days(table, by, totals, since=since, until=until, own=own).where(entry.account.in_(wanted))


def _in_days(
    table: FromClause, by: tuple[str, ...], totals: Sequence[ColumnElement[Any]], *, since: bool, until: bool, own: bool
) -> Select[Any]:
    rows = [table.c.account_id == bindparam(OWN)] if own else []
    rows += [table.c.day >= bindparam("since")] if since else []
    rows += [table.c.day <= bindparam("until")] if until else []
    columns = [table.c[name] for name in by]
    return select(*columns, *totals).where(*rows).group_by(*columns).order_by(*columns)

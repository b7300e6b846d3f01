"""Databases with a past: one film that the product made, multiplied by bulk SQL to as many finished runs as wanted.

They are built once for each schema and kept; whoever measures gets a copy.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    cast,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.schema import CreateIndex, CreateTable

from pipelines.database import SqlStore
from pipelines.database.tables import TABLES
from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.keys import digest
from pipelines.domain.records import ApiKey
from pipelines.stages.orders import accept
from pipelines.testing import MemoryAirtable, ServicesHarness, make_services
from pipelines.testing.airtable import BASE
from tools.postgres import Postgres, kept

HOME = Path("/var/tmp/reelgrid-bench")
VERSION = 2
"""Raised when other rows are wanted from the same schema."""
DAYS, KEYS, DAY_S = 25, 8, 86_400.0
SCENES = "a lamp\na boat\na bird\na hill"
COPIED = ("runs", "generations", "clips", "scenes", "cuts", "events", "ledger", "outbox", "balances")
OURS = frozenset(
    {
        "id",
        "run_id",
        "scene_id",
        "clip_id",
        "generation_id",
        "idem_key",
        "callback_token",
        "provider_id",
        "token",
        "key",
    }
    | {"record_id", "airtable_record_id", "entity_id", "posting_id", "fingerprint", "sha256", "poster_key"}
)
"""Columns that name something of one film: each copy has its own."""


def mark() -> str:
    """The name of a schema."""
    parts = [str(CreateTable(table)) for table in TABLES.values()]
    parts += sorted(str(CreateIndex(index)) for table in TABLES.values() for index in table.indexes)
    return digest(VERSION, parts)[:12]


@contextmanager
def sqlite_copy(runs: int, folder: Path) -> Iterator[str]:
    """The address of a SQLite database with so many finished runs."""
    source = HOME / f"{mark()}-{runs}.db"
    if not source.exists():
        HOME.mkdir(mode=0o777, parents=True, exist_ok=True)
        partial = source.with_suffix(f".{os.getpid()}")
        fill(f"sqlite:///{partial}", runs)
        partial.replace(source)
    copy = folder / f"past-{runs}.db"
    shutil.copyfile(source, copy)
    with copy.open("rb") as written:
        # Else the first commit that waits for the disk waits for all of this.
        os.fsync(written.fileno())
    yield f"sqlite:///{copy}"
    for path in folder.glob(f"{copy.name}*"):
        path.unlink()


@contextmanager
def postgres_cluster() -> Iterator[Postgres]:
    """The cluster that keeps the databases of this schema, running."""
    HOME.mkdir(mode=0o777, parents=True, exist_ok=True)
    with kept(HOME / f"pg-{mark()}") as cluster:
        yield cluster


@contextmanager
def postgres_copy(cluster: Postgres, runs: int) -> Iterator[str]:
    """The address of a PostgreSQL database with so many finished runs."""
    name, copy = f"past_{runs}", f"copy_{runs}"
    marker = cluster.folder / name
    if not marker.exists():
        cluster.drop(name)
        cluster.create(name)
        fill(cluster.url(name), runs)
        marker.touch()
    cluster.drop(copy)
    cluster.create(copy, like=name)
    yield cluster.url(copy)
    cluster.drop(copy)


def fill(url: str, runs: int, *, now: float | None = None) -> None:
    """A database of the present schema with so many finished runs of four scenes, the last a day before `now`."""
    store = SqlStore(url)
    store.migrate()
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as folder:
        template = film(Path(folder))
        multiply(template, store.engine, runs, now=now)
    store.engine.dispose()


def film(folder: Path) -> SqlStore:
    """A database with one film of four scenes, made by the product's own steps."""
    services = make_services(folder)
    harness = ServicesHarness(services)
    assert isinstance(services.airtable, MemoryAirtable)
    record_id = services.airtable.add(AirtableTable.VIDEOS, Prompt=SCENES)
    run = accept.start(services, accept.StartRequest(source="record", base_id=BASE, record_id=record_id))
    harness.until(run.run_id, "done")
    harness.settle()
    assert isinstance(services.store, SqlStore)
    return services.store


def multiply(template: SqlStore, engine: Engine, runs: int, *, now: float | None = None) -> None:
    """Copy the film of a database so many times into another one: one statement a row of the film."""
    with template.engine.connect() as source, engine.connect().execution_options(write=True) as target:
        with target.begin():
            if target.dialect.name == "postgresql":
                target.execute(text("SET LOCAL statement_timeout = 0"))
            numbers = _numbers(target, runs, now if now is not None else time.time())
            for name in COPIED:
                for row in source.execute(_rows(name)).mappings():
                    _copies(target, TABLES[name], dict(row), numbers, _end(source))
            _add_up(target)
            numbers.drop(target)
        if target.dialect.name == "postgresql":
            # As its autovacuum does by itself; SQLite is never asked to, by us or by anybody.
            with target.begin():
                target.execute(text("ANALYZE"))
    store = SqlStore(engine.url.render_as_string(hide_password=False))
    with store.write() as tx:
        for number in range(KEYS):
            tx.keys.add(ApiKey(id=f"key_{number}", name=f"key {number}", sha256="0" * 64, day_cap_micro=10**15))
    store.engine.dispose()


def _rows(name: str) -> Any:
    table = TABLES[name]
    only = [table.c.id.like("run:%")] if name == "balances" else []
    only += [table.c.run_id.is_not(None)] if name in ("events", "outbox") else []
    return select(table).where(*only).order_by(table.c.id)


def _end(source: Connection) -> float:
    return float(source.execute(select(TABLES["runs"].c.finished_at)).scalar_one())


def _numbers(target: Connection, runs: int, now: float) -> Table:
    """One row for each copy: its number, its day, and how long before `now` its film ended."""
    numbers = Table(
        "bench_numbers",
        MetaData(),
        Column("n", Integer, primary_key=True),
        Column("day", Text),
        Column("ended", Double),
        Column("key_id", Text),
    )
    numbers.create(target)
    # One after the other, as they are numbered: who looks for the newest in the order of the books finds it there.
    ended = (now - DAY_S - (runs - 1 - n) / runs * DAYS * DAY_S for n in range(runs))
    rows = (
        {"n": n, "day": time.strftime("%Y-%m-%d", time.gmtime(at)), "ended": at, "key_id": f"key_{n % KEYS}"}
        for n, at in enumerate(ended)
    )
    while some := [row for row, _ in zip(rows, range(20_000), strict=False)]:
        target.execute(insert(numbers), some)
    return numbers


def _copies(target: Connection, table: Table, row: dict[str, Any], numbers: Table, end: float) -> None:
    """One row of the film for each number."""
    own = row.get("entity") == "airtable"
    values: dict[str, Any] = {}
    for column in table.c:
        value = row[column.name]
        if column.name == "id" and isinstance(value, int):
            continue
        if column.name == "key_id":
            values[column.name] = numbers.c.key_id
        elif column.name == "day" and value:
            values[column.name] = numbers.c.day
        elif column.name == "next_at" or value is None:
            values[column.name] = literal(None, column.type)
        elif column.name in OURS and not (own and column.name == "entity_id"):
            values[column.name] = literal(value, Text()).concat("_").concat(cast(numbers.c.n, Text))
        elif isinstance(column.type, Double) and value > end - DAY_S * 365:
            values[column.name] = numbers.c.ended + literal(value - end, Double())
        else:
            values[column.name] = literal(value, column.type)
    target.execute(insert(table).from_select(list(values), select(*values.values()).select_from(numbers)))


def _add_up(target: Connection) -> None:
    """Balances of keys, of the base and of all, and the totals of days."""
    sums = ", ".join(
        f"SUM(CASE account WHEN '{name}' THEN amount ELSE 0 END)" for name in ("held", "committed", "spent")
    )
    into = "INSERT INTO balances (id, kind, held, committed, spent, day, spent_on_day)"
    for name, kind, group in (("'key:' || key_id", "key", "key_id"), ("'base:' || base_id", "base", "base_id")):
        target.execute(text(f"{into} SELECT {name}, '{kind}', {sums}, '', 0 FROM ledger GROUP BY {group}"))
    target.execute(text(f"{into} SELECT 'all', 'all', {sums}, '', 0 FROM ledger"))
    target.execute(
        text(
            "INSERT INTO day_totals (id, day, model, key_id, base_id, spent_micro, seconds, generations, listed_micro, "
            "billed_micro, quoted_micro, refused, failed) SELECT day || '|' || key_id || '|' || base_id || '||' || "
            "COALESCE(model, ''), day, model, key_id, base_id, SUM(CASE account WHEN 'spent' THEN amount ELSE 0 END), "
            "SUM(CASE account WHEN 'spent' THEN seconds ELSE 0 END), COUNT(CASE account WHEN 'spent' THEN "
            "generation_id END), 0, 0, SUM(CASE WHEN account = 'committed' AND posting = 'reserve' THEN amount ELSE 0 "
            "END), 0, 0 FROM ledger WHERE account IN ('spent', 'committed') GROUP BY day, key_id, base_id, model"
        )
    )

"""The whole database in one file while everybody works on, and the way back, on both databases."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, inspect, make_url

from pipelines.database.engine import make_engine
from pipelines.database.store import SqlStore
from pipelines.domain.errors import NotAllowed, NotConfigured
from pipelines.domain.limits import EVERYWHERE, StopSwitch
from pipelines.domain.records import KNOWN_UNTIL, RESTORED, Checkpoint

SQLITE, POSTGRES = b"SQLite format 3\0", b"PGDMP"
"""How a file begins."""
PROGRAMS = Path("/usr/lib/postgresql")
WHY = "The database was restored from a backup: look for what was bought since, then switch this off."


def back_up(url: str, dest: Path) -> int:
    """Write a copy of this moment to `dest`; how many bytes. It appears when it is whole and checked. Raises NotAllowed
    where something is there already, and NotConfigured without PostgreSQL's own programs.
    """
    if dest.exists():
        raise NotAllowed(marketer=f"{dest} is there already: give the backup another name.")
    address = make_url(url)
    with _arriving(dest) as draft:
        if address.get_backend_name() == "sqlite":
            with closing(sqlite3.connect(str(address.database), isolation_level=None)) as connection:
                # Not a copy of the file: the newest commits stand beside it.
                connection.execute("VACUUM INTO ?", (str(draft),))
            _must_be_whole(draft)
        else:
            _run("pg_dump", address, "--format=custom", "--no-owner", "--file", str(draft))
    return dest.stat().st_size


def restore(source: Path, url: str, now: float) -> None:
    """Make the database of `url`, which must be empty, what it was. Spending is stopped there: requests that were paid
    after the backup are not known, and must not be paid twice. Raises NotAllowed and NotConfigured.
    """
    with source.open("rb") as file:
        start = file.read(len(SQLITE))
    address = make_url(url)
    kind = "sqlite" if address.get_backend_name() == "sqlite" else "postgresql"
    if not start.startswith(SQLITE if kind == "sqlite" else POSTGRES):
        raise NotAllowed(marketer=f"{source} is no backup of a {kind} database.")
    _must_be_empty(address)
    if kind == "sqlite":
        _must_be_whole(source)
        with _arriving(Path(str(address.database))) as draft:
            shutil.copyfile(source, draft)
    else:
        _run("pg_restore", address, "--no-owner", "--exit-on-error", "--single-transaction", str(source), into=True)
    mark_restored(url, now)


def mark_restored(url: str, now: float, known_until: float | None = None) -> None:
    """Stop spending in a database that was brought back, and say between which moments it knows nothing: since its
    last event, unless it is told. Links and sessions of before are void from now on.
    """
    store = SqlStore(url, pooled=False)
    store.migrate()
    with store.write() as tx:
        tx.stop_switches.add(StopSwitch(id=EVERYWHERE, on=False, at=now))
        if known_until is None:
            last = tx.events.find(order="-at", limit=1)
            known_until = last[0].at if last else 0.0
        for name, at in ((RESTORED, now), (KNOWN_UNTIL, known_until)):
            if not tx.checkpoints.change(name, at=at):
                tx.checkpoints.add(Checkpoint(id=name, at=at))
        tx.stop_switches.change(EVERYWHERE, on=True, at=now, reason=WHY, actor="restore")
    store.engine.dispose()


def _must_be_empty(address: URL) -> None:
    if address.get_backend_name() == "sqlite":
        if Path(str(address.database)).exists():
            raise NotAllowed(marketer=f"{address.database} is there already: move it away first.")
        return
    engine = make_engine(address.render_as_string(hide_password=False), pooled=False)
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
    engine.dispose()
    if tables:
        raise NotAllowed(marketer=f"The database already has tables ({tables[0]} …): restore into a new one.")


def _must_be_whole(path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise NotAllowed(marketer=f"{path} is damaged: {found}")


@contextmanager
def _arriving(dest: Path) -> Iterator[Path]:
    """A draft beside `dest` that takes its name when it is whole and on the disk."""
    dest.parent.mkdir(parents=True, exist_ok=True)
    draft = dest.with_name(f".{dest.name}.part")
    draft.unlink(missing_ok=True)
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file)
        draft.rename(dest)
    finally:
        draft.unlink(missing_ok=True)


def _run(program: str, address: URL, *words: str, into: bool = False) -> None:
    """One of PostgreSQL's own programs. The password goes by its environment, and never by the list of processes."""
    found = shutil.which(program) or next((str(path) for path in sorted(PROGRAMS.glob(f"*/bin/{program}"))[-1:]), None)
    if found is None:
        raise NotConfigured(
            marketer=f"{program} is not on this machine: install PostgreSQL's client of the server's version, or use "
            "the backups of your host."
        )
    query = {f"PG{name.upper()}": str(value) for name, value in address.query.items() if name == "sslmode"}
    told = {"PGHOST": address.host, "PGPORT": address.port, "PGUSER": address.username, "PGPASSWORD": address.password}
    environ = {"PATH": "/usr/bin:/bin", **query, **{name: str(value) for name, value in told.items() if value}}
    target = ["--dbname", str(address.database)] if into else [str(address.database)]
    done = subprocess.run(
        [found, *target, *words], env=environ, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise NotConfigured(marketer=f"{program} failed: {done.stderr.strip()[:500]}")

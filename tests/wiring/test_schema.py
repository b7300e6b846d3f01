"""The migrations, the records of the domain and the page about what is kept say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, inspect

from pipelines.database import SqlStore
from pipelines.database.schema import COMPARED, HEAD, MIGRATIONS
from pipelines.database.tables import RECORDS, metadata
from pipelines.ports import Tx
from pipelines.stages.scheduler.retention import KEPT

FILES = Path(__file__).resolve().parents[2] / "docs" / "reference" / "files.md"


def test_the_migrations_lead_to_the_tables_that_the_records_want(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'fresh.db'}")
    store.migrate()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"autogenerate_plugins": COMPARED})
        difference = compare_metadata(context, metadata)
        found = {
            check["name"]: check["sqltext"]
            for table in metadata.tables
            for check in inspect(connection).get_check_constraints(table)
        }
    wanted = {
        str(check.name): str(check.sqltext.compile(store.engine, compile_kwargs={"literal_binds": True})).replace(
            f"{table.name}.", ""
        )
        for table in metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    store.engine.dispose()
    assert difference == []
    assert found == wanted


def test_the_newest_migration_is_the_one_that_processes_expect() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def test_of_every_table_it_is_said_what_bounds_it() -> None:
    """A new table that grows for ever is not forgotten: its bound has to be written down."""
    section = FILES.read_text("utf-8").partition("## In the database")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    bounds = {name: row[3] for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    assert set(bounds) == set(RECORDS)
    for kept in KEPT:
        table = str(kept.rows(cast("Tx", _TableNames())))
        assert f"kept {kept.days} days" in bounds[table]


class _TableNames:
    """Stands where a transaction stands, and says which table is asked for."""

    def __getattr__(self, name: str) -> str:
        return name

"""The migrations and the records of the domain say the same."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from pipelines.store import SqlStore
from pipelines.store.schema import HEAD, MIGRATIONS
from pipelines.store.tables import metadata


def test_the_migrations_lead_to_the_tables_that_the_records_want(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'fresh.db'}")
    store.migrate()
    with store.engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), metadata)
    store.engine.dispose()
    assert difference == []


def test_the_newest_migration_is_the_one_that_processes_expect() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD

"""A rolling deployment: this code, as the former version, on a database that the next one has brought further."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from sqlalchemy import text

from pipelines.database import SqlStore, schema
from pipelines.database.schema import HEAD, MIGRATIONS
from pipelines.domain.errors import NotConfigured
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.stages.orders import accept
from tests.stages.stage_fixtures import StageHarness

NEXT = f"{int(HEAD) + 1:04d}"
RULED_SINCE = "0026"
"""Versions up to this revision refused every newer database."""
NARROWS = {"drop_column", "drop_table", "alter_column", "rename_table", "create_unique_constraint"}


def deployed_next(store: SqlStore) -> None:
    """What a migration that only adds does: a table, a column with a default, one that may be empty, an index."""
    with store.engine.connect() as plain:
        connection = plain.execution_options(write=True)
        for line in (
            "CREATE TABLE novelties (id TEXT PRIMARY KEY)",
            "ALTER TABLE runs ADD COLUMN novelty TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE generations ADD COLUMN novelty TEXT",
            "CREATE INDEX ix_clips_novelty ON clips (created_at, model)",
            f"UPDATE alembic_version SET version_num = '{NEXT}'",
        ):
            connection.execute(text(line))
        connection.commit()


def test_the_former_code_starts_and_makes_films_on_the_next_schema(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    store = harness.services.store
    assert isinstance(store, SqlStore)
    deployed_next(store)
    store.migrate()
    order = Order(title="Old on new", scenes=(SceneOrder(prompt="a lamp"),), scene_count=1)
    run_id = accept.start(harness.services, accept.StartRequest(source="rest", order=order)).run_id
    assert harness.until(run_id, "done").status == "done"
    assert harness.balanced()
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == NEXT


@pytest.mark.slow
@pytest.mark.parametrize(("least", "starts"), [(int(HEAD), True), (int(NEXT), False)])
def test_only_a_schema_that_asks_for_newer_code_is_refused(database_url: str, least: int, starts: bool) -> None:
    store = SqlStore(database_url)
    store.migrate()
    deployed_next(store)
    with store.engine.connect() as connection:
        schema.require_code(connection.execution_options(write=True), 1)
        schema.require_code(connection, least)
        connection.commit()
    if starts:
        store.migrate()
    else:
        with pytest.raises(NotConfigured, match=f"needs code of revision {NEXT} or newer; this is {HEAD}"):
            store.migrate()
    store.engine.dispose()


def taken_away(source: str) -> list[str]:
    """What a migration does that code of before it cannot live with."""
    tree = ast.parse(source)
    upgrades = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name != "downgrade"]
    found = []
    for call in (node for top in upgrades for node in ast.walk(top) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in NARROWS:
            found.append(name)
        if name == "add_column" and (column := call.args[-1]) and isinstance(column, ast.Call):
            given = {word.arg: word.value for word in column.keywords}
            nullable = given.get("nullable")
            if isinstance(nullable, ast.Constant) and nullable.value is False and "server_default" not in given:
                found.append("add_column without a server_default")
    return found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('op.add_column("runs", sa.Column("x", sa.Text(), nullable=False))', ["add_column without a server_default"]),
        ('op.add_column("runs", sa.Column("x", sa.Text(), nullable=False, server_default=""))', []),
        ('op.add_column("runs", sa.Column("x", sa.Text(), nullable=True))', []),
        ('batch_op.drop_column("x")', ["drop_column"]),
        ('op.create_table("x")', []),
    ],
)
def test_what_a_migration_takes_away_is_seen(line: str, found: list[str]) -> None:
    assert taken_away(f"def upgrade():\n    {line}\n\n\ndef downgrade():\n    op.drop_table('y')\n") == found


def test_migrations_add_or_say_which_code_they_need() -> None:
    for path in sorted((MIGRATIONS / "versions").glob("0*.py")):
        source = path.read_text("utf-8")
        if path.name[:4] > RULED_SINCE and (lost := taken_away(source)):
            assert "min_code = " in source, f"{path.name}: {', '.join(lost)}; older code still runs meanwhile"

"""A database as an earlier version left it: the schema of a revision, filled with rows that the version wrote."""

from __future__ import annotations

import json
from pathlib import Path

from alembic import command
from sqlalchemy import Connection, Engine, MetaData, text

from pipelines.database import schema

ROWS = Path(__file__).with_name("rows_of_0001.jsonl")
"""Written by the version of revision 0001: every shape that its tests left in any JSON column, with its parents."""


def upgrade(engine: Engine, revision: str) -> None:
    """Bring an engine's database to a revision."""
    with engine.connect() as connection, schema.configured(connection) as config:
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take an engine's database back to a revision."""
    with engine.connect() as connection, schema.configured(connection) as config:
        command.downgrade(config, revision)


def fill(engine: Engine) -> int:
    """Put the old rows in; how many there are."""
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        tables = MetaData()
        tables.reflect(connection)
        booleans = {column for table in tables.tables.values() for column in table.c if str(column.type) == "BOOLEAN"}
        for row in rows:
            table = tables.tables[row.pop("_table")]
            values = {name: bool(value) if table.c[name] in booleans else value for name, value in row.items()}
            _insert(connection, table.name, values)
    return len(rows)


def _insert(connection: Connection, table: str, values: dict[str, object]) -> None:
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(f":{name}" for name in values)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)

"""Keep balances and totals of days, so that no limit, list or audit adds up the history."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

LEASED = ("runs", "generations", "clips", "cuts", "outbox", "bases", "sweeps", "texts")
OLD_INDEXES = (
    ("runs", ["status"]),
    ("runs", ["created_at"]),
    ("generations", ["model", "status"]),
    ("events", ["entity_id"]),
    ("ledger", ["account", "run_id"]),
    ("ledger", ["day"]),
    ("runs", ["account_id", "created_at"]),
)
NEW_INDEXES = (
    ("runs", ["status", "created_at", "id"]),
    ("runs", ["created_at", "id"]),
    ("runs", ["base_id", "created_at", "id"]),
    ("runs", ["finished_at", "id"]),
    ("generations", ["status", "updated_at"]),
    ("generations", ["model", "status", "updated_at", "id"]),
    ("clips", ["key"]),
    ("clips", ["deleted_at", "created_at"]),
    ("cuts", ["key"]),
    ("cuts", ["deleted_at", "created_at"]),
    ("events", ["entity_id", "run_id", "at"]),
    ("event_archive", ["run_id", "id"]),
    ("ledger", ["run_id", "account"]),
    ("ledger", ["account", "day"]),
    ("ledger_archive", ["run_id", "account"]),
    ("ledger_archive", ["account", "generation_id"]),
    ("ledger_archive", ["account", "day"]),
    ("balances", ["kind"]),
    ("day_totals", ["day"]),
    ("day_totals", ["key_id", "day"]),
    ("day_totals", ["base_id", "day"]),
    ("day_totals", ["account_id", "day"]),
    ("runs", ["account_id", "created_at", "id"]),
)
NOT_BELOW_ZERO = "CASE WHEN SUM({0}) < 0 THEN 0 ELSE SUM({0}) END"
"""What a damaged ledger says is for the audit to tell, and does not stop an upgrade."""
SUMS = ", ".join(
    NOT_BELOW_ZERO.format(f"CASE account WHEN '{name}' THEN amount ELSE 0 END")
    for name in ("held", "committed", "spent")
)


def upgrade() -> None:
    _add_amount("generations", "billed_micro", "BIGINT")
    for name in ("listed_micro", "billed_micro"):
        _add_amount("ledger", name, "BIGINT NOT NULL DEFAULT 0")
    _create_tables()
    for table, columns in OLD_INDEXES:
        op.drop_index(f"ix_{table}_{'_'.join(columns)}", table_name=table)
    for table, columns in NEW_INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    _create_partial("balances", "exposed", "id", "(held <> 0 OR committed <> 0)")
    for table in LEASED:
        _create_partial(table, "owner", "lease_owner", "(lease_owner IS NOT NULL)")
    _fill()


def _add_amount(table: str, name: str, kind: str) -> None:
    """With its constraint, and without writing the table anew."""
    op.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind} CONSTRAINT ck_{table}_{name} CHECK ({name} >= 0)")


def _create_partial(table: str, name: str, column: str, rows: str) -> None:
    op.create_index(f"ix_{table}_{name}", table, [column], sqlite_where=sa.text(rows), postgresql_where=sa.text(rows))


def _amounts(table: str, *names: str) -> list[sa.Column[Any] | sa.CheckConstraint]:
    """Whole numbers that are not negative."""
    checks = [sa.CheckConstraint(f"{name} >= 0", name=op.f(f"ck_{table}_{name}")) for name in names]
    return [*(sa.Column(name, sa.BigInteger(), nullable=False) for name in names), *checks]


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=nullable) for name in names]


def _id() -> sa.Column[Any]:
    return sa.Column("id", sa.Text(), primary_key=True)


def _create_tables() -> None:
    op.create_table(
        "balances",
        _id(),
        *_amounts("balances", "held", "committed", "spent", "spent_on_day"),
        *_texts("kind", "day"),
        *_texts("account_id", nullable=True),
    )
    op.create_table(
        "day_totals",
        _id(),
        *_texts("day"),
        *_texts("model", "key_id", "base_id", "account_id", nullable=True),
        *_amounts("day_totals", "spent_micro", "generations", "listed_micro", "billed_micro"),
        sa.Column("seconds", sa.Double(), nullable=False),
    )
    op.create_table(
        "checkpoints", _id(), sa.Column("at", sa.Double(), nullable=False), *_amounts("checkpoints", "entry")
    )
    connection = op.get_bind()
    for name in ("events", "ledger"):
        archive = "event_archive" if name == "events" else "ledger_archive"
        columns = [one for one in sa.inspect(connection).get_columns(name) if one["name"] != "id"]
        kept: list[Any] = [sa.Column(one["name"], one["type"], nullable=one["nullable"]) for one in columns]
        kept += _checks(archive) if name == "ledger" else []
        number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
        op.create_table(archive, sa.Column("id", number, primary_key=True, autoincrement=True), *kept)


def _checks(table: str) -> list[sa.CheckConstraint]:
    words = {
        "posting": "'hold', 'release', 'reserve', 'free', 'capture', 'overrun', 'write_off'",
        "account": "'budget', 'held', 'committed', 'spent'",
    }
    rules = {name: f"{name} IN ({known})" for name, known in words.items()}
    rules |= {name: f"{name} >= 0" for name in ("listed_micro", "billed_micro")}
    return [sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}")) for name, rule in rules.items()]


def _fill() -> None:
    into = "INSERT INTO balances (id, kind, account_id, held, committed, spent, day, spent_on_day)"
    for kind, column in (("run", "run_id"), ("key", "key_id"), ("base", "base_id"), ("account", "account_id")):
        rows = f"FROM ledger WHERE {column} IS NOT NULL GROUP BY {column}"
        owner = "MAX(account_id)" if kind in ("run", "account") else "NULL"
        op.execute(f"{into} SELECT '{kind}:' || {column}, '{kind}', {owner}, {SUMS}, '', 0 {rows}")
    op.execute(f"{into} SELECT 'all', 'all', NULL, {SUMS}, '', 0 FROM ledger HAVING COUNT(*) > 0")  # noqa: S608 - names of ours
    op.execute(
        "INSERT INTO day_totals (id, day, model, key_id, base_id, account_id, spent_micro, seconds, generations, "  # noqa: S608
        "listed_micro, billed_micro) SELECT day || '|' || COALESCE(key_id, '') || '|' || COALESCE(base_id, '') || '|' || "
        "COALESCE(account_id, '') || '|' || COALESCE(model, ''), day, model, key_id, base_id, account_id, "
        f"{NOT_BELOW_ZERO.format('amount')}, "
        "SUM(seconds), SUM(CASE WHEN id IN (SELECT MIN(id) FROM ledger WHERE account = 'spent' AND generation_id IS NOT "
        "NULL GROUP BY generation_id) THEN 1 ELSE 0 END), 0, 0 FROM ledger WHERE account = 'spent' "
        "GROUP BY day, model, key_id, base_id, account_id"
    )


def _bring_back() -> None:
    """What was archived is part of the books: a version that knows no archive adds up what it finds."""
    for name, archive in (("events", "event_archive"), ("ledger", "ledger_archive")):
        columns = [one["name"] for one in sa.inspect(op.get_bind()).get_columns(name) if one["name"] != "id"]
        names = ", ".join(columns)
        op.execute(f"INSERT INTO {name} ({names}) SELECT {names} FROM {archive} ORDER BY id")  # noqa: S608 - names of ours


def downgrade() -> None:
    _bring_back()
    for table in (*LEASED, "balances"):
        op.drop_index(f"ix_{table}_{'exposed' if table == 'balances' else 'owner'}", table_name=table)
    for table, columns in NEW_INDEXES:
        op.drop_index(f"ix_{table}_{'_'.join(columns)}", table_name=table)
    for table, columns in OLD_INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    for table in ("balances", "day_totals", "checkpoints", "event_archive", "ledger_archive"):
        op.drop_table(table)
    op.drop_column("generations", "billed_micro")
    for name in ("listed_micro", "billed_micro"):
        op.drop_column("ledger", name)

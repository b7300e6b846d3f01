"""Foreign keys, the words of statuses, and whole numbers that are not negative.

An old database may hold what no version of ours ever wrote, after a repair by hand or a bad disk. It is upgraded all
the same. A word that is none of ours becomes the careful one: a person decides about the run, a request counts as
perhaps paid. A number below zero becomes zero. The ledger alone is left as it stands, because nobody may guess about
money: like rows that name a parent which is gone, its old rows stay outside of the constraint, and new ones are bound.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

RUN = ["queued", "writing", "needs_approval", "generating", "stitching", "delivering", "done", "failed", "cancelled"]
REQUEST = ["planned", "submitting", "submitted", "running", "succeeded", "fetched", "failed", "unknown", "adopted"]
WORDS: dict[tuple[str, str], list[str]] = {
    ("runs", "status"): [*RUN, "needs_attention"],
    ("runs", "source"): ["record", "master_prompt", "rest", "clip"],
    ("runs", "approval"): ["asked", "given"],
    ("scenes", "status"): ["Draft", "Queued", "Generating", "Done", "Refused", "Failed", "Stale"],
    ("generations", "status"): [*REQUEST, "abandoned", "cancelled"],
    ("generations", "reason"): ["refused", "invalid", "quota", "provider_error", "expired"],
    ("cuts", "status"): ["planned", "made", "delivering", "delivered"],
    ("ledger", "posting"): ["hold", "release", "reserve", "free", "capture", "overrun", "write_off"],
    ("ledger", "account"): ["budget", "held", "committed", "spent"],
    ("sweeps", "status"): ["queued", "done", "failed"],
}
CAREFUL: dict[tuple[str, str], str] = {
    ("runs", "status"): "'needs_attention'",
    ("runs", "source"): "CASE WHEN record_id IS NULL THEN 'rest' ELSE 'record' END",
    ("runs", "approval"): "NULL",
    ("scenes", "status"): "CASE WHEN clip_id IS NULL THEN 'Queued' ELSE 'Done' END",
    ("generations", "status"): "'unknown'",
    ("generations", "reason"): "'provider_error'",
    ("cuts", "status"): "CASE WHEN key IS NULL THEN 'planned' ELSE 'made' END",
    ("sweeps", "status"): "'failed'",
}
NUMBERS: dict[str, list[str]] = {
    "runs": ["attempts", "number", "quote_micro", "take", "version"],
    "scenes": ["number", "take"],
    "generations": ["attempts", "attempt", "reserve_micro", "cost_micro", "progress", "polls"],
    "clips": ["attempts", "size", "cost_micro"],
    "cuts": ["attempts", "take", "size"],
    "outbox": ["attempts", "version", "flushes"],
    "keys": ["day_cap_micro"],
    "replays": ["status"],
    "processes": ["pid", "beat"],
    "bases": ["attempts", "day_cap_micro", "airtable_cap_micro"],
    "sweeps": ["attempts"],
    "texts": ["attempts"],
}
PARENTS: dict[tuple[str, str], str] = {
    ("scenes", "run_id"): "runs",
    ("scenes", "clip_id"): "clips",
    ("generations", "run_id"): "runs",
    ("clips", "run_id"): "runs",
    ("clips", "generation_id"): "generations",
    ("cuts", "run_id"): "runs",
    ("ledger", "run_id"): "runs",
    ("ledger", "generation_id"): "generations",
    ("texts", "run_id"): "runs",
}


def upgrade() -> None:
    _repair()
    for table in [*NUMBERS, "ledger"]:
        with op.batch_alter_table(table) as batch:
            for name in _of(table, WORDS):
                words = sa.column(name).in_(WORDS[table, name])
                batch.create_check_constraint(op.f(f"ck_{table}_{name}"), words, postgresql_not_valid=table == "ledger")
            for name in NUMBERS.get(table, []):
                batch.create_check_constraint(op.f(f"ck_{table}_{name}"), sa.column(name) >= 0)
            for name in _of(table, PARENTS):
                key, parent = op.f(f"fk_{table}_{name}"), PARENTS[table, name]
                batch.create_foreign_key(key, parent, [name], ["id"], postgresql_not_valid=True)
    if op.get_bind().dialect.name == "postgresql":
        _validate()


def downgrade() -> None:
    for table in [*NUMBERS, "ledger"]:
        with op.batch_alter_table(table) as batch:
            for name in _of(table, PARENTS):
                batch.drop_constraint(op.f(f"fk_{table}_{name}"), type_="foreignkey")
            for name in [*_of(table, WORDS), *NUMBERS.get(table, [])]:
                batch.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")


def _of(table: str, columns: Iterable[tuple[str, str]]) -> list[str]:
    return [name for of, name in columns if of == table]


def _repair() -> None:
    for (table, name), careful in CAREFUL.items():
        words = _quoted(table, name)
        op.execute(f"UPDATE {table} SET {name} = {careful} WHERE {name} NOT IN ({words})")  # noqa: S608 - our words
    for table, names in NUMBERS.items():
        for name in names:
            op.execute(f"UPDATE {table} SET {name} = 0 WHERE {name} < 0")  # noqa: S608 - our words


def _validate() -> None:
    """PostgreSQL remembers of each constraint whether old rows keep it; of SQLite nobody can be told so."""
    for (table, name), parent in PARENTS.items():
        orphans = f"LEFT JOIN {parent} p ON p.id = c.{name} WHERE c.{name} IS NOT NULL AND p.id IS NULL"
        _validate_one(table, f"fk_{table}_{name}", orphans)
    for name in _of("ledger", WORDS):
        _validate_one("ledger", f"ck_ledger_{name}", f"WHERE c.{name} NOT IN ({_quoted('ledger', name)})")


def _validate_one(table: str, constraint: str, wrong: str) -> None:
    found = op.get_bind().execute(sa.text(f"SELECT EXISTS (SELECT 1 FROM {table} c {wrong})"))  # noqa: S608 - our words
    if not found.scalar():
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")


def _quoted(table: str, name: str) -> str:
    return ", ".join(f"'{word}'" for word in WORDS[table, name])

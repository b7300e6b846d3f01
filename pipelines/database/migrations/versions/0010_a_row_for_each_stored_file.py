"""A row for each stored file, and how much there is of each kind and owner.

What clips and films name is entered here, sizes of what was made from them as nought: `flask storage check` looks them
up. Pictures and cards that were brought in before are entered when they are used again.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OWNER = ("account_id", "base_id", "key_id")
KINDS = ("clip", "cut", "extra", "piece", "frame", "card", "input")
AT_ONCE = 500


def upgrade() -> None:
    files = op.create_table(
        "files",
        _text("id", nullable=False),
        _text("kind", nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        _text("sha256", nullable=False),
        _text("run_id"),
        *(_text(name) for name in OWNER),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_used_at", sa.Double(), nullable=False),
        *_checks("files", "size"),
        sa.PrimaryKeyConstraint("id"),
    )
    totals = op.create_table(
        "file_totals",
        _text("id", nullable=False),
        _text("kind", nullable=False),
        *(_text(name) for name in OWNER),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        *_checks("file_totals", "files", "size"),
        sa.PrimaryKeyConstraint("id"),
    )
    _enter(files, totals)
    op.create_index("ix_files_kind_last_used_at", "files", ["kind", "last_used_at"])
    op.create_index("ix_files_run_id", "files", ["run_id"])


def downgrade() -> None:
    op.drop_table("files")
    op.drop_table("file_totals")


def _text(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _checks(table: str, *numbers: str) -> Iterator[sa.CheckConstraint]:
    words = ", ".join(f"'{kind}'" for kind in KINDS)
    yield sa.CheckConstraint(f"kind IN ({words})", name=op.f(f"ck_{table}_kind"))
    for name in numbers:
        yield sa.CheckConstraint(f"{name} >= 0", name=op.f(f"ck_{table}_{name}"))


def _enter(files: sa.Table, totals: sa.Table) -> None:
    connection, seen, sums = op.get_bind(), set[str](), dict[str, dict[str, Any]]()
    rows: list[dict[str, Any]] = []
    for row in (*_clips(connection), *_cuts(connection)):
        if not row["id"] or row["id"] in seen:
            continue
        seen.add(row["id"])
        rows.append(row)
        name = "|".join((row["kind"], *(row[part] or "" for part in OWNER)))
        kept = {part: row[part] for part in ("kind", *OWNER)}
        total = sums.setdefault(name, {"id": name, **kept, "files": 0, "size": 0})
        total["files"] += 1
        total["size"] += row["size"]
    for start in range(0, len(rows), AT_ONCE):
        connection.execute(files.insert(), rows[start : start + AT_ONCE])
    if sums:
        connection.execute(totals.insert(), list(sums.values()))


def _clips(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    query = """SELECT c.key, c.size, c.sha256, c.prepared, c.created_at, c.run_id, r.base_id, r.key_id
        FROM clips c LEFT JOIN runs r ON r.id = c.run_id WHERE c.deleted_at IS NULL"""
    for found in connection.execute(sa.text(query)).mappings():
        yield _row(found, found["key"], "clip", found["size"], found["sha256"])
        for key in _named(found["prepared"]):
            yield _row(found, key, "frame" if key.startswith("frames/") else "piece")


def _cuts(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    query = """SELECT c.key, c.size, c.sha256, c.poster_key, c.extras, c.created_at, c.run_id, r.base_id, r.key_id
        FROM cuts c LEFT JOIN runs r ON r.id = c.run_id WHERE c.deleted_at IS NULL AND c.key IS NOT NULL"""
    for found in connection.execute(sa.text(query)).mappings():
        yield _row(found, found["key"], "cut", found["size"] or 0, found["sha256"] or "")
        for key in (found["poster_key"], *_named(found["extras"])):
            yield _row(found, key, "extra")


def _named(told: Any) -> list[str]:
    """The keys in a JSON column, which a driver may have read already."""
    found = json.loads(told) if isinstance(told, str | bytes) else told or {}
    return [key for key in found.values() if isinstance(key, str)]


def _row(found: Any, key: str | None, kind: str, size: int = 0, sha256: str = "") -> dict[str, Any]:
    at = found["created_at"]
    owner = {"run_id": found["run_id"], "account_id": None, "base_id": found["base_id"], "key_id": found["key_id"]}
    return {"id": key, "kind": kind, "size": size, "sha256": sha256, **owner, "created_at": at, "last_used_at": at}

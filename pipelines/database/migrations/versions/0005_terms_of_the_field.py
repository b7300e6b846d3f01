"""Call the outbox, postings, attempt levels and Airtable's budget by the terms of the field."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = (
    ("ledger", "move", "posting"),
    ("ledger", "move_id", "posting_id"),
    ("scenes", "rung", "attempt_level"),
    ("bases", "board_cap_micro", "airtable_cap_micro"),
)
INDEXES = (
    ("due", ["next_at"]),
    ("base_id_next_at", ["base_id", "next_at"]),
    ("run_id", ["run_id"]),
    ("record_id", ["record_id"]),
)


def upgrade() -> None:
    _rename_table("wants", "outbox")
    for table, old, new in COLUMNS:
        with op.batch_alter_table(table) as batch:
            batch.alter_column(old, new_column_name=new)


def downgrade() -> None:
    for table, old, new in COLUMNS:
        with op.batch_alter_table(table) as batch:
            batch.alter_column(new, new_column_name=old)
    _rename_table("outbox", "wants")


def _rename_table(old: str, new: str) -> None:
    for name, _ in INDEXES:
        op.drop_index(f"ix_{old}_{name}", table_name=old)
    op.rename_table(old, new)
    for name, columns in INDEXES:
        op.create_index(f"ix_{new}_{name}", new, columns)

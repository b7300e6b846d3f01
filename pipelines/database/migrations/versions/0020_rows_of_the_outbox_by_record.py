"""What is said in one row of a base is found among all rows of that base at once."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_outbox_base_id_table", table_name="outbox")
    op.create_index("ix_outbox_base_id_table_record_id_id", "outbox", ["base_id", "table", "record_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_outbox_base_id_table_record_id_id", table_name="outbox")
    op.create_index("ix_outbox_base_id_table", "outbox", ["base_id", "table"])

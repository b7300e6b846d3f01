"""The row of Settings of a base is found at once."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_outbox_base_id_table", "outbox", ["base_id", "table"])


def downgrade() -> None:
    op.drop_index("ix_outbox_base_id_table", table_name="outbox")

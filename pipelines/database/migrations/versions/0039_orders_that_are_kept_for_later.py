"""What stands in a form of a new video, kept for later."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_orders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_saved_orders_account_id_saved_at_id", "saved_orders", ["account_id", "saved_at", "id"])
    op.create_index("ix_saved_orders_saved_at", "saved_orders", ["saved_at"])


def downgrade() -> None:
    op.drop_table("saved_orders")

"""Batches: many orders in one request."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("runs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("problems", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("webhook", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.create_index("ix_batches_account_id_created_at_id", ["account_id", "created_at", "id"], unique=False)
        batch_op.create_index("ix_batches_created_at_id", ["created_at", "id"], unique=False)
        batch_op.create_index("ix_batches_finished_at", ["finished_at"], unique=False)

    # Added by itself: the table of all runs is not written anew for it.
    op.add_column("runs", sa.Column("batch_id", sa.Text(), nullable=True))
    op.create_index("ix_runs_batch_id_status", "runs", ["batch_id", "status"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_runs_batch_id_status", "runs")
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_column("batch_id")
    op.drop_table("batches")

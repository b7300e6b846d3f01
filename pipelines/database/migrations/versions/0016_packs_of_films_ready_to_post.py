"""Packs: the films of a run with all that is posted with them, a row for each take."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "packs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("take", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("entries", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("take >= 0", name="ck_packs_take"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_packs_run_id"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("uq_packs_run_id_take", "packs", ["run_id", "take"], unique=True)
    op.create_index("uq_packs_token", "packs", ["token"], unique=True)


def downgrade() -> None:
    op.drop_table("packs")

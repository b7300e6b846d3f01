"""Links that act once, and the price that the last decision about a run was made for."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spent_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.CheckConstraint("act IN ('approve', 'retry', 'cancel')", name=op.f("ck_spent_links_act")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_spent_links_run_id")),
        sa.PrimaryKeyConstraint("id"),
    )
    # In one statement, which writes no row anew: the table of runs may be large.
    op.execute(
        "ALTER TABLE runs ADD COLUMN ceiling_micro BIGINT CONSTRAINT ck_runs_ceiling_micro CHECK (ceiling_micro >= 0)"
    )


def downgrade() -> None:
    with op.batch_alter_table("runs") as batch:
        batch.drop_constraint(op.f("ck_runs_ceiling_micro"), type_="check")
        batch.drop_column("ceiling_micro")
    op.drop_table("spent_links")

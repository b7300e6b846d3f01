"""Projects: orders grouped under a label, with a budget."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

LABELLED = ("runs", "ledger", "ledger_archive", "day_totals")


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("budget_micro", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("budget_micro >= 0", name=op.f("ck_projects_budget_micro")),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_projects_account_id", "projects", ["account_id"])
    for table in LABELLED:
        op.add_column(table, sa.Column("project_id", sa.Text(), nullable=True))
    op.create_index("ix_day_totals_project_id_day", "day_totals", ["project_id", "day"])


def downgrade() -> None:
    op.drop_index("ix_day_totals_project_id_day", "day_totals")
    for table in LABELLED:
        op.execute(f"ALTER TABLE {table} DROP COLUMN project_id")
    op.drop_table("projects")

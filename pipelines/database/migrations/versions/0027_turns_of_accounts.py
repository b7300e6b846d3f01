"""Turns of accounts: whether a run waits until fewer of its account are made, and an index of what goes on for each."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As a statement: the table of all runs is not written anew for a column with a check.
    op.execute("ALTER TABLE runs ADD COLUMN turn TEXT CONSTRAINT ck_runs_turn CHECK (turn IN ('waits', 'taken'))")
    some = sa.text("account_id IS NOT NULL")
    columns = ["account_id", "status", "turn", "created_at"]
    op.create_index("ix_runs_turn", "runs", columns, unique=False, sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    op.drop_index("ix_runs_turn", "runs")
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_runs_turn"), type_="check")
        batch_op.drop_column("turn")

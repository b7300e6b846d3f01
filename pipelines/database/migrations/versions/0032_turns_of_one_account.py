"""How many runs of one account are made at a time, and may wait, where that is not as for all."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

NEW = ("runs_in_flight", "backlog")


def upgrade() -> None:
    for name in NEW:
        # With its constraint, and without writing the table anew.
        op.execute(f"ALTER TABLE accounts ADD COLUMN {name} BIGINT CONSTRAINT ck_accounts_{name} CHECK ({name} >= 0)")


def downgrade() -> None:
    for name in NEW:
        op.execute(f"ALTER TABLE accounts DROP COLUMN {name}")

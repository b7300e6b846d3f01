"""Balances that several runs share are found without those of single runs."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SHARED = sa.text("kind <> 'run'")


def upgrade() -> None:
    op.drop_index("ix_balances_kind", table_name="balances")
    op.create_index("ix_balances_shared", "balances", ["id"], sqlite_where=SHARED, postgresql_where=SHARED)


def downgrade() -> None:
    op.drop_index("ix_balances_shared", table_name="balances")
    op.create_index("ix_balances_kind", "balances", ["kind"])

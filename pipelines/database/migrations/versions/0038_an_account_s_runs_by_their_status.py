"""An account's runs by their status, for its queue and its lists."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    some = sa.text("account_id IS NOT NULL")
    columns = ["account_id", "status", "created_at", "id"]
    op.create_index("ix_runs_customer", "runs", columns, unique=False, sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    op.drop_index("ix_runs_customer", "runs")

"""The time of a process's last beat."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The default stays: a service of the version before, which still runs while this one starts, adds rows without it.
    op.add_column("processes", sa.Column("beat_at", sa.Double(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("processes") as batch:
        batch.drop_column("beat_at")

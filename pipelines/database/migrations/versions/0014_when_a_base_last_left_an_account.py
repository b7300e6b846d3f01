"""When a base last left an account: signed links of before open nothing of it any more."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The default stays: a service of the version before, which still runs while this one starts, adds rows without it.
    op.add_column("bases", sa.Column("handed_over_at", sa.Double(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("bases") as batch:
        batch.drop_column("handed_over_at")

"""When each word of a spoken line is said, where its voice tells; found by the line's file."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The default stays: a service of the version before, which still runs while this one starts, adds rows without it.
    op.add_column("purchases", sa.Column("words", sa.JSON(none_as_null=True), nullable=False, server_default="[]"))
    op.create_index("ix_purchases_file", "purchases", ["file"])


def downgrade() -> None:
    op.drop_index("ix_purchases_file", "purchases")
    with op.batch_alter_table("purchases") as batch:
        batch.drop_column("words")

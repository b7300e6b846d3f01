"""What is kept of clips and cuts, the oldest first, for whoever looks for what has outlived its time."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_KINDS = ("clips", "cuts")


def upgrade() -> None:
    some = sa.text("deleted_at IS NULL")
    for kind in _KINDS:
        op.create_index(
            f"ix_{kind}_kept", kind, ["created_at", "id"], unique=False, sqlite_where=some, postgresql_where=some
        )
        op.drop_index(f"ix_{kind}_deleted_at_created_at", kind)


def downgrade() -> None:
    for kind in _KINDS:
        op.create_index(f"ix_{kind}_deleted_at_created_at", kind, ["deleted_at", "created_at"], unique=False)
        op.drop_index(f"ix_{kind}_kept", kind)

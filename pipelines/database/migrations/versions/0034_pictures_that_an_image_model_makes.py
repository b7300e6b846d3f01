"""Pictures that an image model makes: purchases of a further kind."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def _kinds(*kinds: str) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    with op.batch_alter_table("purchases", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_purchases_kind"), type_="check")
        batch_op.create_check_constraint(batch_op.f("ck_purchases_kind"), f"kind IN ({listed})")


def upgrade() -> None:
    op.add_column("purchases", sa.Column("picture", sa.JSON(none_as_null=True), nullable=True))
    _kinds("speech", "picture")


def downgrade() -> None:
    # The version before knows none.
    op.execute("DELETE FROM purchases WHERE kind = 'picture'")
    _kinds("speech")
    with op.batch_alter_table("purchases", schema=None) as batch_op:
        batch_op.drop_column("picture")

"""Scenes keep what is read and heard in them in other languages, and translations are bought like spoken lines."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The defaults stay: a service of the version before, which still runs while this one starts, adds rows without them.
    op.add_column("scenes", sa.Column("translations", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("purchases") as batch:
        batch.add_column(sa.Column("texts", sa.JSON(), nullable=False, server_default="{}"))
        batch.add_column(sa.Column("answer", sa.JSON(), nullable=False, server_default="[]"))
        batch.drop_constraint(op.f("ck_purchases_kind"), type_="check")
        batch.create_check_constraint(op.f("ck_purchases_kind"), "kind IN ('speech', 'picture', 'translation')")


def downgrade() -> None:
    # The version before knows the films of one language only.
    op.execute("DELETE FROM purchases WHERE kind = 'translation'")
    op.execute("DELETE FROM cuts WHERE language <> ''")
    with op.batch_alter_table("purchases") as batch:
        batch.drop_constraint(op.f("ck_purchases_kind"), type_="check")
        batch.create_check_constraint(op.f("ck_purchases_kind"), "kind IN ('speech', 'picture')")
        batch.drop_column("answer")
        batch.drop_column("texts")
    with op.batch_alter_table("scenes") as batch:
        batch.drop_column("translations")

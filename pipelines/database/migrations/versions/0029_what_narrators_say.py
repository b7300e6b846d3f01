"""What narrators say: a line for each scene, and the purchases that bring them."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_STATUSES = (
    "'planned', 'submitting', 'submitted', 'running', 'succeeded', 'fetched', 'failed', 'unknown', 'adopted', "
    "'abandoned', 'cancelled'"
)
_OWNED = sa.text("lease_owner IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "purchases",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("request", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("reserve_micro", sa.BigInteger(), nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("intent_at", sa.Double(), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.CheckConstraint("kind IN ('speech')", name=op.f("ck_purchases_kind")),
        sa.CheckConstraint(f"status IN ({_STATUSES})", name=op.f("ck_purchases_status")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_purchases_attempts")),
        sa.CheckConstraint("cost_micro >= 0", name=op.f("ck_purchases_cost_micro")),
        sa.CheckConstraint("reserve_micro >= 0", name=op.f("ck_purchases_reserve_micro")),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_purchases_tries")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_purchases_run_id")),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_purchases_due", "purchases", ["next_at"], unique=False)
    op.create_index(
        "ix_purchases_owner", "purchases", ["lease_owner"], unique=False, sqlite_where=_OWNED, postgresql_where=_OWNED
    )
    op.create_index("ix_purchases_run_id", "purchases", ["run_id"], unique=False)
    op.create_index("uq_purchases_fingerprint", "purchases", ["fingerprint"], unique=True)
    # Added by themselves: the table of all scenes is not written anew for them.
    op.add_column("scenes", sa.Column("narration", sa.Text(), nullable=True))
    op.add_column("scenes", sa.Column("sound", sa.Text(), nullable=True))
    op.create_index("ix_scenes_sound", "scenes", ["sound"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_scenes_sound", "scenes")
    with op.batch_alter_table("scenes", schema=None) as batch_op:
        batch_op.drop_column("sound")
        batch_op.drop_column("narration")
    op.drop_table("purchases")

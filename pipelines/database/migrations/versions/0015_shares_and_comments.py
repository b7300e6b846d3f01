"""Links that show a film to people without a key, and what those say of it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("shows_prompts", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("verdict_by", sa.Text(), nullable=False),
        sa.Column("verdict_words", sa.Text(), nullable=False),
        sa.Column("verdict_at", sa.Double(), nullable=True),
        sa.CheckConstraint("verdict IN ('waiting', 'accepted', 'changes_asked')", name=op.f("ck_shares_verdict")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_shares_run_id")),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("shares", schema=None) as batch_op:
        batch_op.create_index("ix_shares_run_id", ["run_id"], unique=False)
        batch_op.create_index("uq_shares_token", ["token"], unique=True)

    op.create_table(
        "comments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("share_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("second", sa.Double(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_comments_run_id")),
        sa.ForeignKeyConstraint(["share_id"], ["shares.id"], name=op.f("fk_comments_share_id")),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("comments", schema=None) as batch_op:
        batch_op.create_index("ix_comments_run_id", ["run_id"], unique=False)
        batch_op.create_index("ix_comments_share_id", ["share_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("comments", schema=None) as batch_op:
        batch_op.drop_index("ix_comments_share_id")
        batch_op.drop_index("ix_comments_run_id")

    op.drop_table("comments")
    with op.batch_alter_table("shares", schema=None) as batch_op:
        batch_op.drop_index("uq_shares_token")
        batch_op.drop_index("ix_shares_run_id")

    op.drop_table("shares")

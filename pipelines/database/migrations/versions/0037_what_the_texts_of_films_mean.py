"""What the texts of films mean, for who looks for it in other words."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_vectors",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("scene", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("text_hash", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("run_at", sa.Double(), nullable=False),
        sa.Column("indexed_at", sa.Double(), nullable=False),
        sa.CheckConstraint("scene >= 0", name=op.f("ck_search_vectors_scene")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_search_vectors_run_id")),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_search_vectors_run_id", "search_vectors", ["run_id"])
    op.create_index(
        "ix_search_vectors_account_id_model_indexed_at", "search_vectors", ["account_id", "model", "indexed_at"]
    )
    op.create_index("ix_search_vectors_model_indexed_at", "search_vectors", ["model", "indexed_at"])


def downgrade() -> None:
    op.drop_table("search_vectors")

"""What accounts have paid for: lots, what runs reserve of them, and the book in which every credit moves."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _credits()
    _lots()
    _reservations()
    # The default stays: a service of the version before, which still runs while this one starts, adds rows without it.
    op.add_column("accounts", sa.Column("pays_in_credits", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Without writing the table anew.
    op.execute("ALTER TABLE runs ADD COLUMN price_micro BIGINT CONSTRAINT ck_runs_price_micro CHECK (price_micro >= 0)")


def _credits() -> None:
    op.create_table(
        "credits",
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("posting_id", sa.Text(), nullable=False),
        sa.Column("posting", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("lot_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("generation_id", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("base_id", sa.Text(), nullable=True),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("record_id", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.CheckConstraint(
            "account IN ('issued', 'available', 'reserved', 'used', 'expired', 'revoked')",
            name=op.f("ck_credits_account"),
        ),
        sa.CheckConstraint(
            "posting IN ('grant', 'reserve', 'capture', 'round', 'release', 'return', 'expire', 'revoke')",
            name=op.f("ck_credits_posting"),
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("credits", schema=None) as batch_op:
        batch_op.create_index("ix_credits_account_id_account_day", ["account_id", "account", "day"], unique=False)
        batch_op.create_index("ix_credits_account_id_id", ["account_id", "id"], unique=False)
        batch_op.create_index("ix_credits_base_id_day", ["base_id", "day"], unique=False)
        batch_op.create_index("ix_credits_generation_id", ["generation_id"], unique=False)
        batch_op.create_index("ix_credits_lot_id", ["lot_id"], unique=False)
        batch_op.create_index("ix_credits_run_id", ["run_id"], unique=False)


def _lots() -> None:
    op.create_table(
        "lots",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("from_lot", sa.Text(), nullable=True),
        sa.Column("payment", sa.Text(), nullable=True),
        sa.Column("granted_micro", sa.BigInteger(), nullable=False),
        sa.Column("available_micro", sa.BigInteger(), nullable=False),
        sa.Column("reserved_micro", sa.BigInteger(), nullable=False),
        sa.Column("used_micro", sa.BigInteger(), nullable=False),
        sa.Column("expired_micro", sa.BigInteger(), nullable=False),
        sa.Column("revoked_micro", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("expiry_due_at", sa.Double(), nullable=True),
        sa.CheckConstraint("kind IN ('paid', 'promotional', 'returned')", name=op.f("ck_lots_kind")),
        sa.CheckConstraint("available_micro >= 0", name=op.f("ck_lots_available_micro")),
        sa.CheckConstraint("expired_micro >= 0", name=op.f("ck_lots_expired_micro")),
        sa.CheckConstraint("granted_micro >= 0", name=op.f("ck_lots_granted_micro")),
        sa.CheckConstraint("reserved_micro >= 0", name=op.f("ck_lots_reserved_micro")),
        sa.CheckConstraint("revoked_micro >= 0", name=op.f("ck_lots_revoked_micro")),
        sa.CheckConstraint("used_micro >= 0", name=op.f("ck_lots_used_micro")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_lots_account_id")),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("lots", schema=None) as batch_op:
        batch_op.create_index("ix_lots_account_id_available_micro", ["account_id", "available_micro"], unique=False)
        batch_op.create_index("ix_lots_expiry_due_at", ["expiry_due_at"], unique=False)
        batch_op.create_index("ix_lots_payment", ["payment"], unique=False)
        batch_op.create_index("uq_lots_source", ["source"], unique=True)


def _reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("credit_micro", sa.BigInteger(), nullable=False),
        sa.Column("reserved_micro", sa.BigInteger(), nullable=False),
        sa.Column("used_micro", sa.BigInteger(), nullable=False),
        sa.Column("rounding_micro", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("credit_micro >= 0", name=op.f("ck_reservations_credit_micro")),
        sa.CheckConstraint("reserved_micro >= 0", name=op.f("ck_reservations_reserved_micro")),
        sa.CheckConstraint("rounding_micro >= 0", name=op.f("ck_reservations_rounding_micro")),
        sa.CheckConstraint("used_micro >= 0", name=op.f("ck_reservations_used_micro")),
        sa.ForeignKeyConstraint(["lot_id"], ["lots.id"], name=op.f("fk_reservations_lot_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_reservations_run_id")),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("reservations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_reservations_account_id_reserved_micro", ["account_id", "reserved_micro"], unique=False
        )
        batch_op.create_index("ix_reservations_lot_id", ["lot_id"], unique=False)
        batch_op.create_index("ix_reservations_run_id", ["run_id"], unique=False)
        batch_op.create_index(
            "ix_reservations_set_aside",
            ["run_id"],
            unique=False,
            sqlite_where=sa.text("reserved_micro > 0"),
            postgresql_where=sa.text("reserved_micro > 0"),
        )


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_runs_price_micro"), type_="check")
        batch_op.drop_column("price_micro")

    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_column("pays_in_credits")

    for table in ("reservations", "lots", "credits"):
        op.drop_table(table)

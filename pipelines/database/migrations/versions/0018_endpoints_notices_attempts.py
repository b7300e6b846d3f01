"""Customers' webhooks: endpoints, notices and attempts; what an order wants to be told, and where."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _attempts()
    _endpoints()
    _notices()
    # Added one by one: the table of all runs is not written anew for it.
    op.add_column("runs", sa.Column("custom_id", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("metadata", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("runs", sa.Column("webhook", sa.JSON(none_as_null=True), nullable=True))


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("code", sa.BigInteger(), nullable=True),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.CheckConstraint("code >= 0", name=op.f("ck_attempts_code")),
        sa.CheckConstraint("ms >= 0", name=op.f("ck_attempts_ms")),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index("ix_attempts_at", ["at"], unique=False)
        batch_op.create_index("ix_attempts_notice_id_at", ["notice_id", "at"], unique=False)


def _endpoints() -> None:
    op.create_table(
        "endpoints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("address", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("sealed_retired", sa.Text(), nullable=True),
        sa.Column("retired_until", sa.Double(), nullable=True),
        sa.Column("off", sa.Text(), nullable=True),
        sa.Column("off_at", sa.Double(), nullable=True),
        sa.Column("failing_since", sa.Double(), nullable=True),
        sa.Column("delivered_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("format IN ('standard', 'airtable', 'slack')", name=op.f("ck_endpoints_format")),
        sa.CheckConstraint("off IN ('paused', 'gone', 'failing')", name=op.f("ck_endpoints_off")),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("endpoints", schema=None) as batch_op:
        batch_op.create_index("ix_endpoints_account_id", ["account_id"], unique=False)


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("endpoint_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("address", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.CheckConstraint("status IN ('waiting', 'delivered', 'failed', 'dropped')", name=op.f("ck_notices_status")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_notices_attempts")),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.create_index("ix_notices_created_at", ["created_at"], unique=False)
        batch_op.create_index("ix_notices_due", ["next_at"], unique=False)
        batch_op.create_index("ix_notices_endpoint_id_created_at_id", ["endpoint_id", "created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_notices_owner",
            ["lease_owner"],
            unique=False,
            sqlite_where=sa.text("lease_owner IS NOT NULL"),
            postgresql_where=sa.text("lease_owner IS NOT NULL"),
        )
        batch_op.create_index("ix_notices_run_id_created_at", ["run_id", "created_at"], unique=False)
        batch_op.create_index("ix_notices_target_lease_until", ["target", "lease_until"], unique=False)
        batch_op.create_index("uq_notices_target_event", ["target", "event"], unique=True)


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_column("webhook")
        batch_op.drop_column("metadata")
        batch_op.drop_column("custom_id")

    for table in ("notices", "endpoints", "attempts"):
        op.drop_table(table)

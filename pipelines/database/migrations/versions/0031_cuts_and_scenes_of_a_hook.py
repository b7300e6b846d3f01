"""Scenes and cuts know which hook of the film they begin; cuts have room for their language."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The defaults stay: a service of the version before, which still runs while this one starts, adds rows without them.
    for table, column in (("scenes", "hook"), ("cuts", "hook"), ("cuts", "language")):
        op.add_column(table, sa.Column(column, sa.Text(), nullable=False, server_default=""))
    op.drop_index("uq_cuts_run_id_take_format_animatic", "cuts")
    columns = ["run_id", "take", "format", "animatic", "hook", "language"]
    op.create_index("uq_cuts_run_id_take_format_animatic_hook_language", "cuts", columns, unique=True)


def downgrade() -> None:
    op.drop_index("uq_cuts_run_id_take_format_animatic_hook_language", "cuts")
    # The version before knows one film for each format: the first.
    op.execute("DELETE FROM cuts WHERE hook NOT IN ('', 'a') OR language <> ''")
    columns = ["run_id", "take", "format", "animatic"]
    op.create_index("uq_cuts_run_id_take_format_animatic", "cuts", columns, unique=True)
    with op.batch_alter_table("cuts") as batch:
        batch.drop_column("language")
        batch.drop_column("hook")
    with op.batch_alter_table("scenes") as batch:
        batch.drop_column("hook")

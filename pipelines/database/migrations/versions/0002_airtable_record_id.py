"""Call the id of a scene's row by Airtable's name."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_scenes_board_record_id", table_name="scenes")
    with op.batch_alter_table("scenes") as batch:
        batch.alter_column("board_record_id", new_column_name="airtable_record_id")
    op.create_index("ix_scenes_airtable_record_id", "scenes", ["airtable_record_id"])


def downgrade() -> None:
    op.drop_index("ix_scenes_airtable_record_id", table_name="scenes")
    with op.batch_alter_table("scenes") as batch:
        batch.alter_column("airtable_record_id", new_column_name="board_record_id")
    op.create_index("ix_scenes_board_record_id", "scenes", ["board_record_id"])

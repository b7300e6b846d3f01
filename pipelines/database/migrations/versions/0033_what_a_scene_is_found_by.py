"""What a scene is found by: its first words, of earlier scenes too."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_MOST, _AT_ONCE = 300, 500


def upgrade() -> None:
    # The default stays: a service of the version before, which still runs while this one starts, adds rows without it.
    op.add_column("scenes", sa.Column("words", sa.Text(), nullable=False, server_default=""))
    texts = [sa.column(name, sa.Text()) for name in ("id", "words", "prompt", "caption", "narration")]
    scenes = sa.table("scenes", *texts)
    bind, last = op.get_bind(), ""
    while rows := bind.execute(
        sa.select(scenes.c.id, scenes.c.prompt, scenes.c.caption, scenes.c.narration)
        .where(scenes.c.id > last)
        .order_by(scenes.c.id)
        .limit(_AT_ONCE)
    ).all():
        found = [{"key": row.id, "said": _words(row.prompt, row.caption, row.narration)} for row in rows]
        write = sa.update(scenes).where(scenes.c.id == sa.bindparam("key")).values(words=sa.bindparam("said"))
        bind.execute(write, found)
        last = rows[-1].id
    op.create_index("ix_scenes_run_id_words", "scenes", ["run_id", "words"], unique=False)


def _words(*said: str | None) -> str:
    text = " ".join(" ".join(filter(None, said)).split()).casefold()
    return text[:_MOST].replace("\x00", "")


def downgrade() -> None:
    op.drop_index("ix_scenes_run_id_words", "scenes")
    with op.batch_alter_table("scenes") as batch:
        batch.drop_column("words")

"""What a run is found by: its title, first words and row, of earlier runs too."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_MOST, _AT_ONCE = 300, 500


def upgrade() -> None:
    # The default stays: a service of the version before, which still runs while this one starts, adds rows without it.
    op.add_column("runs", sa.Column("words", sa.Text(), nullable=False, server_default=""))
    runs = sa.table(
        "runs", sa.column("id", sa.Text()), sa.column("record_id", sa.Text()), sa.column("words", sa.Text())
    )
    order = sa.cast(sa.column("order"), sa.Text()).label("ordered")
    bind, last = op.get_bind(), ""
    while rows := bind.execute(
        sa.select(runs.c.id, runs.c.record_id, order)
        .select_from(runs)
        .where(runs.c.id > last)
        .order_by(runs.c.id)
        .limit(_AT_ONCE)
    ).all():
        found = [{"key": row.id, "said": _words(row.record_id, row.ordered)} for row in rows]
        write = sa.update(runs).where(runs.c.id == sa.bindparam("key")).values(words=sa.bindparam("said"))
        bind.execute(write, found)
        last = rows[-1].id
    op.create_index("ix_runs_created_at_id_words", "runs", ["created_at", "id", "words"], unique=False)


def _words(record_id: str | None, ordered: str | None) -> str:
    order = json.loads(ordered) if ordered else None
    order = order if isinstance(order, dict) else {}
    scenes = [scene.get("prompt") for scene in order.get("scenes") or () if isinstance(scene, dict)]
    said = [record_id, order.get("title"), order.get("master_prompt"), *scenes]
    text = " ".join(" ".join(str(one) for one in said if one).split()).casefold()
    return text[:_MOST].replace("\x00", "")


def downgrade() -> None:
    op.drop_index("ix_runs_created_at_id_words", "runs")
    with op.batch_alter_table("runs") as batch:
        batch.drop_column("words")

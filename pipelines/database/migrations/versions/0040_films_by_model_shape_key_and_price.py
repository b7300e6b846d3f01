"""What films are listed by: their model, shape, key and price, of earlier films too."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_AT_ONCE = 500
_COLUMNS = ("model", "shape")
_LISTED = ("key_id", *_COLUMNS)


def upgrade() -> None:
    # The default stays: a service of the version before, which still runs while this one starts, adds rows without it.
    for name in _COLUMNS:
        op.add_column("runs", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    runs = sa.table("runs", *(sa.column(name, sa.Text()) for name in ("id", *_COLUMNS)))
    texts = [sa.cast(sa.column(name), sa.Text()).label(f"{name}_text") for name in ("order", "plan")]
    bind, last = op.get_bind(), ""
    while rows := bind.execute(
        sa.select(runs.c.id, *texts).select_from(runs).where(runs.c.id > last).order_by(runs.c.id).limit(_AT_ONCE)
    ).all():
        found = [{"key": row.id, **_said(row.order_text, row.plan_text)} for row in rows]
        write = sa.update(runs).where(runs.c.id == sa.bindparam("key"))
        bind.execute(write.values(model=sa.bindparam("its_model"), shape=sa.bindparam("its_shape")), found)
        last = rows[-1].id
    for name in _LISTED:
        op.create_index(f"ix_runs_{name}_created_at_id", "runs", [name, "created_at", "id"], unique=False)
    _price_index("ix_runs_quoted", "quote_micro IS NOT NULL", ["quote_micro", "id"])
    _price_index("ix_runs_charged", "account_id IS NOT NULL", ["account_id", "price_micro", "id"])


def _price_index(name: str, rows: str, columns: list[str]) -> None:
    some = sa.text(rows)
    op.create_index(name, "runs", columns, unique=False, sqlite_where=some, postgresql_where=some)


def _said(ordered: str | None, planned: str | None) -> dict[str, str]:
    order, plan = _object(ordered), _object(planned)
    formats = plan.get("formats")
    shape = formats[0] if isinstance(formats, list) and formats else order.get("aspect_ratio")
    return {"its_model": str(plan.get("model") or order.get("model") or ""), "its_shape": str(shape or "")}


def _object(text: str | None) -> dict[str, object]:
    found = json.loads(text) if text else None
    return found if isinstance(found, dict) else {}


def downgrade() -> None:
    for name in ("ix_runs_charged", "ix_runs_quoted", *(f"ix_runs_{one}_created_at_id" for one in _LISTED)):
        op.drop_index(name, "runs")
    with op.batch_alter_table("runs") as batch:
        for name in _COLUMNS:
            batch.drop_column(name)

"""Ids that a LiteLLM proxy wraps: what is inside is the job's id, the whole is kept to ask by."""

import base64
import binascii
import re

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_WRAPPED = re.compile(r"litellm:.*?;video_id:([^;]+)", re.DOTALL)
_STARTS = "video_bGl0ZWxsbTpj%"
"""`litellm:c` in base64."""
_GENERATIONS = sa.table("generations", *map(sa.column, ("id", "provider", "provider_id", "wrapped_id")))


def upgrade() -> None:
    op.add_column("generations", sa.Column("wrapped_id", sa.Text(), nullable=True))
    of, bind = _GENERATIONS.c, op.get_bind()
    asked = sa.select(of.id, of.provider, of.provider_id).where(of.provider_id.like(_STARTS)).order_by(of.id)
    for row in bind.execute(asked).all():
        key = _inside(row.provider_id)
        same = sa.select(of.id).where(of.provider == row.provider, of.provider_id == key)
        if key is not None and bind.execute(same).first() is None:
            change = sa.update(_GENERATIONS).where(of.id == row.id)
            bind.execute(change.values(provider_id=key, wrapped_id=row.provider_id))


def _inside(job_id: str) -> str | None:
    text = job_id.removeprefix("video_").rstrip("=")
    try:
        found = _WRAPPED.match(base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode())
    except (binascii.Error, ValueError):
        return None
    return found[1] if found else None


def downgrade() -> None:
    of = _GENERATIONS.c
    whole = sa.update(_GENERATIONS).where(of.wrapped_id.is_not(None)).values(provider_id=of.wrapped_id)
    op.get_bind().execute(whole)
    # Without a batch, which would write the table anew and its checks in a form that older downgrades cannot undo.
    op.drop_column("generations", "wrapped_id")

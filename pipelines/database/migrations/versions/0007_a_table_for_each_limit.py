"""A table for each limit, fault and switch that all processes share."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True)
STOP, CIRCUIT, OUTAGE, AIRTABLE, CLOCK = "stop", "circuit:", "board:", "airtable:", "clock"
EVERYWHERE = "everywhere"

SWITCHES = sa.table("switches", *(sa.column(name) for name in ("id", "on", "at", "reason", "actor", "detail")))
LANES = sa.table("lanes", *(sa.column(name) for name in ("id", "next_free_at", "not_before", "detail")))


def upgrade() -> None:
    _create()
    for row in _rows(SWITCHES):
        name, detail = row.id, _decoded(row.detail)
        on, at = bool(row.on), row.at
        if name.startswith(CIRCUIT):
            values = {"id": name.removeprefix(CIRCUIT), "is_open": on, "at": at, "outcomes": detail.get("outcomes", [])}
            _add("circuits", values)
        elif name.startswith(OUTAGE):
            values = {"sentence": row.reason, "by_itself": bool(detail.get("by_itself", False))}
            _add("base_outages", {"id": name.removeprefix(OUTAGE), "on": on, "at": at, **values})
        else:
            place = EVERYWHERE if name == STOP else name.removeprefix(f"{STOP}:")
            _add("stop_switches", {"id": place, "on": on, "at": at, "reason": row.reason, "actor": row.actor})
    for row in _rows(LANES):
        name, detail = row.id, _decoded(row.detail)
        if name == CLOCK:
            _add("clock_steps", {"id": name, "at": row.next_free_at, "seconds": row.not_before})
        elif name.startswith(AIRTABLE):
            values = {"flights": detail.get("flights", {}), "landed": detail.get("landed", [])}
            values |= {"cool_s": detail.get("cool_s", 0.0), "quota": detail.get("quota")}
            _add("airtable_paces", {"id": name.removeprefix(AIRTABLE), "not_before": row.not_before, **values})
        else:
            times = {"next_free_at": row.next_free_at, "not_before": row.not_before}
            _add("rate_limits", {"id": name, **times})
    op.drop_table("switches")
    op.drop_table("lanes")


def downgrade() -> None:
    """What was remembered of limits and faults is found out again; a Stop switch that is on stays on."""
    op.create_table("switches", _id(), _on(), _at(), _text("reason"), _text("actor"), _json("detail"))
    op.create_table("lanes", _id(), _double("next_free_at"), _double("not_before"), _json("detail"))
    stops = sa.table("stop_switches", *(sa.column(name) for name in ("id", "on", "at", "reason", "actor")))
    for row in _rows(stops):
        name = STOP if row.id == EVERYWHERE else f"{STOP}:{row.id}"
        values = {"id": name, "on": bool(row.on), "at": row.at, "reason": row.reason, "actor": row.actor, "detail": {}}
        _add("switches", values)
    for table in ("stop_switches", "circuits", "base_outages", "rate_limits", "airtable_paces", "clock_steps"):
        op.drop_table(table)


def _create() -> None:
    op.create_table("stop_switches", _id(), _on(), _at(), _text("reason"), _text("actor"))
    op.create_table("circuits", _id(), sa.Column("is_open", sa.Boolean(), nullable=False), _at(), _json("outcomes"))
    op.create_table(
        "base_outages",
        _id(),
        _on(),
        _at(),
        _text("sentence"),
        sa.Column("by_itself", sa.Boolean(), nullable=False),
    )
    op.create_table("rate_limits", _id(), _double("next_free_at"), _double("not_before"))
    op.create_table(
        "airtable_paces",
        _id(),
        _json("flights"),
        _json("landed"),
        _double("not_before"),
        _double("cool_s"),
        sa.Column("quota", JSON, nullable=True),
    )
    op.create_table("clock_steps", _id(), _at(), _double("seconds"))


def _rows(table: sa.TableClause) -> list[Any]:
    return list(op.get_bind().execute(sa.select(table)))


def _decoded(detail: Any) -> dict[str, Any]:
    return dict(detail if isinstance(detail, dict) else json.loads(detail))


def _add(table: str, values: dict[str, Any]) -> None:
    """JSON goes in as text, whichever way the engine writes it."""
    names, places = ", ".join(f'"{name}"' for name in values), ", ".join(f":{name}" for name in values)
    texts = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in values.items()}
    statement = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 - names of this file
    op.get_bind().execute(sa.text(statement), texts)


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.Text(), primary_key=True)


def _on() -> sa.Column[bool]:
    return sa.Column("on", sa.Boolean(), nullable=False)


def _at() -> sa.Column[float]:
    return _double("at")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _double(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), nullable=False)


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, JSON, nullable=False)

"""Keep in the totals of days what was quoted, refused and failed, so that usage shows it without adding up the history."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

NEW = ("quoted_micro", "refused", "failed")
OWNERS = "model, key_id, base_id, account_id, project_id"
NAME = (
    "day || '|' || COALESCE(key_id, '') || '|' || COALESCE(base_id, '') || '|' || COALESCE(account_id, '') || '|' || "
    "COALESCE(model, '') || COALESCE('|' || project_id, '')"
)
INTO = (
    f"INSERT INTO day_totals (id, day, {OWNERS}, spent_micro, seconds, generations, listed_micro, billed_micro, "
    f"{', '.join(NEW)}) SELECT {NAME}, day, {OWNERS}, 0, 0, 0, 0, 0"
)
GROUPED = (
    f"GROUP BY day, {OWNERS} ON CONFLICT (id) DO UPDATE SET quoted_micro = day_totals.quoted_micro + "
    "excluded.quoted_micro, refused = day_totals.refused + excluded.refused, "
    "failed = day_totals.failed + excluded.failed"
)


def upgrade() -> None:
    for name in NEW:
        # With its constraint, and without writing the table anew.
        op.execute(
            f"ALTER TABLE day_totals ADD COLUMN {name} BIGINT NOT NULL DEFAULT 0 "
            f"CONSTRAINT ck_day_totals_{name} CHECK ({name} >= 0)"
        )
    for table in ("ledger", "ledger_archive"):
        op.execute(
            f"{INTO}, SUM(amount), 0, 0 FROM {table} WHERE account = 'committed' AND posting = 'reserve' "
            f"AND amount > 0 {GROUPED}"
        )
    sqlite = op.get_bind().dialect.name == "sqlite"
    day = (
        "date(g.updated_at, 'unixepoch')"
        if sqlite
        else "to_char(to_timestamp(g.updated_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    )
    failed = (
        f"SELECT {day} AS day, g.model, r.key_id, r.base_id, r.account_id, r.project_id, "  # noqa: S608
        "CASE g.reason WHEN 'refused' THEN 1 ELSE 0 END AS is_refused "
        "FROM generations g JOIN runs r ON r.id = g.run_id WHERE g.status = 'failed'"
    )
    op.execute(f"{INTO}, 0, SUM(is_refused), SUM(1 - is_refused) FROM ({failed}) AS f WHERE day IS NOT NULL {GROUPED}")


def downgrade() -> None:
    for name in NEW:
        op.execute(f"ALTER TABLE day_totals DROP COLUMN {name}")

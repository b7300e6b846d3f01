"""What was quoted, spent and not made, as a page and as a file; and what is stored."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import Response, render_template, request

from pipelines.domain.errors import Problem
from pipelines.stages.views import usage as usage_view
from pipelines.stages.views.usage import Stored
from webapp.access.rules import Door, Owner, declares
from webapp.api.operate import COLUMNS, names_in, usage_of
from webapp.api.queries import UsageQuery
from webapp.bodies import validated
from webapp.context import actor, services
from webapp.errors import HttpProblem
from webapp.pages.blueprint import bp
from webapp.pages.filters import named
from webapp.pages.overview import charts

MONTH = timedelta(days=30)
LONGEST = timedelta(days=366)
SHOWN, DRAWN = 100, 12
"""So many groups are in the table, and in the drawing; the file has all."""
WORDS = {
    "day": "Day",
    "model": "Model",
    "record": "Record",
    "key": "Key",
    "base": "Base",
    "account": "Account",
    "project": "Project",
}
NOTHING = {"model": "Scene writing", "key": "No key, or not yours", "base": "No base", "account": "Yours, no account"}
FIGURES = ("quoted_usd", "spent_usd", "seconds", "generations", "refused", "failed")
PROVIDERS = ("billed_usd", "listed_usd", "variance_usd")
"""What only the operator is told."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@bp.get("/usage")
@declares(Door.SESSION, Owner.ACCOUNT)
def usage_page() -> str:
    """Sums of days, drawn and as tables; what is in doubt, and what is stored."""
    asked = _asked()
    by = asked.names[0]
    found = usage_of([by], *asked.bounds)
    models = usage_of(["day", "model"], *asked.bounds)["rows"]
    rows = found["rows"] if by == "day" else sorted(found["rows"], key=lambda row: -row["spent_usd"])
    groups = _groups(by, rows[:SHOWN])
    return render_template(
        "usage.html",
        person=actor(),
        asked=asked,
        by=by,
        words={name: word for name, word in WORDS.items() if name != "account" or actor().account_id is None},
        total=_total(models, _totals_of_days(asked, by, found)),
        before=usage_of(["day"], *asked.before)["spent_usd"],
        today={"spent_today_usd": found["spent_today_usd"], "day_cap_usd": found["day_cap_usd"]},
        days=charts.stacked(asked.days, {(row["day"] or "", _model(row)): row["spent_usd"] for row in models}),
        groups=groups,
        more=len(rows) - len(groups),
        pairs=_pairs(groups) if by != "day" else (),
        doubt=usage_view.in_doubt(services()),
        stored=_stored(usage_view.storage(services())),
        kept=_kept(),
    )


@bp.get("/usage.csv")
@declares(Door.SESSION, Owner.ACCOUNT)
def usage_file() -> Response:
    """The rows of GET /api/usage with the same query, all of them. What is text in them cannot become a formula."""
    asked = _asked()
    names = [COLUMNS[name].replace("key_id", "key").replace("project_id", "project") for name in asked.names]
    columns = [*names, *FIGURES, *(PROVIDERS if actor().account_id is None else ())]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow(columns)
    rows: Sequence[Mapping[str, Any]] = usage_of(list(asked.names), *asked.bounds)["rows"]
    for row in rows:
        lines.writerow([_cell(name, row[name]) for name in columns])
    name = f"usage-by-{'-'.join(asked.names)}-{asked.since}-{asked.until}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(text.getvalue(), mimetype="text/csv", headers=headers)


def _cell(name: str, value: Any) -> str:
    """Numbers as they are, dollars to the micro-dollar; a spreadsheet would run a text that begins as a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return f"{value:.6f}" if name.endswith("_usd") else f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked at; days are UTC, both are meant."""

    names: tuple[str, ...]
    since: date
    until: date

    @property
    def bounds(self) -> tuple[str, str]:
        return str(self.since), str(self.until)

    @property
    def before(self) -> tuple[str, str]:
        """As many days before."""
        length = self.until - self.since + timedelta(days=1)
        return str(self.since - length), str(self.until - length)

    @property
    def days(self) -> list[str]:
        return [str(self.since + timedelta(days=n)) for n in range((self.until - self.since).days + 1)]

    def query(self, **changes: str) -> dict[str, str]:
        """The address's words."""
        return {"by": ",".join(self.names), "since": str(self.since), "until": str(self.until), **changes}


def _asked() -> Asked:
    """Raises 422 for what cannot be looked at: it is not shown as if it had been."""
    said = {name: value for name, value in request.args.items() if value and name in {"by", "since", "until"}}
    query = validated(UsageQuery, said)
    today = datetime.fromtimestamp(services().clock.now(), UTC).date()
    until = date.fromisoformat(query.until) if query.until else today
    since = date.fromisoformat(query.since) if query.since else until - MONTH if until - date.min > MONTH else date.min
    if since > until:
        raise _refused("since", "must not be after the last day.")
    if until - since > LONGEST or since - date.min <= LONGEST:
        raise _refused("since", f"must be at most {LONGEST.days} days before the last day, and in our time.")
    return Asked(tuple(names_in(query.by)), since, until)


def _refused(field: str, message: str) -> HttpProblem:
    return HttpProblem(422, f"{field} {message}", (Problem(field, message),))


def _model(row: Mapping[str, Any]) -> str:
    return named(row["model"]) if row["model"] else NOTHING["model"]


def _totals_of_days(asked: Asked, by: str, found: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """By day it is known what was quoted, whoever asks."""
    rows: Sequence[Mapping[str, Any]] = found["rows"] if by == "day" else usage_of(["day"], *asked.bounds)["rows"]
    return rows


def _total(models: Iterable[Mapping[str, Any]], days: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of the whole time."""
    sums = {name: sum(row[name] or 0 for row in days) for name in FIGURES}
    return {name: round(value, 6) for name, value in sums.items()} | {
        "models": float(len({row["model"] for row in models if row["spent_usd"]}))
    }


def _groups(by: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows with a name that a person knows."""
    column = {"record": "record_id", "base": "base_id", "account": "account_id"}.get(by, by)
    ids = [row[column] for row in rows if row[column]]
    names: dict[str, str] = {}
    if by in {"key", "base", "account"} and ids:
        with services().store.read() as tx:
            table: Any = {"key": tx.keys, "base": tx.bases, "account": tx.accounts}[by]
            names = {row.id: row.name for row in table.find(id=tuple(ids)) if row.name}
    if by == "model":
        names = {model: named(model) for model in ids}
    nothing = NOTHING.get(by, "None")
    return [{**row, "name": names.get(row[column], row[column]) if row[column] else nothing} for row in rows]


def _pairs(groups: Sequence[Mapping[str, Any]]) -> tuple[charts.Pair, ...]:
    known = [(row["name"], row["quoted_usd"], row["spent_usd"]) for row in groups if row["quoted_usd"] is not None]
    return charts.pairs(known[:DRAWN])


def _stored(stored: Stored) -> dict[str, Any]:
    kinds = [{"kind": use.group[0], "files": use.files, "size": use.size} for use in stored.kinds]
    return {"kinds": kinds, "total": sum(use.size for use in stored.kinds), "stored": stored}


def _kept() -> dict[str, int | None]:
    """Days that things are kept; None is for ever."""
    policy = services().policy
    days = {"clips": policy.keep_clips_s, "cuts": policy.keep_cuts_s}
    return {name: None if seconds is None else round(seconds / usage_view.DAY_S) for name, seconds in days.items()}

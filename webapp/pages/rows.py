"""Pages that only look. A GET starts and changes nothing, however often a scanner or a history follows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from flask import Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.errors import ReelgridError
from pipelines.domain.lifecycle import MOVING, RunStatus
from pipelines.security import links
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.views import run_view
from webapp.access import auth
from webapp.api import estimates
from webapp.api.answers import Estimate
from webapp.api.operate import stopped, usage_of
from webapp.api.requests import RECORD_ID
from webapp.api.triggers import allowed_base
from webapp.context import Actor, services
from webapp.errors import HttpProblem, from_domain, not_here
from webapp.pages.blueprint import bp
from webapp.pages.filters import here
from webapp.pages.parts import Part, live, pace, part, run_parts, usage_days

TABS = {"all": "All", "moving": "Moving", "yours": "Waiting for you", "done": "Done", "failed": "Failed"}
_SHOWN: dict[str, tuple[str, ...] | None] = {
    "all": None,
    "moving": tuple(sorted(MOVING)),
    "yours": (RunStatus.NEEDS_APPROVAL, RunStatus.NEEDS_ATTENTION),
    "done": (RunStatus.DONE,),
    "failed": (RunStatus.FAILED, RunStatus.CANCELLED),
}
FONTS = ("Inter-Regular.otf", "Inter-Bold.otf", "InterDisplay-SemiBold.otf")
DAYS, MONTH, TALL = 30, 30, 40.0
PER_PAGE = 30


@bp.get(f"/static/fonts/<any({', '.join(repr(name) for name in FONTS)}):name>")
def font(name: str) -> Response:
    """The typeface of the films is the typeface of the pages."""
    data = files("pipelines").joinpath("media", "text", "font_files", name).read_bytes()
    return Response(data, mimetype="font/otf", headers={"Cache-Control": "public, max-age=31536000, immutable"})


@bp.get("/")
def index() -> str:
    """History, spend and the Stop switch."""
    person = auth.page()
    shown, runs, following = _listed()
    models = usage_of(["model"], _day(MONTH), None)["rows"]
    return render_template(
        "index.html",
        person=person,
        tabs=TABS,
        shown=shown,
        next=following,
        by_model=models,
        stop=stopped(),
        sections=_index_parts(runs),
        live=url_for("pages.index_live", show=shown, cursor=request.args.get("cursor")),
    )


@bp.get("/live")
def index_live() -> Response:
    """The moving parts of the history page."""
    auth.page()
    _, runs, _ = _listed()
    moving = any(RunStatus(run["status"]) in MOVING for run in runs)
    return live(_index_parts(runs), every=pace(moving=moving))


def _listed() -> tuple[str, list[dict[str, Any]], str | None]:
    shown = request.args.get("show", "all")
    shown = shown if shown in TABS else "all"
    try:
        runs, following = run_view.list_runs(
            services(), status=_SHOWN[shown], limit=PER_PAGE, cursor=request.args.get("cursor")
        )
    except ValueError:
        raise not_here("page of runs") from None
    return shown, runs, following


def _index_parts(runs: list[dict[str, Any]]) -> dict[str, Part]:
    usage = usage_of(["day"], _day(DAYS), None)
    days = [_day(back) for back in range(DAYS, -1, -1)]
    rows: Any = usage["rows"]
    return {
        "summary": part("summary", usage=usage, days=usage_days(rows, days, TALL)),
        "runs": part("runs", runs=runs),
    }


def _day(back: int) -> str:
    now = datetime.fromtimestamp(services().clock.now(), UTC)
    return (now - timedelta(days=back)).strftime("%Y-%m-%d")


@bp.get("/runs/<run_id>")
def run_page(run_id: str) -> str:
    """One run: how it is, its scenes, its film, its cost, its history."""
    return _run(enter_run(run_id), run_id)


@bp.get("/runs/<run_id>/live")
def run_live(run_id: str) -> Response:
    """The moving parts of a run's page."""
    enter_run(run_id)
    run, parts = run_parts(run_id)
    return live(parts, every=pace(moving=RunStatus(run["status"]) in MOVING), title=_title(run))


def enter_run(run_id: str) -> Actor:
    """A signed link opens this run, or every run of its record. Whoever may not look is not told what exists."""
    with services().store.read() as tx:
        run = tx.runs.get(run_id)
    row = links.row_subject(run.base_id, run.record_id) if run and run.base_id and run.record_id else None
    person = auth.page({"run": run_id, "record": row})
    if run is None:
        raise not_here("run")
    return person


def _run(person: Actor, run_id: str) -> str:
    run, parts = run_parts(run_id)
    others = run_view.record_view(services(), run["record_id"], run["base_id"])["runs"] if run["record_id"] else []
    return render_template(
        "run.html",
        run=run,
        sections=parts,
        others=others,
        person=None if person.name == "link" else person,
        live=here(url_for("pages.run_live", run_id=run_id)),
    )


def _title(run: dict[str, Any]) -> str:
    share = round(run["progress"] * 100)
    lead = f"{share} % · " if RunStatus(run["status"]) in MOVING else ""
    return f"{lead}{run['title']} · Reelgrid"


@bp.get("/r/<record_id>")
def record_page(record_id: str) -> str | Redirect:
    """A row: its newest run, or, when it has none or `new` is asked for, what would happen and what it costs."""
    person, base_id, latest = enter_record(record_id)
    if latest is not None and "new" not in request.args:
        return _run(person, latest)
    if latest is not None and RunStatus(_status(latest)) in MOVING:
        return redirect(here(url_for("pages.run_page", run_id=latest)))
    return render_template(
        "start.html",
        record_id=record_id,
        base_id=base_id,
        person=None if person.name == "link" else person,
        estimate=_estimate(record_id, base_id, latest) if "estimate" in request.args else None,
        live=here(url_for("pages.record_live", record_id=record_id, base_id=base_id)),
    )


@bp.get("/r/<record_id>/live")
def record_live(record_id: str) -> Response:
    """What would happen now, read from the row: once, because every look is a call of the base's quota."""
    _, base_id, latest = enter_record(record_id)
    return live({"estimate": _estimate(record_id, base_id, latest)}, every=0)


def enter_record(record_id: str) -> tuple[Actor, str | None, str | None]:
    """Let a person in to a row; also the base it is in and the id of its newest run there. Raises 401, 403, 410, and
    404 for no record id.
    """
    named = request.args.get("base_id") or auth.base_of_link(record_id)
    person = auth.page({"record": links.row_subject(named, record_id) if named else None})
    if not RECORD_ID.fullmatch(record_id):
        raise not_here("row")
    base_id, runs = _runs_of(record_id, named)
    return person, base_id, runs[0]["run_id"] if runs else None


def _runs_of(record_id: str, named: str | None) -> tuple[str | None, list[dict[str, Any]]]:
    """The base of a row and its runs there. Where nobody names the base, it is the default one, unless the row is
    only known elsewhere.
    """
    runs = run_view.record_view(services(), record_id, named)["runs"]
    default = services().policy.default_base
    known = [run["base_id"] for run in runs]
    base_id = named or (default if default in known or not known else known[0])
    return base_id, [run for run in runs if run["base_id"] == base_id]


def _status(run_id: str) -> str:
    with services().store.read() as tx:
        run = tx.runs.get(run_id)
    return run.status.value if run else RunStatus.FAILED.value


def _estimate(record_id: str, base_id: str | None, latest: str | None) -> Part:
    base_id = allowed_base(base_id)
    nothing = Estimate(ok=False, quote_usd=None, plan=None, problems=[], warnings=[], title=None)
    found, refusal = nothing, None
    try:
        found = estimates.of_record(StartRequest(source="record", base_id=base_id, record_id=record_id))
    except HttpProblem as problem:
        refusal = problem.detail
    except ReelgridError as error:
        refusal = from_domain(error).detail
    return part("estimate", found=found, refusal=refusal, before=latest, record_id=record_id, base_id=base_id)

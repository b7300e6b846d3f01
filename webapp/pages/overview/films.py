"""The first page: the films, the spend and the Stop switch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.lifecycle import MOVING, RunStatus
from pipelines.stages.decisions import control
from pipelines.stages.views import run_view
from webapp.access.rules import Door, Owner, declares
from webapp.api.operate import stopped, usage_of
from webapp.context import actor, services
from webapp.errors import not_here
from webapp.pages.blueprint import bp
from webapp.pages.forms import once
from webapp.pages.parts import Part, live, pace, part, usage_days

TABS = {"all": "All", "moving": "Moving", "yours": "Waiting for you", "done": "Done", "failed": "Failed"}
_SHOWN: dict[str, tuple[str, ...] | None] = {
    "all": None,
    "moving": tuple(sorted(MOVING)),
    "yours": (RunStatus.NEEDS_APPROVAL, RunStatus.NEEDS_ATTENTION),
    "done": (RunStatus.DONE,),
    "failed": (RunStatus.FAILED, RunStatus.CANCELLED),
}
DAYS, MONTH, TALL = 30, 30, 40.0
PER_PAGE = 30
_PRESSED = "pressed on the page"


@bp.get("/")
@declares(Door.SESSION, Owner.ACCOUNT)
def index() -> str:
    """History, spend and the Stop switch."""
    shown, runs, following = _listed()
    models = usage_of(["model"], _day(MONTH), None)["rows"]
    return render_template(
        "index.html",
        person=actor(),
        tabs=TABS,
        shown=shown,
        next=following,
        by_model=models,
        stop=stopped(),
        sections=_index_parts(runs),
        live=url_for("pages.index_live", show=shown, cursor=request.args.get("cursor")),
    )


@bp.get("/live")
@declares(Door.SESSION, Owner.ACCOUNT)
def index_live() -> Response:
    """The moving parts of the history page."""
    _, runs, _ = _listed()
    moving = any(RunStatus(run["status"]) in MOVING for run in runs)
    return live(_index_parts(runs), every=pace(moving=moving))


@bp.post("/stop")
@declares(Door.SESSION, Owner.OPERATOR, "admin")
def switch() -> Response | Redirect:
    """The Stop switch."""
    on = request.form.get("on") == "1"
    return once(
        url_for("pages.index"), lambda: control.set_stop(services(), on=on, reason=_PRESSED, actor=actor().name)
    )


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

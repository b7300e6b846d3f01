"""The first page: the films, the spend and the Stop switch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, g, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.lifecycle import MOVING, RunStatus
from pipelines.domain.orders.order import MAX_WORDS
from pipelines.stages.decisions import control
from pipelines.stages.views import finding, run_view
from pipelines.stages.views.documents import RunSummary
from webapp.access.rules import Door, Owner, declares
from webapp.api.operate import stopped, usage_of
from webapp.context import actor, services
from webapp.errors import not_here
from webapp.pages.blueprint import bp
from webapp.pages.forms import once
from webapp.pages.parts import Part, live, pace, part, usage_days

TABS = {"yours": "Waiting for you", "all": "All", "moving": "Moving", "done": "Done", "failed": "Failed"}
_SHOWN: dict[str, tuple[str, ...] | None] = {
    "all": None,
    "moving": tuple(sorted(MOVING)),
    "yours": (RunStatus.NEEDS_APPROVAL, RunStatus.NEEDS_ATTENTION),
    "done": (RunStatus.DONE,),
    "failed": (RunStatus.FAILED, RunStatus.CANCELLED),
}
DAYS, MONTH, TALL = 30, 30, 40.0
PER_PAGE, FIRST = 24, 5
"""So many films a page has, and so many of those that wait for a person come first."""
FOUND = 200
"""So many of what has the words are looked at for the other filters."""
_PRESSED = "pressed on the page"
MAX_REASON = 500


@bp.get("/")
@declares(Door.SESSION, Owner.ACCOUNT)
def index() -> str:
    """The films, found by words, status and day; spend and the Stop switch."""
    asked = _asked()
    listed = _listed(asked)
    return render_template(
        "index.html",
        person=actor(),
        tabs=TABS,
        counts=_counts(),
        asked=asked,
        next=listed.cursor,
        words_only=listed.words_only,
        by_model=usage_of(["model"], _day(MONTH), None)["rows"],
        stop=stopped(),
        sections=_index_parts(asked, listed.runs),
        live=url_for("pages.index_live", **asked.query(), cursor=request.args.get("cursor")),
    )


@bp.get("/live")
@declares(Door.SESSION, Owner.ACCOUNT)
def index_live() -> Response:
    """The moving parts of the page."""
    asked = _asked()
    runs = _listed(asked).runs
    moving = any(RunStatus(run["status"]) in MOVING for run in runs)
    return live(_index_parts(asked, runs), every=pace(moving=moving))


@bp.post("/stop")
@declares(Door.SESSION, Owner.OPERATOR, "admin")
def switch() -> Response | Redirect:
    """The Stop switch."""
    on = request.form.get("on") == "1"
    reason = request.form.get("reason", "").strip()[:MAX_REASON] or _PRESSED
    target = url_for("pages.operate_page" if request.form.get("from") == "operate" else "pages.index")
    who = actor().name
    return once(target, lambda: control.set_stop(services(), on=on, reason=reason, actor=who, press=g.get("press")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody looks for; it stands in the address, so that it can be kept and sent."""

    show: str = "all"
    words: str = ""
    since: str = ""
    until: str = ""

    def query(self, **changes: str) -> dict[str, Any]:
        """The address's words, without those that say nothing."""
        said = {"show": self.show, "q": self.words, "since": self.since, "until": self.until, **changes}
        return {name: value for name, value in said.items() if value and (name, value) != ("show", "all")}


def _asked() -> Asked:
    show, args = request.args.get("show", "all"), request.args
    return Asked(
        show=show if show in TABS else "all",
        words=args.get("q", "").strip()[:MAX_WORDS],
        since=args.get("since", "") if _moment(args.get("since", "")) is not None else "",
        until=args.get("until", "") if _moment(args.get("until", "")) is not None else "",
    )


def _moment(day: str, later: int = 0) -> float | None:
    try:
        return (datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=later)).timestamp()
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class _Listed:
    """A page of films, and the cursor of the next one. What is found is one page: the newest, or the best."""

    runs: list[RunSummary]
    cursor: str | None = None
    words_only: bool = False
    """Whether films would be found by meaning, too, if the model were not away."""


def _listed(asked: Asked) -> _Listed:
    since, until = _moment(asked.since), _moment(asked.until, later=1)
    if asked.words:
        # What has the words is the newest already; only a status or a last day may take some of it away.
        most = FOUND if asked.until or asked.show != "all" else PER_PAGE
        page = finding.find(services(), asked.words, limit=most, since=since)
        found = [film["run"] for film in page.films]
        status = _SHOWN[asked.show]
        within = [run for run in found if _is_within(run, since, until) and (status is None or run["status"] in status)]
        return _Listed(within[:PER_PAGE], words_only=page.by == ("words",))
    bounds: dict[str, Any] = {"since": since, "until": until, "limit": PER_PAGE, "cursor": request.args.get("cursor")}
    try:
        runs, cursor = run_view.list_runs(services(), status=_SHOWN[asked.show], **bounds)
    except ValueError:
        raise not_here("page of runs") from None
    if asked.query() or bounds["cursor"]:
        return _Listed(runs, cursor)
    yours, _ = run_view.list_runs(services(), status=_SHOWN["yours"], limit=FIRST)
    known = {run["run_id"] for run in yours}
    return _Listed([*yours, *(run for run in runs if run["run_id"] not in known)], cursor)


def _is_within(run: RunSummary, since: float | None, until: float | None) -> bool:
    at = datetime.fromisoformat(run["created_at"]).timestamp()
    return (since is None or at >= since) and (until is None or at < until)


def _counts() -> dict[str, int]:
    """How many wait for a person, and how many move: few, whatever there was."""
    with services().store.read() as tx:
        return {name: tx.runs.count(status=_SHOWN[name]) for name in ("moving", "yours")}


def _index_parts(asked: Asked, runs: list[RunSummary]) -> dict[str, Part]:
    usage = usage_of(["day"], _day(DAYS), None)
    days = [_day(back) for back in range(DAYS, -1, -1)]
    return {
        "summary": part("summary", usage=usage, days=usage_days(usage["rows"], days, TALL)),
        "runs": part("runs", runs=runs, asked=asked, person_may_act=actor().may("trigger")),
    }


def _day(back: int) -> str:
    now = datetime.fromtimestamp(services().clock.now(), UTC)
    return (now - timedelta(days=back)).strftime("%Y-%m-%d")

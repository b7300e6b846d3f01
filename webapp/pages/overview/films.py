"""The first page: the films, the spend and the Stop switch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, g, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.lifecycle import MOVING, RunStatus
from pipelines.domain.orders.checks import known_shapes
from pipelines.domain.orders.order import MAX_WORDS
from pipelines.ports import RunFilter
from pipelines.stages.decisions import control
from pipelines.stages.views import finding, run_list
from pipelines.stages.views.documents import RunSummary
from webapp.access.auth import ENV
from webapp.access.rules import Door, Owner, declares
from webapp.api.operate import stopped, usage_of
from webapp.context import actor, services, settings
from webapp.errors import not_here
from webapp.pages.blueprint import bp
from webapp.pages.forms import once
from webapp.pages.light import squeezed
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
CHOICES, MAX_ID = 100, 200
"""So many keys and bases can be chosen among, and so long is what names one."""
_PRESSED = "pressed on the page"
MAX_REASON = 500


@bp.get("/")
@declares(Door.SESSION, Owner.ACCOUNT)
def index() -> Response:
    """The films, found by words, status and day; spend and the Stop switch."""
    asked = _asked()
    listed = _listed(asked)
    html = render_template(
        "index.html",
        person=actor(),
        tabs=TABS,
        counts=_counts(),
        asked=asked,
        next=listed.cursor,
        words_only=listed.words_only,
        choices=_choices(asked),
        further=_further(asked, listed),
        by_model=usage_of(["model"], _day(MONTH), None)["rows"],
        stop=stopped(),
        sections=_index_parts(asked, listed),
        live=url_for("pages.index_live", **asked.query(), cursor=request.args.get("cursor")),
    )
    return squeezed(html)


@bp.get("/live")
@declares(Door.SESSION, Owner.ACCOUNT)
def index_live() -> Response:
    """The moving parts of the page."""
    asked = _asked()
    listed = _listed(asked)
    moving = any(RunStatus(run["status"]) in MOVING for run in listed.runs)
    return live(_index_parts(asked, listed), every=pace(moving=moving))


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
    model: str = ""
    shape: str = ""
    key: str = ""
    base: str = ""
    order: str = ""
    """`dearest`, or nothing. What is found by words comes newest or best first all the same, as the page says."""

    @property
    def wanted(self) -> RunFilter:
        """Which runs these are, days and words left out."""
        return RunFilter(
            status=_SHOWN[self.show],
            key_id=self.key or None,
            base_id=self.base or None,
            model=self.model or None,
            shape=self.shape or None,
        )

    @property
    def narrows(self) -> bool:
        """Whether more than words, days and a status is said."""
        return bool(self.model or self.shape or self.key or self.base or self.order)

    def query(self, **changes: str) -> dict[str, Any]:
        """The address's words, without those that say nothing."""
        said = {"show": self.show, "q": self.words, "since": self.since, "until": self.until}
        said |= {"model": self.model, "shape": self.shape, "key": self.key, "base": self.base, "order": self.order}
        return {
            name: value for name, value in {**said, **changes}.items() if value and (name, value) != ("show", "all")
        }


def _asked() -> Asked:
    show, args = request.args.get("show", "all"), request.args
    words = args.get("q", "").strip()[:MAX_WORDS]
    return Asked(
        show=show if show in TABS else "all",
        words=words,
        **{name: args.get(name, "").strip()[:MAX_ID] for name in ("model", "shape", "key", "base")},
        order="dearest" if args.get("order") == "dearest" else "",
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
    cursor = request.args.get("cursor")
    try:
        if asked.words:
            page = finding.find(
                services(),
                asked.words,
                limit=PER_PAGE,
                cursor=cursor,
                since=since,
                until=until,
                wanted=asked.wanted,
            )
            found = [film["run"] for film in page.films]
            return _Listed(found, page.cursor, words_only=page.by == ("words",))
        runs, following = run_list.list_runs(
            services(),
            asked.wanted,
            since=since,
            until=until,
            dearest=bool(asked.order),
            limit=PER_PAGE,
            cursor=cursor,
        )
    except ValueError:
        raise not_here("page of runs") from None
    if asked.query() or cursor:
        return _Listed(runs, following)
    yours, _ = run_list.list_runs(services(), RunFilter(status=_SHOWN["yours"]), limit=FIRST)
    known = {run["run_id"] for run in yours}
    return _Listed([*yours, *(run for run in runs if run["run_id"] not in known)], following)


def _further(asked: Asked, listed: _Listed) -> str:
    """What the link to the next page is called."""
    if len(listed.runs) < PER_PAGE:
        return "Look further"
    if asked.words:
        return "More films"
    return "Cheaper films" if asked.order else "Older films"


def _choices(asked: Asked) -> dict[str, list[tuple[str, str]]]:
    """What can be chosen for each filter, with its name: the models and shapes of the catalogue, and the keys and bases
    of whoever looks. What is asked for stands there in any case.
    """
    models = list(services().catalogue.values())
    with services().store.read() as tx:
        own: dict[str, Any] = {} if tx.account_id else {"account_id": None}
        keys = [(key.id, key.name) for key in tx.keys.find(limit=CHOICES, **own)]
        bases = [(base.id, base.name or base.id) for base in tx.bases.find(limit=CHOICES, **own)]
    if actor().account_id is None:
        keys += [(f"{ENV}{entry.name}", entry.name) for entry in settings().bootstrap_keys]
    found = {
        "model": sorted(((model.id, model.label) for model in models), key=lambda choice: choice[1].casefold()),
        "shape": [(shape, shape) for shape in known_shapes(models)],
        "key": keys,
        "base": bases,
    }
    chosen = {"model": asked.model, "shape": asked.shape, "key": asked.key, "base": asked.base}
    for name, value in chosen.items():
        if value and value not in dict(found[name]):
            found[name].append((value, value))
    return found


def _counts() -> dict[str, int]:
    """How many wait for a person, and how many move: few, whatever there was."""
    with services().store.read() as tx:
        return {name: tx.runs.count(status=_SHOWN[name]) for name in ("moving", "yours")}


def _index_parts(asked: Asked, listed: _Listed) -> dict[str, Part]:
    usage = usage_of(["day"], _day(DAYS), None)
    days = [_day(back) for back in range(DAYS, -1, -1)]
    return {
        "summary": part("summary", usage=usage, days=usage_days(usage["rows"], days, TALL)),
        "runs": part(
            "runs",
            runs=listed.runs,
            asked=asked,
            more=bool(listed.cursor),
            further="cursor" in request.args,
            person_may_act=actor().may("trigger"),
        ),
    }


def _day(back: int) -> str:
    now = datetime.fromtimestamp(services().clock.now(), UTC)
    return (now - timedelta(days=back)).strftime("%Y-%m-%d")

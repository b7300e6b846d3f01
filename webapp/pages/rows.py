"""A row's page: its newest run, or what would happen and the button that starts it."""

from __future__ import annotations

from flask import Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.errors import ReelgridError
from pipelines.domain.lifecycle import MOVING, CutStatus
from pipelines.domain.records import Run
from pipelines.security import links
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from webapp.access.bases import allowed_base
from webapp.access.links import base_of_link
from webapp.access.rules import Door, Owner, Subjects, declares
from webapp.api import estimates
from webapp.api.answers import Estimate
from webapp.api.fields import RECORD_ID
from webapp.context import actor, services
from webapp.errors import HttpProblem, from_domain, not_here
from webapp.pages.blueprint import bp
from webapp.pages.filters import here
from webapp.pages.forms import once
from webapp.pages.light import squeezed
from webapp.pages.parts import Part, live, part
from webapp.pages.runs import MOST_RUNS, show_run, signed_in_person


def subjects(record_id: str) -> Subjects:
    """A signed link opens one row, in the base that it names."""
    named = _named_base(record_id)
    if named is None:
        return Subjects({"record": None})
    with services().store.read() as tx:
        base = tx.bases.get(named)
    if base is None:
        return Subjects({"record": links.row_subject(named, record_id)})
    return Subjects({"record": links.row_subject(named, record_id, base.handed_over_at)}, base.account_id)


@bp.get("/r/<record_id>")
@declares(Door.LINK, Owner.ACCOUNT, subjects=subjects)
def record_page(record_id: str) -> str | Response | Redirect:
    """A row: its newest run, or, when it has none or `new` is asked for, what would happen and what it costs."""
    base_id, latest = enter_record(record_id)
    if latest is not None and "new" not in request.args:
        return squeezed(show_run(latest.id))
    if latest is not None and latest.status in MOVING:
        return redirect(here(url_for("pages.run_page", run_id=latest.id)))
    return render_template(
        "start.html",
        record_id=record_id,
        base_id=base_id,
        person=signed_in_person(),
        estimate=_estimate(record_id, base_id, latest) if "estimate" in request.args else None,
        live=here(url_for("pages.record_live", record_id=record_id, base_id=base_id)),
    )


@bp.get("/r/<record_id>/live")
@declares(Door.LINK, Owner.ACCOUNT, subjects=subjects)
def record_live(record_id: str) -> Response:
    """What would happen now, read from the row: once, because every look is a call of the base's quota."""
    base_id, latest = enter_record(record_id)
    return live({"estimate": _estimate(record_id, base_id, latest)}, every=0)


@bp.post("/r/<record_id>/start")
@declares(Door.LINK, Owner.ACCOUNT, "trigger", subjects=subjects)
def start(record_id: str) -> Response | Redirect:
    """Start a run of a row. Whoever pressed first wins; everybody else is shown that run."""
    base_id, latest = enter_record(record_id)
    target = here(url_for("pages.record_page", record_id=record_id, base_id=base_id))
    if request.form.get("once") != (latest.id if latest else "first"):
        return redirect(target, 303)
    order = StartRequest(source="record", base_id=allowed_base(base_id), record_id=record_id, paced=True)
    return once(target, lambda: accept.start(services(), order, key_id=actor().key_id))


def enter_record(record_id: str) -> tuple[str | None, Run | None]:
    """The base a row is in, and its newest run there. Raises 404 for no record id."""
    if not RECORD_ID.fullmatch(record_id):
        raise not_here("row")
    return _newest(record_id, _named_base(record_id))


def _named_base(record_id: str) -> str | None:
    return request.args.get("base_id") or base_of_link(record_id)


def _newest(record_id: str, named: str | None) -> tuple[str | None, Run | None]:
    """The base of a row and its newest run there. Where nobody names the base, it is the default one, unless the row is
    only known elsewhere.
    """
    default = services().policy.default_base if actor().account_id is None else None
    base_id = named or default
    with services().store.read() as tx:
        there = tx.runs.find(base_id=base_id, record_id=record_id, order="-number", limit=1) if base_id else []
        found = there or ([] if named else tx.runs.find(record_id=record_id, order="-created_at", limit=1))
    return (found[0].base_id if found else base_id), (found[0] if found else None)


def _estimate(record_id: str, base_id: str | None, latest: Run | None) -> Part:
    base_id = allowed_base(base_id)
    unknown = {"quote_usd": None, "plan": None, "title": None, **estimates.terms_view(None)}
    nothing = Estimate(ok=False, problems=[], warnings=[], **unknown)
    found, refusal = nothing, None
    try:
        found = estimates.of_record(StartRequest(source="record", base_id=base_id, record_id=record_id))
    except HttpProblem as problem:
        refusal = problem.detail
    except ReelgridError as error:
        refusal = from_domain(error).detail
    before = latest.id if latest else None
    about = {"record_id": record_id, "base_id": base_id, "before": before, "has_film": _has_film(record_id, base_id)}
    return part("estimate", found=found, refusal=refusal, person_may_act=actor().may("trigger"), **about)


def _has_film(record_id: str, base_id: str | None) -> bool:
    """Whether one of the row's newest runs has delivered a film; one that failed early has not."""
    with services().store.read() as tx:
        newest = tx.runs.find(record_id=record_id, base_id=base_id, order="-number", limit=MOST_RUNS)
        runs = tuple(run.id for run in newest)
        return bool(runs) and tx.cuts.count(run_id=runs, animatic=False, status=CutStatus.DELIVERED) > 0

"""Buttons. Each is a POST with a CSRF token, from our own pages only, and a double click does one thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.keys import digest
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from webapp import idempotency
from webapp.access import auth
from webapp.api.requests import Decision, Regenerate
from webapp.api.runs import regenerated
from webapp.api.triggers import allowed_base
from webapp.bodies import validated
from webapp.context import actor, services
from webapp.pages.blueprint import bp
from webapp.pages.filters import here
from webapp.pages.views import enter_record, enter_run

_PRESSED = "pressed on the page"
_UNTOLD = frozenset({"csrf_token"})


@bp.before_request
def _only_from_our_pages() -> None:
    auth.refuse_foreign_pages()


def _once(target: str, act: Callable[[], object]) -> Response | Redirect:
    """Do it, unless this very form was sent before; then show where it led."""
    form = {name: value for name, value in request.form.items() if name not in _UNTOLD}

    def handle() -> Response:
        act()
        return Response("", 303, {"Location": target})

    try:
        return idempotency.guarded(digest("page", request.path, form), "", handle)
    except idempotency.InFlight:
        return redirect(target, 303)


def _on_run(run_id: str, act: Callable[[], object]) -> Response | Redirect:
    enter_run(run_id)
    auth.require("trigger")
    return _once(here(url_for("pages.run_page", run_id=run_id)), act)


@bp.post("/r/<record_id>/start")
def start(record_id: str) -> Response | Redirect:
    """Start a run of a row. Whoever pressed first wins; everybody else is shown that run."""
    _, base_id, latest = enter_record(record_id)
    auth.require("trigger")
    target = here(url_for("pages.record_page", record_id=record_id, base_id=base_id))
    if request.form.get("once") != (latest or "first"):
        return redirect(target, 303)
    order = StartRequest(source="record", base_id=allowed_base(base_id), record_id=record_id, paced=True)
    return _once(target, lambda: accept.start(services(), order, key_id=actor().key_id))


@bp.post("/runs/<run_id>/approve")
def approve(run_id: str) -> Response | Redirect:
    """Approve the quote and the scenes."""
    return _on_run(run_id, lambda: control.approve(services(), run_id, actor().name))


@bp.post("/runs/<run_id>/cancel")
def cancel(run_id: str) -> Response | Redirect:
    """Cancel; what is paid for is kept."""
    return _on_run(run_id, lambda: control.cancel(services(), run_id, actor().name))


@bp.post("/runs/<run_id>/retry")
def retry(run_id: str) -> Response | Redirect:
    """Go on with a run that has stopped."""
    return _on_run(run_id, lambda: control.retry(services(), run_id, actor().name))


@bp.post("/runs/<run_id>/scenes/<int(max=50):n>/regenerate")
def regenerate(run_id: str, n: int) -> Response | Redirect:
    """Make one scene again, with another prompt or model."""
    fields: dict[str, Any] = {name: request.form[name] for name in ("prompt", "model") if request.form.get(name)}
    changes = validated(Regenerate, fields).changes()
    return _on_run(run_id, lambda: regenerated(run_id, n, changes))


@bp.post("/runs/<run_id>/generations/<generation_id>/decide")
def decide(run_id: str, generation_id: str) -> Response | Redirect:
    """What to do about money in doubt."""
    choice = validated(Decision, {"choice": request.form.get("choice", "")}).choice
    return _on_run(run_id, lambda: _decide(run_id, generation_id, choice))


def _decide(run_id: str, generation_id: str, choice: str) -> None:
    """A link to one run decides nothing about another's generations."""
    with services().store.read() as tx:
        gen = tx.generations.get(generation_id)
    if gen is not None and gen.run_id == run_id:
        control.decide(services(), generation_id, choice, actor().name)


@bp.post("/stop")
def switch() -> Response | Redirect:
    """The Stop switch."""
    auth.page(scope="admin")
    on = request.form.get("on") == "1"
    return _once(
        url_for("pages.index"), lambda: control.set_stop(services(), on=on, reason=_PRESSED, actor=actor().name)
    )


@bp.get("/sign-in")
def sign_in() -> str:
    """Ask for a key."""
    return render_template("sign_in.html", next=_inside(request.args.get("next")), wrong=False)


@bp.post("/sign-in")
def enter() -> str | tuple[str, int] | Redirect:
    """Check the key and remember whose it is."""
    following = _inside(request.form.get("next"))
    if auth.sign_in(request.form.get("key", "")):
        return redirect(following, 303)
    return render_template("sign_in.html", next=following, wrong=True), 401


@bp.post("/sign-out")
def leave() -> Redirect:
    """Forget the key."""
    auth.sign_out()
    flash("You are signed out.")
    return redirect(url_for("pages.sign_in"), 303)


def _inside(target: str | None) -> str:
    """Only a path of ours: never send anybody elsewhere after they signed in."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or urlsplit(target).netloc:
        return url_for("pages.index")
    return target

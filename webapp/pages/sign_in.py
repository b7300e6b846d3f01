"""Signing in with a key, and out."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from webapp.access import auth
from webapp.access.rules import Door, Owner, declares
from webapp.pages.blueprint import bp


@bp.get("/sign-in")
@declares(Door.PUBLIC, Owner.NOBODY)
def sign_in() -> str:
    """Ask for a key."""
    return render_template("sign_in.html", next=_inside(request.args.get("next")), wrong=False)


@bp.post("/sign-in")
@declares(Door.PUBLIC, Owner.NOBODY)
def enter() -> str | tuple[str, int] | Redirect:
    """Check the key and remember whose it is."""
    following = _inside(request.form.get("next"))
    if auth.sign_in(request.form.get("key", "")):
        return redirect(following, 303)
    return render_template("sign_in.html", next=following, wrong=True), 401


@bp.post("/sign-out")
@declares(Door.PUBLIC, Owner.NOBODY)
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

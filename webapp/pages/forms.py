"""Buttons. Each is a POST with a CSRF token, from our own pages only, and a double click does one thing."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from flask import Response, redirect, request
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.keys import digest
from webapp import bodies, idempotency
from webapp.access import doors
from webapp.context import actor
from webapp.pages.blueprint import bp

UNTOLD = frozenset({"csrf_token"})
"""What is different each time, and says nothing of what was asked."""


@bp.before_request
def _only_from_our_pages() -> None:
    doors.refuse_foreign_pages()
    bodies.must_be_text(request.form)


def once(target: str, act: Callable[[], object]) -> Response | Redirect:
    """Do it, unless this very form was sent before; then show where it led."""
    form = {name: value for name, value in request.form.items() if name not in UNTOLD}

    def handle() -> Response:
        act()
        return Response("", 303, {"Location": target})

    # The same row of a copied base is another row, and another account's press another press.
    press = digest("page", request.path, request.args.get("base_id"), actor().account_id, form)
    try:
        return idempotency.guarded(press, "", handle)
    except idempotency.InFlight:
        return redirect(target, 303)


def number(text: str, *, whole: bool = False) -> float | str | None:
    """What somebody typed as a number: None for nothing, the text itself where it is none, to be refused by name."""
    text = text.strip()
    if not text:
        return None
    try:
        found = int(text) if whole else float(text)
    except ValueError:
        return text
    return text if isinstance(found, float) and not isfinite(found) else found

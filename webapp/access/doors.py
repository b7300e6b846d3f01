"""Who may pass: a key for programs, a session or a signed link for people, everybody only on loopback.

Open means: PUBLIC_URL is loopback, nobody ever made a key, and the request itself comes from this machine for
this machine. That last part keeps out other hosts, and web pages that point their own name at 127.0.0.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request

from pipelines.ports import log_context
from pipelines.settings import Origin
from webapp import bodies, tracing
from webapp.access import rules
from webapp.access.auth import ALL, NEEDS_KEY, SECOND_HEADER, bearer, challenge, signed_in
from webapp.access.links import action_holder, linked
from webapp.access.rules import Door, Owner, Rule, Subjects
from webapp.context import OPEN, Actor, actor, services, settings
from webapp.errors import HttpProblem, not_here

_OURS = frozenset({"same-origin", "none"})
OPERATORS_ONLY = "Only the operator of this service may do that."
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def register(app: Flask) -> None:
    """Ask who it is before anything else, so that 401 comes before 404. Raises UndeclaredError."""
    rules.attach(Rule(Door.PUBLIC, Owner.NOBODY))(app.view_functions["static"])
    rules.check(app)
    app.before_request(_enter)


def _enter() -> None:
    """Before each request."""
    g.actor = None
    named = {name: value for name, value in (request.view_args or {}).items() if name.endswith("_id")}
    log_context.begin(request_id=_request_id(), **named)
    tracing.begin()
    bodies.must_be_text(request.args)
    if "\x00" in request.path:
        raise not_here("address")
    _admit()
    if g.actor is not None:
        log_context.add(key_id=actor().key_id, account_id=actor().account_id)


def _admit() -> None:
    """By the rule of the route. Where there is no route, nobody without a key is told so."""
    view = current_app.view_functions.get(request.endpoint or "")
    rule = rules.rule_of(view)
    if rule is None:
        if view is not None or (request.path.startswith("/api/") and not request.path.startswith("/api/webhook/")):
            g.actor = _program()
        if view is not None:
            raise not_here("page")
        return
    if rule.door is Door.KEY:
        g.actor = None if rule.sold_by_call and _pays() else _program()
    elif rule.door in {Door.SESSION, Door.LINK}:
        about = rule.subjects(**(request.view_args or {})) if rule.subjects else Subjects({})
        g.actor = _person(about, shows=rule.scope == "read")
    elif rule.door is Door.ACTION:
        g.actor = action_holder()
    if g.actor is not None:
        permit(rule)


def readmit() -> None:
    """Ask the door of this request once more: a key may have been revoked while its answer was held, a token may have
    ended, its account may be closed. Raises what a new request would be refused with.
    """
    g.actor = None
    _admit()


def refusals() -> Callable[[], dict[str, Any] | None]:
    """The same for an answer that goes on when its request is over: the problem document, as long as there is one."""
    app, environ = current_app.app_context().app, request.environ

    def refusal() -> dict[str, Any] | None:
        with app.app_context(), app.request_context(environ):
            try:
                readmit()
            except HttpProblem as refused:
                return refused.document()
        return None

    return refusal


def permit(rule: Rule) -> None:
    """Raise 403 unless whoever was let in may do what is declared so."""
    if rule.owner is Owner.OPERATOR and actor().account_id is not None:
        raise HttpProblem(403, OPERATORS_ONLY)
    if not actor().may(rule.scope):
        raise HttpProblem(403, f"This key lacks the scope {rule.scope!r}. Use a key that has it.")


def _pays() -> bool:
    """Whether nobody's key is shown where one call can be paid for: there is no actor then, and nothing but that."""
    shown = "Authorization" in request.headers or SECOND_HEADER in request.headers
    return not shown and services().payments.facilitator is not None and opened() is None


def _program() -> Actor:
    """Whoever holds the key; anybody, from our own pages only, where the deployment is open. Raises 401."""
    found = bearer() or opened()
    if found is None:
        raise HttpProblem(401, NEEDS_KEY, (), challenge())
    if found.name == OPEN:
        refuse_foreign_pages()
    return found


def _person(about: Subjects, *, shows: bool) -> Actor:
    """By session, because we are open, or, where the page only shows something, by signed link: a link may have been
    passed on, and spends nothing. It also opens what is not there for the account that is signed in. Raises 401 (sign
    in), 403 or 410.
    """
    found = signed_in()
    if shows and (found is None or found.account_id not in (None, about.account_id)):
        # A forged link opens nothing, also where everybody could do without one.
        by_link = linked(about)
        found = opened() or by_link or found
    found = found or opened()
    if found is None:
        raise HttpProblem(401, "Sign in to see this page." if shows else "Sign in to do that: a link only shows.")
    return found


def _request_id() -> str | None:
    """The host's own name of the request, so that its log and ours can be read together."""
    told = request.headers.get("X-Railway-Request-Id") or request.headers.get("X-Request-Id") or ""
    return told if _REQUEST_ID.fullmatch(told) else None


def opened() -> Actor | None:
    """Everybody's rights where the deployment is open, else None."""
    if not is_open() or not _from_here():
        return None
    return Actor(OPEN, ALL)


def is_open() -> bool:
    """Whether no key is needed on this machine."""
    if not settings().loopback or settings().bootstrap_keys:
        return False
    with services().store.read() as tx:
        return tx.keys.count() == 0


def _from_here() -> bool:
    original = request.environ.get("werkzeug.proxy_fix.orig", {})
    peers = {request.remote_addr, original.get("REMOTE_ADDR", request.remote_addr)}
    return _local(request.host) and all(_local(f"[{peer}]" if ":" in peer else peer) for peer in peers if peer)


def _local(host: str) -> bool:
    try:
        return Origin.of(f"http://{host}").loopback
    except ValueError:
        return False


def refuse_foreign_pages() -> None:
    """A browser on another site's behalf may not act here: it says so itself. Raises 403."""
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    ours = {request.host, urlsplit(settings().public_url).netloc}
    if (site and site not in _OURS) or (origin and urlsplit(origin).netloc not in ours):
        raise HttpProblem(403, "Another site may not act here.")

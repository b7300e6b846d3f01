"""What stands before every vendor: counting, latency, random faults, the key; and how a dropped connection is made."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import TypeVar

import flask
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.kernel.engine import LostReply, VendorSays, engine

Shape = Callable[[VendorSays], ResponseReturnValue]
"""How a vendor words what is no success."""
View = TypeVar("View", bound=Callable[..., object])


def bearer() -> str:
    """The key of an `Authorization: Bearer` header, or empty."""
    scheme, _, key = flask.request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def mount(app: flask.Flask, blueprint: flask.Blueprint, vendor: str, *, key: Callable[[], str], shape: Shape) -> None:
    """Register a vendor's blueprint with the common gate before it and its own wording of errors behind it."""
    blueprint.before_request(lambda: _enter(vendor, key))
    blueprint.register_error_handler(LostReply, lambda _problem: drop_connection())
    blueprint.register_error_handler(VendorSays, lambda problem: _refusal(shape, problem))
    app.register_blueprint(blueprint)


def _refusal(shape: Shape, problem: VendorSays) -> Response:
    answer = flask.make_response(shape(problem))
    if problem.retry_after is not None:
        answer.headers["Retry-After"] = f"{problem.retry_after:g}"
    return answer


def _enter(vendor: str, key: Callable[[], str]) -> None:
    found = engine()
    rule = flask.request.url_rule
    found.counts.request(vendor, f"{flask.request.method} {rule.rule if rule else flask.request.path}")
    dials = found.dials.of(vendor)
    if dials.latency_s:
        time.sleep(dials.latency_s)
    if found.dials.happens(dials.error_percent):
        raise VendorSays("server_error", "The server had an error while processing your request.")
    if found.dials.happens(dials.rate_limit_percent):
        raise VendorSays("rate_limited", "Rate limit reached.", retry_after=dials.retry_after_s)
    if not is_open_route():
        check_key(key())


def is_open_route() -> bool:
    """Routes marked `open_route` need no key: result links and key sets."""
    view = flask.current_app.view_functions.get(flask.request.endpoint or "")
    return bool(getattr(view, "open_route", False))


def open_route(view: View) -> View:
    """Mark a view as readable without a key."""
    view.open_route = True  # type: ignore[attr-defined]
    return view


def check_key(key: str) -> None:
    """Any key will do, but `bad…` is unknown and `empty…` belongs to an account without credit."""
    if not key or key.startswith("bad"):
        raise VendorSays("unauthorized", "Incorrect API key provided.")
    if key.startswith("empty") and flask.request.method == "POST":
        raise VendorSays("no_credit", "You exceeded your current quota, please check your plan and billing details.")


def drop_connection() -> Response:
    """Close the client's connection so that it sees no answer at all (werkzeug's and gunicorn's servers)."""
    environ = flask.request.environ
    connection = environ.get("werkzeug.socket") or environ.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    return Response(status=502)

"""What stands before every API call: the token, the limits, the ordered faults; and after it, lost and slow answers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, request

from pipelines.sandbox.airtable.state import errors
from pipelines.sandbox.airtable.state.errors import AirtableError
from pipelines.sandbox.airtable.state.limits import Call
from pipelines.sandbox.airtable.state.model import Base, Json, Table
from pipelines.sandbox.airtable.state.store import World

MAX_URL = 16_000
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Need:
    """What a route asks of a token, and how its calls are counted."""

    kind: str
    scope: str | None


def needs(kind: str, scope: str | None = None) -> Callable[[View], View]:
    """Mark a view with its kind and the scope it needs."""

    def mark(view: View) -> View:
        view.__dict__["need"] = Need(kind, scope)
        return view

    return mark


def install(app: Flask, world: World) -> None:
    """Put the gate before every route marked with `needs`."""
    app.before_request(lambda: _before(world))
    app.after_request(lambda response: _after(world, response))
    app.register_error_handler(AirtableError, answer_error)


def _need() -> Need | None:
    view = current_app.view_functions.get(request.endpoint or "")
    need = getattr(view, "need", None)
    return need if isinstance(need, Need) else None


def _before(world: World) -> None:
    need = _need()
    if need is None:
        return
    token, grant = _authenticate(world)
    base_id = (request.view_args or {}).get("base", "")
    g.call = call = Call(base_id, request.method, need.kind, token)
    world.limits.admit(call)
    if len(request.full_path) > MAX_URL:
        raise errors.typed(414, "REQUEST_URI_TOO_LONG", f"The URL is longer than {MAX_URL} characters")
    _fail_if_ordered(world, call)
    if need.scope and need.scope not in (grant.get("scopes") or [need.scope]):
        raise errors.forbidden()
    if base_id and base_id not in (grant.get("bases") or [base_id]):
        raise errors.hidden()
    g.grant = grant


def _fail_if_ordered(world: World, call: Call) -> None:
    rule = world.limits.failure(call)
    if rule is not None and rule.get("after"):
        g.failure = rule
    elif rule is not None:
        raise _failure(rule)


def _failure(rule: dict[str, Any]) -> AirtableError:
    body = rule.get("body", {"error": {"type": "SERVICE_UNAVAILABLE", "message": "Service temporarily unavailable"}})
    return AirtableError(int(rule.get("status", 503)), body, rule.get("headers"))


def _authenticate(world: World) -> tuple[str, dict[str, Any]]:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise errors.unauthorized()
    return token.strip(), world.limits.check_token(token.strip())


def _after(world: World, response: Response) -> Response:
    call = g.get("call")
    if call is None:
        return response
    if world.limits.settings.latency_s > 0:
        time.sleep(world.limits.settings.latency_s)
    if world.limits.drops_answer(call):
        _hang_up()
    return answer_error(_failure(g.failure)) if "failure" in g else response


def _hang_up() -> None:
    """Close the connection under the answer; the work stays done."""
    connection = request.environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)


def answer_error(error: AirtableError) -> Response:
    if isinstance(error.body, str):
        return Response(error.body, error.status, error.headers, mimetype="text/html")
    return Response(json.dumps(error.body), error.status, error.headers, mimetype="application/json")


def require_scope(scope: str) -> None:
    """A scope that depends on the request's body."""
    if scope not in (g.grant.get("scopes") or [scope]):
        raise errors.forbidden()


def body() -> Json:
    """The request's JSON object."""
    doc = request.get_json(force=True, silent=True)
    if not isinstance(doc, dict):
        raise errors.typed(422, "INVALID_REQUEST_BODY", "Could not parse request body")
    return doc


def find_table(base: Base, key: str) -> Table:
    table = base.table(key)
    if table is None:
        raise errors.hidden()
    return table

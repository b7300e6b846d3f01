"""The routes of the API as data: one table serves Flask, the checks before each handler, and /openapi.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from flask import Blueprint, Response, g, json, request
from pydantic import BaseModel

from pipelines.domain.errors import Problem
from pipelines.domain.orders.order import MAX_SCENES
from webapp import bodies, idempotency
from webapp.access.rules import Door, Owner, Rule, attach
from webapp.api import answers
from webapp.api.fields import ALIASES
from webapp.api.legacy.orders import Translated
from webapp.bodies import JSON_LIMIT, named
from webapp.errors import invalid_input

Handler = Callable[..., "Reply | Response"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers."""

    body: BaseModel | Mapping[str, Any]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """The body as JSON types."""
        return answers.plain(self.body) if isinstance(self.body, BaseModel) else dict(self.body)


class Effect(Enum):
    """What an agent's call may do."""

    READS = auto()
    SPENDS = auto()
    """It needs a ceiling for its price."""
    STOPS = auto()


@dataclass(frozen=True, slots=True)
class Tool:
    """How an operation is offered to agents (webapp.agents). `takes` are the models one of which its arguments are:
    all bodies or the query of the operation, unless named.
    """

    name: str
    effect: Effect
    takes: tuple[type[BaseModel], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route. `bodies` are the models one of which the handler takes; `answers` are by status."""

    method: str
    path: str
    name: str
    summary: str
    rule: Rule
    tag: str
    handler: Handler
    bodies: tuple[type[BaseModel], ...] = ()
    query: type[BaseModel] | None = None
    answers: dict[int, type[Any] | tuple[type[Any], ...]] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    choose: Callable[[dict[str, Any]], type[BaseModel]] | None = None
    understood: Callable[[dict[str, Any]], Translated] | None = None
    """What a body in the words of an earlier system means."""
    limit: int = JSON_LIMIT
    """Bytes that a body may have."""
    shows_secret: bool = False
    """Whether the answer holds a secret that is kept nowhere in the clear."""
    tool: Tool | None = None
    streams: bool = False
    """Whether it answers events as they come, each with an answer in its `data`."""

    def answered(self, status: int) -> tuple[type[Any], ...]:
        """The models one of which an answer of this status is."""
        models = self.answers[status]
        return models if isinstance(models, tuple) else (models,)

    @property
    def description(self) -> str:
        """The handler's docstring, on one line."""
        return " ".join((self.handler.__doc__ or "").split())

    @property
    def path_names(self) -> list[str]:
        """What the path names."""
        return [part.strip("{}") for part in self.path.split("/") if part.startswith("{")]

    @property
    def url_rule(self) -> str:
        """The path as Flask writes it."""
        return self.path.replace("{n}", f"<int(max={MAX_SCENES}):n>").replace("{", "<").replace("}", ">")


OPERATIONS: list[Operation] = []


def operation(
    method: str, path: str, *, summary: str, owner: Owner, scope: str, tag: str, sold_by_call: bool = False, **more: Any
) -> Callable[[Handler], Handler]:
    """Make a function the handler of a route; its name is the operation's id, its docstring the description. Its door
    is a key.
    """

    def register(handler: Handler) -> Handler:
        fields: dict[str, Any] = {"method": method, "path": path, "summary": summary, "tag": tag}
        fields["rule"] = Rule(Door.KEY, owner, scope, sold_by_call=sold_by_call)
        name = str(getattr(handler, "__name__", path))
        OPERATIONS.append(Operation(name=name, handler=handler, **fields, **more))
        return handler

    return register


def blueprint() -> Blueprint:
    """All operations as Flask routes."""
    made = Blueprint("api", __name__)
    for entry in OPERATIONS:
        made.add_url_rule(entry.url_rule, entry.name, _view(entry), methods=[entry.method])
    return made


def _view(entry: Operation) -> Callable[..., Response]:
    @attach(entry.rule)
    def view(**path: Any) -> Response:
        if entry.method == "GET":
            query = bodies.validated(entry.query, _query()) if entry.query else None
            return as_response(entry.handler(**path, **({"query": query} if query else {})))
        data = _merged(bodies.read_json(entry.limit))
        if g.actor is None:
            # Whoever pays for one call: the payment says whether it is a repeat.
            return _answered(entry, data, path)
        return idempotency.once(data, lambda: _answered(entry, data, path), sealed=entry.shows_secret)

    return view


def _answered(entry: Operation, data: dict[str, Any], path: dict[str, Any]) -> Response:
    g.translated = entry.understood(data) if entry.understood else None
    data = g.translated.data if g.translated else data
    model = entry.choose(data) if entry.choose else entry.bodies[0] if entry.bodies else None
    given = {"body": bodies.validated(model, data)} if model else {}
    return as_response(entry.handler(**path, **given))


def as_response(reply: Reply | Response) -> Response:
    """JSON, written as people read it; what comes in pieces is a response already."""
    if isinstance(reply, Response):
        return reply
    text = json.dumps(reply.plain(), ensure_ascii=False)
    return Response(text, reply.status, reply.headers, mimetype="application/json")


def _query() -> dict[str, Any]:
    """The query's parameters by their canonical names; the last of several wins nothing: that is an error."""
    found: dict[str, Any] = {}
    for name, values in request.args.lists():
        canonical = ALIASES.get(name, name)
        if canonical in found or len(values) > 1:
            _twice(canonical)
        found[canonical] = values[0]
    return found


def _merged(body: dict[str, Any]) -> dict[str, Any]:
    """Body and query as one order; scripts in the field use either, and both spellings."""
    merged: dict[str, Any] = {}
    for name, value in body.items():
        canonical = ALIASES.get(name, name)
        if merged.get(canonical, value) != value:
            _twice(canonical)
        merged[canonical] = value
    for name, text in _query().items():
        value = text.lower() in {"true", "1"} if name in {"dry_run", "fresh"} else text
        if merged.get(name, value) != value:
            _twice(name)
        merged[name] = value
    return merged


def _twice(name: str) -> None:
    raise invalid_input((Problem(named(name), "is given twice with different values."),))

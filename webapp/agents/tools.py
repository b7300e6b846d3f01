"""The tools of agents: operations of the API, described by the same models and run by the same handlers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from flask import Response
from pydantic import BaseModel, Field, TypeAdapter, create_model

from pipelines.domain.errors import Problem, ReelgridError
from webapp import bodies, idempotency
from webapp.access import doors
from webapp.api.fields import Body, Dollars
from webapp.api.operations import OPERATIONS, Effect, Operation, Tool, as_response
from webapp.errors import HttpProblem, answer, invalid_input

CEILING, ORDERS_CEILING = "max_price_usd", "max_cost_usd"
_HINTS: Mapping[Effect, Mapping[str, bool]] = {
    Effect.READS: {"readOnlyHint": True},
    Effect.SPENDS: {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False},
    Effect.STOPS: {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False},
}


class Spending(Body):
    """What a tool that spends needs beside the order."""

    max_price_usd: Annotated[Dollars, Field(description="The most that this may cost. Above it nothing is started.")]
    idempotency_key: Annotated[
        str | None,
        Field(
            max_length=idempotency.MAX_KEY,
            pattern=r"^[\x20-\x7e]+$",
            description="A word of your own for this order: sent again under the same word, it is not made twice.",
        ),
    ] = None


def offered() -> dict[str, Operation]:
    """The operations that agents are offered, by the names of their tools."""
    return {entry.tool.name: entry for entry in OPERATIONS if entry.tool is not None}


def listed() -> list[dict[str, Any]]:
    """All tools, as tools/list answers them."""
    return [_described(entry, entry.tool) for entry in OPERATIONS if entry.tool is not None]


def called(entry: Operation, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the operation does, for whoever asks. A refusal is a result as well, so that the agent can mend its
    call.
    """
    try:
        doors.permit(entry.rule)
        response = _answered(entry, dict(arguments))
    except (HttpProblem, ReelgridError) as error:
        response = answer(error)
    text, refused = response.get_data(as_text=True), response.status_code >= 400  # noqa: PLR2004
    if response.status_code == 402:  # noqa: PLR2004
        # The order's name for the limit is not the one that the agent knows.
        text = text.replace(ORDERS_CEILING, CEILING)
    return {"content": [{"type": "text", "text": text}], "structuredContent": json.loads(text), "isError": refused}


def _answered(entry: Operation, arguments: dict[str, Any]) -> Response:
    path = {name: arguments.pop(name, None) for name in entry.path_names}
    problems = [Problem(name, "is required, as text.") for name, value in path.items() if not isinstance(value, str)]
    models = _models(entry)
    unknown = arguments.keys() & _hidden(entry) if models else arguments.keys()
    problems += [Problem(name, "is not an argument of this tool.") for name in sorted(unknown)]
    if problems:
        raise invalid_input(problems)
    if not models:
        return as_response(entry.handler(**path))
    chosen = entry.choose(arguments) if entry.choose and len(models) > 1 else None
    given = bodies.validated(chosen if chosen in models else models[0], arguments)
    name = "query" if entry.method == "GET" else "body"
    if not isinstance(given, Spending):
        return as_response(entry.handler(**path, **{name: given}))
    order = given.model_copy(update={ORDERS_CEILING: given.max_price_usd})
    key, which = given.idempotency_key, ("mcp", entry.name)
    return idempotency.under(key, which, arguments, lambda: as_response(entry.handler(**path, **{name: order})))


def _spends(entry: Operation) -> bool:
    return entry.tool is not None and entry.tool.effect is Effect.SPENDS


def _hidden(entry: Operation) -> frozenset[str]:
    """Fields that agents are not offered: the tool `estimate` is their dry run, `max_price_usd` the order's ceiling."""
    return frozenset({"dry_run", ORDERS_CEILING} if _spends(entry) else {"dry_run"})


@cache
def _models_of(name: str) -> tuple[type[BaseModel], ...]:
    entry = offered()[name]
    tool = entry.tool
    taken = (tool.takes if tool else ()) or entry.bodies or ((entry.query,) if entry.query else ())
    if not _spends(entry):
        return taken
    return tuple(create_model(model.__name__, __base__=(model, Spending)) for model in taken)


def _models(entry: Operation) -> tuple[type[BaseModel], ...]:
    """What the arguments are one of."""
    return _models_of(entry.tool.name) if entry.tool else ()


def _described(entry: Operation, tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "title": entry.summary,
        "description": entry.description,
        "inputSchema": _input(entry),
        "outputSchema": _output(tool.name),
        "annotations": {"title": entry.summary, "openWorldHint": True, **_HINTS[tool.effect]},
    }


@cache
def _output(name: str) -> dict[str, Any]:
    entry = offered()[name]
    return TypeAdapter(entry.answered(max(entry.answers))[0]).json_schema(mode="serialization")


def _input(entry: Operation) -> dict[str, Any]:
    """One plain object: models that choose tools by their schemas do not understand alternatives at its root."""
    schemas = [model.model_json_schema() for model in _models(entry)]
    properties: dict[str, Any] = {name: {"type": "string"} for name in entry.path_names}
    hidden = _hidden(entry)
    for schema in schemas:
        for name, field in schema["properties"].items():
            if name not in hidden:
                properties.setdefault(name, {key: value for key, value in field.items() if key != "title"})
    always = set.intersection(*(set(schema.get("required", ())) for schema in schemas)) if schemas else set()
    required = [*entry.path_names, *(name for name in properties if name in always)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

"""/openapi.json (3.1), generated from the operations and their models, and /docs, a page of our own that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, json, render_template
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from webapp.access.rules import Door, Owner, Rule, declares
from webapp.api.answers import ProblemDocument
from webapp.api.operations import OPERATIONS, Operation
from webapp.context import services

VERSION = "1.0.0"
ABOUT = (
    "A master prompt in an Airtable row becomes a finished video in the same row. Triggers answer 202 at once and are "
    "safe to repeat; errors are RFC 9457 problem documents that list every wrong field."
)
_REF = "#/components/schemas/{model}"
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same POST sent again under the same key gets the same answer and does nothing again (24 h).",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_TAGS = {
    "Start": "Make films and clips, or see what they would cost.",
    "Look": "Follow runs and read the catalogue.",
    "Decide": "What a person does with a run.",
    "Account": "Who is asking, and its keys.",
    "Batches": "Many orders in one request.",
    "Webhooks": "Be told when something happens, instead of asking.",
    "Operate": "Spend and the Stop switch.",
}

bp = Blueprint("openapi", __name__)


@bp.get("/openapi.json")
@declares(Door.PUBLIC, Owner.NOBODY)
def document() -> Response:
    """The description, for machines."""
    text = json.dumps(description(services().policy.public_url), ensure_ascii=False, indent=1)
    return Response(text, mimetype="application/json")


@bp.get("/docs")
@declares(Door.PUBLIC, Owner.NOBODY)
def page() -> str:
    """The description, for people."""
    return render_template(
        "docs.html", api=description(services().policy.public_url), tags=_TAGS, resolve=resolve, about=about
    )


@bp.get("/docs/problems")
@declares(Door.PUBLIC, Owner.NOBODY)
def problems() -> str:
    """What the `type` of a problem document means."""
    return render_template("problems.html")


@cache
def description(public_url: str) -> dict[str, Any]:
    """The OpenAPI document of this deployment."""
    paths: dict[str, dict[str, Any]] = {}
    for entry in OPERATIONS:
        paths.setdefault(entry.path, {})[entry.method.lower()] = _operation(entry)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Reelgrid", "version": VERSION, "description": ABOUT},
        "servers": [{"url": public_url}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"key": []}, {"header": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key of flask keys."},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
            },
        },
    }


def _models() -> Iterable[tuple[type[Any], JsonSchemaMode]]:
    yield from ((model, "validation") for entry in OPERATIONS for model in entry.bodies)
    for entry in OPERATIONS:
        yield from ((model, "serialization") for status in entry.answers for model in entry.answered(status))
    yield ProblemDocument, "serialization"


@cache
def _schemas() -> dict[str, Any]:
    described = [(id(model), mode, TypeAdapter(model)) for model, mode in dict.fromkeys(_models())]
    _, document = TypeAdapter.json_schemas(described, ref_template=_REF)
    schemas: dict[str, Any] = document["$defs"]
    return schemas


def _operation(entry: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": entry.name,
        "summary": entry.summary,
        "description": f"{entry.description} {_needs(entry.rule)}",
        "tags": [entry.tag],
        "responses": _responses(entry),
    }
    parameters = [*_path(entry), *_query(entry), *([_IDEMPOTENCY] if entry.method == "POST" else [])]
    if parameters:
        described["parameters"] = parameters
    if entry.bodies:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _any_of(entry.bodies)}},
        }
    return described


def _needs(rule: Rule) -> str:
    """Who may use it, in a sentence."""
    alone = " For the operator only." if rule.owner is Owner.OPERATOR else ""
    return f"Needs the scope `{rule.scope}`.{alone}"


def _any_of(models: Sequence[type[Any]]) -> dict[str, Any]:
    refs = [_ref(model) for model in models]
    return refs[0] if len(refs) == 1 else {"anyOf": refs}


def _ref(model: type[Any]) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}


def _responses(entry: Operation) -> dict[str, Any]:
    answers = {str(status): _answer(entry, status) for status in entry.answers}
    problem = {"application/problem+json": {"schema": _ref(ProblemDocument)}}
    refusals = {str(code): {"description": HTTPStatus(code).phrase, "content": problem} for code in entry.problems}
    return {**answers, **refusals}


def _answer(entry: Operation, status: int) -> dict[str, Any]:
    models = entry.answered(status)
    if not models:
        return {"description": HTTPStatus(status).phrase}
    kind = "text/event-stream" if entry.streams else "application/json"
    return {
        "description": " ".join(word for model in models for word in (model.__doc__ or "").split()),
        "content": {kind: {"schema": _any_of(models)}},
    }


def _path(entry: Operation) -> list[dict[str, Any]]:
    kinds = {"n": {"type": "integer", "minimum": 1}}
    return [
        {"name": name, "in": "path", "required": True, "schema": kinds.get(name, {"type": "string"})}
        for name in entry.path_names
    ]


def _query(entry: Operation) -> list[dict[str, Any]]:
    if entry.query is None:
        return []
    properties = entry.query.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": about(schema),
            "schema": {key: value for key, value in schema.items() if key not in {"title", "description"}},
        }
        for name, schema in properties.items()
    ]


def about(field: dict[str, Any]) -> str:
    """What a field is, also where its description stands with one of its types."""
    parts = [field, *field.get("anyOf", [])]
    return next((str(part["description"]) for part in parts if part.get("description")), "")


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its reference followed."""
    if "$ref" in schema:
        found: dict[str, Any] = _schemas()[schema["$ref"].rsplit("/", 1)[-1]]
        return found
    return schema

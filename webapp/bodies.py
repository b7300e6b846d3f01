"""What is sent: bounded whatever its framing, text that can be stored, strict JSON, and every wrong field named."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, NoReturn, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import MultiDict

from pipelines.domain.errors import Problem
from webapp.errors import HttpProblem, invalid_input

M = TypeVar("M", bound=BaseModel)

JSON_LIMIT = 64 * 1024
WEBHOOK_LIMIT = 256 * 1024
_DRAIN_BYTES = 16 * 1024 * 1024
_DRAIN_SECONDS = 2.0
_PIECE = 64 * 1024
_MAX_DEPTH = 32
NO_TEXT = "contains characters that are not text."
_PLAIN = {
    "missing": "is required.",
    "extra_forbidden": "is not a field of this request.",
    "string_type": "must be text.",
    "int_type": "must be a whole number.",
    "int_from_float": "must be a whole number.",
    "float_type": "must be a number.",
    "bool_type": "must be true or false.",
    "list_type": "must be a list.",
    "dict_type": "must be an object.",
    "model_type": "must be an object.",
    "finite_number": "must be a finite number.",
}


def must_be_text(given: MultiDict[str, str]) -> None:
    """Of the query of an address, or of a form. PostgreSQL takes no NUL. Raises 400 that names the fields."""
    wrong = [name for name, value in given.items(multi=True) if "\x00" in name or "\x00" in value]
    if wrong:
        problems = tuple(Problem(named(name.replace("\x00", "")), NO_TEXT) for name in dict.fromkeys(wrong))
        raise HttpProblem(400, "The request holds text that cannot be stored.", problems)


def read_bounded(limit: int) -> bytes:
    """The whole body. Raises 413 when it is longer, also when it comes in chunks and its length is not announced.

    Werkzeug's own limit cuts a chunked body short and goes on with 200; only reading past the limit tells.
    """
    request.max_content_length = sys.maxsize
    announced = request.content_length
    if announced is not None and announced > limit:
        _too_large(limit)
    pieces, size = [], 0
    while piece := request.stream.read(min(_PIECE, limit + 1 - size)):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            _too_large(limit)
    return b"".join(pieces)


def _too_large(limit: int) -> NoReturn:
    """Take in the rest, within reason: a client that is still sending would not see the answer."""
    taken, until = 0, time.monotonic() + _DRAIN_SECONDS
    while taken < _DRAIN_BYTES and time.monotonic() < until and (piece := request.stream.read(_PIECE)):
        taken += len(piece)
    raise HttpProblem(413, f"The body may have at most {limit // 1024} KiB.", (), {"Connection": "close"})


def read_json(limit: int = JSON_LIMIT) -> dict[str, Any]:
    """The JSON object that was sent; `{}` for an empty body. Raises 413, 415 or 400."""
    raw = read_bounded(limit)
    if not raw.strip():
        return {}
    if not request.is_json:
        raise HttpProblem(415, "Send the body as application/json.")
    return parse_object(raw)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Strict JSON: UTF-8, an object, no NaN, no lone surrogates, no NUL, no absurd nesting. Raises 400."""
    try:
        data = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise HttpProblem(400, "The body is not valid JSON.", (Problem("body", "must be valid JSON."),)) from None
    if not isinstance(data, dict):
        raise HttpProblem(400, "The body must be a JSON object.", (Problem("body", "must be a JSON object."),))
    problems = tuple(_unstorable(data, "", 0))
    if problems:
        raise HttpProblem(400, "The body holds text that cannot be stored.", problems)
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unstorable(value: Any, where: str, depth: int) -> list[Problem]:
    """PostgreSQL takes no NUL, UTF-8 no lone surrogate."""
    if depth > _MAX_DEPTH:
        return [Problem(where, "is nested too deeply.")]
    if isinstance(value, str) and ("\x00" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        return [Problem(where or "body", NO_TEXT)]
    if isinstance(value, dict):
        named = [(key, f"{where}.{key}" if where else key) for key in value]
        found = [p for key, path in named for p in _unstorable(value[key], path, depth + 1)]
        return found + [p for key in value for p in _unstorable(key, where, depth + 1) if isinstance(key, str)]
    if isinstance(value, list):
        return [p for n, item in enumerate(value) for p in _unstorable(item, f"{where}[{n}]", depth + 1)]
    return []


def validated(model: type[M], data: dict[str, Any]) -> M:
    """The data as a model. Raises 422 that names every wrong field."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = tuple(
            Problem(_place(line["loc"]), _words(line)) for line in error.errors(include_url=False, include_input=False)
        )
        raise invalid_input(problems) from None


def _place(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{named(part)}" if text else named(part)
    return text


def named(field: str) -> str:
    """A field as it is told, also one whose name is empty."""
    return field or '""'


def _words(line: Any) -> str:
    """Pydantic's finding as a sentence that continues the field's name."""
    kind, context = line["type"], line.get("ctx", {})
    if kind in _PLAIN:
        return _PLAIN[kind]
    if "error" in context:
        return str(context["error"])
    if kind == "too_long":
        return f"may hold at most {context['max_length']} entries, not {context['actual_length']}."
    if kind == "literal_error":
        return f"must be one of {context['expected'].replace(chr(39), '').replace(' or ', ', ')}."
    text = str(line["msg"]).removeprefix("Input ").removeprefix("String ").removeprefix("Value error, ")
    return text.replace("should ", "must ", 1).rstrip(".") + "."

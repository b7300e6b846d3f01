"""The Model Context Protocol at `POST /mcp`: stateless, one JSON-RPC message in, one JSON answer out.

Without its SDK: that brings two dozen packages, serves only under ASGI, and of the protocol a server that answers
questions needs five methods. Both eras are spoken: since 2026-07-28 every request names its version in `_meta` and in
headers that must say the same; before, `initialize` agrees on one, which we need not remember.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, json, request

from webapp import bodies
from webapp.access.doors import refuse_foreign_pages
from webapp.access.rules import Door, Owner, declares
from webapp.agents import tools
from webapp.api.openapi import ABOUT, VERSION
from webapp.errors import HttpProblem

STATELESS = ("2026-07-28",)
HANDSHAKE = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Versions that we speak, newest first."""
INSTRUCTIONS = (
    f"{ABOUT} Ask `estimate` first: it is free and names every problem. `generate_video` and `make_film` spend money "
    "and need `max_price_usd`. They answer at once; then call `get_run` with `wait` until `status` is done, failed, "
    "cancelled, needs_approval or needs_attention. The film's address is `url` in `cuts`."
)
_PREFIX = "io.modelcontextprotocol/"
_PARSE, _REQUEST, _METHOD, _PARAMS, _MISMATCH, _VERSION = -32700, -32600, -32601, -32602, -32020, -32022
_STATUS = {_PARSE: 400, _REQUEST: 400, _METHOD: 404, _PARAMS: 400, _MISMATCH: 400, _VERSION: 400}


@dataclass(eq=False)
class RpcError(Exception):
    """What is wrong with a message, as JSON-RPC says it."""

    code: int
    message: str
    data: Mapping[str, Any] | None = None


def register(bp: Blueprint) -> None:
    """The one address; with other methods it answers 405, because there is no stream to open and no session to end."""
    bp.post("/mcp")(endpoint)


@declares(Door.KEY, Owner.ACCOUNT)
def endpoint() -> Response:
    """One message. What a tool refuses is a result; only what is wrong with the message itself is an error."""
    refuse_foreign_pages()
    try:
        message = _message()
        return _replied(_id(message), message) if "id" in message else Response(status=202)
    except RpcError as error:
        return _refused(None, error, _STATUS[error.code])


def _replied(message_id: str | int, message: Mapping[str, Any]) -> Response:
    stateless = request.headers.get("MCP-Protocol-Version") in STATELESS
    try:
        method, params = _method(message), _params(message)
        stateless = stateless or f"{_PREFIX}protocolVersion" in _meta(params)
        if stateless:
            _check_envelope(method, params)
        return _answer({"id": message_id, "result": _result(method, params, stateless=stateless)}, 200)
    except RpcError as error:
        # To clients of the earlier era a 404 says that their session has ended.
        return _refused(message_id, error, 200 if error.code == _METHOD and not stateless else _STATUS[error.code])


def _refused(message_id: str | int | None, error: RpcError, status: int) -> Response:
    found = {"code": error.code, "message": error.message, **({"data": error.data} if error.data else {})}
    return _answer({"id": message_id, "error": found}, status)


def _answer(document: Mapping[str, Any], status: int) -> Response:
    text = json.dumps({"jsonrpc": "2.0", **document}, ensure_ascii=False)
    return Response(text, status, mimetype="application/json")


def _message() -> dict[str, Any]:
    try:
        return bodies.read_json()
    except HttpProblem as problem:
        if problem.status != 400:  # noqa: PLR2004 - too long or no JSON at all: HTTP says so
            raise
        raise RpcError(_PARSE, problem.detail) from problem


def _id(message: Mapping[str, Any]) -> str | int:
    found = message["id"]
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise RpcError(_REQUEST, "id must be text or a whole number")
    return found


def _method(message: Mapping[str, Any]) -> str:
    method = message.get("method")
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise RpcError(_REQUEST, "send one JSON-RPC 2.0 request with a method")
    return method


def _params(message: Mapping[str, Any]) -> Mapping[str, Any]:
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(_PARAMS, "params must be an object")
    return params


def _meta(params: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = params.get("_meta", {})
    return meta if isinstance(meta, dict) else {}


def _check_envelope(method: str, params: Mapping[str, Any]) -> None:
    """Since 2026-07-28 intermediaries go by the headers: those that say something else than the message are refused."""
    meta = _meta(params)
    missing = [name for name in ("protocolVersion", "clientCapabilities") if f"{_PREFIX}{name}" not in meta]
    if missing:
        raise RpcError(_PARAMS, f"params._meta lacks {', '.join(_PREFIX + name for name in missing)}")
    version = meta[f"{_PREFIX}protocolVersion"]
    told = {"MCP-Protocol-Version": version, "Mcp-Method": method}
    if method == "tools/call":
        told["Mcp-Name"] = params.get("name")
    for header, value in told.items():
        if _decoded(request.headers.get(header)) != value:
            raise RpcError(_MISMATCH, f"the header {header} does not say what the message does")
    if version not in STATELESS:
        raise RpcError(
            _VERSION, "this version is not spoken here", {"supported": list(STATELESS), "requested": version}
        )


def _decoded(text: str | None) -> str | None:
    """A header as it was meant: `=?base64?…?=` carries what no header can."""
    if text is None or not (text.startswith("=?base64?") and text.endswith("?=")):
        return text
    try:
        return b64decode(text[len("=?base64?") : -2], validate=True).decode()
    except ValueError:
        return None


def _result(method: str, params: Mapping[str, Any], *, stateless: bool) -> dict[str, Any]:
    complete = {"resultType": "complete"} if stateless else {}
    cached = {**complete, "ttlMs": 300_000, "cacheScope": "public"} if stateless else {}
    match method:
        case "server/discover":
            return {
                "supportedVersions": [*STATELESS, *HANDSHAKE],
                **_introduction(),
                "_meta": {f"{_PREFIX}serverInfo": _introduction()["serverInfo"]},
                **cached,
            }
        case "initialize":
            asked = params.get("protocolVersion")
            return {"protocolVersion": asked if asked in HANDSHAKE else HANDSHAKE[0], **_introduction()}
        case "ping":
            return complete
        case "tools/list":
            return {"tools": tools.listed(), **cached}
        case "tools/call":
            return {**_called(params), **complete}
    raise RpcError(_METHOD, f"there is no method {method}")


def _introduction() -> dict[str, Any]:
    return {
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "reelgrid", "title": "Reelgrid", "version": VERSION},
        "instructions": INSTRUCTIONS,
    }


def _called(params: Mapping[str, Any]) -> dict[str, Any]:
    name, arguments = params.get("name"), params.get("arguments", {})
    entry = tools.offered().get(name) if isinstance(name, str) else None
    if entry is None:
        raise RpcError(_PARAMS, f"there is no tool {name}: tools/list names them")
    if not isinstance(arguments, dict):
        raise RpcError(_PARAMS, "arguments must be an object")
    return tools.called(entry, arguments)

"""How OpenAI words its errors, and what its routes share."""

from __future__ import annotations

import secrets
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from pipelines.sandbox.vendors.kernel.engine import VendorSays

VENDOR = "openai"

# kind: (HTTP status, type, code)
_WORDS: dict[str, tuple[int, str, str | None]] = {
    "unauthorized": (401, "invalid_request_error", "invalid_api_key"),
    "no_credit": (429, "insufficient_quota", "insufficient_quota"),
    "rate_limited": (429, "requests", "rate_limit_exceeded"),
    "server_error": (500, "server_error", None),
    "refused": (400, "image_generation_user_error", "moderation_blocked"),
    "invalid": (400, "invalid_request_error", "invalid_value"),
    "model_not_found": (404, "invalid_request_error", "model_not_found"),
    "not_found": (404, "invalid_request_error", "not_found"),
    "not_ready": (400, "invalid_request_error", "video_not_ready"),
    "gone": (404, "invalid_request_error", "asset_expired"),
}


def shape(problem: VendorSays) -> ResponseReturnValue:
    """`{"error": {message, type, param, code}}` with the documented headers."""
    status, kind, code = _WORDS[problem.kind]
    error: dict[str, Any] = {"message": problem.message, "type": kind, "param": problem.param, "code": code}
    if problem.kind == "refused":
        error["moderation_details"] = {"moderation_stage": "input", "categories": ["violence"]}
    headers = {"x-request-id": f"req_{secrets.token_hex(16)}"}
    if problem.retry_after is not None:
        headers["x-ratelimit-remaining-requests"] = "0"
        headers["x-ratelimit-reset-requests"] = f"{problem.retry_after:g}s"
    return {"error": error}, status, headers


def json_body() -> dict[str, Any]:
    """The request's JSON object, or VendorSays `invalid`."""
    body = flask.request.get_json(silent=True)
    if not isinstance(body, dict):
        raise VendorSays("invalid", "We could not parse the JSON body of your request.")
    return body

"""How Google words its errors, shared by the Gemini API and Vertex."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue

from pipelines.sandbox.vendors.common.gate import bearer
from pipelines.sandbox.vendors.kernel.engine import VendorSays

VENDOR = "gemini"

# kind: (HTTP status, google.rpc status)
_WORDS = {
    "unauthorized": (401, "UNAUTHENTICATED"),
    "no_credit": (429, "RESOURCE_EXHAUSTED"),
    "rate_limited": (429, "RESOURCE_EXHAUSTED"),
    "server_error": (500, "INTERNAL"),
    "refused": (400, "INVALID_ARGUMENT"),
    "invalid": (400, "INVALID_ARGUMENT"),
    "not_found": (404, "NOT_FOUND"),
    "not_ready": (400, "FAILED_PRECONDITION"),
    "gone": (404, "NOT_FOUND"),
}


def api_key() -> str:
    """`x-goog-api-key`, `?key=` or a Bearer token."""
    return flask.request.headers.get("x-goog-api-key") or flask.request.args.get("key") or bearer()


def shape(problem: VendorSays) -> ResponseReturnValue:
    """`{"error": {code, message, status, details}}`."""
    status, word = _WORDS[problem.kind]
    message = problem.message
    details = []
    if problem.kind == "refused":
        message = f"The prompt was blocked. {message}"
        details = [_reason("PROHIBITED_CONTENT")]
    if problem.kind == "no_credit":
        details = [_reason("QUOTA_EXCEEDED")]
    return {"error": {"code": status, "message": message, "status": word, "details": details}}, status


def _reason(word: str) -> dict[str, str]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": word,
        "domain": "generativelanguage.googleapis.com",
    }

"""Gemini's image models: `POST models/{model}:generateContent`, answered with the picture at once."""

from __future__ import annotations

import base64
from typing import Any

import flask
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common import pictures
from pipelines.sandbox.vendors.common.references import image_from_base64
from pipelines.sandbox.vendors.google.gemini_errors import VENDOR
from pipelines.sandbox.vendors.kernel.engine import VendorSays

USD_PER_PICTURE = {"gemini-nano-banana-2.1": 0.0336}
TOKENS, MOST_SOURCES = 1120, 14
SIZES = {"1:1": (1024, 1024), "16:9": (1376, 768), "9:16": (768, 1376), "4:5": (928, 1152), "5:4": (1152, 928)}


def generate(version: str, model: str) -> Response:
    """One candidate with one picture; what is declined is an answer with a reason, as Google words it."""
    del version
    if model not in USD_PER_PICTURE:
        raise VendorSays("not_found", f"models/{model} is not found or is not supported for generateContent.")
    body = flask.request.get_json(silent=True)
    if not isinstance(body, dict):
        raise VendorSays("invalid", "Invalid JSON payload received.")
    parts = [part for content in body.get("contents") or [] for part in content.get("parts") or []]
    prompt = "\n".join(part["text"] for part in parts if part.get("text"))
    sources = [
        image_from_base64(part["inlineData"]["data"], param="contents") for part in parts if "inlineData" in part
    ]
    wanted = (body.get("generationConfig") or {}).get("imageConfig") or {}
    size = SIZES.get(str(wanted.get("aspectRatio") or "1:1"))
    if not prompt.strip() or len(sources) > MOST_SOURCES or size is None:
        raise VendorSays("invalid", "Request contains an invalid argument.")
    try:
        raw = pictures.made(VENDOR, model, prompt, sources, size, TOKENS, USD_PER_PICTURE[model])
    except VendorSays as problem:
        if problem.kind != "refused":
            raise
        return flask.jsonify({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": model})
    return flask.jsonify(_answer(model, len(prompt) // 4, raw))


def _answer(model: str, asked: int, raw: bytes) -> dict[str, Any]:
    picture = {"inlineData": {"mimeType": "image/jpeg", "data": base64.b64encode(raw).decode()}}
    content = {"role": "model", "parts": [picture]}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": asked, "candidatesTokenCount": TOKENS, "totalTokenCount": asked + TOKENS},
        "modelVersion": model,
    }

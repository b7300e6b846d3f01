"""OpenAI's image models: `POST /images/edits` with pictures, `POST /images/generations` without."""

from __future__ import annotations

import base64
import re
import time
from typing import Any

import flask
from PIL import Image
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common import pictures
from pipelines.sandbox.vendors.common.references import image_from_bytes
from pipelines.sandbox.vendors.kernel.engine import VendorSays
from pipelines.sandbox.vendors.openai.common import VENDOR, json_body

# Tokens of a finished picture by quality; $/M of words, of pictures that come along and of what is made.
MADE = {"low": 300, "medium": 1600, "high": 6200}
USD_PER_M = {"gpt-image-2.6-flare": (5.0, 8.0, 30.0), "gpt-image-2.6-sunburst": (5.0, 8.0, 30.0)}
SOURCE_TOKENS, MOST_SOURCES, MILLION = 1100, 16, 1_000_000


def routes(blueprint: flask.Blueprint) -> None:
    """Add both."""
    blueprint.post("/images/edits")(edit)
    blueprint.post("/images/generations")(generate)


def edit() -> Response:
    """A form: words, and 1 to 16 pictures."""
    files = [*flask.request.files.getlist("image[]"), *flask.request.files.getlist("image")]
    if not 1 <= len(files) <= MOST_SOURCES:
        raise VendorSays("invalid", f"Between 1 and {MOST_SOURCES} images are needed.", param="image")
    return _answer(flask.request.form, [image_from_bytes(file.read(), param="image") for file in files])


def generate() -> Response:
    """JSON: words alone."""
    return _answer(json_body(), [])


def _answer(fields: Any, sources: list[Image.Image]) -> Response:
    model, prompt = str(fields.get("model") or ""), str(fields.get("prompt") or "")
    if model not in USD_PER_M:
        raise VendorSays("model_not_found", f"The model '{model}' does not exist.", param="model")
    if not prompt.strip():
        raise VendorSays("invalid", "A prompt is needed.", param="prompt")
    size = re.fullmatch(r"(\d+)x(\d+)", str(fields.get("size") or "1024x1024"))
    if size is None or int(size[1]) % 16 or int(size[2]) % 16:
        raise VendorSays("invalid", "Both sides of size must be multiples of 16.", param="size")
    took = (max(1, len(prompt) // 4), SOURCE_TOKENS * len(sources), MADE[str(fields.get("quality") or "high")])
    usd = sum(tokens * price for tokens, price in zip(took, USD_PER_M[model], strict=True)) / MILLION
    raw = pictures.made(VENDOR, model, prompt, sources, (int(size[1]), int(size[2])), took[2], usd)
    usage = {
        "input_tokens": took[0] + took[1],
        "input_tokens_details": {"text_tokens": took[0], "image_tokens": took[1]},
        "output_tokens": took[2],
        "total_tokens": sum(took),
    }
    data = [{"b64_json": base64.b64encode(raw).decode()}]
    return flask.jsonify({"created": int(time.time()), "data": data, "usage": usage})

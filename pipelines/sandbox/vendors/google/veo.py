"""Veo on Vertex under /veo: predictLongRunning and fetchPredictOperation, as google-genai's Vertex mode speaks them.

Point the SDK here with `http_options.base_url`. Any Bearer token is accepted; `/veo/token` hands them out to service
accounts whose `token_uri` it is. The clip comes as base64, or as a `gs://`
name if `storageUri` is asked, which nothing here can serve.
"""

from __future__ import annotations

import base64
import time
from typing import Any

import flask
from PIL import Image
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common.extras import seed_of, text_of
from pipelines.sandbox.vendors.common.frames import frame
from pipelines.sandbox.vendors.common.gate import mount, open_route
from pipelines.sandbox.vendors.common.references import image_from_base64
from pipelines.sandbox.vendors.google.gemini_errors import api_key, shape
from pipelines.sandbox.vendors.kernel.clips import thumbnail_png
from pipelines.sandbox.vendors.kernel.engine import Engine, VendorSays, engine
from pipelines.sandbox.vendors.kernel.state import ENDED, Job, Order, Outcome

VENDOR = "veo"
# $/s by resolution. Source: litellm's table.
PRICES = {
    "veo-3.1-generate-001": {"720p": 0.40, "1080p": 0.40, "4k": 0.60},
    "veo-3.1-fast-generate-001": {"720p": 0.10, "1080p": 0.12, "4k": 0.30},
    "veo-3.1-lite-generate-001": {"720p": 0.05, "1080p": 0.08},
}
SECONDS = (4, 6, 8)
TOKEN_S = 3600
_FILTERED = "The generated video was filtered out because it violated the usage guidelines. Support code: 58061214"


def register(app: flask.Flask, found: Engine) -> None:
    """Mount the two methods, and the server that hands out access tokens."""
    del found
    blueprint = flask.Blueprint("vendor_veo", __name__, url_prefix="/veo")
    path = "/<version>/projects/<project>/locations/<location>/publishers/google/models/<model>"
    blueprint.post("/token")(token)
    blueprint.post(f"{path}:predictLongRunning")(predict)
    blueprint.post(f"{path}:fetchPredictOperation")(fetch)
    mount(app, blueprint, VENDOR, key=api_key, shape=shape)


@open_route
def token() -> Response:
    """An access token for whatever a service account asserts: OAuth 2.0 JWT bearer, RFC 7523."""
    return flask.jsonify({"access_token": "ya29.sandbox", "token_type": "Bearer", "expires_in": TOKEN_S})


def predict(version: str, project: str, location: str, model: str) -> Response:
    """Start one operation."""
    del version
    body = flask.request.get_json(silent=True)
    if not isinstance(body, dict):
        raise VendorSays("invalid", "Invalid JSON payload received.")
    job = engine().take(_order(model, body))
    parent = f"projects/{project}/locations/{location}/publishers/google/models/{model}"
    return flask.jsonify({"name": f"{parent}/operations/{job.id}"})


def _order(model: str, body: dict[str, Any]) -> Order:
    prices = PRICES.get(model)
    if prices is None:
        raise VendorSays("not_found", f"Publisher model {model} was not found.")
    instance, asked = (body.get("instances") or [{}])[0], body.get("parameters") or {}
    prompt = instance.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise VendorSays("invalid", "prompt is required.", param="instances[0].prompt")
    seconds, resolution = asked.get("durationSeconds", 8), str(asked.get("resolution") or "720p").lower()
    if seconds not in SECONDS or resolution not in prices:
        raise VendorSays("invalid", f"Unsupported durationSeconds or resolution: {seconds}, {resolution}.")
    aspect_ratio = str(asked.get("aspectRatio") or "16:9")
    if aspect_ratio not in {"16:9", "9:16"} or asked.get("sampleCount", 1) != 1:
        raise VendorSays("invalid", "aspectRatio must be 16:9 or 9:16, sampleCount 1.")
    width, height = frame(resolution, aspect_ratio)
    images = _images(instance)
    return Order(
        vendor=VENDOR,
        model=model,
        prompt=prompt,
        seconds=float(seconds),
        width=width,
        height=height,
        usd=round(seconds * prices[resolution], 6),
        id_prefix="",
        audio=bool(asked.get("generateAudio", True)),
        reference=thumbnail_png(images[0]) if images else None,
        images=len(images),
        seed=seed_of(asked.get("seed"), param="parameters.seed"),
        negative_prompt=text_of(asked.get("negativePrompt"), param="parameters.negativePrompt"),
        details={"storage_uri": asked.get("storageUri")},
    )


def _images(instance: dict[str, Any]) -> list[Image.Image]:
    """First frame, last frame, references. There is no last frame without a first one."""
    if instance.get("lastFrame") and not instance.get("image"):
        raise VendorSays("invalid", "lastFrame needs image as well.", param="instances[0].lastFrame")
    references = [entry.get("image") for entry in instance.get("referenceImages") or []]
    found = [instance.get("image"), instance.get("lastFrame"), *references]
    return [_image(value) for value in found if value is not None]


def _image(value: Any) -> Image.Image:
    if not isinstance(value, dict) or not value.get("bytesBase64Encoded"):
        raise VendorSays("invalid", "An image must have bytesBase64Encoded.", param="instances[0].image")
    return image_from_base64(str(value["bytesBase64Encoded"]), param="instances[0].image")


def fetch(version: str, project: str, location: str, model: str) -> Response:
    """The operation as it stands; a filtered one is done without videos."""
    del version, project, location, model
    body = flask.request.get_json(silent=True) or {}
    name = str(body.get("operationName", ""))
    engine().counts.kind(VENDOR, "poll")
    job = engine().find(VENDOR, name.rpartition("/")[2])
    if job.phase(time.time()) not in ENDED:
        return flask.jsonify({"name": name, "done": False})
    if job.outcome == Outcome.FAILED:
        return flask.jsonify({"name": name, "done": True, "error": {"code": 13, "message": "Internal error."}})
    return flask.jsonify({"name": name, "done": True, "response": _result(job)})


def _result(job: Job) -> dict[str, Any]:
    kind = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
    if job.outcome == Outcome.FLAGGED:
        return {"@type": kind, "raiMediaFilteredCount": 1, "raiMediaFilteredReasons": [_FILTERED]}
    if job.details["storage_uri"]:
        video = {"gcsUri": f"{job.details['storage_uri'].rstrip('/')}/{job.id}/sample_0.mp4", "mimeType": "video/mp4"}
    else:
        clip, _ = engine().content(job)
        video = {"bytesBase64Encoded": base64.b64encode(clip).decode(), "mimeType": "video/mp4"}
    return {"@type": kind, "raiMediaFilteredCount": 0, "videos": [video]}

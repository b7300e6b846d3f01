"""OpenRouter under /openrouter/api/v1: videos with their real cost, models with their prices, signed webhooks.

Source: openrouter.ai/docs/api_reference/videos.md and the OpenRouterTeam/skills repository.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from PIL import Image
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common.content import send
from pipelines.sandbox.vendors.common.extras import seed_of
from pipelines.sandbox.vendors.common.frames import frame
from pipelines.sandbox.vendors.common.gate import bearer, mount, open_route
from pipelines.sandbox.vendors.common.references import image_from_url
from pipelines.sandbox.vendors.kernel.clips import thumbnail_png
from pipelines.sandbox.vendors.kernel.delivery import Post, Signer
from pipelines.sandbox.vendors.kernel.engine import Engine, VendorSays, engine, link_is_late
from pipelines.sandbox.vendors.kernel.state import Job, Order, Outcome, Phase
from pipelines.sandbox.vendors.openrouter.models import MODELS, RouterModel, router_model

VENDOR = "openrouter"
DEFAULT_SECRET = "sandbox-openrouter-secret"  # noqa: S105 — the emulator's own, shown on its control page
# kind: HTTP status, which is also the code in the body
_CODES = {
    "unauthorized": 401,
    "no_credit": 402,
    "rate_limited": 429,
    "server_error": 500,
    "refused": 403,
    "invalid": 400,
    "not_found": 404,
    "not_ready": 400,
    "gone": 410,
}
_STATUS = {
    Phase.QUEUED: "pending",
    Phase.RUNNING: "in_progress",
    Phase.SUCCEEDED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
    Phase.EXPIRED: "expired",
}
_FAILURES = {
    Outcome.FLAGGED: "The provider's content filter rejected the generated video (content_policy_violation).",
    Outcome.FAILED: "The provider failed to generate the video.",
}


def register(app: flask.Flask, found: Engine) -> None:
    """Mount the videos API."""
    blueprint = flask.Blueprint("vendor_openrouter", __name__, url_prefix="/openrouter/api/v1")
    blueprint.post("/videos")(create)
    blueprint.get("/videos/models")(models)
    blueprint.get("/videos/<job_id>")(retrieve)
    blueprint.get("/videos/<job_id>/content")(content)
    blueprint.get("/files/<job_id>.mp4")(file)
    blueprint.get("/credits")(credit)
    found.announcers[VENDOR] = announce
    found.secrets.setdefault(VENDOR, DEFAULT_SECRET)
    mount(app, blueprint, VENDOR, key=bearer, shape=shape)


def shape(problem: VendorSays) -> ResponseReturnValue:
    """`{"error": {code, message, metadata}}`."""
    code = _CODES[problem.kind]
    error: dict[str, Any] = {"code": code, "message": problem.message}
    if problem.kind == "refused":
        error["metadata"] = {"reasons": ["violence"], "flagged_input": "prompt", "provider_name": "Sandbox"}
    return {"error": error}, code


def create() -> tuple[Response, int]:
    """202 with the id and where to poll."""
    body = flask.request.get_json(silent=True)
    if not isinstance(body, dict):
        raise VendorSays("invalid", "The body must be a JSON object.")
    job = engine().take(_order(body))
    return flask.jsonify({"id": job.id, "polling_url": _polling_url(engine(), job), "status": "pending"}), 202


def _order(body: dict[str, Any]) -> Order:
    model = router_model(str(body.get("model")))
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise VendorSays("invalid", "prompt is required.", param="prompt")
    seconds = model.check_duration(body.get("duration"))
    width, height, resolution = _size(model, body)
    audio = bool(body.get("generate_audio", True)) and model.audio
    callback = body.get("callback_url")
    images = _images(model, body)
    return Order(
        vendor=VENDOR,
        model=model.slug,
        prompt=prompt,
        seconds=seconds,
        width=width,
        height=height,
        usd=round(seconds * model.usd_per_s(resolution), 6),
        id_prefix="gen-vid-",
        audio=audio,
        callback_url=callback if isinstance(callback, str) else None,
        reference=thumbnail_png(images[0]) if images else None,
        images=len(images),
        seed=seed_of(body.get("seed"), param="seed"),
        details={"user": body.get("user"), "session_id": body.get("session_id")},
    )


def _size(model: RouterModel, body: dict[str, Any]) -> tuple[int, int, str]:
    """From `size`, or from resolution and aspect ratio."""
    if body.get("size"):
        size = str(body["size"])
        if size not in model.sizes:
            raise VendorSays("invalid", f"size must be one of {', '.join(model.sizes)}.", param="size")
        return model.sizes[size]
    resolution = str(body.get("resolution") or model.resolutions[0])
    aspect_ratio = str(body.get("aspect_ratio") or "16:9")
    if resolution not in model.resolutions or aspect_ratio not in model.aspect_ratios:
        raise VendorSays("invalid", f"{model.slug} does not support {resolution} {aspect_ratio}.", param="resolution")
    width, height = frame(resolution, aspect_ratio)
    return width, height, resolution


def _images(model: RouterModel, body: dict[str, Any]) -> list[Image.Image]:
    """All pictures, frames first. A frame is of a type that the model supports, and each type comes once."""
    frames, references = body.get("frame_images") or [], body.get("input_references") or []
    kinds = [picture.get("frame_type") if isinstance(picture, dict) else None for picture in frames]
    if len(set(kinds)) < len(kinds) or not set(kinds) <= set(model.frames):
        raise VendorSays("invalid", f"{model.slug} does not support the frames {kinds}.", param="frame_images")
    return [
        *(_picture(entry, "frame_images") for entry in frames),
        *(_picture(entry, "input_references") for entry in references),
    ]


def _picture(entry: Any, param: str) -> Image.Image:
    url = (entry.get("image_url") or {}).get("url") if isinstance(entry, dict) else None
    if not url or entry.get("type") != "image_url":
        raise VendorSays("invalid", f"{param} must hold objects with type and image_url.", param=param)
    return image_from_url(str(url), param=param)


def retrieve(job_id: str) -> Response:
    """The job, with its cost once it is done."""
    engine().counts.kind(VENDOR, "poll")
    return flask.jsonify(shown(engine(), engine().find(VENDOR, job_id)))


def shown(found: Engine, job: Job) -> dict[str, Any]:
    """What polling and webhooks say about a job."""
    now = time.time()
    phase = job.phase(now)
    if phase == Phase.SUCCEEDED and now >= job.expires_at():
        phase = Phase.EXPIRED
    answer: dict[str, Any] = {
        "id": job.id,
        "polling_url": _polling_url(found, job),
        "status": _STATUS[phase],
        "model": job.model,
        "generation_id": f"gen-{job.id.removeprefix('gen-vid-')}",
    }
    if phase == Phase.SUCCEEDED:
        base = f"{found.public_url()}/openrouter/api/v1"
        until = int(job.expires_at())
        signed = f"{base}/files/{job.id}.mp4?expires={until}&signature={_link_signature(found, job, until)}"
        answer |= {
            "urls": [found.link(job, signed)],
            "unsigned_urls": [found.link(job, f"{base}/videos/{job.id}/content?index=0")],
            "expires_at": until,
            "usage": {"cost": job.usd, "is_byok": False},
        }
    if link_is_late(job, now):
        answer |= {"urls": None, "unsigned_urls": []} if phase == Phase.SUCCEEDED else {}
    if phase in {Phase.FAILED, Phase.CANCELLED}:
        answer["error"] = _FAILURES.get(Outcome(job.outcome), "The job was cancelled.")
    return answer


def content(job_id: str) -> Response:
    """The clip, with the key; only index 0 exists."""
    if flask.request.args.get("index", "0") != "0":
        raise VendorSays("not_found", "There is no output with this index.")
    return send(*engine().content(engine().find(VENDOR, job_id)))


@open_route
def file(job_id: str) -> Response:
    """The clip by its signed link, without the key, until it expires."""
    job = engine().find(VENDOR, job_id)
    until, signature = flask.request.args.get("expires", ""), flask.request.args.get("signature", "")
    valid = until.isdigit() and hmac.compare_digest(
        signature.encode(), _link_signature(engine(), job, int(until)).encode()
    )
    if not valid:
        raise VendorSays("unauthorized", "The link's signature is wrong.")
    if int(until) < time.time():
        raise VendorSays("gone", "The link has expired.")
    return send(*engine().content(job))


@open_route
def models() -> Response:
    """What each model can do and costs."""
    return flask.jsonify({"data": [model.shown() for model in MODELS.values()]})


def credit() -> Response:
    """The account's balance."""
    now = time.time()
    spent = sum(job.usd for job in engine().books.of(VENDOR) if job.charged(now))
    return flask.jsonify({"data": {"total_credits": 1000.0, "total_usage": round(spent, 6)}})


def announce(found: Engine, job: Job, phase: Phase) -> list[Post]:
    """The webhook at the end; its signature covers time and body."""
    if not job.callback_url or phase == Phase.QUEUED:
        return []
    status = _STATUS[phase]
    event = {"type": f"video.generation.{status}", "data": shown(found, job)}
    body = json.dumps(event).encode()
    return [Post(vendor=VENDOR, url=job.callback_url, body=body, sign=_signer(found, f"{job.id}-{status}"))]


def _signer(found: Engine, key: str) -> Signer:
    def sign(body: bytes, now: int) -> dict[str, str]:
        headers = {"X-OpenRouter-Idempotency-Key": key}
        secret = found.secrets.get(VENDOR)
        if secret:
            digest = hmac.new(secret.encode(), f"{now},".encode() + body, hashlib.sha256).hexdigest()
            headers["X-OpenRouter-Signature"] = f"t={now},v1={digest}"
        return headers

    return sign


def _link_signature(found: Engine, job: Job, until: int) -> str:
    secret = found.secrets.get(VENDOR) or DEFAULT_SECRET
    return hmac.new(secret.encode(), f"{job.id}.{until}".encode(), hashlib.sha256).hexdigest()


def _polling_url(found: Engine, job: Job) -> str:
    return f"{found.public_url()}/openrouter/api/v1/videos/{job.id}"

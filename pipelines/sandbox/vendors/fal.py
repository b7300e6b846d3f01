"""fal.ai under /fal: its queue, one input schema per model, webhooks that name the request. Unsigned here.

Where `X-Fal-No-Retry` is missing, a job that fails once is made again by the queue itself, and nobody is told.
Source: fal.ai/docs/model-apis/model-endpoints/queue.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common.content import send
from pipelines.sandbox.vendors.common.extras import seed_of
from pipelines.sandbox.vendors.common.frames import H3_SIZES, Sizes
from pipelines.sandbox.vendors.common.gate import mount, open_route
from pipelines.sandbox.vendors.common.references import image_from_url
from pipelines.sandbox.vendors.kernel import magic
from pipelines.sandbox.vendors.kernel.clips import thumbnail_png
from pipelines.sandbox.vendors.kernel.delivery import Post
from pipelines.sandbox.vendors.kernel.engine import Engine, VendorSays, engine, link_is_late
from pipelines.sandbox.vendors.kernel.state import Job, Order, Outcome, Phase

VENDOR = "fal"
PICTURES = ("image_url", "end_image_url")
# kind: HTTP status, fal's type of the error
_ERRORS = {
    "unauthorized": (401, "unauthorized"),
    "no_credit": (403, "locked"),
    "rate_limited": (429, "rate_limited"),
    "server_error": (500, "internal_server_error"),
    "refused": (422, "content_policy_violation"),
    "invalid": (422, "value_error"),
    "not_found": (404, "not_found"),
    "not_ready": (400, "request_in_progress"),
    "gone": (404, "file_gone"),
}
_STATUS = {Phase.QUEUED: "IN_QUEUE", Phase.RUNNING: "IN_PROGRESS"}
_FAILURES = {
    Outcome.FLAGGED: (422, "content_policy_violation", "The content could not be processed: flagged by a checker."),
    Outcome.FAILED: (500, "generation_failed", "The model failed to make the video."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FalModel:
    """`prices` is $/s by its own name of the resolution."""

    seconds: range
    prices: dict[str, float]
    sizes: Sizes


_H3 = FalModel(seconds=range(5, 16), prices={"480P": 0.05, "768P": 0.08}, sizes=H3_SIZES)
MODELS = {"minimax/h3-max/text-to-video": _H3, "minimax/h3-max/image-to-video": _H3}


def register(app: flask.Flask, found: Engine) -> None:
    """Mount the queue."""
    blueprint = flask.Blueprint("vendor_fal", __name__, url_prefix="/fal")
    blueprint.post("/<owner>/<app>/<path:rest>")(create)
    blueprint.get("/<owner>/<app>/requests/<job_id>/status")(status)
    blueprint.get("/<owner>/<app>/requests/<job_id>")(result)
    blueprint.get("/files/<job_id>.mp4")(file)
    found.announcers[VENDOR] = announce
    mount(app, blueprint, VENDOR, key=_key, shape=shape)


def _key() -> str:
    """The key of an `Authorization: Key` header, or empty."""
    scheme, _, key = flask.request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "key" else ""


def shape(problem: VendorSays) -> ResponseReturnValue:
    """FastAPI's `detail`: a list with a type for what is wrong with the input, else a text."""
    code, kind = _ERRORS[problem.kind]
    place = ["body", *(problem.param or "").split(".")]
    detail: Any = [{"loc": place, "msg": problem.message, "type": kind}] if code == 422 else problem.message  # noqa: PLR2004
    return {"detail": detail}, code


def create(owner: str, app: str, rest: str) -> Response:
    """Into the queue: the request's id, and where to ask."""
    body = flask.request.get_json(silent=True)
    name = f"{owner}/{app}/{rest}"
    if name not in MODELS:
        raise VendorSays("not_found", f"Application {name!r} not found.")
    if not isinstance(body, dict):
        raise VendorSays("invalid", "The body must be a JSON object.")
    job = engine().take(_order(name, body))
    if flask.request.headers.get("X-Fal-No-Retry") != "1" and "fail-once" in magic.words(job.prompt):
        job.outcome = Outcome.CLIP
    at = f"{engine().public_url()}/fal/{owner}/{app}/requests/{job.id}"
    urls = {"response_url": at, "status_url": f"{at}/status", "cancel_url": f"{at}/cancel"}
    return flask.jsonify({"status": "IN_QUEUE", "request_id": job.id, "queue_position": 0, **urls})


def _order(name: str, body: dict[str, Any]) -> Order:
    model, prompt, seconds = MODELS[name], body.get("prompt"), body.get("duration", 5)
    if not isinstance(prompt, str) or not prompt.strip():
        raise VendorSays("invalid", "Field required.", param="prompt")
    if isinstance(seconds, bool) or seconds not in model.seconds:
        raise VendorSays("invalid", f"Input should be one of {list(model.seconds)}.", param="duration")
    resolution = str(body.get("resolution") or "768P")
    size = model.sizes.get(str(body.get("aspect_ratio") or "16:9"), {}).get(resolution)
    if size is None or resolution not in model.prices:
        raise VendorSays("invalid", f"{resolution} in {body.get('aspect_ratio')} is not made.", param="resolution")
    pictures = [image_from_url(str(body[field]), param=field) for field in PICTURES if body.get(field)]
    if bool(pictures) is not name.endswith("image-to-video"):
        raise VendorSays("invalid", "A picture goes to image-to-video, and only there.", param="image_url")
    return Order(
        vendor=VENDOR,
        model=name,
        prompt=prompt,
        seconds=float(seconds),
        width=size[0],
        height=size[1],
        usd=round(seconds * model.prices[resolution], 6),
        id_prefix="",
        callback_url=flask.request.args.get("fal_webhook"),
        reference=thumbnail_png(pictures[0]) if pictures else None,
        images=len(pictures),
        seed=seed_of(body.get("seed"), param="seed"),
    )


def status(owner: str, app: str, job_id: str) -> Response:
    """How far the queue is; a request that ended is completed, whatever came of it."""
    engine().counts.kind(VENDOR, "poll")
    job = engine().find(VENDOR, job_id)
    phase = job.phase(time.time())
    at = f"{engine().public_url()}/fal/{owner}/{app}/requests/{job.id}"
    answer: dict[str, Any] = {"status": _STATUS.get(phase, "COMPLETED"), "request_id": job.id, "response_url": at}
    if phase == Phase.FAILED:
        _code, kind, message = _FAILURES[Outcome(job.outcome)]
        answer |= {"error": message, "error_type": kind}
    return flask.jsonify(answer)


def result(owner: str, app: str, job_id: str) -> Response:
    """What came of it: the model's own answer, or its error with its own status."""
    del owner, app
    job = engine().find(VENDOR, job_id)
    phase = job.phase(time.time())
    if phase == Phase.FAILED:
        code, kind, message = _FAILURES[Outcome(job.outcome)]
        answer = flask.jsonify({"detail": [{"loc": ["body"], "msg": message, "type": kind}]})
        answer.status_code, answer.headers["X-Fal-Error-Type"] = code, kind
        return answer
    if phase != Phase.SUCCEEDED:
        raise VendorSays("not_ready", "Request is still in progress.")
    return flask.jsonify(_video(engine(), job))


def _video(found: Engine, job: Job) -> dict[str, Any]:
    if link_is_late(job, time.time()):
        return {"video": None, "seed": job.seed}
    link = found.renewed_link(job, f"{found.public_url()}/fal/files/{job.id}.mp4")
    return {"video": {"url": link, "content_type": "video/mp4", "file_name": f"{job.id}.mp4"}, "seed": job.seed}


@open_route
def file(job_id: str) -> Response:
    """The clip; needs no key."""
    return send(*engine().content(engine().find(VENDOR, job_id)))


def announce(found: Engine, job: Job, phase: Phase) -> list[Post]:
    """The webhook at the end."""
    if not job.callback_url or phase not in {Phase.SUCCEEDED, Phase.FAILED}:
        return []
    good = phase == Phase.SUCCEEDED
    body: dict[str, Any] = {"request_id": job.id, "gateway_request_id": job.id, "status": "OK" if good else "ERROR"}
    if good:
        body["payload"] = _video(found, job)
    else:
        body["error"] = _FAILURES[Outcome(job.outcome)][2]
    return [Post(vendor=VENDOR, url=job.callback_url, body=json.dumps(body).encode())]

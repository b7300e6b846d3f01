"""BytePlus ModelArk under /byteplus: the tasks of /contents/generations, billed by tokens, with unsigned callbacks.

The list repeats a task's seed, length and shape, not its prompt. DELETE stops a task that waits and erases one that has
ended. Source: docs.byteplus.com/en/docs/ModelArk, the pages of video generation.
"""

from __future__ import annotations

import json
import time
from typing import Any

import flask
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common.content import send
from pipelines.sandbox.vendors.common.content_parts import listed, prompt_and_pictures
from pipelines.sandbox.vendors.common.extras import seed_of
from pipelines.sandbox.vendors.common.gate import bearer, mount, open_route
from pipelines.sandbox.vendors.kernel.clips import FPS, thumbnail_png
from pipelines.sandbox.vendors.kernel.delivery import Post
from pipelines.sandbox.vendors.kernel.engine import DAY_S, Engine, VendorSays, engine, link_is_late
from pipelines.sandbox.vendors.kernel.state import Job, Order, Outcome, Phase

VENDOR = "byteplus"
MAX_PROMPT = 15_000
# $ per million tokens by resolution. Source: BytePlus's rates of 2026-10.
MODELS = {"dreamina-seedance-2-5-260628": {"480p": 10.7, "720p": 10.7, "1080p": 11.7}}
SECONDS = range(4, 31)
SIZES = {
    "16:9": {"480p": (864, 496), "720p": (1280, 720), "1080p": (1920, 1080)},
    "9:16": {"480p": (496, 864), "720p": (720, 1280), "1080p": (1080, 1920)},
    "1:1": {"480p": (640, 640), "720p": (960, 960), "1080p": (1440, 1440)},
}
# kind: HTTP status, BytePlus's code
_ERRORS = {
    "unauthorized": (401, "AuthenticationError"),
    "no_credit": (403, "AccountOverdueError"),
    "rate_limited": (429, "RateLimitExceeded.EndpointRPMExceeded"),
    "server_error": (500, "InternalServiceError"),
    "refused": (400, "InputTextSensitiveContentDetected"),
    "invalid": (400, "InvalidParameter"),
    "not_found": (404, "ResourceNotFound"),
    "not_ready": (404, "ResourceNotFound"),
    "gone": (403, "AccessDenied"),
}
_STATUS = {
    Phase.QUEUED: "queued",
    Phase.RUNNING: "running",
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
}
_FAILURES = {
    Outcome.FLAGGED: ("OutputVideoSensitiveContentDetected", "The output video may contain sensitive information."),
    Outcome.FAILED: ("InternalServiceError", "The service encountered an unexpected internal error."),
}


def register(app: flask.Flask, found: Engine) -> None:
    """Mount the API."""
    blueprint = flask.Blueprint("vendor_byteplus", __name__, url_prefix="/byteplus/api/v3")
    blueprint.post("/contents/generations/tasks")(create)
    blueprint.get("/contents/generations/tasks")(tasks)
    blueprint.get("/contents/generations/tasks/<job_id>")(retrieve)
    blueprint.delete("/contents/generations/tasks/<job_id>")(stop)
    blueprint.get("/files/<job_id>.mp4")(file)
    found.announcers[VENDOR] = announce
    mount(app, blueprint, VENDOR, key=bearer, shape=shape)


def shape(problem: VendorSays) -> Response:
    """`{"error": {code, message, param, type}}`."""
    status, code = _ERRORS[problem.kind]
    error = {"code": code, "message": problem.message, "param": problem.param or "", "type": "BadRequest"}
    answer = flask.jsonify({"error": error})
    answer.status_code = status
    return answer


def create() -> Response:
    """`{id}`."""
    body: Any = flask.request.get_json(silent=True)
    prompt, pictures = prompt_and_pictures(body, most=MAX_PROMPT)
    prices = MODELS.get(str(body.get("model")))
    if prices is None:
        raise VendorSays("not_found", f"The model {body.get('model')} does not exist or is not activated.")
    resolution, ratio, seconds = str(body.get("resolution") or "720p"), str(body.get("ratio")), body.get("duration")
    if resolution not in prices or ratio not in SIZES or isinstance(seconds, bool) or seconds not in SECONDS:
        raise VendorSays("invalid", f"The parameters are not valid: {resolution}, {ratio}, {seconds}.")
    width, height = SIZES[ratio][resolution]
    tokens = width * height * (int(seconds) * FPS + 1) // 1024
    callback, seed = body.get("callback_url"), body.get("seed", -1)
    job = engine().take(
        Order(
            vendor=VENDOR,
            model=str(body["model"]),
            prompt=prompt,
            seconds=float(seconds),
            width=width,
            height=height,
            usd=round(tokens * prices[resolution] / 1e6, 6),
            id_prefix="cgt-",
            audio=bool(body.get("generate_audio", True)),
            callback_url=callback if isinstance(callback, str) else None,
            reference=thumbnail_png(pictures[0]) if pictures else None,
            images=len(pictures),
            seed=None if seed == -1 else seed_of(seed, param="seed"),
            lifetime_s=DAY_S,
            details={"resolution": resolution, "ratio": ratio, "tokens": tokens},
        )
    )
    return flask.jsonify({"id": job.id})


def retrieve(job_id: str) -> Response:
    """The task."""
    engine().counts.kind(VENDOR, "poll")
    return flask.jsonify(shown(engine(), engine().find(VENDOR, job_id)))


def tasks() -> Response:
    """All tasks, by pages."""
    return listed(VENDOR, lambda job: shown(engine(), job))


def shown(found: Engine, job: Job) -> dict[str, Any]:
    """What queries and callbacks say about a task."""
    now = time.time()
    phase = job.phase(now)
    answer: dict[str, Any] = {
        "id": job.id,
        "model": job.model,
        "status": _STATUS[phase],
        "error": None,
        "created_at": int(job.created_at),
        "updated_at": int(min(now, job.due_at)),
        "seed": job.seed,
        "resolution": job.details["resolution"],
        "ratio": job.details["ratio"],
        "duration": int(job.seconds),
        "framespersecond": FPS,
        "generate_audio": job.audio,
        "service_tier": "default",
    }
    if phase == Phase.SUCCEEDED:
        tokens = job.details["tokens"]
        answer["usage"] = {"completion_tokens": tokens, "total_tokens": tokens}
        if not link_is_late(job, now):
            link = found.renewed_link(job, f"{found.public_url()}/byteplus/api/v3/files/{job.id}.mp4")
            answer["content"] = {"video_url": link}
    if phase == Phase.FAILED:
        code, message = _FAILURES[Outcome(job.outcome)]
        answer["error"] = {"code": code, "message": message}
    return answer


def stop(job_id: str) -> tuple[Response, int]:
    """Cancels a task that waits; erases one that has ended, and its clip."""
    job = engine().find(VENDOR, job_id)
    phase = job.phase(time.time())
    if phase == Phase.RUNNING:
        raise VendorSays("invalid", "The task is running and cannot be deleted.")
    if phase == Phase.QUEUED:
        engine().cancel(job)
    else:
        engine().delete(job)
    return flask.jsonify({}), 200


@open_route
def file(job_id: str) -> Response:
    """The clip; needs no key."""
    return send(*engine().content(engine().find(VENDOR, job_id)))


def announce(found: Engine, job: Job, phase: Phase) -> list[Post]:
    """The task itself, whenever its status changes; unsigned."""
    del phase
    if not job.callback_url:
        return []
    return [Post(vendor=VENDOR, url=job.callback_url, body=json.dumps(shown(found, job)).encode())]

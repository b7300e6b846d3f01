"""MiniMax under /minimax: /v2/video_generation, and the queries of one task and of all.

Refusals carry a number in brackets behind the message. The list does not repeat a prompt. It promises no callback
without a challenge, so this one never calls. Source: platform.minimaxi.com, the pages of video generation v2.
"""

from __future__ import annotations

import time
from typing import Any

import flask
from PIL import Image
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common.content import send
from pipelines.sandbox.vendors.common.content_parts import listed, prompt_and_pictures
from pipelines.sandbox.vendors.common.gate import bearer, mount, open_route
from pipelines.sandbox.vendors.kernel.clips import thumbnail_png
from pipelines.sandbox.vendors.kernel.engine import Engine, VendorSays, engine, link_is_late
from pipelines.sandbox.vendors.kernel.state import Job, Order, Outcome, Phase

VENDOR = "minimax"
MAX_PROMPT = 7000
LINK_S = 9 * 3600.0
# $/s by resolution. Source: MiniMax's list price of 2026-10.
MODELS = {"MiniMax-H3": {"768P": 0.08, "2K": 0.13}, "MiniMax-H3-Max": {"480P": 0.05, "768P": 0.08}}
SECONDS = range(5, 16)
SIZES = {
    "16:9": {"480P": (832, 480), "768P": (1344, 768), "2K": (2560, 1440)},
    "9:16": {"480P": (480, 832), "768P": (768, 1344), "2K": (1440, 2560)},
    "1:1": {"480P": (480, 480), "768P": (768, 768), "2K": (1440, 1440)},
}
# kind: HTTP status, MiniMax's word, its number
_ERRORS = {
    "unauthorized": (401, "authorized_error", 1004),
    "no_credit": (402, "insufficient_balance_error", 1008),
    "rate_limited": (429, "rate_limit_error", 1002),
    "server_error": (500, "server_error", 1000),
    "refused": (422, "unprocessable_entity_error", 1026),
    "invalid": (400, "bad_request_error", 2013),
    "not_found": (404, "not_found_error", 2013),
    "not_ready": (404, "not_found_error", 2013),
    "gone": (404, "not_found_error", 2013),
}
_STATUS = {
    Phase.QUEUED: "queued",
    Phase.RUNNING: "running",
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
}
_FAILURES = {
    Outcome.FLAGGED: {"code": "1027", "message": "output new_sensitive"},
    Outcome.FAILED: {"code": "1000", "message": "unknown error"},
}


def register(app: flask.Flask, found: Engine) -> None:
    """Mount the API."""
    del found
    blueprint = flask.Blueprint("vendor_minimax", __name__, url_prefix="/minimax")
    blueprint.post("/v2/video_generation")(create)
    blueprint.delete("/v2/video_generation/<job_id>")(stop)
    blueprint.get("/v2/query/video_generation")(tasks)
    blueprint.get("/v2/query/video_generation/<job_id>")(retrieve)
    blueprint.get("/files/<job_id>.mp4")(file)
    mount(app, blueprint, VENDOR, key=bearer, shape=shape)


def shape(problem: VendorSays) -> Response:
    """`{type: error, error: {type, message, http_code}, request_id}`."""
    status, kind, number = _ERRORS[problem.kind]
    words = "input new_sensitive, sensitive content" if problem.kind == "refused" else problem.message
    error = {"type": kind, "message": f"{words} ({number})", "http_code": str(status)}
    answer = flask.jsonify({"type": "error", "error": error, "request_id": "021-sandbox"})
    answer.status_code = status
    return answer


def create() -> Response:
    """`{task_id}`."""
    body: Any = flask.request.get_json(silent=True)
    prompt, pictures = prompt_and_pictures(body, most=MAX_PROMPT)
    prices = MODELS.get(str(body.get("model")))
    resolution, seconds = str(body.get("resolution") or "768P"), body.get("duration")
    if prices is None or resolution not in prices:
        raise VendorSays("invalid", f"invalid params, {body.get('model')} in {resolution}")
    if isinstance(seconds, bool) or seconds not in SECONDS:
        raise VendorSays("invalid", f"invalid params, duration {seconds}", param="duration")
    width, height = SIZES[_ratio(body.get("ratio"), pictures)][resolution]
    job = engine().take(
        Order(
            vendor=VENDOR,
            model=str(body["model"]),
            prompt=prompt,
            seconds=float(seconds),
            width=width,
            height=height,
            usd=round(seconds * prices[resolution], 6),
            id_prefix="",
            reference=thumbnail_png(pictures[0]) if pictures else None,
            images=len(pictures),
            lifetime_s=LINK_S,
            details={"resolution": resolution, "ratio": body.get("ratio")},
        )
    )
    return flask.jsonify({"task_id": job.id})


def _ratio(asked: Any, pictures: list[Image.Image]) -> str:
    """A clip without a picture names its shape; one that starts from a picture takes the picture's."""
    if asked in SIZES and not pictures:
        return str(asked)
    if asked != "adaptive" or not pictures:
        raise VendorSays("invalid", f"invalid params, ratio {asked}", param="ratio")
    edge = pictures[0].width / pictures[0].height
    return min(SIZES, key=lambda name: abs(SIZES[name]["768P"][0] / SIZES[name]["768P"][1] - edge))


def retrieve(job_id: str) -> Response:
    """`{task: {…}}`."""
    engine().counts.kind(VENDOR, "poll")
    return flask.jsonify({"task": shown(engine().find(VENDOR, job_id))})


def tasks() -> Response:
    """All tasks, by pages."""
    return listed(VENDOR, shown)


def shown(job: Job) -> dict[str, Any]:
    """What a query says about a task; each names a fresh link."""
    now, found = time.time(), engine()
    phase = job.phase(now)
    answer: dict[str, Any] = {
        "id": job.id,
        "model": job.model,
        "status": _STATUS[phase],
        "created_at": int(job.created_at),
        "duration": int(job.seconds),
        "resolution": job.details["resolution"],
        "ratio": job.details["ratio"],
        "usage": {"output_seconds": int(job.seconds), "input_image_count": job.images},
    }
    if phase == Phase.SUCCEEDED and not link_is_late(job, now):
        file = f"{found.public_url()}/minimax/files/{job.id}.mp4?until={int(now + LINK_S)}"
        answer["content"] = {"url": found.renewed_link(job, file)}
    if phase == Phase.FAILED:
        answer["error"] = _FAILURES[Outcome(job.outcome)]
    return answer


def stop(job_id: str) -> Response:
    """Cancels a task that waits; erases one that has ended, and its clip."""
    job = engine().find(VENDOR, job_id)
    phase = job.phase(time.time())
    if phase == Phase.RUNNING:
        raise VendorSays("invalid", "invalid params, the task is running")
    if phase == Phase.QUEUED:
        engine().cancel(job)
    else:
        engine().delete(job)
    action = "cancel" if phase == Phase.QUEUED else "delete"
    return flask.jsonify({"task_id": job_id, "action": action, "status": "cancelled"})


@open_route
def file(job_id: str) -> Response:
    """The clip; needs no key, and ends with its link."""
    until = flask.request.args.get("until", "")
    if until.isdigit() and int(until) < time.time():
        raise VendorSays("gone", "The link has expired.")
    return send(*engine().content(engine().find(VENDOR, job_id)))

"""kie.ai under /kie: createTask, recordInfo, callbacks, credits, download links.

Errors come as HTTP 200 with a `code` in the body; only a broken rate limit is a real HTTP 429. The callback's signature
covers `taskId.timestamp` and not the body. Source: docs.kie.ai, elibarnett/kie-mcp for the credits.
"""

from __future__ import annotations

import base64
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
from pipelines.sandbox.vendors.kernel import magic
from pipelines.sandbox.vendors.kernel.clips import thumbnail_png
from pipelines.sandbox.vendors.kernel.delivery import Post, Signer
from pipelines.sandbox.vendors.kernel.engine import DAY_S, Engine, VendorSays, engine, link_is_late
from pipelines.sandbox.vendors.kernel.state import Job, Order, Outcome, Phase
from pipelines.sandbox.vendors.kie.models import USD_PER_CREDIT, kie_model

VENDOR = "kie"
DEFAULT_SECRET = "sandbox-kie-hmac-key"  # noqa: S105 — the emulator's own, shown on its control page
BALANCE = 10_000.0
RETENTION_S = 14 * DAY_S
LINK_S = 20 * 60
_CODES = {
    "unauthorized": 401,
    "no_credit": 402,
    "rate_limited": 429,
    "server_error": 500,
    "refused": 422,
    "invalid": 422,
    "not_found": 404,
    "not_ready": 404,
    "gone": 404,
}
_STATES = {
    Phase.QUEUED: "queuing",
    Phase.RUNNING: "generating",
    Phase.SUCCEEDED: "success",
    Phase.FAILED: "fail",
    Phase.CANCELLED: "fail",
}
_FAILURES = {
    Outcome.FLAGGED: ("422", "The generated content was flagged as violating content policies."),
    Outcome.FAILED: ("501", "Generation failed, please try again."),
}


def register(app: flask.Flask, found: Engine) -> None:
    """Mount the market API."""
    blueprint = flask.Blueprint("vendor_kie", __name__, url_prefix="/kie")
    blueprint.post("/api/v1/jobs/createTask")(create_task)
    blueprint.get("/api/v1/jobs/recordInfo")(record_info)
    blueprint.get("/api/v1/chat/credit")(credit)
    blueprint.post("/api/v1/common/download-url")(download_url)
    blueprint.get("/files/<job_id>.mp4")(file)
    blueprint.get("/takes/<job_id>.mp4")(take)
    found.announcers[VENDOR] = announce
    found.secrets.setdefault(VENDOR, DEFAULT_SECRET)
    mount(app, blueprint, VENDOR, key=bearer, shape=shape)


def shape(problem: VendorSays) -> ResponseReturnValue:
    """HTTP 200 with the code in the body; 429 (and a refused result link) are real."""
    code = _CODES[problem.kind]
    message = problem.message
    if problem.kind == "refused":
        message = "Your prompt was flagged as violating content policies."
    real = problem.kind == "rate_limited" or flask.request.path.startswith(("/kie/files/", "/kie/takes/"))
    return {"code": code, "msg": message, "data": None}, code if real else 200


def create_task() -> Response:
    """`{model, callBackUrl, input}` → `{taskId}`."""
    most = engine().dials.of(VENDOR).kie_creates_per_10s
    if not engine().window.admit(most):
        raise VendorSays("rate_limited", f"Too many requests: at most {most} new tasks per 10 seconds.")
    body = flask.request.get_json(silent=True)
    if not isinstance(body, dict) or not isinstance(body.get("input"), dict):
        raise VendorSays("invalid", "input is required.", param="input")
    order = _order(body, body["input"])
    if order.usd / USD_PER_CREDIT > _credit():
        raise VendorSays("no_credit", "Insufficient credits.")
    return _ok({"taskId": engine().take(order).id})


def _order(body: dict[str, Any], asked: dict[str, Any]) -> Order:
    model = kie_model(str(body.get("model")))
    prompt = asked.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise VendorSays("invalid", "prompt is required.", param="input.prompt")
    seconds = model.check_seconds(asked.get("duration"))
    resolution = model.check_resolution(asked.get("resolution") or asked.get("mode"))
    width, height = frame(model.resolution_name(resolution), str(asked.get("aspect_ratio") or "16:9"))
    images = _images(asked)
    return Order(
        vendor=VENDOR,
        model=model.slug,
        prompt=prompt,
        seconds=seconds,
        width=width,
        height=height,
        usd=round(model.credits(seconds, resolution) * USD_PER_CREDIT, 6),
        id_prefix="",
        audio=bool(asked.get("sound", asked.get("generate_audio", True))),
        callback_url=body.get("callBackUrl"),
        reference=thumbnail_png(images[0]) if images else None,
        images=len(images),
        seed=seed_of(asked.get("seed"), param="input.seed"),
        lifetime_s=RETENTION_S,
        details={"param": json.dumps({key: body.get(key) for key in ("model", "callBackUrl", "input")})},
    )


def _images(asked: dict[str, Any]) -> list[Image.Image]:
    found = []
    for name in ("image_urls", "input_urls", "first_frame_url", "image_url"):
        value = asked.get(name)
        urls = value if isinstance(value, list) else [value]
        found += [image_from_url(url, param=f"input.{name}") for url in urls if isinstance(url, str) and url]
    return found


def record_info() -> Response:
    """The task's record, `resultJson` and `param` as JSON in strings."""
    engine().counts.kind(VENDOR, "poll")
    return _ok(record(engine(), engine().find(VENDOR, flask.request.args.get("taskId", ""))))


def record(found: Engine, job: Job) -> dict[str, Any]:
    """What recordInfo and the callback say about a task."""
    now = time.time()
    phase = job.phase(now)
    done, failed = phase == Phase.SUCCEEDED, phase in {Phase.FAILED, Phase.CANCELLED}
    code, message = _FAILURES.get(Outcome(job.outcome), ("500", "Cancelled.")) if failed else ("", "")
    made = [found.link(job, f"{found.public_url()}/kie/files/{job.id}.mp4")]
    if magic.TAKES in magic.words(job.prompt):
        made.append(f"{found.public_url()}/kie/takes/{job.id}.mp4")
    urls = {"resultUrls": made}
    ended = int(job.due_at * 1000) if done or failed else None
    return {
        "taskId": job.id,
        "model": job.model,
        "state": _STATES[phase],
        "param": job.details["param"],
        "resultJson": json.dumps(urls) if done and not link_is_late(job, now) else "",
        "failCode": code,
        "failMsg": message,
        "costTime": int((job.due_at - job.created_at) * 1000) if ended else None,
        "completeTime": ended,
        "createTime": int(job.created_at * 1000),
        "updateTime": ended or int(now * 1000),
        "creditsConsumed": round(job.usd / USD_PER_CREDIT, 4) if done else 0,
    }


def credit() -> Response:
    """What is left of ten thousand credits."""
    return _ok(_credit())


def _credit() -> float:
    found, now = engine(), time.time()
    spent = sum(job.usd for job in found.books.of(VENDOR) if job.charged(now))
    return round(BALANCE - spent / USD_PER_CREDIT, 4)


def download_url() -> Response:
    """A link of twenty minutes for a result URL."""
    body = flask.request.get_json(silent=True) or {}
    job = engine().job_of_link(str(body.get("url", "")))
    if job is None:
        raise VendorSays("invalid", "url is not one of our files.", param="url")
    folder = "takes" if "/kie/takes/" in str(body.get("url")) else "files"
    return _ok(f"{engine().public_url()}/kie/{folder}/{job.id}.mp4?until={int(time.time()) + LINK_S}")


@open_route
def file(job_id: str) -> Response:
    """The clip; needs no key. A link with `until` ends then."""
    until = flask.request.args.get("until", "")
    if until.isdigit() and int(until) < time.time():
        raise VendorSays("gone", "The link has expired.")
    body, media_type = engine().content(engine().find(VENDOR, job_id))
    return send(body, media_type)


@open_route
def take(job_id: str) -> Response:
    """The second clip of a job that made two."""
    return send(*engine().second_take(engine().find(VENDOR, job_id)))


def announce(found: Engine, job: Job, phase: Phase) -> list[Post]:
    """The callback at the end, signed if a key is set."""
    if not job.callback_url or phase not in {Phase.SUCCEEDED, Phase.FAILED}:
        return []
    good = phase == Phase.SUCCEEDED
    message = "Playground task completed successfully." if good else "Playground task failed."
    body = {"code": 200 if good else 501, "msg": message, "data": record(found, job)}
    return [Post(vendor=VENDOR, url=job.callback_url, body=json.dumps(body).encode(), sign=_signer(found, job.id))]


def _signer(found: Engine, task_id: str) -> Signer:
    def sign(_body: bytes, now: int) -> dict[str, str]:
        secret = found.secrets.get(VENDOR)
        if not secret:
            return {}
        digest = hmac.new(secret.encode(), f"{task_id}.{now}".encode(), hashlib.sha256).digest()
        return {"X-Webhook-Timestamp": str(now), "X-Webhook-Signature": base64.b64encode(digest).decode()}

    return sign


def _ok(data: Any) -> Response:
    return flask.jsonify({"code": 200, "msg": "success", "data": data})

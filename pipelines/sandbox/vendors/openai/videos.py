"""OpenAI's Videos protocol: /v1/videos with create, list, retrieve, delete, content and remix.

`sora-2` and `sora-2-pro` follow OpenAI; four more models speak the same protocol and differ in how a lost answer can be
settled: `sandbox-key` honours `Idempotency-Key`, `sandbox-list` appears in the list, `sandbox-callback` takes a
`callback_url` and posts `{"id", "status"}` there, `sandbox-none` offers nothing.
"""

from __future__ import annotations

import io
import json
import secrets
import time
from typing import Any

import flask
from PIL import Image
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common.content import send
from pipelines.sandbox.vendors.common.extras import form_seed_of, text_of
from pipelines.sandbox.vendors.common.gate import open_route
from pipelines.sandbox.vendors.common.references import image_from_bytes, image_from_url
from pipelines.sandbox.vendors.kernel import magic
from pipelines.sandbox.vendors.kernel.clips import still, thumbnail_png
from pipelines.sandbox.vendors.kernel.delivery import Post, standard_webhook
from pipelines.sandbox.vendors.kernel.engine import Engine, VendorSays, engine, picture_of
from pipelines.sandbox.vendors.kernel.state import Job, Order, Outcome, Phase
from pipelines.sandbox.vendors.openai.common import VENDOR
from pipelines.sandbox.vendors.openai.models import MODELS, VideoModel, video_model

MAX_PROMPT = 32_000
DEFAULT_PAGE, MAX_PAGE = 20, 100
_STATUS = {
    Phase.QUEUED: "queued",
    Phase.RUNNING: "in_progress",
    Phase.SUCCEEDED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "failed",
}
_ERRORS = {
    Outcome.FLAGGED: ("moderation_blocked", "The generated video was blocked by our moderation system."),
    Outcome.FAILED: ("internal_error", "Video generation failed because of an internal error. Please try again."),
}


def routes(blueprint: flask.Blueprint) -> None:
    """Add the protocol's routes."""
    blueprint.post("/videos")(create)
    blueprint.get("/videos")(list_jobs)
    blueprint.get("/files/<job_id>.mp4")(file)
    blueprint.get("/videos/<path:job_id>/content")(content)
    blueprint.post("/videos/<path:job_id>/remix")(remix)
    blueprint.get("/videos/<path:job_id>")(retrieve)
    blueprint.delete("/videos/<path:job_id>")(delete)


def create() -> Response:
    """Take a job from multipart or JSON."""
    fields = _fields()
    model = video_model(str(fields.get("model") or "sora-2"))
    width, height = model.check_size(str(fields.get("size") or "720x1280"))
    _check_metadata(fields.get("metadata"))
    image = _reference(fields.get("input_reference"))
    if image is not None and image.size != (width, height):
        raise VendorSays("invalid", "Inpaint image must match the requested width and height.", param="input_reference")
    job = engine().take(
        _order(
            model,
            prompt=_prompt(fields.get("prompt")),
            seconds=model.check_seconds(_seconds(fields.get("seconds"))),
            size=(width, height),
            reference=thumbnail_png(image) if image else None,
            callback_url=_text(fields.get("callback_url")),
            **_extras(model, fields),
        )
    )
    return flask.jsonify(video(job, time.time() if model.idempotent else job.at_create))


def _check_metadata(value: Any) -> None:
    """What gateways of New API take for their vendors: an object, written as JSON in a text."""
    try:
        read = {} if value is None else json.loads(value)
    except (TypeError, ValueError):
        read = None
    if not isinstance(read, dict):
        raise VendorSays("invalid", "metadata must be an object, written as JSON in a text.", param="metadata")


def remix(job_id: str) -> Response:
    """A new job from a finished one with another prompt."""
    original = engine().find(VENDOR, job_id)
    if original.phase(time.time()) != Phase.SUCCEEDED:
        raise VendorSays("not_ready", f"The video {job_id} is not ready to be remixed.")
    model = video_model(original.model)
    order = _order(
        model,
        prompt=_prompt(_fields().get("prompt")),
        seconds=original.seconds,
        size=(original.width, original.height),
        details={"remixed_from_video_id": original.id},
    )
    job = engine().take(order)
    return flask.jsonify(video(job, job.at_create))


def _order(
    model: VideoModel,
    *,
    prompt: str,
    seconds: float,
    size: tuple[int, int],
    reference: str | None = None,
    callback_url: str | None = None,
    seed: int | None = None,
    negative_prompt: str | None = None,
    details: dict[str, Any] | None = None,
) -> Order:
    return Order(
        vendor=VENDOR,
        model=model.name,
        prompt=prompt,
        seconds=seconds,
        width=size[0],
        height=size[1],
        usd=model.price(seconds, f"{size[0]}x{size[1]}"),
        id_prefix="video_",
        reference=reference,
        images=1 if reference else 0,
        seed=seed,
        negative_prompt=negative_prompt,
        callback_url=callback_url if model.calls_back else None,
        idempotency_key=flask.request.headers.get("Idempotency-Key") if model.idempotent else None,
        details=details or {},
    )


def _extras(model: VideoModel, fields: dict[str, Any]) -> dict[str, Any]:
    found = {
        "seed": form_seed_of(fields.get("seed"), param="seed"),
        "negative_prompt": text_of(fields.get("negative_prompt"), param="negative_prompt"),
    }
    for name, value in found.items():
        if value is not None and not model.extras:
            raise VendorSays("invalid", f"Unknown parameter: '{name}'.", param=name)
    return found


def list_jobs() -> Response:
    """A page of the jobs of models that are listed, newest first unless asked otherwise."""
    engine().counts.kind(VENDOR, "list")
    if not engine().dials.of(VENDOR).lists and not flask.request.args.get("custom_llm_provider"):
        raise VendorSays("invalid", "LLM Provider NOT provided. Pass in the LLM provider you are trying to call.")
    jobs = [job for job in engine().books.of(VENDOR) if MODELS[job.model].listed]
    if flask.request.args.get("order", "desc") != "asc":
        jobs.reverse()
    after = flask.request.args.get("after")
    if after:
        place = next((index for index, job in enumerate(jobs) if job.id == after), None)
        if place is None:
            raise VendorSays("invalid", f"No video with id '{after}'.", param="after")
        jobs = jobs[place + 1 :]
    page = jobs[: _limit()]
    return flask.jsonify(
        {
            "object": "list",
            "data": [video(job, time.time()) for job in page],
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
            "has_more": len(jobs) > len(page),
        }
    )


def retrieve(job_id: str) -> Response:
    """The job as it stands."""
    engine().counts.kind(VENDOR, "poll")
    return flask.jsonify(video(engine().find(VENDOR, job_id), time.time()))


def delete(job_id: str) -> Response:
    """Forget a job; one that is unfinished is stopped and not charged."""
    engine().delete(engine().find(VENDOR, job_id))
    return flask.jsonify({"id": job_id, "object": "video.deleted", "deleted": True})


def content(job_id: str) -> Response:
    """The clip, its thumbnail or its sprite sheet; 400 before it is ready. Honours Range."""
    job = engine().find(VENDOR, job_id)
    variant = flask.request.args.get("variant", "video")
    if variant not in {"video", "thumbnail", "spritesheet"}:
        raise VendorSays("invalid", f"Invalid value: '{variant}'.", param="variant")
    if magic.LATE in magic.words(job.prompt) and job.phase(time.time()) == Phase.SUCCEEDED:
        return flask.jsonify({"id": job.id, "url": f"{engine().public_url()}/openai/v1/files/{job.id}.mp4"})
    body, media_type = engine().content(job)
    if variant != "video":
        body, media_type = _still(job, "WEBP" if variant == "thumbnail" else "JPEG")
    return send(body, media_type)


@open_route
def file(job_id: str) -> Response:
    """The clip where /content only names it; needs no key."""
    return send(*engine().content(engine().find(VENDOR, job_id)))


def video(job: Job, now: float) -> dict[str, Any]:
    """The protocol's video object as it stood at `now`. It names a link only where the prompt asks for a bad one."""
    phase = job.phase(now)
    code, message = _ERRORS.get(Outcome(job.outcome), ("cancelled", "The job was cancelled."))
    done = phase == Phase.SUCCEEDED
    link = engine().link(job, "") if done else ""
    return ({"video_url": link} if link else {}) | {
        "id": job.id,
        "object": "video",
        "model": job.model,
        "status": _STATUS[phase],
        "progress": job.progress(now) if phase != Phase.FAILED else 0,
        "created_at": int(job.created_at),
        "completed_at": int(job.due_at) if done else None,
        "expires_at": int(job.expires_at()) if done else None,
        "prompt": job.prompt,
        "seconds": f"{job.seconds:g}",
        "size": job.size,
        "remixed_from_video_id": job.details.get("remixed_from_video_id"),
        "error": {"code": code, "message": message} if phase in {Phase.FAILED, Phase.CANCELLED} else None,
    }


def announce(found: Engine, job: Job, phase: Phase) -> list[Post]:
    """Standard Webhooks to every registered endpoint at the end; the job's own callback at both ends."""
    posts = []
    if job.callback_url:
        body = json.dumps({"id": job.id, "status": _STATUS[phase]}).encode()
        posts.append(Post(vendor=VENDOR, url=job.callback_url, body=body))
    if phase in {Phase.SUCCEEDED, Phase.FAILED}:
        kind = "video.completed" if phase == Phase.SUCCEEDED else "video.failed"
        posts += [event(endpoint.url, endpoint.secret, kind, job.id) for endpoint in _listening(found, kind)]
    return posts


def event(url: str, secret: str, kind: str, job_id: str) -> Post:
    """A thin event in OpenAI's envelope."""
    message_id = f"evt_{secrets.token_hex(12)}"
    envelope = {
        "id": message_id,
        "object": "event",
        "type": kind,
        "created_at": int(time.time()),
        "data": {"id": job_id},
    }
    body = json.dumps(envelope).encode()
    return Post(vendor=VENDOR, url=url, body=body, sign=standard_webhook(message_id, secret))


def _listening(found: Engine, kind: str) -> list[Any]:
    with found.books.lock:
        return [one for one in found.books.endpoints.values() if one.vendor == VENDOR and kind in one.events]


def _fields() -> dict[str, Any]:
    if flask.request.is_json:
        body = flask.request.get_json(silent=True)
        if not isinstance(body, dict):
            raise VendorSays("invalid", "We could not parse the JSON body of your request.")
        return body
    fields: dict[str, Any] = dict(flask.request.form.items())
    for name in ("image_url", "file_id"):
        if f"input_reference[{name}]" in fields:
            raise VendorSays(
                "invalid", "input_reference must be a file in a multipart request.", param="input_reference"
            )
    upload = flask.request.files.get("input_reference")
    return {**fields, "input_reference": upload.read()} if upload else fields


def _reference(value: Any) -> Image.Image | None:
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return image_from_bytes(value, param="input_reference")
    if isinstance(value, str) and value.startswith("{"):
        value = json.loads(value)
    if isinstance(value, dict) and isinstance(value.get("image_url"), str) and "file_id" not in value:
        return image_from_url(value["image_url"], param="input_reference.image_url")
    message = "input_reference must be a file or an object with exactly one of image_url and a known file_id."
    raise VendorSays("invalid", message, param="input_reference")


def _prompt(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise VendorSays("invalid", "Missing required parameter: 'prompt'.", param="prompt")
    if len(value) > MAX_PROMPT:
        raise VendorSays("invalid", f"The prompt has more than {MAX_PROMPT} characters.", param="prompt")
    return value


def _seconds(value: Any) -> str:
    return "4" if value in (None, "") else str(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _limit() -> int:
    raw = flask.request.args.get("limit", str(DEFAULT_PAGE))
    if not raw.isdigit() or not 0 < int(raw) <= MAX_PAGE:
        raise VendorSays("invalid", f"limit must be from 1 to {MAX_PAGE}.", param="limit")
    return int(raw)


def _still(job: Job, encoding: str) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    still(picture_of(job)).save(buffer, encoding)
    return buffer.getvalue(), f"image/{encoding.lower()}"

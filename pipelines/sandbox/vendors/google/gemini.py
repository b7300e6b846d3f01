"""Google's Gemini API under /gemini: Interactions that yield video, their files, webhooks and the key set.

`/v1` (what the SDK calls) and `/v1beta` (what the documents show) are the same. A job is an Interaction; its file is
named after the hexadecimal part of its id.
"""

from __future__ import annotations

import base64
import re
import time
from datetime import UTC, datetime
from typing import Any

import flask
from PIL import Image
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common.content import send
from pipelines.sandbox.vendors.common.frames import frame
from pipelines.sandbox.vendors.common.gate import mount, open_route
from pipelines.sandbox.vendors.common.references import image_from_base64, image_from_url
from pipelines.sandbox.vendors.google import gemini_hooks, gemini_speech, images
from pipelines.sandbox.vendors.google.gemini_errors import VENDOR, api_key, shape
from pipelines.sandbox.vendors.kernel.clips import thumbnail_png
from pipelines.sandbox.vendors.kernel.engine import DAY_S, DEAD_LINKS, Engine, VendorSays, engine, link_is_late
from pipelines.sandbox.vendors.kernel.state import ENDED, Job, Order, Outcome, Phase

# $ per million video tokens. Source: inference.sh, 2026-11-06; tokens a second follow from its prices per second.
USD_PER_M = {"gemini-omni-1.2-flash": 12.0, "gemini-omni-1.1-flash": 17.5}
TOKENS_PER_S = {"360p": 1931, "720p": 5792, "1080p": 8688, "4k": 17376}
USD_PER_M_INPUT = 1.5
MILLION = 1_000_000
SECONDS = range(3, 16)
FILE_LIFETIME_S = 2 * DAY_S
LONGEST_WAIT_S = 120.0
ID_PREFIX = "v1_"
_STATUS = {
    Phase.QUEUED: "queued",
    Phase.RUNNING: "in_progress",
    Phase.SUCCEEDED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
}
_ERRORS = {
    Outcome.FLAGGED: ("PROHIBITED_CONTENT", "The generated video was blocked by safety filters."),
    Outcome.FAILED: ("INTERNAL", "Video generation failed due to an internal error."),
}


def register(app: flask.Flask, found: Engine) -> None:
    """Mount Interactions, files and webhooks."""
    version = "/<any(v1, v1beta, v1alpha):version>"
    blueprint = flask.Blueprint("vendor_gemini", __name__, url_prefix="/gemini")
    blueprint.post(f"{version}/interactions")(create)
    blueprint.get(f"{version}/interactions/<job_id>")(retrieve)
    blueprint.delete(f"{version}/interactions/<job_id>")(delete)
    blueprint.post(f"{version}/interactions/<job_id>/cancel")(cancel)
    blueprint.get(f"{version}/files/<name>:download")(download)
    blueprint.get(f"{version}/files/<name>")(file)
    blueprint.get(f"{version}/models")(models)
    blueprint.post(f"{version}/models/<model>:generateContent")(images.generate)
    blueprint.get("/.well-known/jwks.json")(key_set)
    gemini_hooks.routes(blueprint, version)
    found.announcers[VENDOR] = gemini_hooks.announce
    mount(app, blueprint, VENDOR, key=api_key, shape=shape)


def create(version: str) -> Response:
    """Start an Interaction; without `background` the answer waits for the end."""
    del version
    body = flask.request.get_json(silent=True)
    if not isinstance(body, dict):
        raise VendorSays("invalid", "Invalid JSON payload received.")
    model = str(body.get("model", "")).removeprefix("models/")
    if model in gemini_speech.USD_PER_M:
        return flask.jsonify(gemini_speech.interaction(model, body))
    job = engine().take(_order(body))
    if body.get("background"):
        return flask.jsonify(interaction(job, job.at_create))
    _wait(job)
    return flask.jsonify(interaction(job, time.time()))


def _order(body: dict[str, Any]) -> Order:
    model = str(body.get("model", "")).removeprefix("models/")
    if model not in USD_PER_M:
        raise VendorSays("not_found", f"models/{model} is not found or is not supported for interactions.")
    wanted = body.get("response_format") or {}
    wanted = wanted[0] if isinstance(wanted, list) else wanted
    if wanted.get("type", "video") != "video":
        raise VendorSays("invalid", "This model only produces video.", param="response_format.type")
    seconds, resolution = _seconds(wanted.get("duration")), str(wanted.get("resolution") or "720p")
    aspect_ratio = str(wanted.get("aspect_ratio") or "16:9")
    if resolution not in TOKENS_PER_S or aspect_ratio not in {"16:9", "9:16"}:
        raise VendorSays("invalid", f"Unsupported video format {resolution} {aspect_ratio}.", param="response_format")
    prompt, images = _input(body.get("input"))
    tokens = _tokens(seconds, resolution, prompt)
    width, height = frame(resolution, aspect_ratio)
    return Order(
        vendor=VENDOR,
        model=model,
        prompt=prompt,
        seconds=seconds,
        width=width,
        height=height,
        usd=round((tokens["video"] * USD_PER_M[model] + tokens["text"] * USD_PER_M_INPUT) / MILLION, 6),
        id_prefix=ID_PREFIX,
        reference=thumbnail_png(images[0]) if images else None,
        images=len(images),
        lifetime_s=FILE_LIFETIME_S,
        details={
            "delivery": wanted.get("delivery", "inline"),
            "resolution": resolution,
            "tokens": tokens,
            "labels": body.get("labels") or {},
            "webhook_config": body.get("webhook_config") or {},
            "previous_interaction_id": body.get("previous_interaction_id"),
        },
    )


def _tokens(seconds: float, resolution: str, prompt: str) -> dict[str, int]:
    return {"video": round(seconds * TOKENS_PER_S[resolution]), "text": max(1, len(prompt) // 4)}


def _seconds(duration: Any) -> float:
    """`"8s"`, `"8"` or 8."""
    match = re.fullmatch(r"(\d+)(?:\.0+)?s?", str(duration or "8s"))
    if not match or int(match[1]) not in SECONDS:
        raise VendorSays("invalid", "duration must be from 3s to 15s.", param="response_format.duration")
    return float(match[1])


def _input(value: Any) -> tuple[str, list[Image.Image]]:
    """The text and the images of an input: a string, content parts, or steps of content parts."""
    parts = _parts(value)
    texts = [part if isinstance(part, str) else part.get("text", "") for part in parts]
    prompt = "\n".join(text for text in texts if text)
    if not prompt.strip():
        raise VendorSays("invalid", "The input contains no text.", param="input")
    images = [part for part in parts if isinstance(part, dict) and part.get("type") == "image"]
    return prompt, [_picture(part) for part in images]


def _picture(part: dict[str, Any]) -> Image.Image:
    if part.get("data"):
        return image_from_base64(part["data"], param="input")
    return image_from_url(str(part.get("uri")), param="input")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [inner for part in value for inner in _parts(part)]
    if isinstance(value, dict) and "content" in value:
        return _parts(value["content"])
    return [value] if isinstance(value, str | dict) else []


def _wait(job: Job) -> None:
    end = time.time() + LONGEST_WAIT_S
    while job.phase(time.time()) not in ENDED:
        if time.time() > end:
            raise VendorSays("server_error", "Deadline expired before operation could complete.")
        time.sleep(0.05)


def retrieve(version: str, job_id: str) -> Response:
    """The Interaction as it stands."""
    del version
    engine().counts.kind(VENDOR, "poll")
    return flask.jsonify(interaction(engine().find(VENDOR, job_id), time.time()))


def cancel(version: str, job_id: str) -> Response:
    """Stop an unfinished Interaction."""
    del version
    job = engine().find(VENDOR, job_id)
    engine().cancel(job)
    return flask.jsonify(interaction(job, time.time()))


def delete(version: str, job_id: str) -> Response:
    del version
    engine().delete(engine().find(VENDOR, job_id))
    return flask.jsonify({})


def interaction(job: Job, now: float) -> dict[str, Any]:
    """The Interaction resource as it stood at `now`."""
    phase = job.phase(now)
    shown: dict[str, Any] = {
        "id": job.id,
        "object": "interaction",
        "model": job.model,
        "status": _STATUS[phase],
        "created": _stamp(job.created_at),
        "updated": _stamp(job.due_at if phase in ENDED else now),
        "labels": job.details["labels"],
        "steps": [],
    }
    if phase == Phase.SUCCEEDED and not link_is_late(job, now):
        shown["steps"] = [{"type": "model_output", "content": [_video(job)]}]
        shown["usage"] = _usage(job.details["tokens"])
    if phase == Phase.FAILED:
        code, message = _ERRORS[Outcome(job.outcome)]
        shown["errors"] = [{"code": code, "message": message}]
    return shown


def _video(job: Job) -> dict[str, Any]:
    video: dict[str, Any] = {"type": "video", "mime_type": "video/mp4", "resolution": job.details["resolution"]}
    if job.details["delivery"] == "uri":
        return {**video, "uri": file_uri(job)}
    clip, _ = engine().content(job)
    return {**video, "data": base64.b64encode(clip).decode()}


def file_uri(job: Job) -> str:
    """Where the clip can be downloaded with the key for 48 hours; a bad link names another host, and the same file."""
    path = f"/v1beta/files/{job.id.removeprefix(ID_PREFIX)}:download?alt=media"
    good = f"{engine().public_url()}/gemini{path}"
    bad = engine().link(job, good)
    return good if bad == good else f"{bad.partition('/outputs')[0].partition(DEAD_LINKS)[0]}{path}"


def _usage(tokens: dict[str, int]) -> dict[str, Any]:
    return {
        "total_input_tokens": tokens["text"],
        "input_tokens_by_modality": [{"modality": "text", "tokens": tokens["text"]}],
        "total_output_tokens": tokens["video"],
        "output_tokens_by_modality": [{"modality": "video", "tokens": tokens["video"]}],
        "total_thought_tokens": 0,
        "total_tokens": tokens["text"] + tokens["video"],
    }


def _file_job(name: str) -> Job:
    return engine().find(VENDOR, f"{ID_PREFIX}{name}")


def download(version: str, name: str) -> Response:
    """The clip's bytes; needs the key like everything else."""
    del version
    body, media_type = engine().content(_file_job(name))
    return send(body, media_type)


def file(version: str, name: str) -> Response:
    """The file's description."""
    job = _file_job(name)
    ready = job.phase(time.time()) == Phase.SUCCEEDED
    return flask.jsonify(
        {
            "name": f"files/{name}",
            "mimeType": "video/mp4",
            "state": "ACTIVE" if ready else "PROCESSING",
            "source": "GENERATED",
            "createTime": _stamp(job.created_at),
            "expirationTime": _stamp(job.expires_at()),
            "uri": f"{engine().public_url()}/gemini/{version}/files/{name}",
            "downloadUri": file_uri(job),
        }
    )


def models(version: str) -> Response:
    """The video models."""
    del version
    return flask.jsonify({"models": [{"name": f"models/{name}", "displayName": name} for name in USD_PER_M]})


@open_route
def key_set() -> Response:
    """The public key of dynamic webhooks."""
    return flask.jsonify(gemini_hooks.key_set())


def _stamp(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

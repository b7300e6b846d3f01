"""BytePlus ModelArk under /byteplus: the tasks of /contents/generations, billed by tokens, with unsigned callbacks.

The list repeats a task's seed, length and shape, not its prompt. DELETE stops a task that waits and erases one that has
ended. With `draft` a task is made in 480p; one whose content is that task, by its id, is made from it in 1080p, with
all else that was asked for there, for seven days. Both are billed. Source: docs.byteplus.com/en/docs/ModelArk, the
pages of video generation; for drafts docs.apiyi.com and docs.oxen.ai.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from PIL import Image

from pipelines.sandbox.vendors.common.content_tasks import ContentTasks
from pipelines.sandbox.vendors.common.extras import seed_of
from pipelines.sandbox.vendors.kernel.clips import FPS
from pipelines.sandbox.vendors.kernel.delivery import Post
from pipelines.sandbox.vendors.kernel.engine import DAY_S, Engine, VendorSays, engine
from pipelines.sandbox.vendors.kernel.magic import FORGOTTEN, words
from pipelines.sandbox.vendors.kernel.state import Job, Order, Outcome, Phase

# $ per million tokens by resolution. Source: BytePlus's rates of 2026-10.
MODELS = {"dreamina-seedance-2-5-260628": {"480p": 10.7, "720p": 10.7, "1080p": 11.7}}
REFERENCES = {"dreamina-seedance-2-5-260628": 30}
SIZES = {
    "16:9": {"480p": (864, 496), "720p": (1280, 720), "1080p": (1920, 1080)},
    "9:16": {"480p": (496, 864), "720p": (720, 1280), "1080p": (1080, 1920)},
    "1:1": {"480p": (640, 640), "720p": (960, 960), "1080p": (1440, 1440)},
}
DRAFTS = {"dreamina-seedance-2-5-260628"}
DRAFT, FINAL = "480p", "1080p"
DRAFT_KEPT_S = 7 * DAY_S
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
_FAILURES = {
    Outcome.FLAGGED: ("OutputVideoSensitiveContentDetected", "The output video may contain sensitive information."),
    Outcome.FAILED: ("InternalServiceError", "The service encountered an unexpected internal error."),
}


class BytePlus(ContentTasks):
    """Seedance."""

    name = "byteplus"
    root = "/api/v3"
    creates = lists = "/contents/generations/tasks"
    id_prefix = "cgt-"
    link_field = "video_url"
    link_s = DAY_S
    models = MODELS
    sizes = SIZES
    resolution = "720p"
    seconds = range(4, 31)
    most_text = 15_000
    references = REFERENCES
    edges = range(301, 6000)
    failures = _FAILURES

    def shape(self, problem: VendorSays) -> ResponseReturnValue:
        """`{"error": {code, message, param, type}}`."""
        status, code = _ERRORS[problem.kind]
        error = {"code": code, "message": problem.message, "param": problem.param or "", "type": "BadRequest"}
        return {"error": error}, status

    def ordered(self, body: Any) -> Order:
        """Also a draft, and what is made from one."""
        parts = body.get("content") if isinstance(body, dict) else None
        named = [one for one in parts or () if isinstance(one, dict) and one.get("type") == "draft_task"]
        if named:
            return self._from_draft(body, parts, named[0])
        draft = isinstance(body, dict) and body.get("draft") is True
        if draft and (body.get("model") not in DRAFTS or body.get("resolution", DRAFT) != DRAFT):
            raise VendorSays("invalid", f"A draft is made in {DRAFT}, by {sorted(DRAFTS)}.", param="draft")
        order = super().ordered({**body, "resolution": DRAFT} if draft else body)
        return replace(order, details={**order.details, "draft": draft})

    def _from_draft(self, body: Mapping[str, Any], parts: Any, named: Mapping[str, Any]) -> Order:
        """The clip of a draft."""
        resolution, told = body.get("resolution", FINAL), named.get("draft_task")
        if len(parts) != 1 or resolution != FINAL or not isinstance(told, dict):
            raise VendorSays("invalid", f"content is one draft_task, and resolution {FINAL}.", param="content")
        draft = engine().books.jobs.get(str(told.get("id")))
        if draft is None or draft.vendor != self.name or not _can_be_made(draft, body.get("model")):
            raise VendorSays("invalid", "The draft task does not exist, has not succeeded, or has expired.")
        width, height = SIZES[draft.details["ratio"]][FINAL]
        order = Order(
            vendor=self.name,
            model=draft.model,
            prompt=draft.prompt,
            seconds=draft.seconds,
            width=width,
            height=height,
            usd=0.0,
            id_prefix=self.id_prefix,
            reference=draft.reference,
            images=draft.images,
            lifetime_s=self.link_s,
            details={"resolution": FINAL, "ratio": draft.details["ratio"], "draft": False, "draft_task_id": draft.id},
        )
        like = {"seed": draft.seed, "generate_audio": draft.audio, "callback_url": body.get("callback_url")}
        return self.finished(order, like, MODELS[draft.model][FINAL])

    def ratio(self, asked: Any, pictures: Sequence[Image.Image]) -> str:
        """What was asked for, whatever the pictures."""
        del pictures
        if asked not in SIZES:
            raise VendorSays("invalid", f"The parameter ratio is not valid: {asked}.", param="ratio")
        return str(asked)

    def finished(self, order: Order, body: Mapping[str, Any], price: float) -> Order:
        """Billed by the token."""
        callback, seed = body.get("callback_url"), body.get("seed", -1)
        return replace(
            order,
            usd=round(_tokens(order) * price / 1e6, 6),
            audio=bool(body.get("generate_audio", True)),
            callback_url=callback if isinstance(callback, str) else None,
            seed=None if seed == -1 else seed_of(seed, param="seed"),
        )

    def shown(self, found: Engine, job: Job) -> dict[str, Any]:
        """With its seed, and once it is made with its tokens."""
        now = time.time()
        answer = {
            "error": None,
            "updated_at": int(min(now, job.due_at)),
            "seed": job.seed,
            "framespersecond": FPS,
            "generate_audio": job.audio,
            "service_tier": "default",
        } | self.told(found, job)
        if job.phase(now) == Phase.SUCCEEDED:
            answer["usage"] = {"completion_tokens": _tokens(job), "total_tokens": _tokens(job)}
        return answer

    def announce(self, found: Engine, job: Job, phase: Phase) -> list[Post]:
        """The task itself, whenever its status changes; unsigned."""
        del phase
        if not job.callback_url:
            return []
        return [Post(vendor=self.name, url=job.callback_url, body=json.dumps(self.shown(found, job)).encode())]


def _can_be_made(draft: Job, model: Any) -> bool:
    """Whether a task is a draft of which the clip can still be made."""
    now = time.time()
    kept = now < draft.created_at + DRAFT_KEPT_S and FORGOTTEN not in words(draft.prompt)
    made = draft.details.get("draft") and draft.deleted_at is None and draft.phase(now) == Phase.SUCCEEDED
    return bool(made and kept and model == draft.model)


def _tokens(asked: Order | Job) -> int:
    return asked.width * asked.height * (int(asked.seconds) * FPS + 1) // 1024


def register(app: flask.Flask, found: Engine) -> None:
    """Mount the API."""
    vendor = BytePlus()
    found.announcers[vendor.name] = vendor.announce
    vendor.register(app)

"""MiniMax under /minimax: /v2/video_generation, and the queries of one task and of all.

Refusals carry a number in brackets behind the message. The list does not repeat a prompt. It promises no callback
without a challenge, so this one never calls. Source: platform.minimaxi.com, the pages of video generation v2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from PIL import Image
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common.content_tasks import ContentTasks
from pipelines.sandbox.vendors.common.frames import H3_SIZES
from pipelines.sandbox.vendors.kernel.engine import Engine, VendorSays, engine
from pipelines.sandbox.vendors.kernel.state import Job, Order, Outcome

# $/s by resolution. Source: MiniMax's list price of 2026-10.
MODELS = {"MiniMax-H3": {"768P": 0.08, "2K": 0.13}, "MiniMax-H3-Max": {"480P": 0.05, "768P": 0.08}}
REFERENCES = {"MiniMax-H3": 9, "MiniMax-H3-Max": 0}
FREE_PICTURES, USD_PER_PICTURE = 5, 0.04
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
_FAILURES = {Outcome.FLAGGED: ("1027", "output new_sensitive"), Outcome.FAILED: ("1000", "unknown error")}


class Minimax(ContentTasks):
    """Its second API."""

    name = "minimax"
    creates = "/v2/video_generation"
    lists = "/v2/query/video_generation"
    id_field = "task_id"
    link_field = "url"
    link_s = 9 * 3600.0
    models = MODELS
    unknown_model = "invalid"
    sizes = H3_SIZES
    resolution = "768P"
    seconds = range(5, 16)
    most_text = 7000
    references = REFERENCES
    edges = range(256, 100_000)
    failures = _FAILURES

    def shape(self, problem: VendorSays) -> ResponseReturnValue:
        """`{type: error, error: {type, message, http_code}, request_id}`."""
        status, kind, number = _ERRORS[problem.kind]
        words = "input new_sensitive, sensitive content" if problem.kind == "refused" else problem.message
        error = {"type": kind, "message": f"{words} ({number})", "http_code": str(status)}
        return {"type": "error", "error": error, "request_id": "021-sandbox"}, status

    def ratio(self, asked: Any, pictures: Sequence[Image.Image]) -> str:
        """A clip that starts from a picture takes the picture's shape; every other names its own."""
        if asked in H3_SIZES and not pictures:
            return str(asked)
        if asked != "adaptive" or not pictures:
            raise VendorSays("invalid", f"invalid params, ratio {asked}", param="ratio")
        edge = pictures[0].width / pictures[0].height
        return min(H3_SIZES, key=lambda name: abs(H3_SIZES[name]["768P"][0] / H3_SIZES[name]["768P"][1] - edge))

    def finished(self, order: Order, body: Mapping[str, Any], price: float) -> Order:
        """Billed by the second, and by the picture from the sixth on."""
        del body
        pictures = max(0, order.images - FREE_PICTURES) * USD_PER_PICTURE
        return replace(order, usd=round(order.seconds * price + pictures, 6))

    def shown(self, found: Engine, job: Job) -> dict[str, Any]:
        """With what is billed."""
        return self.told(found, job) | {"usage": {"output_seconds": int(job.seconds), "input_image_count": job.images}}

    def retrieve(self, job_id: str) -> Response:
        """`{task: {…}}`."""
        engine().counts.kind(self.name, "poll")
        return flask.jsonify({"task": self.shown(engine(), engine().find(self.name, job_id))})

    def stopped(self, job: Job, action: str) -> dict[str, Any]:
        """Which of the two was done."""
        return {"task_id": job.id, "action": action, "status": "cancelled"}


def register(app: flask.Flask, found: Engine) -> None:
    """Mount the API."""
    del found
    Minimax().register(app)

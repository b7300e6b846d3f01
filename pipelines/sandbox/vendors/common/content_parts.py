"""What MiniMax and BytePlus have in common: a `content` of a text and pictures, each in a role; and pages of tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flask
from PIL import Image
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common.references import image_from_url
from pipelines.sandbox.vendors.kernel.engine import VendorSays, engine
from pipelines.sandbox.vendors.kernel.state import Job

FRAMES = frozenset({"first_frame", "last_frame"})
REFERENCE = "reference_image"
MOST = 500
"""Tasks of a page."""


def prompt_and_pictures(body: Any, *, most: int) -> tuple[str, list[Image.Image]]:
    """The one text, and the pictures, frames first. Raises VendorSays `invalid` for what the vendors refuse."""
    parts = body.get("content") if isinstance(body, dict) else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise VendorSays("invalid", "content must be a list of objects.", param="content")
    texts = [part.get("text") for part in parts if part.get("type") == "text"]
    if len(texts) != 1 or not isinstance(texts[0], str) or not texts[0].strip() or len(texts[0]) > most:
        raise VendorSays("invalid", f"content must have one text of at most {most} characters.", param="content")
    pictures = [part for part in parts if part.get("type") == "image_url"]
    roles = [part.get("role") for part in pictures]
    frames = [role for role in roles if role != REFERENCE]
    if len(set(frames)) < len(frames) or not set(frames) <= FRAMES or (frames and len(frames) < len(roles)):
        raise VendorSays("invalid", f"These roles do not go together: {roles}.", param="content")
    if frames == ["last_frame"]:
        raise VendorSays("invalid", "last_frame needs first_frame.", param="content")
    links = [str((part.get("image_url") or {}).get("url")) for part in pictures]
    return texts[0], [image_from_url(link, param="content") for link in links]


def listed(vendor: str, show: Callable[[Job], dict[str, Any]]) -> Response:
    """`{items, total}`, the newest first; no such route where the dial `lists` is off."""
    engine().counts.kind(vendor, "list")
    if not engine().dials.of(vendor).lists:
        raise VendorSays("not_found", "No route for this path.")
    found = [job for job in engine().books.of(vendor) if job.deleted_at is None]
    found.sort(key=lambda job: job.number, reverse=True)
    return flask.jsonify({"items": [show(job) for job in _page_of(found)], "total": len(found)})


def _page_of(rows: Sequence[Any]) -> Sequence[Any]:
    """The part of `rows` that `page_num` and `page_size` ask for."""
    number, size = (flask.request.args.get(name, "") for name in ("page_num", "page_size"))
    if not (number.isdigit() and size.isdigit() and 1 <= int(size) <= MOST and int(number) >= 1):
        raise VendorSays("invalid", "page_num and page_size must be whole numbers from 1.", param="page_num")
    start = (int(number) - 1) * int(size)
    return rows[start : start + int(size)]

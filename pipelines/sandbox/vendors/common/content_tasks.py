"""What MiniMax and BytePlus have in common: tasks made of one text and pictures in their roles, and pages of tasks.

Pictures either begin and end a clip or are what it refers to. Those of a wrong size or shape are refused.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import flask
from flask.typing import ResponseReturnValue
from PIL import Image
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common.content import send
from pipelines.sandbox.vendors.common.frames import Sizes
from pipelines.sandbox.vendors.common.gate import bearer, mount, open_route
from pipelines.sandbox.vendors.common.references import image_from_url
from pipelines.sandbox.vendors.kernel.clips import thumbnail_png
from pipelines.sandbox.vendors.kernel.engine import Engine, VendorSays, engine, link_is_late
from pipelines.sandbox.vendors.kernel.state import Job, Order, Outcome, Phase

FRAMES = frozenset({"first_frame", "last_frame"})
REFERENCE = "reference_image"
WIDEST = 2.5
MOST = 500
"""Tasks of a page."""


class ContentTasks(ABC):
    """One such vendor."""

    name: ClassVar[str]
    root: ClassVar[str] = ""
    """Where its API begins, behind the vendor's name."""
    creates: ClassVar[str]
    lists: ClassVar[str]
    id_field: ClassVar[str] = "id"
    id_prefix: ClassVar[str] = ""
    link_field: ClassVar[str]
    link_s: ClassVar[float]
    models: ClassVar[Mapping[str, Mapping[str, float]]]
    """The price of each by resolution, in a unit of the vendor's own."""
    unknown_model: ClassVar[str] = "not_found"
    sizes: ClassVar[Sizes]
    resolution: ClassVar[str]
    """Where none is asked for."""
    seconds: ClassVar[range]
    most_text: ClassVar[int]
    references: ClassVar[Mapping[str, int]]
    """How many pictures each model refers to."""
    edges: ClassVar[range]
    """Pixels that each edge of a picture may have; none is 2.5 times the other."""
    failures: ClassVar[Mapping[Outcome, tuple[str, str]]]

    @abstractmethod
    def shape(self, problem: VendorSays) -> ResponseReturnValue:
        """The answer where there is no success."""

    @abstractmethod
    def ratio(self, asked: Any, pictures: Sequence[Image.Image]) -> str:
        """One of `sizes`. Raises VendorSays."""

    @abstractmethod
    def finished(self, order: Order, body: Mapping[str, Any], price: float) -> Order:
        """The order with what only this vendor reads, and with its cost."""

    @abstractmethod
    def shown(self, found: Engine, job: Job) -> dict[str, Any]:
        """What queries and callbacks say about a task."""

    # ------------------------------------------------------------ the API

    def register(self, app: flask.Flask) -> None:
        """Mount it."""
        blueprint = flask.Blueprint(f"vendor_{self.name}", __name__, url_prefix=f"/{self.name}{self.root}")
        blueprint.post(self.creates)(self.create)
        blueprint.delete(f"{self.creates}/<job_id>")(self.stop)
        blueprint.get(self.lists)(self.tasks)
        blueprint.get(f"{self.lists}/<job_id>")(self.retrieve)
        blueprint.get("/files/<job_id>.mp4")(self.file)
        mount(app, blueprint, self.name, key=bearer, shape=self.shape)

    def create(self) -> Response:
        """The id of a new task."""
        order = self.ordered(flask.request.get_json(silent=True))
        return flask.jsonify({self.id_field: engine().take(order).id})

    def ordered(self, body: Any) -> Order:
        """What a request asks for. Raises VendorSays."""
        prompt, frames, references = _prompt_and_links(body, most=self.most_text)
        model, resolution = str(body.get("model")), str(body.get("resolution") or self.resolution)
        prices, seconds = self.models.get(model), body.get("duration")
        if prices is None:
            raise VendorSays(self.unknown_model, f"The model {model} does not exist or is not activated.")
        if resolution not in prices or isinstance(seconds, bool) or seconds not in self.seconds:
            raise VendorSays("invalid", f"invalid params: resolution {resolution}, duration {seconds}")
        if len(references) > self.references[model]:
            raise VendorSays("invalid", f"{model} takes at most {self.references[model]} reference images.")
        pictures = [self.picture(link) for link in frames + references]
        width, height = self.sizes[self.ratio(body.get("ratio"), pictures[: len(frames)])][resolution]
        order = Order(
            vendor=self.name,
            model=model,
            prompt=prompt,
            seconds=float(seconds),
            width=width,
            height=height,
            usd=0.0,
            id_prefix=self.id_prefix,
            reference=thumbnail_png(pictures[0]) if pictures else None,
            images=len(pictures),
            lifetime_s=self.link_s,
            details={"resolution": resolution, "ratio": body.get("ratio")},
        )
        return self.finished(order, body, prices[resolution])

    def picture(self, link: str) -> Image.Image:
        """One of a size that is taken, or VendorSays."""
        found = image_from_url(link, param="content")
        short, long = sorted(found.size)
        if short not in self.edges or long not in self.edges or long >= WIDEST * short:
            raise VendorSays("invalid", f"A picture of {found.width}x{found.height} is not taken.", param="content")
        return found

    def retrieve(self, job_id: str) -> Response:
        """The task."""
        engine().counts.kind(self.name, "poll")
        return flask.jsonify(self.shown(engine(), engine().find(self.name, job_id)))

    def tasks(self) -> Response:
        """`{items, total}`, the newest first; no such route where the dial `lists` is off."""
        found = engine()
        found.counts.kind(self.name, "list")
        if not found.dials.of(self.name).lists:
            raise VendorSays("not_found", "No route for this path.")
        jobs = sorted(found.books.of(self.name), key=lambda job: job.number, reverse=True)
        return flask.jsonify({"items": [self.shown(found, job) for job in _page_of(jobs)], "total": len(jobs)})

    def stop(self, job_id: str) -> Response:
        """Cancels a task that waits; erases one that has ended, and its clip."""
        job = engine().find(self.name, job_id)
        phase = job.phase(time.time())
        if phase == Phase.RUNNING:
            raise VendorSays("invalid", "The task is running and cannot be deleted.")
        waits = phase == Phase.QUEUED
        (engine().cancel if waits else engine().delete)(job)
        return flask.jsonify(self.stopped(job, "cancel" if waits else "delete"))

    def stopped(self, job: Job, action: str) -> dict[str, Any]:
        """What is answered to that."""
        del job, action
        return {}

    @open_route
    def file(self, job_id: str) -> Response:
        """The clip; needs no key, and ends with its link."""
        until = flask.request.args.get("until", "")
        if until.isdigit() and int(until) < time.time():
            raise VendorSays("gone", "The link has expired.")
        return send(*engine().content(engine().find(self.name, job_id)))

    def told(self, found: Engine, job: Job) -> dict[str, Any]:
        """What both say of a task; each query names a fresh link."""
        now = time.time()
        phase = job.phase(now)
        answer: dict[str, Any] = {
            "id": job.id,
            "model": job.model,
            "status": str(phase),
            "created_at": int(job.created_at),
            "duration": int(job.seconds),
            **job.details,
        }
        if phase == Phase.SUCCEEDED and not link_is_late(job, now):
            file = f"{found.public_url()}/{self.name}{self.root}/files/{job.id}.mp4?until={int(now + self.link_s)}"
            answer["content"] = {self.link_field: found.renewed_link(job, file)}
        if phase == Phase.FAILED:
            code, message = self.failures[Outcome(job.outcome)]
            answer["error"] = {"code": code, "message": message}
        return answer


def _prompt_and_links(body: Any, *, most: int) -> tuple[str, list[str], list[str]]:
    """The one text, the links of the frames and those of the references. Raises VendorSays for what is refused."""
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
    return (texts[0], links, []) if frames else (texts[0], [], links)


def _page_of(rows: Sequence[Job]) -> Sequence[Job]:
    """The part of `rows` that `page_num` and `page_size` ask for."""
    number, size = (flask.request.args.get(name, "") for name in ("page_num", "page_size"))
    if not (number.isdigit() and size.isdigit() and 1 <= int(size) <= MOST and int(number) >= 1):
        raise VendorSays("invalid", "page_num and page_size must be whole numbers from 1.", param="page_num")
    start = (int(number) - 1) * int(size)
    return rows[start : start + int(size)]

"""The common part of every video vendor: taking an order, deciding its fate, keeping time, rendering, announcing.

VendorSays                 an answer that is no success; each vendor words it in its own way
├── Taken                  the job was booked all the same
│   ├── LostReply          … and the connection is dropped without an answer
│   └── ErrorAfterAll      … and the answer is a server error
└── (kinds)                unauthorized no_credit rate_limited server_error refused invalid not_found not_ready gone
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import flask

from pipelines.sandbox.vendors.kernel import magic
from pipelines.sandbox.vendors.kernel.clips import FPS, ClipCache, Picture, colour_of, tone_of
from pipelines.sandbox.vendors.kernel.delivery import Crew, Post, Postman
from pipelines.sandbox.vendors.kernel.faults import Counts, Dials, RateWindow
from pipelines.sandbox.vendors.kernel.state import Books, Job, Order, Outcome, Phase, Request

SLOW_FACTOR = 10
PRERENDER_AT_MOST = 12
DAY_S = 86_400.0
DEAD_LINKS = "/vendors/expired"
INSIDE = "http://10.1.2.3:9000/outputs"
LINK_LATE_S = 1.5


class VendorSays(Exception):
    """No success. `kind` is one of the words above, `param` names the field at fault."""

    def __init__(self, kind: str, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param
        self.retry_after = retry_after


class Taken(VendorSays):
    """The job is booked and billed; only the answer went wrong."""


class LostReply(Taken):
    """The connection is dropped without an answer."""


class ErrorAfterAll(Taken):
    """The answer is a server error although the job was taken."""


Announcer = Callable[["Engine", Job, Phase], list[Post]]


class Engine:
    """One per app: state, dials, counts, clips and the postman."""

    def __init__(self, folder: Path | None, public_url: Callable[[], str]) -> None:
        self.public_url = public_url
        self.dials = Dials()
        self.counts = Counts()
        self.window = RateWindow()
        self.clips = ClipCache()
        self.books = Books(folder)
        self.secrets: dict[str, str] = {}
        self.announcers: dict[str, Announcer] = {}
        self.postman = Postman(self.dials, self.counts)
        self._renderers = Crew("sandbox-render", 1)
        self._ahead = threading.BoundedSemaphore(PRERENDER_AT_MOST)

    def close(self) -> None:
        """Announce nothing more and let the threads end."""
        self.postman.close()
        self._renderers.close()

    def resume(self) -> None:
        """After a restart: announce what was not announced yet."""
        for job in list(self.books.jobs.values()):
            if not job.announced:
                self._announce_later(job)

    def take(self, order: Order) -> Job:
        """Book an order. Raises VendorSays when moderation refuses, Taken when only the reply goes wrong."""
        dials = self.dials.of(order.vendor)
        with self.books.lock:
            known = self._known(order)
            if known is not None:
                return known
            if dials.max_in_flight is not None and self.books.running() >= dials.max_in_flight:
                raise VendorSays("rate_limited", "Too many jobs in progress.", retry_after=dials.retry_after_s)
            self._moderate(order)
            job = self._book(order)
            lost = self._first(order, "lost")
        self.counts.kind(order.vendor, "create")
        self.counts.running(self.books.running())
        self._start(job)
        if lost or self.dials.happens(dials.lost_percent):
            self.counts.kind(order.vendor, "lost")
            raise LostReply("lost", f"{job.id} was taken; the answer is lost.")
        if self.dials.happens(dials.error_after_percent):
            self.counts.kind(order.vendor, "error_after")
            raise ErrorAfterAll("server_error", "The server had an error while processing your request.")
        return job

    def _known(self, order: Order) -> Job | None:
        if not order.idempotency_key:
            return None
        return self.books.by_key(order.vendor, order.model, order.idempotency_key)

    def _first(self, order: Order, word: str) -> bool:
        """Whether the prompt says `word` and says it here for the first time."""
        said = word in magic.words(order.prompt)
        return said and self.books.first_time(f"{order.vendor}|{word}|{order.prompt}")

    def _moderate(self, order: Order) -> None:
        if magic.said(order.prompt, "refuse", order.vendor) or self._first(order, "fickle"):
            self.counts.kind(order.vendor, "refused")
            raise VendorSays("refused", "Your request was blocked by our moderation system.", param="prompt")

    def _outcome(self, order: Order) -> Outcome:
        said = magic.words(order.prompt)
        if "never" in said:
            return Outcome.NEVER
        if "flag" in said:
            return Outcome.FLAGGED
        if magic.said(order.prompt, "fail", order.vendor):
            return Outcome.FAILED
        return Outcome.FAILED if self._first(order, "fail-once") else Outcome.CLIP

    def _book(self, order: Order) -> Job:
        dials = self.dials.of(order.vendor)
        wait = self.dials.spread(dials.generation_s, dials.generation_jitter)
        wait *= SLOW_FACTOR if "slow" in magic.words(order.prompt) else 1
        now, number = time.time(), len(self.books.jobs)
        shade = number % dials.palette if dials.palette else number
        asked = {part.name: getattr(order, part.name) for part in fields(Request)}
        if dials.lifetime_s is not None:
            asked["lifetime_s"] = dials.lifetime_s
        job = Job(
            id=order.id_prefix + secrets.token_hex(16),
            number=number,
            created_at=now,
            due_at=now + wait,
            colour=colour_of(shade),
            tone_hz=tone_of(shade),
            plain=dials.palette is not None,
            outcome=self._outcome(order),
            odd=magic.choice(order.prompt, "odd", magic.ODDITIES),
            damage=magic.damage(order.prompt),
            **asked,
        )
        if job.damage is None and self.dials.happens(dials.damage_percent):
            job.damage = magic.DAMAGES[number % len(magic.DAMAGES)]
        self.books.save(job)
        return job

    def _start(self, job: Job) -> None:
        self._announce_now(job, Phase.QUEUED)
        self._announce_later(job)
        prerender = self.dials.of(job.vendor).prerender and job.outcome == Outcome.CLIP
        if prerender and self._ahead.acquire(blocking=False):
            self._renderers.submit(lambda: self._render_ahead(job))

    def _render_ahead(self, job: Job) -> None:
        try:
            self.clips.get(picture_of(job))
        finally:
            self._ahead.release()

    def _announce_later(self, job: Job) -> None:
        if job.outcome != Outcome.NEVER:
            delay = self.dials.of(job.vendor).webhook_delay_s
            self.postman.at(job.due_at + delay, lambda: self._announce_end(job))

    def _announce_end(self, job: Job) -> None:
        if job.announced or job.deleted_at is not None or job.id not in self.books.jobs:
            return
        job.announced = True
        self.books.save(job)
        self._announce_now(job, job.phase(max(time.time(), job.due_at)))

    def _announce_now(self, job: Job, phase: Phase) -> None:
        announcer = self.announcers.get(job.vendor)
        for post in announcer(self, job, phase) if announcer else []:
            self.postman.send(post)

    def find(self, vendor: str, job_id: str) -> Job:
        """The vendor's own job; a deleted one is not found."""
        job = self.books.jobs.get(job_id)
        if job is None or job.vendor != vendor or job.deleted_at is not None:
            raise VendorSays("not_found", f"No job with id '{job_id}' was found.")
        return job

    def cancel(self, job: Job) -> None:
        """Stop an unfinished job; it is not charged. A finished one stays as it is."""
        with self.books.lock:
            if job.phase(time.time()) in {Phase.QUEUED, Phase.RUNNING}:
                job.cancelled_at = time.time()
                self.books.save(job)
                self.books.recount()
        self._announce_end(job)

    def delete(self, job: Job) -> None:
        with self.books.lock:
            if job.phase(time.time()) in {Phase.QUEUED, Phase.RUNNING}:
                job.cancelled_at = time.time()
            job.deleted_at = time.time()
            self.books.save(job)
            self.books.recount()

    def finish_all(self) -> int:
        """Bring every unfinished job to its end at once; how many those were."""
        now = time.time()
        with self.books.lock:
            open_jobs = [job for job in self.books.jobs.values() if job.phase(now) in {Phase.QUEUED, Phase.RUNNING}]
            for job in open_jobs:
                if job.outcome != Outcome.NEVER:
                    job.due_at = now
                    self.books.save(job)
                    self._announce_later(job)
            self.books.recount()
        return len(open_jobs)

    def second_take(self, job: Job) -> tuple[bytes, str]:
        """What a job with `[[takes]]` made besides its clip. Raises VendorSays."""
        now = time.time()
        if magic.TAKES not in magic.words(job.prompt) or job.phase(now) != Phase.SUCCEEDED or now >= job.expires_at():
            raise VendorSays("not_found", f"{job.id} has no second take.")
        self.counts.kind(job.vendor, "content")
        return self.clips.get(replace(picture_of(job), label="the second take")), "video/mp4"

    def content(self, job: Job) -> tuple[bytes, str]:
        """The finished clip and its media type; damaged the first time if the prompt says so. Raises VendorSays."""
        now = time.time()
        phase = job.phase(now)
        if phase == Phase.FAILED:
            raise VendorSays("not_ready", f"The job {job.id} failed and has no content.")
        if phase != Phase.SUCCEEDED:
            raise VendorSays("not_ready", f"The job {job.id} is not ready yet.")
        if now >= job.expires_at():
            raise VendorSays("gone", f"The assets of {job.id} have expired.")
        self.counts.kind(job.vendor, "content")
        clip = self.clips.get(picture_of(job))
        with self.books.lock:
            job.fetches += 1
            first = job.fetches == 1
            self.books.save(job)
        if first and job.damage == magic.MISSING:
            raise VendorSays("not_found", f"The assets of {job.id} were not found.")
        if first and job.damage == "html":
            return b"<!doctype html><title>502</title><h1>Bad gateway</h1>", "text/html; charset=utf-8"
        return (clip[: len(clip) // 2] if first and job.damage else clip), "video/mp4"

    def link(self, job: Job, good: str) -> str:
        """The link that an answer names: the good one, unless the prompt says otherwise."""
        words = magic.words(job.prompt)
        if magic.DEAD in words:
            return f"{self.public_url()}{DEAD_LINKS}/{job.id}.mp4"
        return f"{INSIDE}/{job.id}.mp4" if magic.INSIDE in words else good

    def renewed_link(self, job: Job, good: str) -> str:
        """The same where the clip is nowhere but under its link: whoever asks later is told the good one."""
        return self.link(job, good) if time.time() < job.due_at + LINK_LATE_S else good

    def job_of_link(self, link: str) -> Job | None:
        """The job whose file a link of ours names, good or bad."""
        return self.books.jobs.get(link.partition("?")[0].rpartition("/")[2].removesuffix(".mp4"))

    def bill(self) -> dict[str, Any]:
        """One line per accepted create, and what they add up to."""
        now = time.time()
        with self.books.lock:
            lines = [bill_line(job, now) for job in self.books.jobs.values()]
            texts = list(self.books.texts)
        charged = [line for line in lines if line["charged"]]
        by_model: dict[str, dict[str, float]] = {}
        by_prompt: dict[str, int] = {}
        for line in charged:
            entry = by_model.setdefault(f"{line['vendor']}/{line['model']}", {"count": 0, "usd": 0.0})
            entry["count"] += 1
            entry["usd"] = round(entry["usd"] + line["usd"], 6)
            by_prompt[line["prompt"]] = by_prompt.get(line["prompt"], 0) + 1
        return {
            "total_usd": round(sum(line["usd"] for line in charged), 6),
            "count": len(lines),
            "charged_count": len(charged),
            "by_model": by_model,
            "distinct_prompts": len(by_prompt),
            "repeated_prompts": {prompt: count for prompt, count in by_prompt.items() if count > 1},
            "generations": lines,
            "text_usd": round(sum(use.usd for use in texts), 6),
            "text_requests": len(texts),
        }


def bill_line(job: Job, now: float) -> dict[str, Any]:
    """What the bill says about one job."""
    return {
        "id": job.id,
        "vendor": job.vendor,
        "model": job.model,
        "prompt": job.prompt,
        "seconds": job.seconds,
        "size": job.size,
        "usd": job.usd,
        "at": job.created_at,
        "status": str(job.phase(now)),
        "charged": job.charged(now),
        "colour": job.colour,
        "tone_hz": job.tone_hz,
        "image": job.reference is not None,
        "images": job.images,
        "seed": job.seed,
        "negative_prompt": job.negative_prompt,
        "draft": bool(job.details.get("draft")),
        "made_from": job.details.get("draft_task_id"),
        "odd": job.odd,
        "fetches": job.fetches,
        "deleted": job.deleted_at is not None,
    }


def picture_of(job: Job) -> Picture:
    """The clip a job yields; `[[odd]]` makes it differ from what was asked."""
    width, height = job.width, job.height
    if job.odd == "size":
        width, height = _odd_size(width), _odd_size(height)
    return Picture(
        width=width,
        height=height,
        seconds=job.seconds,
        colour=job.colour,
        text="" if job.plain else magic.without(job.prompt),
        label="" if job.plain else f"{job.model}  ·  {job.seconds:g} s  ·  {job.size}  ·  no. {job.number + 1}",
        tone_hz=job.tone_hz,
        fps=30 if job.odd == "fps" else FPS,
        channels=0 if job.odd == "silent" or not job.audio else 1 if job.odd == "mono" else 2,
        sar=Fraction(4, 3) if job.odd == "sar" else Fraction(1),
        reference=job.reference,
    )


def link_is_late(job: Job, now: float) -> bool:
    """Whether the job is done and its link is not there yet, because the prompt says so."""
    return magic.LATE in magic.words(job.prompt) and now < job.due_at + LINK_LATE_S


def _odd_size(edge: int) -> int:
    """Two thirds, on the multiple of 16 that real models like."""
    return max(64, math.floor(edge * 2 / 3 / 16) * 16)


def engine() -> Engine:
    """The engine of the current app."""
    found: Engine = flask.current_app.extensions["sandbox_vendors"]
    return found

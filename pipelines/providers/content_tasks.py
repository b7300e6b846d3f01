"""Vendors that make a clip from a list of `content`, its text and pictures each in its role, and list their tasks.

MiniMax and BytePlus speak alike: one POST makes a task, a GET tells of it, another lists all tasks a page at a time.
None of them honours an idempotency key, so a lost answer is looked for in the list; what a row of it does not tell
speaks for it. Their DELETE stops a task that waits, and erases one that has ended, so only a waiting task gets one.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import Ambiguous, Unavailable
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.net import paid
from pipelines.ports import GenerationRequest, Job, MediaInput, Submission
from pipelines.providers.base import (
    CLOCK_SKEW_S,
    AnsweringAdapter,
    Context,
    check_answer,
    data_url,
    json_of,
    link_of,
    picture,
    submit_timeout,
    unpaid,
)
from pipelines.providers.links import clip_in
from pipelines.providers.pictures import PictureLimits, sized, within
from pipelines.providers.video_object import answered_job, as_object, id_of, is_number, job_from, listed_in
from pipelines.providers.vocabulary import create_error, has_no_list, read_error, squeezed

PAGE, MAX_PAGES = 100, 100
_G = GenerationStatus

Body = Mapping[str, Any]


class TaskAdapter(AnsweringAdapter):
    """One such vendor; a subclass says where things are and how it is asked."""

    creates: ClassVar[str]
    """Where a task is made; with an id, where it is stopped."""
    lists: ClassVar[str]
    """Where tasks are listed; with an id, where one is told of."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._url = self.own.value("_base_url")
        self._http = self.client()
        self._http.headers["Authorization"] = f"Bearer {self.own.value('_api_key')}"

    # ------------------------------------------------------------ what a vendor implements

    @abstractmethod
    def _create_body(self, submission: Submission, card: CatalogueModel) -> dict[str, Any]: ...

    def _refusal(self, answer: httpx.Response, said: Any) -> tuple[int, Any]:
        """The HTTP status that an answer without what was asked for amounts to, a good one for what says nothing; and
        its words.
        """
        return answer.status_code, said

    def _marked(self, told: Body, submission: Submission) -> bool:  # noqa: ARG002 — the answer of most vendors
        """Whether a row of the list has the mark of this very request. That it has none proves nothing."""
        return False

    def _told_apart(self, told: Body, submission: Submission) -> bool:  # noqa: ARG002 — the answer of most vendors
        """Whether a row of the list is another kind of task than the request asked for, by what only this vendor
        tells.
        """
        return False

    def _named(self, job: Job, told: Any, request: GenerationRequest) -> Job:
        """A job with what only this vendor says of it."""
        del told, request
        return job

    # ------------------------------------------------------------ the port

    def _submit(self, submission: Submission, card: CatalogueModel) -> Job:
        body = self._create_body(submission, card)
        with paid(self.name):
            answer = self._http.post(f"{self._url}{self.creates}", json=body, timeout=submit_timeout(card))
        said = json_of(answer)
        task = id_of(as_object(said)) if answer.is_success else None
        if task:
            return Job(id=task, status=_G.SUBMITTED)
        status, words = self._refusal(answer, said)
        if httpx.codes.is_success(status):
            raise Ambiguous(f"{self.name}: accepted without a task id: {str(said)[:200]}")
        raise create_error(status, words, vendor=self.name, headers=answer.headers)

    def _polled(self, job_id: str, request: GenerationRequest) -> tuple[Job, Any]:
        told = self._told_of(job_id)
        job = answered_job(told, job_id, vendor=self.name)
        if job.status is _G.SUCCEEDED and not job.result.links and clip_in(told) is None:
            # The status is written before the result: it is asked for again until the deadline.
            job = dataclasses.replace(job, status=_G.RUNNING, progress=min(job.progress, 99))
        return self._named(job, told, request), told

    def _find(self, submission: Submission, since: float) -> list[Job]:
        card, marked, others = self.card(submission.request), list[Job](), list[Job]()
        for told in self._listed(since):
            if self._told_apart(told, submission):
                continue
            if self._marked(told, submission):
                marked.append(job_from(told))
            elif _could_be(told, submission.request, card):
                others.append(dataclasses.replace(job_from(told), wordless=not told.get("prompt")))
        return marked or others

    def _jobs(self, since: float) -> list[Job]:
        return list({job_key(job.id): job for job in map(job_from, self._listed(since))}.values())

    def _cancel(self, job_id: str) -> bool:
        if job_from(self._told_of(job_id), job_id).status is not _G.SUBMITTED:
            return False
        with unpaid(self.name):
            return self._http.delete(f"{self._url}{self.creates}/{quote(job_id, safe='')}").is_success

    def _check(self) -> str:
        try:
            self._page(1, 1)
        except Ambiguous:
            settled = "If the address is right, a lost answer is settled by a person."
            return (
                f"{self.name}: {self._url} answers, but does not list its tasks, as {self.name} itself does. {settled}"
            )
        return f"{self.name}: {self._url} answers, accepts our key and lists its tasks."

    # ------------------------------------------------------------ reading

    def _told_of(self, job_id: str) -> dict[str, Any]:
        with unpaid(self.name):
            answer = self._http.get(f"{self._url}{self.lists}/{quote(job_id, safe='')}")
        return check_answer(answer, vendor=self.name)

    def _listed(self, since: float) -> Iterator[Body]:
        """The vendor's tasks back to `since`. In which order they come is not documented: where it is the newest first,
        the rest need not be read.
        """
        seen = 0
        for number in range(1, MAX_PAGES + 1):
            entries, total = self._page(number, PAGE)
            times = [job_from(entry).created_at for entry in entries]
            for entry, created in zip(entries, times, strict=True):
                if id_of(entry) and (created is None or created >= since - CLOCK_SKEW_S):
                    yield entry
            seen += len(entries)
            if not entries or (total is not None and seen >= total) or _all_older(times, since - CLOCK_SKEW_S):
                return
        raise Ambiguous(f"{self.name}: more than {seen} tasks, ours may be among others")

    def _page(self, number: int, size: int) -> tuple[list[dict[str, Any]], int | None]:
        """The tasks of one page, and how many there are in all where that is told. Raises Ambiguous where a server has
        no list, such as a gateway that passes on single tasks only.
        """
        with unpaid(self.name):
            query = {"page_num": number, "page_size": size}
            answer = self._http.get(f"{self._url}{self.lists}", params=query)
        said = json_of(answer)
        entries, total = listed_in(said), as_object(said).get("total")
        if answer.is_success and (entries is not None or total == 0):
            return entries or [], int(total) if is_number(total) else None
        if answer.is_success and said == "":
            raise Unavailable(f"{self.name}: an empty answer in place of its tasks")
        status, words = self._refusal(answer, said)
        if httpx.codes.is_success(status) or has_no_list(status, words):
            # Not "nothing there": who sends no list cannot tell.
            raise Ambiguous(f"{self.name}: this server does not list its tasks: {str(said)[:200]}")
        raise read_error(status, words, vendor=self.name, headers=answer.headers)


def _all_older(times: list[float | None], since: float) -> bool:
    """Whether a page ends before `since`, and runs from the newest to the oldest."""
    told = [moment for moment in times if moment is not None]
    return len(told) == len(times) and told == sorted(told, reverse=True) and told[0] > told[-1] and told[-1] < since


def _could_be(told: Body, request: GenerationRequest, card: CatalogueModel) -> bool:
    """Whether a listed task can be ours. What is not told, or told in a form of its own, speaks for it."""
    said = {name: str(told.get(name) or "").strip() for name in ("prompt", "duration", "resolution", "ratio", "model")}
    if said["prompt"] and said["prompt"].split() != request.prompt.split():
        return False
    if said["duration"].replace(".", "", 1).isdecimal() and float(said["duration"]) != request.seconds:
        return False
    if said["resolution"] and squeezed(said["resolution"]) != squeezed(wire_resolution(request, card)):
        return False
    # A clip that starts from a picture takes its shape from there.
    if said["ratio"] in ALL_RATIOS and not request.first_frame and said["ratio"] != request.aspect_ratio:
        return False
    slug, model = str(card.options.get("slug", card.slug)).lower(), said["model"].lower()
    return not model or slug in model or model in slug


ALL_RATIOS = frozenset({"16:9", "9:16", "1:1", "4:3", "3:4", "21:9"})


def wire_resolution(request: GenerationRequest, card: CatalogueModel) -> str:
    """What the vendor calls our resolution."""
    return str(card.options.get("resolutions", {}).get(request.resolution, request.resolution))


def content_of(submission: Submission, card: CatalogueModel, *, fitted: bool) -> list[dict[str, Any]]:
    """The text, and each picture in its role, made to be within the `pictures` of the card's options. With `fitted` the
    frames are cut to the clip's size, for a vendor that gives a clip the shape of the picture it starts from.
    """
    request, limits = submission.request, PictureLimits.of(card.options)
    frames = [("first_frame", request.first_frame), ("last_frame", request.last_frame)]
    pictures = [(role, _frame(submission, key, limits, fitted=fitted)) for role, key in frames if key]
    pictures += [("reference_image", _reference(picture(submission, key), limits)) for key in request.references]
    parts = [{"type": "image_url", "image_url": {"url": link}, "role": role} for role, link in pictures]
    return [{"type": "text", "text": request.prompt}, *parts]


def _frame(submission: Submission, key: str, limits: PictureLimits, *, fitted: bool) -> str:
    """A frame of a shape that is not taken is cut to the clip's, as the vendor cuts all others."""
    request, found = submission.request, picture(submission, key)
    if not fitted and within(found, limits) is None:
        return link_of(found)
    return data_url(*sized(found, request.width, request.height)[:2])


def _reference(found: MediaInput, limits: PictureLimits) -> str:
    changed = within(found, limits)
    return data_url(*changed) if changed else link_of(found)

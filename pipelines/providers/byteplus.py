"""`byteplus/…`: Seedance on BytePlus ModelArk. A key works in one region, and video is made in ap-southeast only.

It bills tokens: width x height x frames / 1024, at `usd_per_million` of a card's options, by resolution; a finished
task tells how many. Its rows tell the seed, so a request without one is given one of its own, by which it is found
again. `pictures` of the options gives the pixels that each edge of a picture lies between, and how often one goes into
the other at most.

A draft is a task of its own in 480p. The clip is made from that task by its id, within seven days, in 1080p: its words,
pictures, shape, length, sound and seed are those of the draft and are not sent again. Both are billed.

Source: docs.byteplus.com/en/docs/ModelArk/1520757 and 1521309, 1521675; for drafts docs.apiyi.com, docs.oxen.ai and
docs.comfy.org, of the same API. Read 2026-11.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import SecretStr

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.keys import digest
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.ports import GenerationRequest, Job, Submission
from pipelines.providers.content_tasks import TaskAdapter, content_of, wire_resolution
from pipelines.providers.video_object import is_number
from pipelines.providers.vocabulary import squeezed, words_of
from pipelines.settings import VIDEO, Address, OwnSettings, variable

_SEEDS = 2**31
Body = Mapping[str, Any]


class BytePlusSettings(OwnSettings):
    """What BytePlus alone needs to be told."""

    byteplus_api_key: SecretStr | None = variable(VIDEO, "Key for BytePlus ModelArk, of the region of its address.")
    byteplus_base_url: Address = variable(
        VIDEO,
        "Address of BytePlus ModelArk's API; video is made in ap-southeast only.",
        "https://ark.ap-southeast.bytepluses.com/api/v3",
    )


class Provider(TaskAdapter):
    """The tasks of /contents/generations."""

    name = "byteplus"
    needs = BytePlusSettings
    creates = "/contents/generations/tasks"
    lists = "/contents/generations/tasks"

    def _create_body(self, submission: Submission, card: CatalogueModel) -> dict[str, Any]:
        request = submission.request
        body: dict[str, Any] = {
            "model": card.options.get("slug", card.slug),
            "resolution": wire_resolution(request, card),
            "watermark": False,
        }
        if request.draft_job is not None:
            body["content"] = [{"type": "draft_task", "draft_task": {"id": request.draft_job}}]
        else:
            body |= {
                "content": content_of(submission, card, fitted=False),
                "ratio": request.aspect_ratio,
                "duration": round(request.seconds),
                "generate_audio": request.audio and card.audio,
                "seed": _mark(submission) if request.seed is None else request.seed,
            }
        if request.draft:
            body["draft"] = True
        if submission.callback_url:
            body["callback_url"] = submission.callback_url
        return body

    def _refusal(self, answer: httpx.Response, said: Any) -> tuple[int, Any]:
        """An account in arrears is refused with 403, like a key without rights."""
        code = squeezed(words_of(said).code)
        return (HTTPStatus.PAYMENT_REQUIRED if "overdue" in code else answer.status_code), said

    def _marked(self, told: Body, submission: Submission) -> bool:
        """A seed that was asked for may be that of many a scene: only one of our own choice tells the request. What is
        made from a draft has the seed of that, and names it.
        """
        if submission.request.draft_job is not None:
            return bool(told.get("draft_task_id") == submission.request.draft_job)
        return submission.request.seed is None and told.get("seed") == _mark(submission)

    def _told_apart(self, told: Body, submission: Submission) -> bool:
        """A draft is no clip, and what was made from a draft is neither one nor a clip that was ordered without."""
        request, parent = submission.request, told.get("draft_task_id")
        return bool(told.get("draft", request.draft)) is not request.draft or (
            bool(parent) and parent != request.draft_job
        )

    def _named(self, job: Job, told: Any, request: GenerationRequest) -> Job:
        """With what it did cost, once it is made."""
        if job.status is not GenerationStatus.SUCCEEDED:
            return job
        return dataclasses.replace(job, cost_micro=_cost(told.get("usage"), self.card(request), request.resolution))


def _mark(submission: Submission) -> int:
    """The seed of a request for which none was asked: a random one, but always the same for the same request."""
    return int(digest(submission.idem_key)[:12], 16) % _SEEDS


def _cost(usage: Any, card: CatalogueModel, resolution: str) -> int | None:
    """Micro-dollars from the reported tokens: a dollar per million tokens is a micro-dollar per token."""
    price = card.options.get("usd_per_million", {}).get(resolution)
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return round(tokens * price) if is_number(tokens) and is_number(price) and tokens > 0 else None

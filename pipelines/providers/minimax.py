"""`minimax/…`: MiniMax's H3, by its second API.

It answers refusals with a number of its own in brackets behind the message, and some gateways in front of it with HTTP
200 and that number in `base_resp`. It calls back only an address that has answered a challenge, unsigned, so we do not
ask it to: its tasks are polled, and listed. A card's option `resolutions` gives its names of resolutions, and
`pictures` the pixels that each edge of a picture lies between, and how often one goes into the other at most.

Source: platform.minimaxi.com/docs/api-reference/video-generation-v2-create and -query, read 2026-11.
"""

from __future__ import annotations

import dataclasses
import re
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import SecretStr

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import ReelgridError
from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.ports import GenerationRequest, Job, Submission
from pipelines.providers.base import check_answer, unpaid
from pipelines.providers.content_tasks import TaskAdapter, content_of, wire_resolution
from pipelines.providers.links import links_of
from pipelines.providers.video_object import parts_of
from pipelines.providers.vocabulary import fields_of
from pipelines.settings import VIDEO, Address, OwnSettings, variable

FILES = "/v1/files/retrieve"
_STATUS_OF = {
    "1002": HTTPStatus.TOO_MANY_REQUESTS,
    "1004": HTTPStatus.UNAUTHORIZED,
    "1008": HTTPStatus.PAYMENT_REQUIRED,
    "1026": HTTPStatus.UNPROCESSABLE_ENTITY,
    "1027": HTTPStatus.UNPROCESSABLE_ENTITY,
    "2013": HTTPStatus.BAD_REQUEST,
    "2049": HTTPStatus.UNAUTHORIZED,
}
"""Its numbers, by the HTTP status that goes with them."""
_SENSITIVE = re.compile(r"\b102[67]\b", re.ASCII)
"""Its numbers for a prompt, and for a result, that its moderation stopped."""


class MinimaxSettings(OwnSettings):
    """What MiniMax alone needs to be told."""

    minimax_api_key: SecretStr | None = variable(VIDEO, "Key for MiniMax.")
    minimax_base_url: Address = variable(
        VIDEO,
        "Address of MiniMax's API; accounts in mainland China have https://api.minimaxi.com.",
        "https://api.minimax.io",
    )


class Provider(TaskAdapter):
    """The tasks of /v2/video_generation."""

    name = "minimax"
    needs = MinimaxSettings
    creates = "/v2/video_generation"
    lists = "/v2/query/video_generation"

    def _create_body(self, submission: Submission, card: CatalogueModel) -> dict[str, Any]:
        request = submission.request
        return {
            "model": card.options.get("slug", card.slug),
            "content": content_of(submission, card, fitted=True),
            "resolution": wire_resolution(request, card),
            "duration": round(request.seconds),
            # From a picture it takes the picture's shape, and wants to be told no other.
            "ratio": "adaptive" if request.first_frame else request.aspect_ratio,
        }

    def _refusal(self, answer: httpx.Response, said: Any) -> tuple[int, Any]:
        resp = said.get("base_resp") if isinstance(said, dict) else None
        number = str(resp.get("status_code", "")) if isinstance(resp, dict) else ""
        if not isinstance(resp, dict) or number in ("", "0"):
            return answer.status_code, said
        error = {"code": "sensitive" if _SENSITIVE.fullmatch(number) else number, "message": resp.get("status_msg")}
        return _STATUS_OF.get(number, HTTPStatus.BAD_GATEWAY), {"error": error}

    def _told_of(self, job_id: str) -> dict[str, Any]:
        """With a new link to the file, where a gateway names it by its id as the first API does: the link that stands
        beside it may have died.
        """
        told = super()._told_of(job_id)
        file = next((found for part in parts_of(told) if (found := fields_of(part).get("fileid"))), None)
        # What fails here leaves what the task itself names.
        with suppress(ReelgridError):
            return {**told, "urls": self._links_to(file)} if file else told
        return told

    def _links_to(self, file: object) -> list[str]:
        with unpaid(self.name):
            answer = self._http.get(f"{self._url}{FILES}", params={"file_id": str(file)})
        return links_of(check_answer(answer, vendor=self.name))

    def _named(self, job: Job, told: Any, request: GenerationRequest) -> Job:
        """A failure that its number calls a refusal, whatever its words."""
        del told, request
        if job.status is GenerationStatus.FAILED and _SENSITIVE.search(job.error or ""):
            return dataclasses.replace(job, reason=Reason.REFUSED)
        return job

"""`openrouter/…`: many vendors behind one contract, by plain HTTP, because its SDK repeats paid requests.

A card's option `resolutions` translates our names of resolutions, where OpenRouter writes them differently.
Source: openrouter.ai/docs/api_reference/videos.md, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import Ambiguous
from pipelines.net import paid
from pipelines.ports import Call, Callback, GenerationRequest, Job, Submission
from pipelines.providers.base import (
    AnsweringAdapter,
    Context,
    check_answer,
    json_of,
    link_of,
    picture,
    submit_timeout,
    unpaid,
)
from pipelines.providers.callbacks import by_token
from pipelines.providers.clip_sources import ClipSource
from pipelines.providers.openrouter_models import rows_of
from pipelines.providers.video_object import answered_job, as_object, id_of, job_from
from pipelines.providers.vocabulary import create_error
from pipelines.security.webhook_signatures import verify_openrouter
from pipelines.settings import Settings


class Provider(AnsweringAdapter):
    """OpenRouter's videos API. It has no list and honours no idempotency key: our callback's token settles doubt."""

    name = "openrouter"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        key = self.settings.openrouter_api_key
        self._url = self.settings.openrouter_base_url
        self._headers = {"Authorization": f"Bearer {key.get_secret_value() if key else ''}"}
        self._http = self.client()

    @classmethod
    def missing(cls, settings: Settings) -> str | None:
        """Its key."""
        return None if settings.openrouter_api_key else "OPENROUTER_API_KEY"

    @classmethod
    def base_url(cls, settings: Settings) -> str | None:
        """Its address."""
        return settings.openrouter_base_url

    @classmethod
    def webhook_secret(cls, settings: Settings) -> tuple[str, bool] | None:
        """Its secret."""
        return "OPENROUTER_WEBHOOK_SECRET", settings.openrouter_webhook_secret is not None

    @classmethod
    def callback(cls, settings: Settings, call: Call) -> Callback:
        """`{type: video.generation.*, data: {id, status}}`, signed over the body when a secret is set."""
        if settings.openrouter_webhook_secret is not None:
            live = [settings.openrouter_webhook_secret.get_secret_value()]
            verify_openrouter(live, signature=call.header("X-OpenRouter-Signature"), body=call.raw, now=call.now)
        found = by_token(call)
        named = call.header("X-OpenRouter-Idempotency-Key")
        return replace(found, delivery=named[:256]) if named else found

    def _submit(self, submission: Submission, card: CatalogueModel) -> Job:
        body = create_body(submission, card)
        with paid(self.name):
            answer = self._http.post(
                f"{self._url}/videos", json=body, headers=self._headers, timeout=submit_timeout(card)
            )
        said = json_of(answer)
        if not answer.is_success:
            raise create_error(answer.status_code, said, vendor=self.name, headers=answer.headers)
        job_id = id_of(as_object(said))
        if not job_id:
            raise Ambiguous(f"{self.name}: accepted without a job id: {str(said)[:200]}")
        return job_from(as_object(said), job_id)

    def _polled(self, job_id: str, request: GenerationRequest) -> tuple[Job, Any]:  # noqa: ARG002 — the server knows it
        body = self._read(_path_of(job_id))
        return answered_job(body, job_id, vendor=self.name), body

    def _sources(self, job: Job, request: GenerationRequest) -> Iterator[ClipSource]:  # noqa: ARG002 — see above
        """The signed links, which die before the clip does, and the content, which needs our key."""
        return self._links_and_content(job, f"{_path_of(job.id)}/content", {"index": 0})

    def _key_headers(self) -> Mapping[str, str]:
        return self._headers

    def _check(self) -> str:
        data = self._read("/credits").get("data")
        credit = data if isinstance(data, dict) else {}
        left = float(credit.get("total_credits") or 0) - float(credit.get("total_usage") or 0)
        return f"openrouter: {self._url} answers and accepts our key; ${left:.2f} of credit left."

    def _offered(self) -> dict[str, dict[str, Any]]:
        return rows_of(self._read("/videos/models"), datetime.now(UTC).date())

    def _read(self, path: str) -> dict[str, Any]:
        with unpaid(self.name):
            answer = self._http.get(f"{self._url}{path}", headers=self._headers)
        return check_answer(answer, vendor=self.name)


def _path_of(job_id: str) -> str:
    return f"/videos/{quote(job_id, safe='')}"


def create_body(submission: Submission, card: CatalogueModel) -> dict[str, Any]:
    """The JSON of a create."""
    request = submission.request
    body: dict[str, Any] = {
        "model": card.options.get("slug", card.slug),
        "prompt": request.prompt,
        "duration": round(request.seconds),
        "resolution": card.options.get("resolutions", {}).get(request.resolution, request.resolution),
        "aspect_ratio": request.aspect_ratio,
        "generate_audio": request.audio and card.audio,
        # Shows up in OpenRouter's log of activity, for a person who looks for a lost request.
        "session_id": submission.idem_key,
        **card.options.get("extra", {}),
    }
    if submission.callback_url:
        body["callback_url"] = submission.callback_url
    if request.seed is not None and card.seed:
        body["seed"] = request.seed
    frames = [("first_frame", request.first_frame), ("last_frame", request.last_frame)]
    if request.first_frame or request.last_frame:
        body["frame_images"] = [{**_image(submission, key), "frame_type": kind} for kind, key in frames if key]
    if request.references:
        body["input_references"] = [_image(submission, key) for key in request.references]
    return body


def _image(submission: Submission, key: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": link_of(picture(submission, key))}}

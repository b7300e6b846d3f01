"""`veo/…`: Veo on Vertex AI through google-genai. The Gemini API with a plain key serves it no more.

GOOGLE_CLOUD_BASE_URL replaces Vertex's own address, e.g. for Private Service Connect.
Source: google-genai 3.3.0 and cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import Ambiguous, Busy, NotConfigured, ReelgridError, Unavailable
from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.net import paid
from pipelines.ports import GenerationRequest, Job, Submission
from pipelines.providers import video_object
from pipelines.providers.base import POLL_TIMEOUT_S, AnsweringAdapter, Context, picture, unpaid
from pipelines.providers.clip_sources import FILE, FILE_VERSION, ClipSource
from pipelines.providers.links import clip_in
from pipelines.providers.vocabulary import create_error, fields_of, read_error
from pipelines.settings import Settings

if TYPE_CHECKING:
    from google.genai import Client

LOCATION = "us-central1"
BUCKETS_URL = "https://storage.googleapis.com"
OF_AN_OPERATION = frozenset({"name", "done", "response", "error", "metadata"})
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Provider(AnsweringAdapter):
    """Long-running operations. Neither list nor callback: only a person can settle a lost answer."""

    name = "veo"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._kept: Any = None
        self._made: dict[float, Client] = {}
        self._lock = threading.Lock()

    @classmethod
    def missing(cls, settings: Settings) -> str | None:
        """Its project."""
        return None if settings.google_cloud_project else "GOOGLE_CLOUD_PROJECT"

    @classmethod
    def base_url(cls, settings: Settings) -> str | None:
        """Its address, where it is not Google's own."""
        return settings.google_cloud_base_url

    def _submit(self, submission: Submission, card: CatalogueModel) -> Job:
        source, config = create_arguments(submission, card)
        client = self._client(card.submit_timeout_s)
        with paid(self.name):
            operation = _said(
                client.models.generate_videos,
                model=str(card.options.get("slug", card.slug)),
                source=source,
                config=config,
            )
        if isinstance(operation, Refusal):
            raise create_error(operation.status, operation.body, vendor=self.name, headers=operation.headers)
        if not operation.name:
            raise Ambiguous(f"{self.name}: accepted without the name of an operation")
        return Job(id=operation.name, status=GenerationStatus.SUBMITTED)

    def _polled(self, job_id: str, request: GenerationRequest) -> tuple[Job, Any]:  # noqa: ARG002 — the server knows it
        body = self._operation(job_id)
        return job_from(job_id, body), body

    def _sources(self, job: Job, request: GenerationRequest) -> Iterator[ClipSource]:  # noqa: ARG002 — see above
        """Mostly the clip comes inside of the answer. Else a gateway keeps the file that it names, at the configured
        address first; or it is in a bucket.
        """
        links, base = job.result.links, self.settings.google_cloud_base_url
        for link in links:
            if link.lower().startswith("gs://"):
                yield ClipSource(f"the bucket of {link}", partial(self._read_bucket, link), link, ours=True)
                continue
            named = FILE.search(link)
            if named and base:
                version, name = named[1] or FILE_VERSION, named[2]
                yield self.own_source(f"{base}/{version}/files/{name}:download?alt=media")
            yield self.link_source(link)

    def _read_bucket(self, link: str, dest: Path) -> None:
        """A clip that was put into a bucket of Google Cloud, with the rights of our service account."""
        bucket, _, name = link[len("gs://") :].partition("/")
        try:
            self.download(f"{BUCKETS_URL}/{quote(bucket)}/{quote(name)}", dest, self._key_headers(), ours=True)
        except Busy:
            raise
        except ReelgridError as error:
            raise Unavailable(
                f"the clip is in {link}, and it cannot be read there: {error.operator}. Give the service account of "
                "GOOGLE_APPLICATION_CREDENTIALS the role Storage Object Viewer there: it is fetched then",
                retry_after=error.retry_after,
            ) from error

    def _key_headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._credentials().token}"}

    def _check(self) -> str:
        credentials = self._credentials()
        return f"veo: project {self.settings.google_cloud_project}, credentials of kind {type(credentials).__name__}."

    def _operation(self, job_id: str) -> dict[str, Any]:
        """The operation as it came: the SDK's model of one drops the places that gateways use."""
        operations: Any = self._client(POLL_TIMEOUT_S).operations
        asked = {"operation_name": job_id, "resource_name": job_id.rpartition("/operations/")[0]}
        with unpaid(self.name):
            body = _said(operations._fetch_predict_videos_operation, **asked)  # noqa: SLF001 — see above
        if isinstance(body, Refusal):
            raise read_error(body.status, body.body, vendor=self.name, headers=body.headers)
        if not isinstance(body, dict) or not OF_AN_OPERATION & set(body):
            raise Unavailable(f"{self.name}: no operation in the answer: {str(body)[:200]}")
        return body

    def _client(self, timeout_s: float) -> Client:
        """A client whose token is fresh, so that nothing but the request itself can fail later."""
        from google import genai
        from google.genai import types

        with self._lock:
            credentials = self._credentials()
            if timeout_s not in self._made:
                self._made[timeout_s] = genai.Client(
                    vertexai=True,
                    project=self.settings.google_cloud_project,
                    location=self.settings.google_cloud_location or LOCATION,
                    credentials=credentials,
                    http_options=types.HttpOptions(
                        base_url=self.settings.google_cloud_base_url,
                        httpx_client=self.client(timeout_s),
                        retry_options=types.HttpRetryOptions(attempts=1),
                    ),
                )
            return self._made[timeout_s]

    def _credentials(self) -> Any:
        """Valid credentials of the service account, or of the machine. Raises NotConfigured or Unavailable."""
        from google.auth import exceptions
        from google.auth.transport.requests import Request

        try:
            self._kept = self._kept or _load(self.settings.google_application_credentials)
            if not self._kept.valid:
                self._kept.refresh(Request())
        except exceptions.TransportError as error:
            raise Unavailable(f"{self.name}: Google's token server does not answer: {error}") from error
        except (exceptions.GoogleAuthError, ValueError, OSError) as error:
            if getattr(error, "retryable", False):
                raise Unavailable(f"{self.name}: Google's token server is not well: {error}") from error
            raise NotConfigured(f"{self.name}: GOOGLE_APPLICATION_CREDENTIALS cannot be used: {error}") from error
        return self._kept


def _load(path: Path | None) -> Any:
    """The service account's credentials, or those of the machine."""
    import google.auth
    from google.oauth2 import service_account

    if path is None:
        return google.auth.default(scopes=[SCOPE])[0]
    return service_account.Credentials.from_service_account_file(str(path), scopes=[SCOPE])  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success."""

    status: int
    body: Any
    headers: Mapping[str, str]


def _said(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """The operation, or what Vertex said instead; the HTTP client's own errors pass."""
    from google.genai import errors

    try:
        return call(*arguments, **named)
    except errors.APIError as error:
        return Refusal(error.code, error.details, getattr(error.response, "headers", None) or {})
    except ValueError as error:
        # What came back is no operation; whether one was started, it does not tell.
        raise httpx.DecodingError(str(error)) from error


def create_arguments(submission: Submission, card: CatalogueModel) -> tuple[Any, Any]:
    """The source and configuration of `generate_videos`."""
    from google.genai import types

    request = submission.request
    source = types.GenerateVideosSource(prompt=request.prompt)
    if request.first_frame:
        source.image = _image(submission, request.first_frame)
    config = types.GenerateVideosConfig(
        number_of_videos=1,
        duration_seconds=round(request.seconds),
        aspect_ratio=request.aspect_ratio,
        resolution=request.resolution,
        generate_audio=request.audio and card.audio,
        labels={"generation": submission.idem_key},
    )
    if request.seed is not None and card.seed:
        config.seed = request.seed
    if request.negative_prompt and card.negative_prompt:
        config.negative_prompt = request.negative_prompt
    if request.last_frame:
        config.last_frame = _image(submission, request.last_frame)
    if request.references:
        config.reference_images = [
            types.VideoGenerationReferenceImage(
                image=_image(submission, key), reference_type=types.VideoGenerationReferenceType.ASSET
            )
            for key in request.references
        ]
    return source, config


def _image(submission: Submission, key: str) -> Any:
    from google.genai import types

    found = picture(submission, key)
    return types.Image(image_bytes=found.path.read_bytes(), mime_type=found.content_type)


def job_from(job_id: str, body: Mapping[str, Any]) -> Job:
    """An operation in our words: done with an error, done with nothing (filtered), or done with a video."""
    job = video_object.job_from(body, job_id)
    if job.status is GenerationStatus.SUCCEEDED and not job.result.links and clip_in(body) is None:
        filtered = _filtered(body)
        if filtered is None:
            # Done is written before the response: it is asked for again until the deadline.
            return dataclasses.replace(job, status=GenerationStatus.RUNNING, progress=0)
        words = "; ".join(filtered) or "done without a video: filtered by moderation"
        status, reason = GenerationStatus.FAILED, Reason.REFUSED
        job = dataclasses.replace(job, status=status, progress=0, reason=reason, error=words)
    return dataclasses.replace(job, cost_micro=0 if job.status is GenerationStatus.FAILED else None)


def _filtered(value: Any, depth: int = 4) -> list[str] | None:
    """Why moderation kept the videos back, however deep it is told; None where it did not."""
    if not isinstance(value, Mapping) or depth <= 0:
        return None
    named = fields_of(value)
    reasons = named.get("raimediafilteredreasons") or []
    if reasons or named.get("raimediafilteredcount"):
        return [str(reason) for reason in (reasons if isinstance(reasons, list) else [reasons])]
    return next((found for inner in named.values() if (found := _filtered(inner, depth - 1)) is not None), None)

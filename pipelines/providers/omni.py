"""`omni/…`: Gemini Omni through the Interactions API of google-genai, with a plain API key.

A card's option `usd_per_million` gives dollars per million tokens of `video`, `input` and `thought`, from which the
actual cost follows. Source: ai.google.dev/gemini-api/docs/interactions and google-genai 3.3.0, read 2026-11.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import Ambiguous, BadDelivery, Expired, Unavailable
from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.net import paid
from pipelines.ports import Call, Callback, GenerationRequest, Job, Submission
from pipelines.providers import video_object
from pipelines.providers.base import (
    POLL_TIMEOUT_S,
    AnsweringAdapter,
    Context,
    check_answer,
    json_of,
    picture,
    submit_timeout,
    unpaid,
    write_clip,
)
from pipelines.providers.callbacks import by_token, standard
from pipelines.providers.clip_sources import FILE, FILE_VERSION, ClipSource
from pipelines.providers.links import clip_in, links_of
from pipelines.providers.video_object import as_object, id_of, names_another, tells_of_job
from pipelines.providers.vocabulary import Words, create_error, fields_of, known_status, reason_of, squeezed, words_of
from pipelines.settings import Settings

_ENDED_BADLY = frozenset({"incomplete", "budget_exceeded", "requires_action", "requires_continuation"})
"""States that wait for somebody: for a clip they are failures."""


class Provider(AnsweringAdapter):
    """Interactions in the background. No list: the callback echoes our mark."""

    name = "omni"
    webhook = "gemini"
    vendor = "gemini"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        from google import genai
        from google.genai import types

        key = self.settings.gemini_api_key
        self._url = self.settings.gemini_base_url
        self._key = key.get_secret_value() if key else ""
        self._http = self.client()
        self._client = genai.Client(
            api_key=self._key,
            http_options=types.HttpOptions(
                base_url=self._url,
                httpx_client=self._http,
                # Left alone it sends a paid request up to five times.
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )
        self._interactions: Any = self._client.interactions

    @classmethod
    def missing(cls, settings: Settings) -> str | None:
        """Its key."""
        return None if settings.gemini_api_key else "GEMINI_API_KEY"

    @classmethod
    def base_url(cls, settings: Settings) -> str | None:
        """Its address."""
        return settings.gemini_base_url

    @classmethod
    def webhook_secret(cls, settings: Settings) -> tuple[str, bool] | None:
        """Of the account's webhooks."""
        return "GEMINI_WEBHOOK_SECRET", bool(settings.gemini_webhook_secrets)

    @classmethod
    def callback(cls, settings: Settings, call: Call) -> Callback:
        """By our token, at the address that an Interaction names for itself: Google signs that with a key that would
        have to be fetched first. Or signed, at the address of the account.
        """
        return standard(settings.gemini_webhook_secrets, call) if call.token is None else by_token(call)

    def _submit(self, submission: Submission, card: CatalogueModel) -> Job:
        fields = create_fields(submission, card)
        with paid(self.name):
            answer = self._answer(self._interactions.create, **fields, timeout=submit_timeout(card))
        body = json_of(answer)
        if not answer.is_success:
            raise create_error(answer.status_code, body, vendor=self.name, headers=answer.headers)
        job_id = id_of(as_object(body))
        if not job_id:
            raise Ambiguous(f"{self.name}: accepted without an id: {str(body)[:200]}")
        return job_from(as_object(body), card, job_id)

    def _polled(self, job_id: str, request: GenerationRequest) -> tuple[Job, Any]:
        body = self._read(job_id)
        return job_from(body, self.card(request), job_id), body

    def _sources(self, job: Job, request: GenerationRequest) -> Iterator[ClipSource]:  # noqa: ARG002 — see above
        """Google's files at the configured address, whichever host the answer names (`files.download` of google-genai
        does so, too), then the links as they are, then a clip that comes inside the answer.
        """
        links = job.result.links
        for link in links:
            named = FILE.search(link)
            if named:
                version, name = named[1] or FILE_VERSION, named[2]
                yield self.own_source(f"{self._url}/{version}/files/{name}:download?alt=media")
        yield from map(self.link_source, links)
        if not links:
            yield ClipSource("the interaction itself", partial(self._read_inline, job.id), "inline", ours=True)

    def _read_inline(self, job_id: str, dest: Path) -> None:
        body = _outcome(self._read(job_id))
        clip = clip_in(body)
        if clip is None and any(part.get("data") for part in body["contents"]):
            raise BadDelivery(f"{self.name}: the video of {job_id} is not base64, or no video")
        if clip is None:
            raise Expired(f"{self.name}: {job_id} holds no video {'but a link' if links_of(body) else 'any more'}")
        write_clip(dest, clip)

    def _key_headers(self) -> Mapping[str, str]:
        # The file needs our key, which never becomes a part of the address that is kept.
        return {"x-goog-api-key": self._key}

    def _cancel(self, job_id: str) -> bool:
        with unpaid(self.name):
            return self._answer(self._interactions.cancel, job_id, timeout=POLL_TIMEOUT_S).is_success

    def _check(self) -> str:
        with unpaid(self.name):
            answer = self._http.get(f"{self._url}/v1beta/models", headers={"x-goog-api-key": self._key})
        check_answer(answer, vendor=self.name)
        return f"omni: {self._url} answers and accepts our key."

    def _read(self, job_id: str) -> dict[str, Any]:
        with unpaid(self.name):
            answer = self._answer(self._interactions.get, job_id, timeout=POLL_TIMEOUT_S)
        body = check_answer(answer, vendor=self.name)
        if not tells_of_job(body, job_id) and not _holds_video(body):
            raise Unavailable(f"{self.name}: no interaction in the answer: {str(body)[:200]}")
        if names_another(body, job_id):
            raise Unavailable(f"{self.name}: asked for {job_id}, the answer is about {id_of(body)}")
        return body

    def _answer(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> httpx.Response:
        """The answer as it came, or the HTTP client's own error, which alone tells whether the request left us."""
        from google.genai import _interactions as errors  # the public module does not export its error classes

        raw = getattr(self._interactions.with_raw_response, call.__name__)
        try:
            answer: httpx.Response = raw(*arguments, **named).http_response
        except errors.APIConnectionError as error:
            if isinstance(error.__cause__, httpx.HTTPError):
                raise error.__cause__ from error
            raise httpx.TransportError(str(error)) from error
        except errors.APIError as error:
            refused: httpx.Response | None = getattr(error, "response", None)
            if refused is None:
                raise httpx.DecodingError(str(error)) from error
            return refused
        return answer


def create_fields(submission: Submission, card: CatalogueModel) -> dict[str, Any]:
    """The arguments of `interactions.create`."""
    request = submission.request
    fields: dict[str, Any] = {
        "model": card.options.get("slug", card.slug),
        "input": [
            {"type": "text", "text": request.prompt},
            # The form of response_format.duration is documented nowhere, so the length is said in words as well.
            {"type": "text", "text": f"The video is {request.seconds:g} seconds long."},
            *_ends(request),
            *_images(submission),
        ],
        "background": True,
        "store": True,
        "response_format": {
            "type": "video",
            "duration": f"{request.seconds:g}s",
            "resolution": request.resolution,
            "aspect_ratio": request.aspect_ratio,
            "delivery": "uri",
        },
        "generation_config": {"video_config": {"task": _task(request)}},
        "labels": {"generation": submission.idem_key},
    }
    if submission.callback_url:
        mark = {"generation": submission.idem_key}
        fields["webhook_config"] = {"uris": [submission.callback_url], "user_metadata": mark}
    return fields


def _task(request: GenerationRequest) -> str:
    if request.first_frame or request.last_frame:
        return "image_to_video"
    return "reference_to_video" if request.references else "text_to_video"


def _ends(request: GenerationRequest) -> list[dict[str, Any]]:
    """A picture has no role of its own in an interaction, so which is which is said in words, too."""
    if not (request.first_frame and request.last_frame):
        return []
    return [{"type": "text", "text": "It starts from exactly the first picture and ends on exactly the second."}]


def _images(submission: Submission) -> list[dict[str, Any]]:
    request = submission.request
    keys = [key for key in (request.first_frame, request.last_frame, *request.references) if key]
    found = [picture(submission, key) for key in keys]
    return [
        {
            "type": "image",
            "data": base64.b64encode(one.path.read_bytes()).decode(),
            "mime_type": one.content_type,
        }
        for one in found
    ]


def job_from(body: Mapping[str, Any], card: CatalogueModel, job_id: str | None = None) -> Job:
    """An Interaction in our words."""
    read = video_object.job_from(_outcome(body), job_id or str(body.get("id") or ""))
    word = str(body.get("status") or "").lower()
    status = GenerationStatus.FAILED if word in _ENDED_BADLY else read.status
    errors = body.get("errors") or body.get("error")
    first = errors[0] if isinstance(errors, list) and errors else errors
    words = words_of({"error": first}) if first else Words(code=word if word in _ENDED_BADLY else "")
    if status is not GenerationStatus.FAILED and known_status(word) is None and _holds_video(body):
        status = GenerationStatus.SUCCEEDED
    if status is GenerationStatus.SUCCEEDED and not _holds_video(body):
        said = words.message or " ".join(str(part.get("text")) for part in _parts(body) if part.get("type") == "text")
        # The status is written before the steps: where there are none yet, it is asked again until the deadline.
        status = GenerationStatus.FAILED if said or words.code or _parts(body) else GenerationStatus.RUNNING
        words = Words(code=words.code, message=said or "completed without a video")
    failed = status is GenerationStatus.FAILED
    return Job(
        id=read.id,
        status=status,
        progress=100 if status is GenerationStatus.SUCCEEDED else 0,
        reason=(Reason.QUOTA if word == "budget_exceeded" else reason_of(words)) if failed else None,
        error=(words.text or read.error or word) if failed else None,
        cost_micro=_cost(body.get("usage"), card) if status is GenerationStatus.SUCCEEDED else None,
        result=read.result,
        created_at=read.created_at,
        expires_at=read.expires_at,
    )


def _outcome(body: Mapping[str, Any]) -> dict[str, Any]:
    """The interaction with what it made, the last first, where every server's clip is looked for. What it was asked
    with is no result.
    """
    kept = {name: value for name, value in body.items() if name not in ("input", "steps", "error", "errors")}
    return kept | {"contents": [part for part in reversed(_parts(body)) if _may_be_video(part)]}


def _holds_video(body: Mapping[str, Any]) -> bool:
    """Whether there is a link to a clip or a clip, or what says that it is one."""
    outcome = _outcome(body)
    said = any(part.get("data") and _says_video(part) for part in outcome["contents"])
    return said or bool(links_of(outcome)) or clip_in(outcome) is not None


def _mime(part: Mapping[str, Any]) -> str:
    return str(fields_of(part).get("mimetype") or "").lower()


def _says_video(part: Mapping[str, Any]) -> bool:
    return "video" in str(part.get("type") or "").lower() or _mime(part).startswith("video/")


def _may_be_video(part: Mapping[str, Any]) -> bool:
    return _says_video(part) or not _mime(part) or _mime(part).endswith("octet-stream")


def _parts(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All contents of all steps but the user's; `outputs` and `output_video` are how earlier and other versions name
    them.
    """
    listed = [body.get(name) for name in ("steps", "outputs")]
    steps = [step for steps in listed if isinstance(steps, list) for step in steps if isinstance(step, dict)]
    contents = [step.get("content") if "content" in step else [step] for step in steps if not _is_users(step)]
    alone = body.get("output_video")
    contents.append([{"type": "video", **alone}] if isinstance(alone, dict) else [])
    listed_parts = [content if isinstance(content, list) else [content] for content in contents]
    return [part for content in listed_parts for part in content if isinstance(part, dict)]


def _is_users(step: Mapping[str, Any]) -> bool:
    return step.get("role") == "user" or squeezed(step.get("type") or "") in ("userinput", "input", "user")


def _cost(usage: Any, card: CatalogueModel) -> int | None:
    """Micro-dollars from the reported tokens: a dollar per million tokens is a micro-dollar per token."""
    prices = card.options.get("usd_per_million")
    if not isinstance(usage, dict) or not isinstance(prices, dict):
        return None
    by_modality = usage.get("output_tokens_by_modality")
    entries = by_modality if isinstance(by_modality, list) else []
    video = sum(_count(e.get("tokens")) for e in entries if isinstance(e, dict) and e.get("modality") == "video")
    if not video:
        return None
    tokens = {
        "video": video,
        "input": _count(usage.get("total_input_tokens")),
        "thought": _count(usage.get("total_thought_tokens")),
    }
    return round(sum(count * float(prices.get(name, 0)) for name, count in tokens.items()))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

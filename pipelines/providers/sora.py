"""`sora/…`: any server of the OpenAI Videos protocol, through the openai SDK.

OpenAI switched its own off on 2026-09-24; LiteLLM, vLLM-Omni, SGLang and gateways speak it, each with its own
tolerances. A card's `options` say how a server wants to be asked:

    slug        the name the server knows the model by, where it is not our own
    body        "multipart" (default) or "json"
    reference   "file" (default), "image_url" or "string": the form of the first picture
    extra       fields sent with every request, e.g. { fps = 24 }

Servers of one's own (vLLM-Omni, SGLang) take `seed` and `negative_prompt` as well; their cards say so.

The protocol: openai/openai-openapi, openapi.yaml at f85dbe2; what others answer was read in litellm 1.109.1,
vllm-omni 0.30.0 and sglang 0.5.23.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.errors import Ambiguous, Expired, InvalidOrder, Problem, Unavailable
from pipelines.ports import GenerationRequest, Job, Submission
from pipelines.providers.base import (
    POLL_TIMEOUT_S,
    Adapter,
    Context,
    json_of,
    link_of,
    paid,
    picture,
    same_origin,
    submit_timeout,
    unpaid,
)
from pipelines.providers.pictures import sized
from pipelines.providers.video_object import epoch, job_from
from pipelines.providers.vocabulary import create_error, read_error
from pipelines.settings import Settings

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""Sent to servers that ask for no key: the SDK insists on one."""
CLOCK_SKEW_S = 300.0
"""A server whose clock is behind ours must not hide a job that we paid for: better one candidate too many."""
LIST_PAGE, MAX_PAGES = 100, 50
_NO_LIST = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})

Body = dict[str, Any]


class Provider(Adapter):
    """One server of the protocol."""

    name = "sora"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        import openai

        key = self.settings.sora_api_key
        self._url = self.settings.sora_base_url
        self._key = key.get_secret_value() if key else NO_KEY
        client = openai.OpenAI(
            api_key=self._key,
            base_url=self._url,
            max_retries=0,
            # The SDK is written for httpx2 and takes httpx as well; ours refuses to be led to inside addresses.
            http_client=self.client(),  # type: ignore[arg-type]
        )
        # Raw answers, because the SDK's own model is stricter in its types than servers are in theirs.
        self._videos = client.videos.with_raw_response

    @classmethod
    def missing(cls, settings: Settings) -> str | None:
        """A server of one's own may need no key."""
        if settings.sora_api_key is None and settings.sora_base_url == OPENAI_URL:
            return "SORA_API_KEY"
        return None

    @classmethod
    def base_url(cls, settings: Settings) -> str | None:
        """The server's address."""
        return settings.sora_base_url

    # ------------------------------------------------------------ create

    def _submit(self, submission: Submission, card: CatalogueModel) -> Job:
        fields, headers, extra = _create_fields(submission, card)
        headers["Idempotency-Key"] = submission.idem_key
        with paid(self.name):
            answer = self._answer(
                self._videos.create,
                **fields,
                extra_headers=headers,
                extra_body=extra,
                timeout=submit_timeout(card),
            )
        body = json_of(answer)
        if _is_job(body) or (answer.is_success and _has_id(body)):
            return job_from(body)
        if answer.is_success:
            raise Ambiguous(f"{self.name}: accepted without a job id: {str(body)[:200]}")
        raise create_error(answer.status_code, body, vendor=self.name, headers=answer.headers)

    # ------------------------------------------------------------ read

    def _poll(self, job_id: str, request: GenerationRequest) -> Job:  # noqa: ARG002 — the server knows it
        with unpaid(self.name):
            answer = self._answer(self._videos.retrieve, job_id, timeout=POLL_TIMEOUT_S)
        body = json_of(answer)
        # vLLM-Omni answers the GET of a failed job with the job's own error code, and the job as body.
        if _is_job(body) or (answer.is_success and _has_id(body)):
            return job_from(body)
        if answer.is_success:
            raise Unavailable(f"{self.name}: no job in the answer: {str(body)[:200]}")
        raise read_error(answer.status_code, body, vendor=self.name, headers=answer.headers)

    def _find(self, submission: Submission, since: float) -> list[Job]:
        card = self.card(submission.request)
        found = (body for body in self._listed(since) if _could_be(body, submission.request, card))
        return [job_from(body) for body in found]

    def _listed(self, since: float) -> Iterator[Body]:
        """The server's jobs, newest first, back to `since`."""
        after: str | None = None
        for _ in range(MAX_PAGES):
            page = self._page(after)
            entries = [entry for entry in page.get("data") or [] if isinstance(entry, dict) and entry.get("id")]
            for entry in entries:
                created = epoch(entry.get("created_at"))
                if created is None or created >= since - CLOCK_SKEW_S:
                    yield entry
            oldest = epoch(entries[-1].get("created_at")) if entries else None
            if not page.get("has_more") or (oldest is not None and oldest < since - CLOCK_SKEW_S):
                return
            after = str(entries[-1]["id"])
        raise Ambiguous(f"{self.name}: more than {MAX_PAGES * LIST_PAGE} jobs since then, ours may be among others")

    def _page(self, after: str | None) -> Body:
        query: dict[str, Any] = {"order": "desc", "limit": LIST_PAGE} | ({"after": after} if after else {})
        with unpaid(self.name):
            answer = self._answer(self._videos.list, **query, timeout=POLL_TIMEOUT_S)
        body = json_of(answer)
        if answer.is_success and isinstance(body, dict) and isinstance(body.get("data"), list):
            return body
        if answer.is_success or answer.status_code in _NO_LIST:
            # Not "nothing there": a server without a list cannot tell.
            raise Ambiguous(f"{self.name}: this server does not list its jobs")
        raise read_error(answer.status_code, body, vendor=self.name, headers=answer.headers)

    # ------------------------------------------------------------ the rest

    def _fetch(self, job: Job, request: GenerationRequest, dest: Path) -> None:  # noqa: ARG002 — the job says all
        content = f"{self._url}/videos/{quote(job.id, safe='')}/content"
        link = job.result.get("url")
        if link:
            try:
                self._bring(str(httpx.URL(f"{self._url}/").join(link)), dest)
            except Expired:
                # Some servers have both, and their links die before the clip does.
                link = None
        if not link:
            self._bring(content, dest)

    def _bring(self, url: str, dest: Path) -> None:
        # Our key is for the server only, never for the storage it points to.
        headers = {"Authorization": f"Bearer {self._key}"} if same_origin(url, self._url) else {}
        self.download(url, dest, headers)

    def _cancel(self, job_id: str) -> bool:
        with unpaid(self.name):
            return self._answer(self._videos.delete, job_id, timeout=POLL_TIMEOUT_S).is_success

    def _check(self) -> str:
        with unpaid(self.name):
            answer = self._answer(self._videos.list, limit=1, timeout=POLL_TIMEOUT_S)
        if answer.is_success:
            return f"sora: {self._url} answers and accepts our key."
        if answer.status_code in _NO_LIST:
            return f"sora: {self._url} answers, but cannot list its jobs: a lost answer is settled by a person."
        raise read_error(answer.status_code, json_of(answer), vendor=self.name, headers=answer.headers)

    def _answer(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> httpx.Response:
        """The answer as it came, whatever its status; or the HTTP client's own error, which alone tells whether the
        request left us.
        """
        import openai

        try:
            answer: httpx.Response = call(*arguments, **named).http_response
        except openai.APIStatusError as error:
            refused: Any = error.response
            return refused  # type: ignore[no-any-return]
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, httpx.HTTPError):
                raise error.__cause__ from error
            raise httpx.TransportError(str(error)) from error
        return answer


def _create_fields(submission: Submission, card: CatalogueModel) -> tuple[Body, dict[str, str], Body]:
    """The SDK's arguments, headers and further body fields of a create."""
    request = submission.request
    extra: Body = dict(card.options.get("extra", {}))
    headers: dict[str, str] = {}
    fields: Body = {
        "prompt": request.prompt,
        "model": card.options.get("slug", card.slug),
        "seconds": f"{request.seconds:g}",
        "size": f"{request.width}x{request.height}",
    }
    if card.ability is Ability.CALLBACK and submission.callback_url:
        extra["callback_url"] = submission.callback_url
    if request.seed is not None and card.seed:
        extra["seed"] = request.seed
    if request.negative_prompt and card.negative_prompt:
        extra["negative_prompt"] = request.negative_prompt
    if card.options.get("body", "multipart") == "json":
        headers["Content-Type"] = "application/json"
    if request.last_frame or request.references:
        name = "last_frame" if request.last_frame else "references"
        raise InvalidOrder([Problem(name, "cannot be sent: this protocol has one picture, to start from.")])
    if request.first_frame:
        _add_reference(submission, card, fields, extra)
    return fields, headers, extra


def _add_reference(submission: Submission, card: CatalogueModel, fields: Body, extra: Body) -> None:
    request = submission.request
    first = picture(submission, request.first_frame or "")
    match card.options.get("reference", "file"):
        case "file":
            data, media_type, ending = sized(first, request.width, request.height)
            fields["input_reference"] = (f"reference.{ending}", data, media_type)
        case "image_url":
            extra["input_reference"] = {"image_url": link_of(first)}
        case "string":
            extra["input_reference"] = link_of(first)
        case other:
            raise InvalidOrder([Problem("model", f"{card.id}: options.reference cannot be {other!r}.")])


def _has_id(body: Any) -> bool:
    return isinstance(body, dict) and bool(body.get("id"))


def _is_job(body: Any) -> bool:
    return _has_id(body) and body.get("object") == "video"


def _could_be(body: Mapping[str, Any], request: GenerationRequest, card: CatalogueModel) -> bool:
    """Whether a listed job can be ours. What the server does not tell speaks for it."""
    told = {name: body.get(name) for name in ("prompt", "seconds", "size", "model")}
    if told["prompt"] and str(told["prompt"]).strip() != request.prompt.strip():
        return False
    if told["seconds"] and not _same_number(told["seconds"], request.seconds):
        return False
    if told["size"] and str(told["size"]) != f"{request.width}x{request.height}":
        return False
    slug = str(card.options.get("slug", card.slug))
    # Servers answer with the dated or routed name of what was asked.
    return not told["model"] or slug in str(told["model"]) or str(told["model"]) in slug


def _same_number(said: object, asked: float) -> bool:
    try:
        return abs(float(str(said)) - asked) < 1e-6  # noqa: PLR2004 — equal as decimals
    except ValueError:
        return True

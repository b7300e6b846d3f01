"""`fal/…`: fal.ai's queue, by plain HTTP. Its own retries are switched off: a request is made once, or not at all.

Each of its models has an input of its own; a card's `options` say what differs:

    text           the endpoint without a picture
    image          the endpoint with a picture to start from
    first_frame    its field for that picture, and
    last_frame     for one to end on
    duration       "number" (default) or "text"
    resolutions    its names of resolutions
    input          fields sent with every request

It has no list and honours no idempotency key: our callback's token settles doubt. It signs its callbacks with keys that
would have to be fetched while it waits for our answer; the token says whose a call is, and what it says is asked for
again.

Source: fal.ai/docs/model-apis/model-endpoints/queue and /webhooks, read 2026-11.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import Ambiguous, InvalidOrder, Problem, Unavailable
from pipelines.domain.lifecycle import GenerationStatus, Reason
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
    with_query,
)
from pipelines.providers.callbacks import by_token, is_job_id
from pipelines.providers.links import clip_in, links_of
from pipelines.providers.video_object import as_object, result_of
from pipelines.providers.vocabulary import (
    create_error,
    fields_of,
    is_no_error,
    known_status,
    read_error,
    reason_of,
    words_of,
)
from pipelines.settings import VIDEO, Address, OwnSettings, Settings, variable

_G = GenerationStatus
NO_RETRY = {"X-Fal-No-Retry": "1"}
"""Else the queue sends a request anew, up to ten times, when its runner breaks."""
_ERROR_TYPE = "X-Fal-Error-Type"
"""Says that an error is the request's own, and not the queue's."""


class FalSettings(OwnSettings):
    """What fal alone needs to be told."""

    fal_api_key: SecretStr | None = variable(VIDEO, "Key for fal.ai.")
    fal_base_url: Address = variable(VIDEO, "Address of fal.ai's queue.", "https://queue.fal.run")


class Provider(AnsweringAdapter):
    """The queue."""

    name = "fal"
    needs = FalSettings

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._url = self.own.value("_base_url")
        self._http = self.client()
        self._http.headers["Authorization"] = f"Key {self.own.value('_api_key')}"

    @classmethod
    def callback(cls, settings: Settings, call: Call) -> Callback:  # noqa: ARG003 — nothing to check it with
        """`{request_id, gateway_request_id, status, payload}`; the payload may name other things."""
        found = by_token(call)
        named = found.body.get("request_id")
        return dataclasses.replace(found, job_id=named if is_job_id(named) else None)

    def _submit(self, submission: Submission, card: CatalogueModel) -> Job:
        body = create_body(submission, card)
        url = f"{self._url}/{_endpoint(submission.request, card)}"
        if submission.callback_url:
            url = with_query(url, {"fal_webhook": submission.callback_url})
        with paid(self.name):
            answer = self._http.post(url, json=body, headers=NO_RETRY, timeout=submit_timeout(card))
        said = json_of(answer)
        if not answer.is_success:
            # An account without balance is locked, with 403 like a key without rights.
            locked = answer.status_code == HTTPStatus.FORBIDDEN and reason_of(words_of(said)) is Reason.QUOTA
            status = HTTPStatus.PAYMENT_REQUIRED if locked else answer.status_code
            raise create_error(status, said, vendor=self.name, headers=answer.headers)
        request_id = as_object(said).get("request_id")
        if not is_job_id(request_id):
            raise Ambiguous(f"{self.name}: accepted without a request id: {str(said)[:200]}")
        return Job(id=str(request_id), status=_G.SUBMITTED)

    def _polled(self, job_id: str, request: GenerationRequest) -> tuple[Job, Any]:
        """The queue tells how far a request is; what came of it stands at an address of its own."""
        told = self._status_of(job_id, request)
        status, words = known_status(told["status"]), words_of({"error": told.get("error") or ""})
        if status is _G.SUCCEEDED and is_no_error(words):
            return self._result_of(job_id, request)
        if status in (_G.SUCCEEDED, _G.FAILED):
            return _failed(job_id, told), None
        return Job(id=job_id, status=status or _G.RUNNING), None

    def _status_of(self, job_id: str, request: GenerationRequest) -> dict[str, Any]:
        with unpaid(self.name):
            answer = self._http.get(f"{self._request_url(job_id, request)}/status")
        told = check_answer(answer, vendor=self.name)
        if not isinstance(told.get("status"), str):
            raise Unavailable(f"{self.name}: no status in the answer: {str(told)[:200]}")
        return told

    def _result_of(self, job_id: str, request: GenerationRequest) -> tuple[Job, Any]:
        with unpaid(self.name):
            answer = self._http.get(self._request_url(job_id, request))
        said = json_of(answer)
        # Whether an error in the place of a result is the request's own end, and not the queue's trouble of a moment.
        refused = answer.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
        if not answer.is_success and (refused or _ERROR_TYPE in answer.headers):
            return _failed(job_id, said), None
        if not answer.is_success:
            raise read_error(answer.status_code, said, vendor=self.name, headers=answer.headers)
        links = links_of(said)
        if not links and clip_in(said) is None:
            # The queue is done a moment before the result can be read.
            return Job(id=job_id, status=_G.RUNNING, progress=99), said
        return Job(id=job_id, status=_G.SUCCEEDED, progress=100, result=result_of(links)), said

    def _cancel(self, job_id: str) -> bool:
        """The address of a request needs its model, which a cancellation does not name."""
        del job_id
        return False

    def _check(self) -> str:
        """Asking for a request that nobody made costs nothing: 401 means the key, everything else that it was read."""
        with unpaid(self.name):
            answer = self._http.get(f"{self._url}/fal-ai/flux/requests/00000000-0000-0000-0000-000000000000/status")
        if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY) or answer.is_success:
            return f"fal: {self._url} answers and accepts our key."
        raise read_error(answer.status_code, json_of(answer), vendor=self.name, headers=answer.headers)

    def _request_url(self, job_id: str, request: GenerationRequest) -> str:
        """The queue keeps a request below the app of its endpoint, which is its first two words."""
        app = "/".join(_endpoint(request, self.card(request)).split("/")[:2])
        return f"{self._url}/{app}/requests/{quote(job_id, safe='')}"


def _failed(job_id: str, said: Any) -> Job:
    """What is said of the end: `detail` lists errors with a `type` each, or `error` stands with an `error_type`."""
    body = said if isinstance(said, Mapping) else {"error": str(said)}
    words, named = words_of(body), fields_of(body)
    detail = named.get("detail")
    kinds = [str(one.get("type", "")) for one in detail if isinstance(one, dict)] if isinstance(detail, list) else []
    code = ": ".join(part for part in (words.code, str(named.get("errortype") or ""), *kinds) if part)
    words = dataclasses.replace(words, code=code)
    return Job(id=job_id, status=_G.FAILED, reason=reason_of(words), error=words.text or "failed")


def _endpoint(request: GenerationRequest, card: CatalogueModel) -> str:
    return str(card.options.get("image" if request.first_frame else "text") or card.options.get("text", card.slug))


def create_body(submission: Submission, card: CatalogueModel) -> dict[str, Any]:
    """The JSON of a request, in the fields that the model has."""
    request, options = submission.request, card.options
    seconds = round(request.seconds)
    body: dict[str, Any] = {
        "prompt": request.prompt,
        "duration": str(seconds) if options.get("duration") == "text" else seconds,
        "resolution": options.get("resolutions", {}).get(request.resolution, request.resolution),
        "aspect_ratio": request.aspect_ratio,
        **options.get("input", {}),
    }
    if request.seed is not None and card.seed:
        body["seed"] = request.seed
    for name, key in (("first_frame", request.first_frame), ("last_frame", request.last_frame)):
        if key and name not in options:
            raise InvalidOrder([Problem(name, f"{card.id} has no field for it.")])
        if key:
            body[options[name]] = link_of(picture(submission, key))
    return body

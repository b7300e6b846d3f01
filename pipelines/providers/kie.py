"""`kie/…`: kie.ai's market of models, by plain HTTP. It answers HTTP 200 with an error `code` in the body.

Each of its models has an input of its own; a card's `options` say what differs:

    slug         its name there, where it is not our own
    duration     "text" (default) or "number"
    pictures     the field that takes a list of pictures, or
    first_frame  the field that takes one
    input        fields sent with every request, e.g. { mode = "std" }

Source: docs.kie.ai, read 2026-11; credits are about half a cent (elibarnett/kie-mcp, 2026-10-05).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import Ambiguous, Expired, InvalidOrder, Problem, Unavailable
from pipelines.domain.keys import digest
from pipelines.domain.lifecycle import GenerationStatus
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
from pipelines.providers.callbacks import by_token, is_job_id
from pipelines.providers.clip_sources import ClipSource
from pipelines.providers.links import clip_in, links_of
from pipelines.providers.video_object import as_object, id_of, is_number, job_from, names_another
from pipelines.providers.vocabulary import create_error, known_status, parsed, read_error
from pipelines.security.webhook_signatures import Unreadable, verify_kie
from pipelines.settings import Settings

MICRO_PER_CREDIT = 5_000
OK = 200
_NO_FILE_OF_ITS = frozenset({400, 404, 422})
"""What it answers when it is asked for a fresh link to a file that it does not have, or no longer."""


class Provider(AnsweringAdapter):
    """The jobs API. It has no list and honours no idempotency key: our callback's token settles doubt."""

    name = "kie"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        key = self.settings.kie_api_key
        self._url = self.settings.kie_base_url
        self._http = self.client()
        self._http.headers["Authorization"] = f"Bearer {key.get_secret_value() if key else ''}"

    @classmethod
    def missing(cls, settings: Settings) -> str | None:
        """Its key."""
        return None if settings.kie_api_key else "KIE_API_KEY"

    @classmethod
    def base_url(cls, settings: Settings) -> str | None:
        """Its address."""
        return settings.kie_base_url

    @classmethod
    def webhook_secret(cls, settings: Settings) -> tuple[str, bool] | None:
        """Its own name for it."""
        return "KIE_WEBHOOK_HMAC_KEY", settings.kie_webhook_hmac_key is not None

    @classmethod
    def callback(cls, settings: Settings, call: Call) -> Callback:
        """It signs the task id but not the body, so only the id is taken from it; the token says whose it is."""
        found = by_token(call)
        task_id = _task_id(found.body)
        if settings.kie_webhook_hmac_key is not None:
            verify_kie(
                settings.kie_webhook_hmac_key.get_secret_value(),
                task_id=task_id,
                timestamp=call.header("X-Webhook-Timestamp"),
                signature=call.header("X-Webhook-Signature"),
                now=call.now,
            )
        return dataclasses.replace(found, job_id=task_id, delivery=digest(call.token, task_id, found.body)[:32])

    def _submit(self, submission: Submission, card: CatalogueModel) -> Job:
        body = create_body(submission, card)
        with paid(self.name):
            answer = self._http.post(f"{self._url}/api/v1/jobs/createTask", json=body, timeout=submit_timeout(card))
        said = json_of(answer)
        code = _code(answer, said)
        # A task is a task, whatever number stands beside it.
        task = id_of(as_object(said)) if code == OK or (answer.is_success and _has_task(said)) else None
        if not task and code != OK:
            raise create_error(_as_http(code), _unnumbered(said), vendor=self.name, headers=answer.headers)
        if not task:
            raise Ambiguous(f"{self.name}: accepted without a task id: {str(said)[:200]}")
        return Job(id=task, status=GenerationStatus.SUBMITTED)

    def _polled(self, job_id: str, request: GenerationRequest) -> tuple[Job, Any]:  # noqa: ARG002 — the server knows it
        data = self._data("GET", "/api/v1/jobs/recordInfo", params={"taskId": job_id})
        data = parsed(data) if isinstance(data, str) else data
        data = data[0] if isinstance(data, list) and len(data) == 1 else data
        if not isinstance(data, dict):
            raise Unavailable(f"{self.name}: no record in the answer")
        if names_another(data, job_id):
            raise Unavailable(f"{self.name}: asked for {job_id}, the record is about {id_of(data)}")
        return job_from_record(job_id, data), data

    def _sources(self, job: Job, request: GenerationRequest) -> Iterator[ClipSource]:  # noqa: ARG002 — see above
        """Its pages disagree on how long a link lives, so for each a fresh one can be asked for."""
        links = job.result.links
        yield from map(self.link_source, links)
        for link in links:
            yield ClipSource("a fresh link", partial(self._read_afresh, link), f"fresh {link}")

    def _read_afresh(self, link: str, dest: Path) -> None:
        code, body, headers = self._asked("POST", "/api/v1/common/download-url", json={"url": link})
        if code not in _NO_FILE_OF_ITS and code != OK:
            raise read_error(_as_http(code), _unnumbered(body), vendor=self.name, headers=headers)
        fresh = links_of({"url": body.get("data")}) if code == OK else []
        if not fresh:
            raise Expired(f"{self.name} gives no fresh link")
        self.link_source(fresh[0]).read(dest)

    def _key_headers(self) -> Mapping[str, str]:
        return {"Authorization": self._http.headers["Authorization"]}

    def _check(self) -> str:
        credit = self._data("GET", "/api/v1/chat/credit")
        return f"kie: {self._url} answers and accepts our key; {credit} credits left."

    def _data(self, method: str, path: str, **arguments: Any) -> Any:
        """`data` of a free request."""
        code, body, headers = self._asked(method, path, **arguments)
        if code != OK:
            raise read_error(_as_http(code), _unnumbered(body), vendor=self.name, headers=headers)
        return body.get("data")

    def _asked(self, method: str, path: str, **arguments: Any) -> tuple[int, Any, httpx.Headers]:
        """What a free request is answered: its code, its body, its headers."""
        with unpaid(self.name):
            answer = self._http.request(method, f"{self._url}{path}", **arguments)
        body = check_answer(answer, vendor=self.name)
        return _code(answer, body), body, answer.headers


def _task_id(body: Mapping[str, Any]) -> str:
    """Its pages disagree on the field; all that are there must agree. Raises InvalidOrder."""
    data = body.get("data")
    sources = (data if isinstance(data, dict) else {}, body)
    named = [source[name] for source in sources for name in ("taskId", "task_id") if source.get(name) is not None]
    ids = {str(found) if isinstance(found, str | int) else "" for found in named}
    task_id = ids.pop() if len(ids) == 1 else ""
    if not is_job_id(task_id):
        raise Unreadable("kie: a callback names no task, or two")
    return task_id


def _code(answer: httpx.Response, body: Any) -> int:
    """The code in the body, unless HTTP itself says no. Gateways in front write it as a text, as 0, or not at all."""
    if not answer.is_success:
        return answer.status_code
    code = body.get("code") if isinstance(body, dict) else None
    if code is None:
        return OK if isinstance(body, dict) and body.get("data") is not None else HTTPStatus.BAD_GATEWAY
    said = str(code).strip().removesuffix(".0")
    if said == "0" or known_status(said) is GenerationStatus.SUCCEEDED or said.lower() == "ok":
        return OK
    number = int(said) if said.isascii() and said.isdecimal() else HTTPStatus.BAD_GATEWAY
    return OK if HTTPStatus.OK <= number < HTTPStatus.MULTIPLE_CHOICES else number


def _has_task(said: Any) -> bool:
    data = said.get("data") if isinstance(said, dict) else None
    return isinstance(data, dict) and any(data.get(name) for name in ("taskId", "task_id"))


def _as_http(code: int) -> int:
    """Its codes are HTTP's, but for 455: down for maintenance. What is no refusal in HTTP says nothing."""
    if code < HTTPStatus.BAD_REQUEST:
        return HTTPStatus.BAD_GATEWAY
    return HTTPStatus.SERVICE_UNAVAILABLE if code == 455 else code  # noqa: PLR2004 — kie.ai's own


def _unnumbered(body: Any) -> Any:
    """Without the code: as a word it would only repeat the status."""
    return {name: value for name, value in body.items() if name != "code"} if isinstance(body, dict) else body


def create_body(submission: Submission, card: CatalogueModel) -> dict[str, Any]:
    """The JSON of createTask."""
    request, options = submission.request, card.options
    seconds = f"{request.seconds:g}"
    asked: dict[str, Any] = {
        "prompt": request.prompt,
        "duration": int(seconds) if options.get("duration") == "number" and seconds.isdigit() else seconds,
        "aspect_ratio": request.aspect_ratio,
        "resolution": options.get("resolutions", {}).get(request.resolution, request.resolution),
        **options.get("input", {}),
        **_pictures(submission, card),
    }
    if request.seed is not None and card.seed:
        asked["seed"] = request.seed
    body: dict[str, Any] = {"model": options.get("slug", card.slug), "input": asked}
    if submission.callback_url:
        body["callBackUrl"] = submission.callback_url
    return body


def _pictures(submission: Submission, card: CatalogueModel) -> dict[str, Any]:
    request, options = submission.request, card.options
    keys = [key for key in (request.first_frame, request.last_frame, *request.references) if key]
    if not keys:
        return {}
    if request.last_frame:
        raise InvalidOrder([Problem("last_frame", f"{card.id} has no field for a picture to end on.")])
    links = [link_of(picture(submission, key)) for key in keys]
    if "pictures" in options:
        return {options["pictures"]: links}
    if "first_frame" in options and len(links) == 1:
        return {options["first_frame"]: links[0]}
    raise InvalidOrder([Problem("references", f"{card.id} does not take these pictures.")])


def job_from_record(task_id: str, data: Mapping[str, Any]) -> Job:
    """A record in our words. `resultJson` is JSON in a string; money is in credits."""
    job = job_from(data, task_id)
    status = job.status
    if status is GenerationStatus.SUCCEEDED and not job.result.links and clip_in(data) is None:
        # The state is written before the result: it is asked for again until the deadline.
        status = GenerationStatus.RUNNING
    return dataclasses.replace(
        job,
        result=dataclasses.replace(job.result, takes=_takes(data, job.result.url)),
        status=status,
        progress=job.progress if status is not GenerationStatus.RUNNING else min(job.progress, 99),
        cost_micro=_cost(status, data.get("creditsConsumed")),
    )


def _takes(data: Mapping[str, Any], ordered: str | None) -> tuple[str, ...]:
    """The further addresses of `resultUrls`, each of a clip of its own."""
    result = data.get("resultJson")
    result = parsed(result) if isinstance(result, str) else result
    listed = result.get("resultUrls") if isinstance(result, Mapping) else None
    links = [link for url in listed for link in links_of({"url": url})] if isinstance(listed, list) else []
    return tuple(dict.fromkeys(link for link in links if link != ordered)) if ordered else ()


def _cost(status: GenerationStatus, credit: Any) -> int | None:
    """What the task did cost, once it has ended; a success that is said to cost nothing is not reported yet."""
    ended = status in {GenerationStatus.SUCCEEDED, GenerationStatus.FAILED}
    if not ended or not is_number(credit) or credit < 0:
        return None
    return round(credit * MICRO_PER_CREDIT) if credit or status is GenerationStatus.FAILED else None

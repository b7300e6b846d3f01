"""`sora/…`: any server of the OpenAI Videos protocol, through the openai SDK.

OpenAI switched its own off on 2026-09-24; LiteLLM, vLLM-Omni, SGLang and gateways speak it, each with its own
tolerances. A card's `options` say how a server wants to be asked:

    slug        the name the server knows the model by, where it is not our own
    body        "multipart" (default) or "json"
    reference   "file" (default), "image_url" or "string": the form of the first picture
    fields      what the server calls the length (`seconds`), the frame (`size`, or `aspect_ratio` and `resolution`) and
                whether there is sound (`audio`), where these are not `seconds` and `size`; what is left out is not sent
    extra       fields sent with every create, e.g. { fps = 24 }
    query       what a gateway wants in the address of every request, e.g. { custom_llm_provider = "openai" }, without
                which a LiteLLM proxy does not know whose jobs to list

Servers of one's own (vLLM-Omni, SGLang) take `seed` and `negative_prompt` as well; their cards say so.

The protocol: openai/openai-openapi, openapi.yaml at f85dbe2; what others answer was read in litellm 1.109.1,
vllm-omni 0.30.0 and sglang 0.5.23.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.errors import Ambiguous, InvalidOrder, Problem
from pipelines.domain.keys import job_key
from pipelines.environment import inherited
from pipelines.net import paid
from pipelines.ports import Call, Callback, GenerationRequest, Job, ListedJob, Submission
from pipelines.providers.base import (
    CLOCK_SKEW_S,
    POLL_TIMEOUT_S,
    AnsweringAdapter,
    Context,
    json_of,
    link_of,
    picture,
    submit_timeout,
    unpaid,
    with_query,
)
from pipelines.providers.callbacks import by_token, standard
from pipelines.providers.clip_sources import ClipSource
from pipelines.providers.pictures import sized
from pipelines.providers.video_object import answered_job, as_object, id_of, job_from, listed_in, percent, tells_end_of
from pipelines.providers.vocabulary import create_error, has_no_list, known_status, read_error, squeezed
from pipelines.settings import Settings

if TYPE_CHECKING:
    from openai.resources.videos import VideosWithRawResponse

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""Sent to servers that ask for no key: the SDK insists on one."""
LIST_PAGE, MAX_PAGES = 100, 50
_ACCOUNT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
"""Headers that say for whom, and the variables of the SDK that they come from."""
_PATH = "!$&'()*+,;=:@"
"""What stands for itself in a part of a path (RFC 3986, section 3.3): ids of LiteLLM end in `=`."""
Body = dict[str, Any]


class Provider(AnsweringAdapter):
    """One server of the protocol."""

    name = "sora"
    webhook = "openai"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        key = self.settings.sora_api_key
        self._url = self.settings.sora_base_url
        self._key = key.get_secret_value() if key else NO_KEY
        self._http = self.client()
        # As the SDK sends them with what it asks.
        self._account = {header: inherited()[name] for header, name in _ACCOUNT.items() if inherited().get(name)}

    @cached_property
    def _videos(self) -> VideosWithRawResponse:
        """The SDK, which takes half a second to load: who only asks for a clip, or brings it, needs none of it."""
        import openai

        client = openai.OpenAI(
            api_key=self._key,
            base_url=self._url,
            max_retries=0,
            # The SDK is written for httpx2 and takes httpx as well; ours refuses to be led to inside addresses.
            http_client=self._http,  # type: ignore[arg-type]
        )
        # Raw answers, because the SDK's own model is stricter in its types than servers are in theirs.
        return client.videos.with_raw_response

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

    @classmethod
    def webhook_secret(cls, settings: Settings) -> tuple[str, bool] | None:
        """Of the account's webhooks."""
        return "OPENAI_WEBHOOK_SECRET", bool(settings.openai_webhook_secrets)

    @classmethod
    def callback(cls, settings: Settings, call: Call) -> Callback:
        """A server that calls back with the job itself, by our token; or OpenAI, at the address of the account."""
        return standard(settings.openai_webhook_secrets, call) if call.token is None else by_token(call)

    def _submit(self, submission: Submission, card: CatalogueModel) -> Job:
        fields, headers, extra = _create_fields(submission, card)
        headers["Idempotency-Key"] = submission.idem_key
        with paid(self.name):
            answer = self._answer(
                self._videos.create,
                **fields,
                extra_headers=headers,
                extra_body=extra,
                extra_query=_query(card),
                timeout=submit_timeout(card),
            )
        body = json_of(answer)
        job_id = id_of(as_object(body)) if answer.is_success or _is_job(body) else None
        if job_id:
            return job_from(as_object(body), job_id)
        if answer.is_success:
            raise Ambiguous(f"{self.name}: accepted without a job id: {str(body)[:200]}")
        raise create_error(answer.status_code, body, vendor=self.name, headers=answer.headers)

    # ------------------------------------------------------------ read

    def _polled(self, job_id: str, request: GenerationRequest) -> tuple[Job, Any]:
        body = self._read(job_id, request)
        return answered_job(body, job_id, vendor=self.name), body

    def _read(self, job_id: str, request: GenerationRequest) -> Any:
        answer = self._get(f"/videos/{quote(job_id, safe=_PATH)}", _query(self.card(request)))
        body = json_of(answer)
        # vLLM-Omni answers the GET of a failed job with the job's own error code, and the job as body.
        if answer.is_success or _is_job(body) or (isinstance(body, dict) and tells_end_of(body, job_id)):
            return body
        raise read_error(answer.status_code, body, vendor=self.name, headers=answer.headers)

    def _get(self, path: str, query: Mapping[str, Any]) -> httpx.Response:
        """Asked again and again, so without the SDK around it, which takes half as long as the rest."""
        headers = {"Accept": "application/json", **self._key_headers()}
        with unpaid(self.name):
            return self._http.get(with_query(f"{self._url}{path}", query), headers=headers, timeout=POLL_TIMEOUT_S)

    def _find(self, submission: Submission, since: float) -> list[Job]:
        card = self.card(submission.request)
        listed = self._listed(since, _query(card))
        mine = (body for body in listed if _could_be(body, submission.request, card))
        return [replace(job_from(body), wordless=not body.get("prompt")) for body in mine]

    def _jobs(self, since: float) -> list[Job]:
        found = (job_from(body) for query in self._queries() for body in self._listed(since, query))
        return list({job_key(job.id): job for job in found}.values())

    def listed(self) -> Iterator[Sequence[ListedJob]]:
        """Pages of the server's list, as it is asked for with each query of its rows."""
        for query in self._queries():
            for entries in self._pages(query):
                yield [job for entry in entries if (job := _plainly(entry))]

    def _listed(self, since: float, extra: Mapping[str, Any]) -> Iterator[Body]:
        """The server's jobs, newest first, back to `since`."""
        for number, page in enumerate(self._pages(extra)):
            if number == MAX_PAGES:
                most = MAX_PAGES * LIST_PAGE
                raise Ambiguous(f"{self.name}: more than {most} jobs since then, ours may be among others")
            entries = [entry for entry in page if id_of(entry)]
            for entry in entries:
                created = job_from(entry).created_at
                if created is None or created >= since - CLOCK_SKEW_S:
                    yield entry
            oldest = job_from(entries[-1]).created_at if entries else None
            if oldest is not None and oldest < since - CLOCK_SKEW_S:
                return

    def _pages(self, extra: Mapping[str, Any]) -> Iterator[list[Body]]:
        """Of the list, newest first, each asked for when it is taken."""
        after: dict[str, str] = {}
        while True:
            page = self._page({**after, "limit": LIST_PAGE, "order": "desc", **extra})
            entries = listed_in(page) or []
            yield entries
            if not page.get("has_more"):
                return
            last = next((found for entry in reversed(entries) if (found := id_of(entry))), None)
            if last is None:
                raise Ambiguous(f"{self.name}: its list goes on after a page without a job")
            if after == {"after": last}:
                # What it does not show may be there all the same.
                raise Ambiguous(f"{self.name}: its list does not go on from where it is told to")
            after = {"after": last}

    def _page(self, query: Mapping[str, Any]) -> Body:
        answer = self._get("/videos", query)
        body = json_of(answer)
        if answer.is_success and listed_in(body) is not None:
            return body if isinstance(body, dict) else {"data": body}
        if answer.is_success or has_no_list(answer.status_code, body):
            # Not "nothing there": a server without a list cannot tell.
            raise Ambiguous(f"{self.name}: this server does not list its jobs")
        raise read_error(answer.status_code, body, vendor=self.name, headers=answer.headers)

    # ------------------------------------------------------------ the rest

    def _sources(self, job: Job, request: GenerationRequest) -> Iterator[ClipSource]:
        return self._links_and_content(job, f"/videos/{quote(job.id, safe='')}/content", _query(self.card(request)))

    def _key_headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._key}", **self._account}

    def _cancel(self, job_id: str) -> bool:
        with unpaid(self.name):
            return self._answer(self._videos.delete, job_id, timeout=POLL_TIMEOUT_S).is_success

    def _check(self) -> str:
        refusals = list[httpx.Response]()
        for query in self._queries():
            answer = self._get("/videos", {"limit": 1, **query})
            if answer.is_success and listed_in(json_of(answer)) is not None:
                return f"sora: {self._url} answers and accepts our key."
            refusals.append(answer)
        answer, body = refusals[0], json_of(refusals[0])
        if answer.is_success or has_no_list(answer.status_code, body):
            settled = "does not list its jobs: a lost answer is settled by a person."
            return f"sora: {self._url} answers, but {settled}{_hint(body)}"
        raise read_error(answer.status_code, body, vendor=self.name, headers=answer.headers)

    def _queries(self) -> list[Mapping[str, Any]]:
        """What the rows of this server want in the address, those that want something first."""
        found = [_query(card) for card in self.context.catalogue.values() if card.provider == self.name] or [{}]
        different = [query for number, query in enumerate(found) if query not in found[:number]]
        return sorted(different, key=len, reverse=True)

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
    fields: Body = {"prompt": request.prompt, "model": card.options.get("slug", card.slug)}
    extra = _measures(request, card) | extra
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


def _measures(request: GenerationRequest, card: CatalogueModel) -> Body:
    """Length and frame, in the fields that the server has for them. OpenAI's own length is a text."""
    names = card.options.get("fields", {"seconds": "seconds", "size": "size"})
    values: Body = {
        "seconds": f"{request.seconds:g}" if names.get("seconds") == "seconds" else _number(request.seconds),
        "size": f"{request.width}x{request.height}",
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "audio": request.audio and card.audio,
    }
    return {named: values[ours] for ours, named in names.items() if ours in values}


def _number(seconds: float) -> float:
    """A whole number without a point."""
    whole = round(seconds)
    return whole if whole == seconds else seconds


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


def _query(card: CatalogueModel) -> Mapping[str, Any]:
    """What a card adds to the address of every request about it."""
    query = card.options.get("query")
    return query if isinstance(query, dict) else {}


def _is_job(body: Any) -> bool:
    return isinstance(body, dict) and body.get("object") == "video" and bool(id_of(body))


def _plainly(entry: Body) -> ListedJob | None:
    """Of an entry in another form than the protocol's, nothing is said."""
    job_id, status = entry.get("id"), known_status(entry.get("status"))
    if not isinstance(job_id, str) or status is None:
        return None
    return ListedJob(job_id, status, percent(entry.get("progress")), partial(job_from, entry, job_id))


def _hint(body: Any) -> str:
    """How a LiteLLM proxy is made to list."""
    if "llmprovidernotprovided" not in squeezed(body):
        return ""
    row = 'options.query = { custom_llm_provider = "openai" }'
    return f" It is LiteLLM, which lists where the model's row in CATALOGUE has {row}."


def _could_be(body: Mapping[str, Any], request: GenerationRequest, card: CatalogueModel) -> bool:
    """Whether a listed job can be ours. What the server does not tell, or tells in a form of its own, speaks for it."""
    told = {name: body.get(name) for name in ("prompt", "seconds", "size", "model")}
    if told["prompt"] and _plain(told["prompt"]) != _plain(request.prompt):
        return False
    if told["seconds"] and not _same_number(told["seconds"], request.seconds):
        return False
    size = re.fullmatch(r"\s*(\d+)\s*[x×*]\s*(\d+)\s*", str(told["size"]), re.IGNORECASE)
    if size and (int(size[1]), int(size[2])) != (request.width, request.height):
        return False
    slug, model = str(card.options.get("slug", card.slug)).lower(), str(told["model"] or "").lower()
    # Servers answer with the dated or routed name of what was asked.
    return not model or slug in model or model in slug


def _plain(text: object) -> str:
    return " ".join(str(text).split())


def _same_number(said: object, asked: float) -> bool:
    try:
        return abs(float(str(said).strip().removesuffix("s")) - asked) < 1e-6  # noqa: PLR2004 — equal as decimals
    except ValueError:
        return True

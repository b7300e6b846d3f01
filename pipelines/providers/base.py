"""What every vendor's adapter stands on: times, logs, and the way from HTTP into our errors.

An adapter is a module of this package with a class `Provider(Adapter)`; it is found by its name in the catalogue
(docs/how-to/add-a-provider.md). It implements the abstract methods and never retries a paid call.
"""

from __future__ import annotations

import base64
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import httpx

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import (
    Ambiguous,
    BadDelivery,
    Expired,
    ForbiddenAddress,
    NotConfigured,
    OutOfCredit,
    ReelgridError,
    Unavailable,
)
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.net import EXCERPT_BYTES, download, guarded_client, total_time, translate_http, whole_file
from pipelines.ports import (
    Accept,
    Call,
    Callback,
    FilmEditor,
    GenerationRequest,
    Job,
    ListedJob,
    MediaInput,
    Submission,
    anything,
)
from pipelines.providers.callbacks import by_token
from pipelines.providers.catalogue import catalogue_text
from pipelines.providers.clip_sources import ClipSource, begins_as_video, download_first
from pipelines.providers.links import clip_in, links_in_text
from pipelines.providers.video_object import as_object
from pipelines.providers.vocabulary import parsed, read_error
from pipelines.settings import Origin, OwnSettings, Settings, own_settings

logger = logging.getLogger(__name__)

MAX_CLIP_BYTES = 500 * 1024**2
"""No clip is near this size; a longer body is no clip."""
MAX_TEXT_BYTES = 64 * 1024**2
"""Of JSON that a vendor answers with instead of a file: the clip may be inside."""
CONNECT_TIMEOUT_S = 5.0
POLL_TIMEOUT_S = 20.0
CLOCK_SKEW_S = 300.0
"""A server whose clock is behind ours must not hide a job that we paid for: better one candidate too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an adapter is made from."""

    settings: Settings
    catalogue: Mapping[str, CatalogueModel]
    editor: FilmEditor


class Adapter(ABC):
    """One vendor behind `ports.VideoProvider`."""

    name: str
    vendor: ClassVar[str] = ""
    """Whose origins in `settings.trusted_origins` it may reach at inside addresses."""
    webhook: ClassVar[str] = ""
    """Ends the one address at which a vendor calls for all jobs of an account, where it has such a thing."""
    needs: ClassVar[type[OwnSettings]] = OwnSettings
    """What it needs besides the settings that everybody knows."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.settings = context.settings
        self.own = self.own_of(context.settings)
        self.trusted = self._trusted()
        self._clients: list[httpx.Client] = []

    @classmethod
    def own_of(cls, settings: Settings) -> OwnSettings:
        """What was set of what it needs."""
        return own_settings(cls.needs, settings)

    @classmethod
    def missing(cls, settings: Settings) -> str | None:
        """The variable that must be set before it can be used; None when all is there."""
        key = cls.needs.named("_api_key")
        return key.upper() if key and not cls.own_of(settings).value(key) else None

    @classmethod
    def base_url(cls, settings: Settings) -> str | None:
        """The address it talks to, if it talks to one."""
        address: str | None = cls.own_of(settings).value("_base_url")
        return address

    @classmethod
    def webhook_secret(cls, settings: Settings) -> tuple[str, bool] | None:
        """The variable that its callbacks are signed with, and whether it is set; None when they are not signed."""
        name = cls.needs.named("_webhook_secret")
        return (name.upper(), bool(cls.own_of(settings).value(name))) if name else None

    @classmethod
    def callback(cls, settings: Settings, call: Call) -> Callback:  # noqa: ARG003 — the answer of most vendors
        """What a call of the vendor says, if it is believed. Raises BadWebhook.

        Where nothing is signed, the token in the address, which only we and the provider know, is the proof.
        """
        return by_token(call)

    # ------------------------------------------------------------ the port

    def submit(self, submission: Submission) -> Job:
        """Buy one generation: exactly one POST."""
        card = self.card(submission.request)
        with self._told("submit", card.id), total_time(card.submit_timeout_s):
            return self._submit(submission, card)

    def poll(self, job_id: str, request: GenerationRequest) -> Job:
        """Ask once how a job is. Raises Expired when the provider has forgotten it."""
        with self._told("poll", job_id), _account_may_recover():
            return self._poll(job_id, request)

    def find(self, submission: Submission, since: float) -> list[Job]:
        """Jobs that could be this submission, created at or after `since`; only for ability `list`."""
        with self._told("find", submission.request.model), _account_may_recover():
            return self._find(submission, since)

    def jobs(self, since: float) -> list[Job]:
        """All its jobs created at or after `since`, whoever asked for them. Raises Ambiguous where it lists none."""
        with self._told("list", self.name), _account_may_recover():
            return self._jobs(since)

    def listed(self) -> Iterator[Sequence[ListedJob]]:
        """Its list page by page, the newest jobs first; no page, unless an adapter reads them."""
        return iter(())

    def fetch(self, job: Job, request: GenerationRequest, dest: Path, accept: Accept = anything) -> None:
        """Stream the finished file to `dest`. Raises BadDelivery, Expired or Unavailable, naming every way tried."""
        with self._told("fetch", job.id), _account_may_recover():
            self._fetch(job, request, dest, accept)

    def cancel(self, job_id: str) -> bool:
        """Stop a job if the vendor can; False when it cannot."""
        with self._told("cancel", job_id):
            return self._cancel(job_id)

    def check(self) -> str:
        """A free call that proves key and address; one sentence for the doctor. Raises of the tree."""
        with self._told("check", self.name):
            return self._check()

    def offered(self) -> str:
        """The vendor's own list of models as the text of a catalogue file; empty where it has no list."""
        with self._told("list", self.name):
            return catalogue_text(self._offered())

    # ------------------------------------------------------------ what a vendor implements

    @abstractmethod
    def _submit(self, submission: Submission, card: CatalogueModel) -> Job: ...

    @abstractmethod
    def _poll(self, job_id: str, request: GenerationRequest) -> Job: ...

    @abstractmethod
    def _check(self) -> str: ...

    def _polled(self, job_id: str, request: GenerationRequest) -> tuple[Job, Any]:
        """The same, with the answer as it came where the clip may stand inside of it."""
        return self._poll(job_id, request), None

    def _find(self, submission: Submission, since: float) -> list[Job]:  # noqa: ARG002 — the answer of most vendors
        raise Ambiguous(f"{self.name} cannot list its jobs")

    def _jobs(self, since: float) -> list[Job]:  # noqa: ARG002 — the answer of most vendors
        raise Ambiguous(f"{self.name} cannot list its jobs: compare with its bill")

    def _fetch(self, job: Job, request: GenerationRequest, dest: Path, accept: Accept) -> None:
        """From the first of its sources that yields what was bought."""
        download_first(f"{self.name} {job.id}", self._all_sources(job, request), dest, accept, self._named_in)

    def _sources(self, job: Job, request: GenerationRequest) -> Iterator[ClipSource]:  # noqa: ARG002 — see above
        """Where a finished clip can be, best first: the links in the answer; adapters add what else they have."""
        for link in job.result.links:
            yield self.link_source(link)

    def _key_headers(self) -> Mapping[str, str]:
        """What opens a file at the vendor's own address."""
        return {}

    def _cancel(self, job_id: str) -> bool:  # noqa: ARG002 — the answer of most vendors
        return False

    def _offered(self) -> dict[str, dict[str, Any]]:
        return {}

    # ------------------------------------------------------------ what they share

    def card(self, request: GenerationRequest) -> CatalogueModel:
        """The model's card. Raises NotConfigured when an operator took it out of the catalogue meanwhile."""
        try:
            return self.context.catalogue[request.model]
        except KeyError:
            raise NotConfigured(f"{request.model} is not in the catalogue") from None

    def download(self, url: str, dest: Path, headers: Mapping[str, str] | None = None, *, ours: bool = False) -> None:
        """Fetch a result through the guard. `headers` go to the first origin only."""
        most = MAX_TEXT_BYTES if ours else EXCERPT_BYTES
        download(url, dest, trusted=self.trusted, max_bytes=MAX_CLIP_BYTES, headers=headers, max_text=most)

    def link_source(self, link: str) -> ClipSource:
        """A link that came with an answer. Our key goes along only to the address that the settings give the vendor."""
        base = self.base_url(self.settings)
        try:
            url = httpx.URL(f"{base}/").join(link) if base else httpx.URL(link)
        except httpx.InvalidURL:
            return ClipSource("a link that is no address", lambda _: _no_address())
        ours = base is not None and same_origin(str(url), base)
        headers = self._key_headers() if ours else {}
        # As it is written: not every name in Punycode can be read.
        place = f"the link to {url.raw_host.decode('ascii', 'replace') or url.scheme}"
        return ClipSource(place, lambda dest: self.download(str(url), dest, headers), str(url))

    def own_source(self, url: str) -> ClipSource:
        """The vendor's own endpoint for the file, at the configured address, opened with our key."""
        path = httpx.URL(url).path
        read = partial(self.download, url, headers=self._key_headers(), ours=True)
        return ClipSource(path, read, url, ours=True)

    def _links_and_content(self, job: Job, path: str, query: Mapping[str, Any]) -> Iterator[ClipSource]:
        """The answer's own links, because servers that keep clips elsewhere have no content; then the content, which is
        at `path` of the configured address. A link to the content at another address is mostly a server's idea of its
        own name, and comes last.
        """
        contents = [link for link in job.result.links if link.partition("?")[0].endswith(path)]
        yield from (self.link_source(link) for link in job.result.links if link not in contents)
        yield self.own_source(with_query(f"{self.base_url(self.settings)}{path}", query))
        yield from map(self.link_source, contents)

    def _named_in(self, source: ClipSource, text: str) -> Iterator[ClipSource]:
        """What a text names that came instead of the file. A page that a link leads to is not searched: its videos may
        be anybody's.
        """
        read = parsed(text)
        if read is not None and clip_in(read) is not None:
            yield ClipSource(f"inside {source.place}", lambda dest: _write_inner(read, dest))
        if source.ours or read is not None:
            yield from map(self.link_source, links_in_text(text))

    def _all_sources(self, job: Job, request: GenerationRequest) -> Iterator[ClipSource]:
        """What the answer that we have gives, and then what a fresh one does."""
        yield from self._sources(job, request)
        fresh, answer = self._polled(job.id, request)
        if answer is not None and clip_in(answer) is not None:
            yield ClipSource("inside a fresh answer", lambda dest: _write_inner(answer, dest))
        if fresh.status in (GenerationStatus.FAILED, GenerationStatus.CANCELLED):
            raise Expired(f"{self.name} now calls it {fresh.status}: {fresh.error}")
        if fresh.status is not GenerationStatus.SUCCEEDED:
            raise Unavailable(f"{self.name} now calls it {fresh.status}")
        yield from self._sources(fresh, request)

    def client(self, timeout_s: float = POLL_TIMEOUT_S) -> httpx.Client:
        """A guarded client for this vendor, kept open until `close`."""
        made = guarded_client(self.trusted, httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S))
        self._clients.append(made)
        return made

    def close(self) -> None:
        """Close every connection; the adapter is not used after that."""
        for client in self._clients:
            client.close()

    def _trusted(self) -> frozenset[Origin]:
        """The origins the operator named for this vendor, in the settings or in a card's option `address`."""
        addresses = (
            card.options.get("address") for card in self.context.catalogue.values() if card.provider == self.name
        )
        named = {Origin.of(address) for address in addresses if address}
        name = self.needs.named("_base_url")
        if name and self.own.value(name) not in (None, self.needs.model_fields[name].default):
            named.add(Origin.of(self.own.value(name)))
        return frozenset(self.settings.trusted_origins.get(self.vendor or self.name, ())) | named

    @contextmanager
    def _told(self, action: str, subject: str) -> Iterator[None]:
        started = time.monotonic()
        extra: dict[str, Any] = {"provider": self.name, "action": action, "subject": subject}
        try:
            yield
        except ReelgridError as error:
            extra |= {"seconds": round(time.monotonic() - started, 3), "outcome": type(error).__name__}
            # Whether this is worth a warning is known to whoever asked: it may be the tenth answer of this kind.
            logger.info(
                "%s: %s of %s ended with %s: %s",
                self.name,
                action,
                subject,
                extra["outcome"],
                error.operator,
                extra=extra,
            )
            raise
        extra |= {"seconds": round(time.monotonic() - started, 3), "outcome": "ok"}
        # Polls are the bulk of all calls and say nothing while nothing happens.
        level = logging.DEBUG if action == "poll" else logging.INFO
        logger.log(level, "%s: %s of %s took %.2f s", self.name, action, subject, extra["seconds"], extra=extra)


class AnsweringAdapter(Adapter):
    """One in whose answers a clip may stand, or its address at a place that nobody foresaw."""

    def _poll(self, job_id: str, request: GenerationRequest) -> Job:
        return self._polled(job_id, request)[0]

    @abstractmethod
    def _polled(self, job_id: str, request: GenerationRequest) -> tuple[Job, Any]: ...


def _no_address() -> None:
    raise Expired("not a usable address")


@contextmanager
def _account_may_recover() -> Iterator[None]:
    """What is paid for is not given up because a key was changed or an account ran empty meanwhile."""
    try:
        yield
    except (NotConfigured, OutOfCredit) as error:
        raise Unavailable(error.operator) from error


@contextmanager
def unpaid(vendor: str) -> Iterator[None]:
    """Around requests that cost nothing: whatever breaks the exchange is Unavailable."""
    try:
        yield
    except ForbiddenAddress as error:
        raise NotConfigured(f"{vendor}: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise translate_http(error, vendor=vendor) from error


def submit_timeout(card: CatalogueModel) -> httpx.Timeout:
    """For the parts of a POST; the whole of it ends within `card.submit_timeout_s` by `net.total_time`."""
    return httpx.Timeout(card.submit_timeout_s, connect=min(CONNECT_TIMEOUT_S, card.submit_timeout_s / 2))


def json_of(response: httpx.Response) -> Any:
    """The body as JSON, also where it was written as JSON twice; or as text where it is none."""
    try:
        body = response.json()
    except ValueError:
        return response.text
    again = parsed(body) if isinstance(body, str) else None
    return body if again is None else again


def write_clip(dest: Path, data: bytes) -> None:
    """Write a clip that came inside an answer. Raises BadDelivery for what is no video."""
    if not begins_as_video(data):
        raise BadDelivery("what came as the clip is no video")
    with whole_file(dest) as file:
        file.write(data)


def _write_inner(answer: Any, dest: Path) -> None:
    clip = clip_in(answer)
    if clip is None:
        raise Expired("it holds no clip")
    write_clip(dest, clip)


def with_query(url: str, query: Mapping[str, Any]) -> str:
    """An address with more in its query."""
    return str(httpx.URL(url).copy_merge_params(query)) if query else url


def same_origin(url: str, base: str) -> bool:
    """Whether our key may be sent to `url`."""
    try:
        return Origin.of(url) == Origin.of(base)
    except ValueError:
        return False


def check_answer(response: httpx.Response, *, vendor: str) -> dict[str, Any]:
    """The JSON object of a free request; a list becomes its `data`. Raises as `vocabulary.read_error` for all else."""
    body = json_of(response)
    if not response.is_success:
        raise read_error(response.status_code, body, vendor=vendor, headers=response.headers)
    if not isinstance(body, dict | list):
        raise Unavailable(f"{vendor}: no JSON object in the answer")
    return dict(as_object(body))


def link_of(picture: MediaInput) -> str:
    """An address a vendor's servers can read: the public link, or the picture itself as a data: URL."""
    if picture.url:
        return picture.url
    return data_url(picture.path.read_bytes(), picture.content_type)


def data_url(content: bytes, media_type: str) -> str:
    """A file as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def picture(submission: Submission, key: str) -> MediaInput:
    """The file behind a storage key of the request. Raises Unavailable when it is not (or no longer) on this machine:
    nothing has been sent yet, so the step may simply be run again.
    """
    found = submission.inputs.get(key)
    if found is None or not found.path.is_file():
        raise Unavailable(f"the picture {key} is not on this machine")
    return found

"""Buying clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.domain.state.generation import GenerationRequest, JobResult
from pipelines.domain.state.open_json import JsonObject
from pipelines.ports.pictures import MediaInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request with its marks: the idempotency key, and the callback URL when we can be reached."""

    request: GenerationRequest
    idem_key: str
    callback_url: str | None = None
    inputs: Mapping[str, MediaInput] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A provider's job in our words. `status` is one of submitted, running, succeeded, failed, cancelled."""

    id: str
    status: GenerationStatus
    progress: int = 0
    reason: Reason | None = None
    error: str | None = None
    """The vendor's own words, for the operator."""
    cost_micro: int | None = None
    """The provider's own figure, where it reports one."""
    result: JobResult = field(default_factory=JobResult)
    created_at: float | None = None
    expires_at: float | None = None
    wordless: bool = False
    """Found in a list that does not tell what was asked for: any request of its length and size may have made it."""


@dataclass(frozen=True, slots=True)
class ListedJob:
    """What a list plainly tells of a job."""

    id: str
    status: GenerationStatus
    progress: int
    read: Callable[[], Job]
    """All that its entry tells: takes twenty times as long as the rest."""


Accept = Callable[[Path], None]
"""Raises BadDelivery for a file that is not what was bought."""


def anything(_file: Path) -> None:
    """Accepts every file."""


class VideoProvider(Protocol):
    """One vendor. Never retries a paid call; all errors are of domain.errors.

    `submit` raises RateLimited or Unavailable only when the request provably was not taken, and Ambiguous when
    that is unknown (read timeout, reset, 5xx).
    """

    name: str

    def submit(self, submission: Submission) -> Job:
        """Buy one generation: exactly one POST."""

    def poll(self, job_id: str, request: GenerationRequest) -> Job:
        """Ask once how a job is. Raises Expired when the provider has forgotten it."""

    def find(self, submission: Submission, since: float) -> list[Job]:
        """Jobs that could be this submission, created at or after `since`; only for ability `list`."""

    def jobs(self, since: float) -> list[Job]:
        """All its jobs created at or after `since`, whoever asked for them. Raises Ambiguous where it lists none."""

    def listed(self) -> Iterator[Sequence[ListedJob]]:
        """Its list page by page, the newest jobs first, each page asked for when it is taken: the jobs whose entries
        tell plainly how they are. No page where it lists none. Raises of the tree.
        """

    def fetch(self, job: Job, request: GenerationRequest, dest: Path, accept: Accept = anything) -> None:
        """Stream the finished file to `dest`: the first that `accept` takes, of all places where it can be. Raises
        BadDelivery, Expired or Unavailable.
        """

    def cancel(self, job_id: str) -> bool:
        """Stop a job if the vendor can; False when it cannot."""

    def offered(self) -> str:
        """The vendor's own list of models as the text of a catalogue file; empty where it has no list."""

    def check(self) -> str:
        """A free call that proves key and address; one sentence for the doctor. Raises of the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that came to one of our addresses for webhooks; `json` raises for a body that cannot be read."""

    header: Callable[[str], str | None]
    raw: bytes
    json: Callable[[], JsonObject]
    token: str | None
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What a believed call says. `delivery` names it, so that it counts once."""

    delivery: str
    job_id: str | None
    body: JsonObject


class Providers(Protocol):
    """All configured vendors by name, made on first use."""

    def get(self, name: str) -> VideoProvider:
        """The adapter. Raises NotConfigured naming the setting that is missing."""

    def callback(self, address: str, call: Call) -> tuple[str, Callback]:
        """Whose call it is, by the end of its address, and what it says. Raises NotFound, or refuses it."""

    def unsigned(self) -> tuple[str, ...]:
        """The secrets that providers which are set up could sign their callbacks with, and that are not set."""

    def configured(self, name: str) -> bool:
        """Whether its key (or address) is set."""

    def missing(self, name: str) -> str | None:
        """The setting to give before `name` can be used; None when all is there."""

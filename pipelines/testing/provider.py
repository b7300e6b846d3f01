"""Video vendors in memory that do exactly what a test says, and remember everything they were paid for."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.domain.errors import (
    Ambiguous,
    Expired,
    InvalidOrder,
    NotConfigured,
    NotFound,
    OutOfCredit,
    Problem,
    RateLimited,
    ReelgridError,
    Refused,
    Unavailable,
)
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.domain.state.generation import JobResult
from pipelines.ports import (
    Accept,
    Call,
    Callback,
    Clock,
    GenerationRequest,
    Job,
    ListedJob,
    Submission,
    VideoProvider,
    anything,
)
from pipelines.testing.clips import FPS, tiny_mp4

_G = GenerationStatus


class Outcome(StrEnum):
    """What becomes of one request."""

    SUCCEED = "succeed"
    REFUSE = "refuse"
    """Moderation says no at once; nothing is charged."""
    FLAG = "flag"
    """Moderation says no to the result."""
    FAIL = "fail"
    """Accepted, then given up by the provider."""
    NO_CREDIT = "no credit"
    AMBIGUOUS = "ambiguous"
    """Taken, but the answer is lost."""
    LOST = "lost"
    """Not taken, and the answer is lost."""
    RATE_LIMIT = "rate limit"
    AWAY = "away"
    """The provider cannot be reached; provably not taken."""
    NEVER = "never"
    """Taken, and never finished."""
    DAMAGED = "damaged"
    """Finished, but the file is an HTML page each time."""


_REFUSALS: Mapping[Outcome, Callable[[], Exception]] = {
    Outcome.REFUSE: lambda: Refused("moderation: no"),
    Outcome.NO_CREDIT: lambda: OutOfCredit("402 insufficient credit"),
    Outcome.LOST: lambda: Ambiguous("read timeout"),
    Outcome.RATE_LIMIT: lambda: RateLimited("429", retry_after=2.0),
    Outcome.AWAY: lambda: Unavailable("connection refused"),
}


PAGE = 100
"""Jobs on a page of its list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One request that was taken."""

    job_id: str
    request: GenerationRequest
    idem_key: str
    outcome: Outcome
    at: float


class ScriptedProvider:
    """ports.VideoProvider. `script` gives outcomes to prompts that contain a text, one per attempt; the last stays."""

    def __init__(self, name: str, clock: Clock, *, ready_after_s: float = 10.0) -> None:
        self.name = name
        self.ready_after_s = ready_after_s
        self.honours_keys = False
        """Whether the same idempotency key gives the same job."""
        self.asked: list[GenerationRequest] = []
        self.bought: list[Purchase] = []
        self.polls = 0
        self.troubles: list[ReelgridError] = []
        self.fetch_troubles: list[ReelgridError] = []
        self.fps = FPS
        """Of its clips."""
        self.keeps_s: float | None = None
        """How long after its purchase a result is kept, if it says so."""
        self.wraps = False
        """Whether it gives ids as a LiteLLM proxy does, which lists a job under another than it gave at the create."""
        self.wordless = False
        """Whether its list tells no prompts."""
        self.lists = 0
        """Pages of its list that were asked for."""
        self.list_shows: Callable[[Sequence[Job]], Sequence[Job]] = lambda jobs: jobs
        """What its list makes of its jobs, the newest first."""
        self.list_troubles: list[ReelgridError] = []
        self.takes = 0
        """How many further clips each of its jobs makes."""
        self.take_troubles: list[ReelgridError] = []
        """Raised first, one a fetch of such a clip."""
        self.forgets_drafts = False
        """Whether no clip can be made from a draft any more."""
        self._clock = clock
        self._scripts: dict[str, list[Outcome]] = {}
        self._numbers = itertools.count(1)

    def script(self, text: str, *outcomes: Outcome) -> None:
        """What becomes of requests whose prompt contains `text`."""
        self._scripts[text] = list(outcomes)

    @property
    def prompts(self) -> list[str]:
        """The prompts of everything that was bought, in order."""
        return [purchase.request.prompt for purchase in self.bought]

    def submit(self, submission: Submission) -> Job:
        """Buy one generation."""
        self.asked.append(submission.request)
        if self.honours_keys:
            for known in self.bought:
                if known.idem_key == submission.idem_key:
                    return self._job(known)
        self._must_know_draft(submission.request)
        outcome = self._next_outcome(submission.request.prompt)
        refusal = _REFUSALS.get(outcome)
        if refusal is not None:
            raise refusal()
        purchase = Purchase(
            job_id=f"{self.name}-{next(self._numbers)}",
            request=submission.request,
            idem_key=submission.idem_key,
            outcome=outcome,
            at=self._clock.now(),
        )
        self.bought.append(purchase)
        if outcome is Outcome.AMBIGUOUS:
            raise Ambiguous("read timeout")
        if self.ready_after_s == 0:
            return self._job(purchase)
        return Job(id=self._told(purchase), status=_G.SUBMITTED, created_at=purchase.at)

    def _must_know_draft(self, request: GenerationRequest) -> None:
        known = {purchase.job_id for purchase in self.bought if purchase.request.draft and not self.forgets_drafts}
        if request.draft_job is not None and request.draft_job not in known:
            raise InvalidOrder([Problem("request", "the draft does not exist or has expired")])

    def _next_outcome(self, prompt: str) -> Outcome:
        for text, outcomes in self._scripts.items():
            if text in prompt:
                return outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        return Outcome.SUCCEED

    def poll(self, job_id: str, request: GenerationRequest) -> Job:  # noqa: ARG002 - a port
        """How a job is: done `ready_after_s` after it was bought. `troubles` are raised first, one a poll."""
        self.polls += 1
        if self.troubles:
            raise self.troubles.pop(0)
        return self._job(self._purchase(job_id))

    def _purchase(self, job_id: str) -> Purchase:
        for purchase in self.bought:
            if purchase.job_id == job_key(job_id):
                return purchase
        raise Expired(f"{self.name} has no job {job_id}")

    def _told(self, purchase: Purchase, routed: str = ";deployment_id:one") -> str:
        """The id of a job as it is told."""
        inside = f"litellm:custom_llm_provider:openai;model_id:film;video_id:{purchase.job_id}{routed}"
        return f"video_{base64.b64encode(inside.encode()).decode()}" if self.wraps else purchase.job_id

    def _job(self, purchase: Purchase) -> Job:
        ripe = self._clock.now() >= purchase.at + self.ready_after_s
        made: dict[str, Any] = {"id": self._told(purchase), "created_at": purchase.at}
        made |= {"expires_at": purchase.at + self.keeps_s} if self.keeps_s else {}
        if not ripe or purchase.outcome is Outcome.NEVER:
            return Job(status=_G.RUNNING, progress=50, **made)
        if purchase.outcome is Outcome.FLAG:
            return Job(status=_G.FAILED, reason=Reason.REFUSED, error="moderation: flagged", **made)
        if purchase.outcome is Outcome.FAIL:
            return Job(status=_G.FAILED, reason=Reason.PROVIDER_ERROR, error="gave up", **made)
        takes = tuple(f"take-{number}" for number in range(2, 2 + self.takes))
        return Job(status=_G.SUCCEEDED, progress=100, result=JobResult(takes=takes), **made)

    def find(self, submission: Submission, since: float) -> list[Job]:
        """Jobs of the same prompt and kind since then."""
        asked = submission.request
        kind = (asked.draft, asked.draft_job)
        alike = [p for p in self.bought if (p.request.draft, p.request.draft_job) == kind]
        same = [p for p in alike if (self.wordless or p.request.prompt == asked.prompt) and p.at >= since]
        return [replace(self._listed(purchase), wordless=self.wordless) for purchase in same]

    def jobs(self, since: float) -> list[Job]:
        """All of them since then."""
        return [self._listed(purchase) for purchase in self.bought if purchase.at >= since]

    def listed(self) -> Iterator[Sequence[ListedJob]]:
        """Pages of `PAGE`, the newest first, as `list_shows` has them; `list_troubles` are raised first, one a page."""
        jobs = [self._listed(purchase) for purchase in reversed(self.bought)]
        shown = self.list_shows(jobs)
        for first in range(0, max(1, len(shown)), PAGE):
            self.lists += 1
            if self.list_troubles:
                raise self.list_troubles.pop(0)
            page = shown[first : first + PAGE]
            yield [ListedJob(job.id, job.status, job.progress, partial(replace, job)) for job in page]

    def _listed(self, purchase: Purchase) -> Job:
        return replace(self._job(purchase), id=self._told(purchase, routed=""))

    def fetch(self, job: Job, request: GenerationRequest, dest: Path, accept: Accept = anything) -> None:
        """A tiny playable clip of the ordered length that no other job has; or an HTML page. `fetch_troubles` are
        raised first, one a fetch.
        """
        troubles = self.take_troubles if job.result.url else self.fetch_troubles
        if troubles:
            raise troubles.pop(0)
        purchase = self._purchase(job.id)
        damaged = purchase.outcome is Outcome.DAMAGED
        clip = (
            b"<html>Sign in</html>"
            if damaged
            else tiny_mp4(request.seconds, f"{self.name}:{purchase.job_id}{job.result.url or ''}", self.fps)
        )
        dest.write_bytes(clip)
        accept(dest)

    def cancel(self, job_id: str) -> bool:  # noqa: ARG002 - a port
        """It cannot be stopped."""
        return False

    def offered(self) -> str:
        """It lists nothing."""
        return ""

    def check(self) -> str:
        """All is well."""
        return f"{self.name}: scripted."


class ScriptedProviders:
    """ports.Providers over fakes by name; what is in `unset` has no key."""

    def __init__(self, *providers: VideoProvider) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self.unset: set[str] = set()

    def get(self, name: str) -> VideoProvider:
        """The provider. Raises NotConfigured."""
        if missing := self.missing(name):
            raise NotConfigured(f"{missing} is not set")
        return self._providers[name]

    def callback(self, address: str, call: Call) -> tuple[str, Callback]:  # noqa: ARG002 - the port's signature
        """Nobody calls back here."""
        raise NotFound(address)

    def unsigned(self) -> tuple[str, ...]:
        """There is nothing to sign."""
        return ()

    def configured(self, name: str) -> bool:
        """Whether it is set up."""
        return name in self._providers and name not in self.unset

    def missing(self, name: str) -> str | None:
        """Its key, where it has none."""
        return None if self.configured(name) else f"{name.upper()}_API_KEY"

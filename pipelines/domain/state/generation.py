"""One paid request as it is sent, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.domain.planning.plan import ClipShape

LONGEST_GAP_S, ASLEEP_S = 30.0, 300.0
"""Between two looks at something that is not there, no more than this counts as proof that it stays away; after so long
without a look, what was seen before counts no more.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenePlace:
    """Where a clip belongs. `number`, `total` and `heading` are shown by `local/animatic` only; `take` tells for which
    take of its scene the clip was ordered.
    """

    number: int | None = None
    total: int | None = None
    heading: str | None = None
    take: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest(ClipShape):
    """Exactly what is bought. `first_frame`, `last_frame` and `references` are keys in our storage."""

    model: str = ""
    """The catalogue id, `provider/slug`."""
    prompt: str = ""
    seconds: float = 0.0
    references: tuple[str, ...] = ()
    draft: bool = False
    """Whether it is a quick look at a clip before that is approved, which can be made from it then."""
    draft_charge_micro: int = 0
    """What an account is charged for such a look."""
    draft_job: str | None = None
    """The job that made the clip's draft, where the clip is made from that: it has all that was asked for there."""
    card: ScenePlace = field(default_factory=ScenePlace)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What the provider said of a finished job: where to fetch it. No secrets."""

    url: str | None = None
    others: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    """Where further clips of the same job are, which cost nothing."""

    @property
    def links(self) -> tuple[str, ...]:
        """All of them, the best first."""
        return ((self.url,) if self.url else ()) + self.others


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationResult(JobResult):
    """The same with what we noticed meanwhile; times are those since when it is so, without those in which nobody
    looked.
    """

    called_back: str | None = None
    """The job that a callback named, until the provider has confirmed it."""
    heard_since: float | None = None
    """A callback named a job that the provider does not know."""
    missing_since: float | None = None
    """The provider does not know the job that it took."""
    gone_since: float | None = None
    """The provider does not have the finished file."""
    looked_at: float | None = None
    """When one of these was seen last."""

    @classmethod
    def of(cls, result: JobResult) -> GenerationResult:
        """What the provider says now, in the place of all that was noticed before."""
        return cls(url=result.url, others=result.others, takes=result.takes)

    def since(self, noticed: float | None, now: float) -> float:
        """Since when something is so that was noticed before, or is noticed now. A queue is no proof: between two looks
        no more than LONGEST_GAP_S counts. After a sleep, or a jump of the clock, it begins anew.
        """
        gap = 0.0 if noticed is None else now - (noticed if self.looked_at is None else self.looked_at)
        if noticed is None or gap > ASLEEP_S:
            return now
        return noticed + max(0.0, gap - LONGEST_GAP_S)

"""What is said and decided by a link, without a key."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.domain.lifecycle import ReviewVerdict
from pipelines.domain.state.action_link import Act


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A link that shows one run's films to people without a key, takes what they say of them, and spends nothing."""

    id: str
    run_id: str
    token: str
    """Makes the link `/s/{token}`."""
    shows_prompts: bool = False
    created_at: float = 0.0
    expires_at: float = 0.0
    revoked_at: float | None = None
    made_by: str = ""
    verdict: ReviewVerdict = ReviewVerdict.WAITING
    verdict_by: str = ""
    verdict_words: str = ""
    verdict_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What somebody said of a shared film, at a second of it or of all of it."""

    id: str
    share_id: str
    run_id: str
    at: float
    second: float | None = None
    name: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentLink:
    """An action link that was used; `id` is the moment that it was made for."""

    id: str
    run_id: str
    act: Act
    at: float

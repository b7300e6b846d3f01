"""The `video` object of /v1/videos and its relatives, in our words, whatever a server left out, renamed or added."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeGuard

from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.money import to_micro
from pipelines.ports import Job
from pipelines.providers.vocabulary import Words, reason_of, status_of, words_of

LATEST_S = 1e11
"""The year 5138: a larger number counts milliseconds."""
LATEST_MS = 1000 * LATEST_S


def job_from(body: Mapping[str, Any]) -> Job:
    """The job that a body with an `id` tells of."""
    status = status_of(body.get("status"))
    words = words_of({"error": body["error"]}) if body.get("error") else Words()
    if status is GenerationStatus.SUCCEEDED and words != Words():
        # LiteLLM's Gemini route says completed for an operation that ended with an error.
        status = GenerationStatus.FAILED
    if status is GenerationStatus.FAILED and str(body.get("status")).lower() == "expired":
        words = Words(code="expired", message=words.message)
    url = result_url(body)
    return Job(
        id=str(body["id"]),
        status=status,
        progress=100 if status is GenerationStatus.SUCCEEDED else percent(body.get("progress")),
        reason=reason_of(words) if status is GenerationStatus.FAILED else None,
        error=words.text or None,
        cost_micro=_cost(body.get("usage")),
        result={"url": url} if url else {},
        created_at=epoch(body.get("created_at")),
        expires_at=epoch(body.get("expires_at")),
    )


def result_url(body: Mapping[str, Any]) -> str | None:
    """Where the file is, if the server says so itself; else it is at `/content`."""
    for name in ("video_url", "url"):
        if isinstance(body.get(name), str) and body[name]:
            return str(body[name])
    for name in ("urls", "unsigned_urls"):
        urls = body.get(name)
        if isinstance(urls, list) and urls and isinstance(urls[0], str):
            return urls[0]
    return None


def _cost(usage: object) -> int | None:
    """Micro-dollars, where the server reports its own figure in USD (OpenRouter's `usage.cost`)."""
    cost = usage.get("cost") if isinstance(usage, dict) else None
    return to_micro(cost) if is_number(cost) and cost >= 0 else None


def epoch(value: object) -> float | None:
    """A time in seconds or milliseconds since the epoch; None for what is neither (some servers say 0)."""
    if not is_number(value) or not 0 < value < LATEST_MS:
        return None
    return float(value) / 1000 if value > LATEST_S else float(value)


def percent(value: object) -> int:
    """Progress as 0 to 100; 0 for what is no number."""
    return int(max(0, min(100, value))) if is_number(value) else 0


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it can be counted with: JSON as Python reads it also has NaN and Infinity, and True is an int."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and (isinstance(value, int) or isfinite(value))
    )

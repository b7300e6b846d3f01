"""A notice as it is sent: the bytes that are made once, in the form that its endpoint asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NotRequired, TypedDict

from pipelines.domain.customers.notices import OF_CREDITS, EndpointFormat, FilmLink, Notice, NoticeType
from pipelines.domain.money import dollars
from pipelines.domain.state.open_json import JsonObject
from pipelines.domain.times import iso
from pipelines.stages.kernel.services import Services

_SENTENCES: Mapping[NoticeType, str] = {
    NoticeType.RUN_QUEUED: "{film} is ordered.",
    NoticeType.RUN_NEEDS_APPROVAL: "{film} waits for your approval.",
    NoticeType.RUN_PROGRESS: "{film} is being made: {percent:.0f} % of the clips are here.",
    NoticeType.RUN_DONE: "{film} is ready.",
    NoticeType.RUN_FAILED: "{film} did not work out.",
    NoticeType.RUN_CANCELLED: "{film} was cancelled.",
    NoticeType.RUN_NEEDS_ATTENTION: "{film} needs a decision.",
    NoticeType.BATCH_DONE: "All {total} orders of batch {batch} have come to an end: {counts}.",
    NoticeType.CREDITS_GRANTED: "{credits:g} credits were added.",
    NoticeType.CREDITS_LOW: "{available:g} credits are left, too few for the same order again.",
    NoticeType.CREDITS_EXPIRING: "{credits:g} credits expire on {expires}.",
    NoticeType.ENDPOINT_DISABLED: "Webhook {endpoint} is switched off: {why}",
    NoticeType.ENDPOINT_TEST: "This is a test. Messages arrive here.",
}
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@\u200b", "|": "\u2758"})
"""What means something to Slack: links, mentions, and the names of groups."""


class Film(TypedDict):
    """A film that was made."""

    format: str
    url: str
    hook: NotRequired[str]
    language: NotRequired[str]


class RunData(TypedDict):
    """How a run stands."""

    run_id: str
    status: str | None
    version: int | None
    custom_id: str | None
    batch_id: str | None
    metadata: dict[str, str]
    price_usd: float | None
    credits: float | None
    videos: list[Film]
    status_url: str
    error: str | None
    progress: NotRequired[float]


class BatchData(TypedDict):
    """How a batch has ended."""

    batch_id: str | None
    counts: dict[str, int]
    metadata: dict[str, str]
    status_url: str


class CreditData(TypedDict):
    """What an account has left."""

    credits: float
    available_credits: float
    expires_at: str | None
    status_url: str


class EndpointData(TypedDict):
    """Of an endpoint itself."""

    endpoint_id: str | None
    reason: NotRequired[str]


Data = RunData | BatchData | CreditData | EndpointData


def body_of(services: Services, notice: Notice, form: EndpointFormat) -> str:
    """The message as text."""
    match form:
        case "slack":
            document: Mapping[str, object] = {"text": _slack(services, notice)}
        case "airtable":
            document = _flat(services, notice)
        case _:
            data = _data(services, notice)
            document = {"type": notice.type, "timestamp": iso(notice.facts.at), "data": data}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _data(services: Services, notice: Notice) -> Data:
    facts = notice.facts
    if notice.type == NoticeType.BATCH_DONE:
        return BatchData(
            batch_id=facts.batch_id,
            counts=dict(facts.counts),
            metadata=dict(facts.metadata),
            status_url=f"{services.policy.public_url}/api/batches/{facts.batch_id}",
        )
    if notice.type in OF_CREDITS:
        return CreditData(
            credits=_credits(services, facts.amount_micro),
            available_credits=_credits(services, facts.available_micro),
            expires_at=iso(facts.expires_at),
            status_url=f"{services.policy.public_url}/api/credits",
        )
    if facts.run_id is None:
        about = EndpointData(endpoint_id=facts.endpoint_id)
        if facts.why:
            about["reason"] = facts.why
        return about
    data = RunData(
        run_id=facts.run_id,
        status=facts.status,
        version=facts.version,
        custom_id=facts.custom_id,
        batch_id=facts.batch_id,
        metadata=dict(facts.metadata),
        price_usd=None if facts.price_micro is None else dollars(facts.price_micro),
        credits=None if facts.price_micro is None else _credits(services, facts.price_micro),
        videos=[_film(services, one) for one in facts.films],
        status_url=f"{services.policy.public_url}/api/runs/{facts.run_id}",
        error=facts.error,
    )
    if facts.progress is not None:
        data["progress"] = facts.progress
    return data


def _flat(services: Services, notice: Notice) -> Mapping[str, object]:
    """Nothing nested: an automation of Airtable offers each of these as a field."""
    data: JsonObject = {**_data(services, notice)}
    videos: list[Film] = data.pop("videos", [])
    named = {f"metadata_{name}": value for name, value in data.pop("metadata", {}).items()}
    named |= {f"count_{name}": value for name, value in data.pop("counts", {}).items()}
    films = {"video_url": videos[0]["url"] if videos else None, "video_urls": "\n".join(one["url"] for one in videos)}
    first = {"id": notice.id, "type": notice.type, "timestamp": iso(notice.facts.at)}
    return {**first, **data, **(films if notice.facts.run_id else {}), **named}


def _slack(services: Services, notice: Notice) -> str:
    facts = notice.facts
    film = f"“{facts.title}”" if facts.title else f"Run {facts.run_id}"
    words = {
        "film": film,
        "endpoint": facts.endpoint_id,
        "why": facts.why,
        "percent": 100 * (facts.progress or 0),
        "batch": facts.batch_id,
        "credits": _credits(services, facts.amount_micro),
        "available": _credits(services, facts.available_micro),
        "expires": (iso(facts.expires_at) or "")[:10],
        "total": sum(facts.counts.values()),
        "counts": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in facts.counts.items() if count),
    }
    text = _SENTENCES[NoticeType(notice.type)].format(**words)
    text = (f"{text} {facts.error}" if facts.error else text).translate(_ESCAPED)
    links = [f"<{services.links.video(one.token)}|{_called(one)}>" for one in facts.films]
    return " ".join([text, *links])


def _credits(services: Services, amount_micro: int | None) -> float:
    return round((amount_micro or 0) / services.prices.credit_micro, 2)


def _film(services: Services, one: FilmLink) -> Film:
    said = Film(format=one.format, url=services.links.video(one.token))
    if one.hook:
        said["hook"] = one.hook
    if one.language:
        said["language"] = one.language
    return said


def _called(one: FilmLink) -> str:
    return ", ".join(filter(None, (one.format, one.hook and f"hook {one.hook}", one.language)))
